//! [`Terminal`]: shows the progress of a run with a bar for the current training and a line per stage and
//! epoch. Without bars, long epochs print a line from time to time.

use std::time::Instant;

use bonsai_pipeline::{
    EpochRecord, EpochTiming, Progress, SplitFlaws, SplitKind, Stage, StageState, StepRecord,
};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value, json};

use crate::eta_log::{EtaLog, ScanEtaLog};
use crate::events::event;
use crate::interrupt::Interrupt;
use crate::output::{eprint_line, has_bars, is_quiet, is_stream, tell};

/// Prints on standard error, or events on standard output; bars only appear on a terminal.
pub(crate) struct Terminal {
    bar: Option<ProgressBar>,
    /// Lines instead of a bar, for a training.
    eta_log: Option<EtaLog>,
    /// Lines instead of a bar, for a scan.
    scan: Option<ScanEtaLog>,
    interrupt: Option<Interrupt>,
    /// Whether the request to stop was already announced.
    stopping: bool,
    /// Flaws of the dataset that was read last.
    splits: Vec<SplitFlaws>,
}

impl Terminal {
    pub(crate) const fn new() -> Self {
        Self { bar: None, eta_log: None, scan: None, interrupt: None, stopping: false, splits: Vec::new() }
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
        if let Some(eta_log) = &mut self.eta_log {
            eta_log.heard(Instant::now());
        }
        match &self.bar {
            Some(bar) if !bar.is_hidden() => bar.println(text),
            _ => tell!("{text}"),
        }
    }

    fn clear(&mut self) {
        (self.eta_log, self.scan) = (None, None);
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }
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
        if is_stream() {
            event("stage", stage_fields(stage, state));
            return;
        }
        match state {
            StageState::Skipped => self.line(&format!("{stage}: already done")),
            StageState::Started(reason) => self.line(&format!("{stage}: running, because {reason}")),
            StageState::Finished(seconds) => self.line(&format!("{stage}: done in {seconds:.1} s")),
        }
    }

    fn scan(&mut self, split: SplitKind, done: usize, total: usize) {
        if is_stream() {
            return;
        }
        if done == total {
            return self.clear();
        }
        if !has_bars() {
            let now = Instant::now();
            let eta_log = self.scan.get_or_insert_with(|| ScanEtaLog::at(done, now));
            if let Some(line) = eta_log.line(split.key(), done, total, now) {
                tell!("{line}");
            }
            return;
        }
        let bar = self.bar.get_or_insert_with(|| {
            let template = "{bar:20} scanned {pos}/{len} images of {msg}, ETA {eta}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            ProgressBar::new(total as u64).with_style(style).with_message(split.key())
        });
        bar.set_position(done as u64);
    }

    fn step(&mut self, step: &StepRecord) {
        if is_stream() {
            return;
        }
        if !has_bars() {
            let now = Instant::now();
            if let Some(line) = self.eta_log.get_or_insert_with(|| EtaLog::at(step, now)).line(step, now) {
                tell!("{line}");
            }
            return;
        }
        let length = (step.epochs * step.batches) as u64;
        let bar = self.bar.get_or_insert_with(|| {
            // The wide message is cut to the width of the terminal: a bar of two lines would leave its first behind.
            let template = "{bar:20} {pos}/{len} batches, ETA {eta} {wide_msg}";
            let style =
                ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
            // A resumed training starts in the middle; its earlier batches must not count for the speed.
            let done = ((step.epoch - 1) * step.batches + step.batch - 1) as u64;
            ProgressBar::new(length).with_style(style).with_position(done)
        });
        bar.set_position(((step.epoch - 1) * step.batches + step.batch) as u64);
        bar.set_message(format!(
            "epoch {}/{} box {:.3} cls {:.3} dfl {:.3} objects {} at {} px",
            step.epoch, step.epochs, step.loss.bbox, step.loss.cls, step.loss.dfl, step.instances, step.imgsz
        ));
    }

    fn epoch(&mut self, record: &EpochRecord, timing: &EpochTiming) {
        if is_stream() {
            let timing = json!({ "seconds": timing.seconds, "waiting": timing.waiting });
            event("epoch", json!({ "record": record, "timing": timing }));
            return;
        }
        let evaluation = record.evaluation.map_or_else(String::new, |e| {
            format!(
                "  P {:.3} R {:.3} mAP50 {:.3} mAP50-95 {:.3}",
                e.precision, e.recall, e.map50, e.map50_95
            )
        });
        let width = record.epochs.to_string().len();
        self.line(&format!(
            "  epoch {:>width$}/{}  box {:.3} cls {:.3} dfl {:.3}{evaluation}  {:.1} s, {:.0} % waiting for data",
            record.epoch,
            record.epochs,
            record.box_loss,
            record.cls_loss,
            record.dfl_loss,
            timing.seconds,
            100.0 * timing.waiting / timing.seconds.max(1e-9)
        ));
        if record.epoch == record.epochs {
            self.clear();
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
            eprint_line!("warning: {line}");
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
