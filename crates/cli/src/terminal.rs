//! [`Terminal`]: shows the progress of a run with one bar and a line per stage and epoch. Without bars, long
//! epochs print a line from time to time.

use std::time::Instant;

use bonsai_pipeline::{
    EpochRecord, EpochTiming, Progress, SplitFlaws, SplitKind, Stage, StageState, StepRecord,
};
use indicatif::ProgressBar;
use serde_json::{Value, json};

use crate::duration::remaining;
use crate::eta_log::{ImagesEta, TrainingEta};
use crate::events::event;
use crate::interrupt::Interrupt;
use crate::output::{eprint_line, has_bars, is_quiet, is_stream, tell, warn_line};
use crate::progress_bar::bar;
use crate::run_eta::RunEta;

/// Steps of a bar.
const STEPS: f64 = 1000.0;
/// Percentage of an epoch that waited for data, from which its line says so.
const SLOW_DATA: f64 = 10.0;

/// Prints on standard error, or events on standard output; bars only appear on a terminal.
pub(crate) struct Terminal {
    bar: Option<ProgressBar>,
    /// The stages of the run that are to come, if it has several.
    run: Option<RunEta>,
    /// The stage that runs.
    stage: Option<Stage>,
    /// Speed of the training that runs.
    training: Option<TrainingEta>,
    /// Speed at which images are read or evaluated.
    images: Option<ImagesEta>,
    interrupt: Option<Interrupt>,
    /// Whether the request to stop was already announced.
    stopping: bool,
    /// Flaws of the dataset that was read last.
    splits: Vec<SplitFlaws>,
}

impl Terminal {
    pub(crate) const fn new() -> Self {
        Self {
            bar: None,
            run: None,
            stage: None,
            training: None,
            images: None,
            interrupt: None,
            stopping: false,
            splits: Vec::new(),
        }
    }

    /// A terminal that stops the run after a signal.
    pub(crate) fn stopping_at(interrupt: Interrupt) -> Self {
        Self { interrupt: Some(interrupt), ..Self::new() }
    }

    /// Flaws of the dataset that was read last.
    pub(crate) fn splits(&self) -> &[SplitFlaws] {
        &self.splits
    }

    fn line(&mut self, text: &str) {
        if let Some(training) = &mut self.training {
            training.heard(Instant::now());
        }
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.suspend(|| tell!("{text}")),
            _ => tell!("{text}"),
        }
    }

    /// Draws the bar; `fraction` is the part that is done of a training or evaluation that is not part of a run.
    fn draw(&mut self, fraction: f64, message: String) {
        let bar = self.bar.get_or_insert_with(|| bar(STEPS as u64));
        let (fraction, message) = match &self.run {
            Some(run) => {
                let left = remaining(run.seconds_left(Instant::now()));
                (run.fraction(), format!("{:.0} %, {left} left | {message}", 100.0 * run.fraction()))
            }
            None => (fraction, message),
        };
        bar.set_position((STEPS * fraction) as u64);
        bar.set_message(message);
    }

    /// Shows how many images were read or evaluated.
    fn images(&mut self, what: &str, done: usize, total: usize) {
        if is_stream() {
            return;
        }
        if done == total {
            return self.clear();
        }
        let now = Instant::now();
        let eta = self.images.get_or_insert_with(|| ImagesEta::at(done, now));
        if !has_bars() {
            if let Some(line) = eta.line(what, done, total, now) {
                tell!("{line}");
            }
            return;
        }
        let left = eta.seconds_left(done, total, now);
        let left = left.map_or_else(String::new, |left| format!(", {} left", remaining(left)));
        self.draw(done as f64 / total.max(1) as f64, format!("{done} of {total} {what}{left}"));
    }

    fn clear(&mut self) {
        (self.training, self.images) = (None, None);
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    /// Draws the bar of a run after a stage began or ended.
    fn draw_stage(&mut self) {
        if let Some(stage) = self.stage.filter(|_| self.run.is_some() && has_bars()) {
            self.draw(0.0, stage.to_string());
        }
    }
}

/// The line of an epoch, of at most 80 columns unless the epoch waited for data.
fn epoch_line(record: &EpochRecord, timing: &EpochTiming) -> String {
    let EpochRecord { epoch, epochs, .. } = record;
    let width = epochs.to_string().len();
    let (bbox, cls, dfl) = (record.box_loss, record.cls_loss, record.dfl_loss);
    let metrics = record
        .evaluation
        .map_or_else(String::new, |e| format!("  mAP50 {:.3} mAP50-95 {:.3}", e.map50, e.map50_95));
    let waited = 100.0 * timing.waiting / timing.seconds.max(1e-9);
    let waited = if waited < SLOW_DATA { String::new() } else { format!(", {waited:.0} % waiting for data") };
    let seconds = timing.seconds;
    format!(
        "  {epoch:>width$}/{epochs}  box {bbox:.3} cls {cls:.3} dfl {dfl:.3}{metrics}  {seconds:.1} s{waited}"
    )
}

fn stage_fields(stage: Stage, state: &StageState) -> Value {
    match state {
        StageState::Skipped => json!({ "stage": stage, "state": "skipped" }),
        StageState::Started(because) => json!({ "stage": stage, "state": "started", "because": because }),
        StageState::Finished(seconds) => json!({ "stage": stage, "state": "finished", "seconds": seconds }),
    }
}

impl Progress for Terminal {
    fn stage(&mut self, stage: Stage, state: &StageState) {
        self.clear();
        self.stage = matches!(state, StageState::Started(_)).then_some(stage);
        if let Some(run) = &mut self.run {
            match state {
                StageState::Skipped => run.skip(stage),
                StageState::Started(_) => {}
                StageState::Finished(_) => run.end(stage),
            }
        }
        // Another run may follow, as in a sweep; its stages are not those of this one.
        if self.run.as_ref().is_some_and(RunEta::is_over) {
            self.run = None;
        }
        if is_stream() {
            event("stage", stage_fields(stage, state));
            return;
        }
        match state {
            StageState::Skipped => self.line(&format!("{stage}: already done")),
            StageState::Started(reason) => self.line(&format!("{stage}: running, because {reason}")),
            StageState::Finished(seconds) => self.line(&format!("{stage}: done in {seconds:.1} s")),
        }
        self.draw_stage();
    }

    fn plan(&mut self, stages: &[(Stage, f64)]) {
        if is_stream() {
            let stages: Vec<Value> =
                stages.iter().map(|(stage, seconds)| json!({ "stage": stage, "seconds": seconds })).collect();
            return event("plan", json!({ "stages": stages }));
        }
        self.run = Some(RunEta::new(stages, Instant::now()));
        self.draw_stage();
    }

    fn scan(&mut self, split: SplitKind, done: usize, total: usize) {
        self.images(&format!("images of {} read", split.key()), done, total);
    }

    fn evaluate(&mut self, done: usize, total: usize) {
        self.images("images evaluated", done, total);
    }

    fn step(&mut self, step: &StepRecord) {
        if is_stream() {
            return;
        }
        let now = Instant::now();
        let is_first = self.training.is_none();
        let training = self.training.get_or_insert_with(|| TrainingEta::at(step, now));
        // Trainings within another stage, as in iterative pruning, are parts of it of unknown size.
        if let (Some(run), Some(stage)) = (&mut self.run, self.stage.filter(|stage| stage.is_training())) {
            if is_first {
                run.resume(stage, training.before(step));
            }
            run.advance(training.fraction(step));
        }
        if !has_bars() {
            let run_left = self.run.as_ref().map(|run| run.seconds_left(now));
            if let Some(line) = training.line(step, now, run_left) {
                tell!("{line}");
            }
            return;
        }
        let left = training.seconds_left(step, now);
        let left = left.map_or_else(String::new, |left| format!(", {} left", remaining(left)));
        let fraction = training.before(step) + (1.0 - training.before(step)) * training.fraction(step);
        let stage = self.stage.map_or_else(|| "epoch".to_owned(), |stage| stage.to_string());
        let message = format!(
            "{stage} {}/{}{left}, box {:.3} cls {:.3} dfl {:.3}",
            step.epoch, step.epochs, step.loss.bbox, step.loss.cls, step.loss.dfl
        );
        self.draw(fraction, message);
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        if is_stream() {
            let timing = json!({ "seconds": timing.seconds, "waiting": timing.waiting });
            event("epoch", json!({ "record": record, "timing": timing }));
            return;
        }
        self.line(&epoch_line(record, timing));
        if record.epoch == record.epochs {
            self.clear();
            self.draw_stage();
        }
    }

    /// If a dataset is read several times, as in a sweep, its flaws are printed once.
    fn dataset(&mut self, splits: &[SplitFlaws]) {
        if self.splits == splits {
            return;
        }
        splits.clone_into(&mut self.splits);
        let line = splits.iter().filter_map(SplitFlaws::line).collect::<Vec<_>>().join("; ");
        if line.is_empty() {
            return;
        }
        if is_stream() {
            event("warning", json!({ "text": line, "dataset": splits }));
        } else if is_quiet() {
            // Flaws may change metrics, so the line is printed even with --quiet.
            warn_line!("{line}");
        } else {
            splits
                .iter()
                .flat_map(SplitFlaws::digest)
                .for_each(|line| self.line(&format!("warning: {line}")));
        }
    }

    fn stop(&mut self) -> bool {
        let asked = self.interrupt.as_ref().is_some_and(Interrupt::requested);
        if asked && !self.stopping {
            self.stopping = true;
            self.line(
                "stopping after this step; a second signal stops at once and loses the work of this epoch",
            );
        }
        asked
    }

    fn classes(&mut self, text: &str) {
        if is_quiet() && !is_stream() { eprint_line!("{text}") } else { self.note(text) }
    }

    fn note(&mut self, text: &str) {
        if is_stream() {
            let name = if text.starts_with("warning") { "warning" } else { "note" };
            event(name, json!({ "text": text }));
            return;
        }
        self.line(&format!("  {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> EpochRecord {
        let json = r#"{
            "epoch": 7, "epochs": 300, "box_loss": 11.234, "cls_loss": 12.345, "dfl_loss": 1.5,
            "lr": 0.01, "bias_lr": 0.01, "l1_gamma": 0.0,
            "evaluation": { "map50": 0.8123, "map50_95": 0.5678, "precision": 0.5, "recall": 0.5 }
        }"#;
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn the_line_of_an_epoch_fits_into_80_columns() {
        let line = epoch_line(&record(), &EpochTiming { seconds: 1234.5, waiting: 60.0, evaluating: 0.0 });
        assert_eq!(line, "    7/300  box 11.234 cls 12.345 dfl 1.500  mAP50 0.812 mAP50-95 0.568  1234.5 s");
        assert!(line.len() <= 80, "{}", line.len());
    }

    #[test]
    fn an_epoch_that_waited_for_data_says_so() {
        let record = EpochRecord { evaluation: None, ..record() };
        let line = epoch_line(&record, &EpochTiming { seconds: 2.0, waiting: 1.0, evaluating: 0.0 });
        assert!(line.ends_with("dfl 1.500  2.0 s, 50 % waiting for data"), "{line}");
    }
}
