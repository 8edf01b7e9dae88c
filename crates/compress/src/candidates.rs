//! [`Candidate`]: a network in a precision that may meet the budget, and [`candidates`], those to try.

use bonsai_tensorrt::EnginePrecision;

use crate::Budget;

/// Fractions of the multiply-accumulates to try if only the loss of mAP has a limit.
const FRACTIONS: [f64; 4] = [0.5, 0.35, 0.25, 0.125];

/// A pruned run, and the precisions in which its engines are tried.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Candidate {
    /// Folder of the run.
    pub(crate) name: String,
    pub(crate) precisions: Vec<EnginePrecision>,
    /// Limits of its costs.
    pub(crate) budget: Budget,
}

/// The runs to try. An engine in 8-bit codes needs less pruning for a limit of
/// latency or size, so such a limit gives a run for each precision.
pub(crate) fn candidates(budget: &Budget, precisions: &[EnginePrecision]) -> Vec<Candidate> {
    let all = precisions.to_vec();
    if !budget.limits_costs() {
        let run_at = |macs: f64| Candidate {
            name: format!("macs-{macs}"),
            precisions: all.clone(),
            budget: Budget { macs: Some(macs), ..*budget },
        };
        return FRACTIONS.map(run_at).into();
    }
    if budget.latency_ms.is_none() && budget.bytes.is_none() {
        return vec![Candidate { name: "pruned".to_owned(), precisions: all, budget: *budget }];
    }
    let of = |precision: &EnginePrecision| Candidate {
        name: precision.to_string(),
        precisions: vec![*precision],
        budget: *budget,
    };
    precisions.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_precision_has_its_own_run_where_it_changes_the_cost() {
        let both = [EnginePrecision::Fp32, EnginePrecision::Int8];
        let names = |budget: Budget| -> Vec<String> {
            candidates(&budget, &both).into_iter().map(|candidate| candidate.name).collect()
        };
        assert_eq!(names(Budget { macs: Some(0.5), ..Budget::default() }), ["pruned"]);
        assert_eq!(names(Budget { latency_ms: Some(2.0), ..Budget::default() }), ["fp32", "int8"]);
        assert_eq!(names(Budget { drop: Some(0.01), ..Budget::default() }).len(), FRACTIONS.len());
    }
}
