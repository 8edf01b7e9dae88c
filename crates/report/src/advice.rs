//! [`advice`]: what to do next, by rules over the results of the run.

use bonsai_stages::Stage;
use bonsai_tensorrt::EnginePrecision;

use crate::fairness::{LateGain, improving};
use crate::{Report, Row};

/// A loss of mAP50-95 that is worth an attempt to avoid it.
const LOSS: f64 = 0.01;
/// Fine-tunings of fewer epochs are called short: the defaults have several times as many.
const SHORT: usize = 20;
/// Splits with fewer images give wide intervals.
const FEW_IMAGES: usize = 50;
/// A baseline with a lower mAP50-95 detects nothing.
const NOTHING: f64 = 0.001;
/// Speed over the baseline from which pruning counts as faster.
const FASTER: f64 = 1.1;

/// Sentences, the most important one first.
pub(crate) fn advice(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    if report.row("baseline").is_none_or(|row| row.map50_95 < NOTHING) {
        return vec![
            "The baseline detects nothing: train it for longer with --set baseline.epochs=N, and check the labels in \
             baseline/labels.png."
                .to_owned(),
        ];
    }
    let change = report.control_change.or(report.change.as_ref().map(|change| change.map50_95));
    let tuning = report.trainings.iter().find(|training| training.stage == Stage::Finetune);
    let epochs = tuning.map_or(0, |training| training.epochs.len());
    let is_improving =
        tuning.and_then(|t| LateGain::from_epochs(&t.epochs)).is_some_and(LateGain::is_improving);
    if let Some(change) = change {
        // A loss that the interval shows, or that is large by itself.
        let is_lost = change.difference() < -LOSS || change.high < 0.0;
        if is_lost && (epochs < SHORT || is_improving) {
            let why = if is_improving { "was still improving when it ended" } else { "was short" };
            let noun = if epochs == 1 { "epoch" } else { "epochs" };
            advice.push(format!(
                "Accuracy was lost, and fine-tuning {why} ({epochs} {noun}): train for longer with \
                 --set finetune.epochs={}.",
                (2 * epochs).max(SHORT)
            ));
        } else if is_lost {
            advice.push(
                "Accuracy was lost although fine-tuning had converged: keep more of the network, for example with \
                 --set prune.target.macs=0.7, or start from a larger model."
                    .to_owned(),
            );
        } else if change.low > -LOSS {
            advice.push(
                "Nothing was lost: a smaller network may do as well, for example with --set prune.target.macs=0.3."
                    .to_owned(),
            );
        }
        if report.images < FEW_IMAGES {
            advice.push(format!(
                "The {} split has only {} images, so the interval of the change is wide: measure on more images before \
                 you decide.",
                report.split, report.images
            ));
        }
    }
    if improving(&report.trainings).is_some() && report.row("dense control").is_none() {
        advice.push(
            "The baseline was still improving when it ended: train it for longer with --set baseline.epochs=N, so \
             that pruning starts from what the model can do."
                .to_owned(),
        );
    }
    advice.extend(codes(report));
    advice.extend(no_gain(report));
    advice
}

/// Advice for 8-bit codes that lose accuracy.
fn codes(report: &Report) -> Option<String> {
    let engine = |precision| {
        let is_it =
            |row: &&Row| row.is_cpu_engine() && row.network == "fine-tuned" && row.precision == precision;
        report.rows.iter().find(is_it)
    };
    let loss = engine(EnginePrecision::Fp32)?.map50_95 - engine(EnginePrecision::Int8)?.map50_95;
    (loss > LOSS).then(|| {
        format!(
            "The engine in 8-bit codes loses {loss:.3} mAP50-95: fine-tune with their rounding with --set \
             finetune.qat=true."
        )
    })
}

/// Advice for a network with fewer multiply-accumulates that is not faster.
fn no_gain(report: &Report) -> Option<String> {
    let engine = |network: &str| report.rows.iter().find(|row| row.is_cpu_engine() && row.network == network);
    let (before, after) = (engine("baseline")?, engine("fine-tuned")?);
    (after.macs < before.macs && after.speed.times < FASTER * before.speed.times).then(|| {
        "The network has fewer MACs but is not faster on this machine: set a target in milliseconds with \
         `compress --max-latency`, which times the network."
            .to_owned()
    })
}
