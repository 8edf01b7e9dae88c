//! [`caution`] and [`steps`]: limits of the comparison with the baseline: whether it was fully trained, and
//! what its further epochs alone would give.

use bonsai_metrics::Change;
use bonsai_stages::Stage;
use bonsai_train::EpochRecord;

use crate::headline::signed;
use crate::{Report, Training};

/// Gain of the last epochs above which a training was not finished: on a small validation split, two seeds
/// differ by about half of this after smoothing.
const STILL_IMPROVING: f64 = 0.01;
/// Number of equal parts of the epochs; the last epochs are one part.
const PARTS: usize = 5;

/// Gain of a training on the validation split in its last epochs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LateGain {
    /// Mean mAP50-95 of the last fifth of the epochs, minus that of the fifth before it.
    gain: f64,
    /// Epochs in a fifth.
    epochs: usize,
}

impl LateGain {
    /// Computes the gain of a training; `None` if too few epochs were evaluated.
    pub(crate) fn from_epochs(epochs: &[EpochRecord]) -> Option<Self> {
        let evaluation: Vec<f64> =
            epochs.iter().filter_map(|epoch| Some(epoch.evaluation?.map50_95)).collect();
        let part = evaluation.len() / PARTS;
        if part == 0 {
            return None;
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let (before, last) = evaluation[evaluation.len() - 2 * part..].split_at(part);
        Some(Self { gain: mean(last) - mean(before), epochs: epochs.len() / PARTS })
    }

    /// Whether the training was still improving.
    pub(crate) fn is_improving(self) -> bool {
        self.gain > STILL_IMPROVING
    }
}

/// The late gain of the baseline, if it was still improving.
pub fn improving(trainings: &[Training]) -> Option<LateGain> {
    let baseline = trainings.iter().find(|training| training.stage == Stage::Baseline)?;
    LateGain::from_epochs(&baseline.epochs).filter(|gain| gain.is_improving())
}

/// A caution about the change from the baseline, if the reader needs one.
pub(crate) fn caution(report: &Report) -> Option<String> {
    if let (Some(control), Some(change)) = (report.row("dense control"), &report.control_change) {
        let epochs = |stage| report.trainings.iter().find(|t| t.stage == stage).map_or(0, |t| t.epochs.len());
        let pruned = epochs(Stage::Sparse) + epochs(Stage::Finetune);
        return Some(against_control(control.map50_95, change, [epochs(Stage::Control), pruned]));
    }
    let LateGain { gain, epochs } = improving(&report.trainings)?;
    Some(format!(
        "The baseline was still improving when it ended: over its last {epochs} epochs, mAP50-95 on the validation split rose \
         by {gain:.3}. Part of every gain over it comes from longer training alone. Train the baseline for longer, or \
         set control.dense = true to measure that part."
    ))
}

fn against_control(control: f64, change: &Change, [dense, pruned]: [usize; 2]) -> String {
    format!(
        "The dense control (the baseline trained on without pruning) has {control:.3} mAP50-95 after {dense} further \
         epochs. The fine-tuned network, after {pruned} further epochs, differs from it by {} (95 % interval {} to {}).",
        signed(change.difference()),
        signed(change.low),
        signed(change.high)
    )
}

/// A sentence on what each step between the baseline and the fine-tuned network did.
pub(crate) fn steps(report: &Report) -> String {
    // Later stages use the last weights of sparsity training and the best weights of other trainings.
    let kept = |stage| {
        let training = report.trainings.iter().find(|training| training.stage == stage)?;
        let mut evaluation = training.epochs.iter().filter_map(|epoch| epoch.evaluation);
        let kept = if stage == Stage::Sparse {
            evaluation.next_back()
        } else {
            evaluation.max_by(|a, b| a.fitness().total_cmp(&b.fitness()))
        };
        kept.map(|evaluation| evaluation.map50_95)
    };
    let sparsity = match (kept(Stage::Baseline), kept(Stage::Sparse), report.gammas.last()) {
        (Some(before), Some(after), _) if report.pruned_stage == Some(Stage::Baseline) => format!(
            "Sparsity training, which took mAP50-95 on the validation split from {before:.3} to {after:.3}, was left out: the \
             baseline was pruned"
        ),
        (Some(before), Some(after), Some(gammas)) => format!(
            "Sparsity training took mAP50-95 on the validation split from {before:.3} to {after:.3} and left {:.0} % of the \
             gammas below 0.01",
            100.0 * gammas.below_1e2
        ),
        _ => "There was no sparsity training".to_owned(),
    };
    let finetune = report.trainings.iter().find(|training| training.stage == Stage::Finetune);
    let distilled = finetune.is_some_and(|t| t.epochs.iter().any(|epoch| epoch.distill_loss.is_some()));
    let taught = if distilled { "with a teacher" } else { "without a teacher" };
    let tuned = kept(Stage::Finetune)
        .map_or_else(String::new, |map| format!(", and fine-tuning {taught} to {map:.3}"));
    format!(
        "{sparsity}; pruning by {} brought validation mAP50-95 to {:.3}{tuned}.",
        report.ranked_by, report.pruned_validation
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_train::Evaluation;

    fn epochs(map: impl Fn(usize) -> Option<f64>, count: usize) -> Vec<EpochRecord> {
        let record = |epoch: usize| EpochRecord {
            epoch,
            epochs: count,
            evaluation: map(epoch).map(|map50_95| Evaluation { map50_95, ..Evaluation::default() }),
            ..EpochRecord::default()
        };
        (1..=count).map(record).collect()
    }

    #[test]
    fn a_training_on_a_steep_curve_is_not_done() {
        let gain = LateGain::from_epochs(&epochs(|epoch| Some(0.01 * epoch as f64), 50)).unwrap();
        assert!((gain.gain - 0.1).abs() < 1e-9 && gain.epochs == 10 && gain.is_improving(), "{gain:?}");
        let flat = LateGain::from_epochs(&epochs(|epoch| Some((0.02 * epoch as f64).min(0.5)), 50)).unwrap();
        assert!(!flat.is_improving(), "{flat:?}");
        // Every fourth epoch is evaluated.
        let steep = |epoch: usize| epoch.is_multiple_of(4).then_some(0.01 * epoch as f64);
        let gain = LateGain::from_epochs(&epochs(steep, 44)).unwrap();
        assert!((gain.gain - 0.08).abs() < 1e-9, "{gain:?}");
        assert_eq!(LateGain::from_epochs(&epochs(|_| Some(0.5), 4)), None);
    }

    #[test]
    fn the_control_is_reported_with_its_interval() {
        let change = Change { before: 0.6, after: 0.59, low: -0.02, high: 0.004 };
        let text = against_control(0.6, &change, [60, 100]);
        for part in ["0.600", "after 60 further epochs", "after 100 further", "\u{2212}0.010", "+0.004"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
}
