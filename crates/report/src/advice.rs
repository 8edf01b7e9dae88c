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
/// Factors on the MACs of this run for a smaller and for a larger network.
const SMALLER: f64 = 0.6;
const LARGER: f64 = 1.4;
/// A baseline with a lower mAP50-95 detects nothing.
const NOTHING: f64 = 0.001;
/// Speed over the baseline from which pruning counts as faster.
const FASTER: f64 = 1.1;

/// Sentences, the most important one first.
pub(crate) fn advice(report: &Report) -> Vec<String> {
    let mut advice = Vec::new();
    if report.row("baseline").is_none_or(|row| row.map50_95 < NOTHING) {
        let sentence = if is_trained(report, Stage::Baseline) {
            "The baseline detects nothing: train it for longer with --set baseline.epochs=N, and check the labels in \
             baseline/labels.png."
        } else {
            "The given network detects nothing on this dataset: check that its classes are those of the labels."
        };
        return vec![sentence.to_owned()];
    }
    if let Some(change) = report.control_change.or(report.change.as_ref().map(|change| change.map50_95)) {
        // A loss that the interval shows, or that is large by itself.
        if change.difference() < -LOSS || change.high < 0.0 {
            advice.push(after_loss(report));
        } else if change.low > -LOSS {
            let fewer = SMALLER * kept_macs(report);
            advice.push(format!(
                "Nothing was lost: a smaller network may do as well, for example with --set prune.target.macs={fewer:.2}."
            ));
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

/// Whether a training has epochs; a given network has a record of its metrics only.
fn is_trained(report: &Report, stage: Stage) -> bool {
    report
        .trainings
        .iter()
        .any(|training| training.stage == stage && training.epochs.iter().any(|record| record.epoch > 0))
}

/// The multiply-accumulates of the fine-tuned network as a fraction of the baseline's.
fn kept_macs(report: &Report) -> f64 {
    let macs = |name: &str| report.row(name).map_or(0, |row| row.macs);
    macs("fine-tuned") as f64 / macs("baseline").max(1) as f64
}

/// What to change so that less accuracy is lost.
fn after_loss(report: &Report) -> String {
    let epochs = report
        .trainings
        .iter()
        .find(|training| training.stage == Stage::Finetune)
        .map_or(&[][..], |training| training.epochs.as_slice());
    let done = epochs.len();
    // A training that patience ended would not use more epochs.
    let is_whole = epochs.last().is_some_and(|last| last.epoch >= last.epochs);
    let is_improving = LateGain::from_epochs(epochs).is_some_and(LateGain::is_improving);
    if is_whole && (done < SHORT || is_improving) {
        let why = if is_improving { "was still improving when it ended" } else { "was short" };
        let noun = if done == 1 { "epoch" } else { "epochs" };
        return format!(
            "Accuracy was lost, and fine-tuning {why} ({done} {noun}): train for longer with --set finetune.epochs={}.",
            (2 * done).max(SHORT)
        );
    }
    let more = LARGER * kept_macs(report);
    if more < 1.0 {
        format!(
            "Accuracy was lost although fine-tuning had converged: keep more of the network, for example with --set \
             prune.target.macs={more:.2}, or start from a larger model."
        )
    } else {
        "Accuracy was lost although fine-tuning had converged and pruning removed little: start from a larger model."
            .to_owned()
    }
}

/// Advice for 8-bit codes that lose accuracy, unless fine-tuning used their rounding.
fn codes(report: &Report) -> Option<String> {
    if report.row("fine-tuned").is_some_and(|row| row.precision == EnginePrecision::Int8) {
        return None;
    }
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
