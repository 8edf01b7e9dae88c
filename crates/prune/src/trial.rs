//! [`Trial`]: a way of choosing channels that was tried, and its result.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Importance, Normalisation, Per, Reduction, Scope, ScoreConfig};

/// One way of choosing channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// How sets are scored.
    pub score: ScoreConfig,
    /// Whether the lowest scores are searched globally or per layer.
    pub scope: Scope,
}

/// Values that lie this fraction above the lowest count as equal to it: a mean loss on a few dozen images after
/// a few dozen steps is no more precise. Fewer parameters at an equal cost make a smaller and faster network.
const TIE: f64 = 0.05;

/// A candidate and its result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The candidate.
    pub candidate: Candidate,
    /// The value that the trial returned, lower is better; `None` if an earlier candidate chose the same
    /// channels.
    pub loss: Option<f64>,
    /// Parameters of the candidate's pruned network.
    pub params: u64,
    /// Multiply-accumulates of the candidate's pruned network.
    pub macs: u64,
}

impl Candidate {
    /// Candidates of different kinds: first-order importance (normalised and not), magnitude, and gamma.
    pub const DEFAULT: [Self; 4] = [
        Self::new(Importance::Taylor, Normalisation::None, Scope::Global),
        Self::new(Importance::Taylor, Normalisation::Mean, Scope::Global),
        Self::new(Importance::L2, Normalisation::Mean, Scope::Global),
        Self::new(Importance::Gamma, Normalisation::None, Scope::Global),
    ];

    const fn new(importance: Importance, normalisation: Normalisation, scope: Scope) -> Self {
        let reduction = Reduction::Mean;
        let per = Per::Set;
        Self { score: ScoreConfig { importance, reduction, normalisation, per }, scope }
    }
}

/// `l2, normalised by mean: loss 5.213 (835947 parameters)`.
impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.candidate)?;
        match self.loss {
            Some(loss) => write!(f, "loss {loss:.3}")?,
            None => write!(f, "same channels as an earlier candidate")?,
        }
        write!(f, " ({} parameters)", self.params)
    }
}

/// `l2, normalised by mean`.
impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let importance = self.score.importance;
        let normalisation = self.score.normalisation.for_importance(importance);
        write!(f, "{importance}")?;
        if normalisation != Normalisation::None {
            write!(f, ", normalised by {normalisation}")?;
        }
        if self.scope == Scope::PerLayer {
            write!(f, ", per layer")?;
        }
        Ok(())
    }
}

/// Index of the best trial: the smallest network among those whose loss is at most 5 % above the lowest; the
/// first of equal ones. `None` if no loss is finite.
pub fn best_trial(trials: &[Trial]) -> Option<usize> {
    let finite = |(index, trial): (usize, &Trial)| {
        let loss = trial.loss.filter(|loss| loss.is_finite())?;
        Some((index, trial.params, loss))
    };
    let finite = trials.iter().enumerate().filter_map(finite);
    let lowest = finite.clone().map(|(_, _, loss)| loss).min_by(f64::total_cmp)?;
    let limit = lowest + TIE * lowest.abs();
    finite.filter(|(_, _, loss)| *loss <= limit).min_by_key(|(_, params, _)| *params).map(|(index, ..)| index)
}
