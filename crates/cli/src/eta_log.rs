//! [`EtaLog`] and [`ScanEtaLog`]: lines with the remaining time, for logs without a progress bar.

use std::time::{Duration, Instant};

use bonsai_pipeline::StepRecord;

/// Interval after which a line is printed if no other line was.
const SILENCE: Duration = Duration::from_secs(30);

/// Measures the speed of a training, and the time since the last line.
pub(crate) struct EtaLog {
    began: Instant,
    /// Batches that were done before the measurement began.
    before: usize,
    spoke: Instant,
}

impl EtaLog {
    /// Begins with the first batch of a new or resumed training.
    pub(crate) fn at(step: &StepRecord, now: Instant) -> Self {
        Self { began: now, before: done(step), spoke: now }
    }

    /// Records that another line was printed.
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// A line, if no line was printed for the interval.
    pub(crate) fn line(&mut self, step: &StepRecord, now: Instant) -> Option<String> {
        if now - self.spoke < SILENCE {
            return None;
        }
        self.spoke = now;
        let timed = done(step) - self.before;
        let left = step.epochs * step.batches - done(step);
        let seconds = (now - self.began).as_secs_f64() * left as f64 / timed.max(1) as f64;
        Some(format!(
            "  epoch {}/{}, batch {}/{}  box {:.3} cls {:.3} dfl {:.3}  about {:.0} min left",
            step.epoch,
            step.epochs,
            step.batch,
            step.batches,
            step.loss.bbox,
            step.loss.cls,
            step.loss.dfl,
            (seconds / 60.0).ceil()
        ))
    }
}

/// Measures the speed of a scan, and the time since the last line.
pub(crate) struct ScanEtaLog {
    began: Instant,
    /// Images that were scanned before the measurement began.
    before: usize,
    spoke: Instant,
}

impl ScanEtaLog {
    pub(crate) const fn at(done: usize, now: Instant) -> Self {
        Self { began: now, before: done, spoke: now }
    }

    /// A line, if no line was printed for the interval.
    pub(crate) fn line(&mut self, split: &str, done: usize, total: usize, now: Instant) -> Option<String> {
        if now - self.spoke < SILENCE {
            return None;
        }
        self.spoke = now;
        let timed = (done - self.before).max(1);
        let seconds = (now - self.began).as_secs_f64() * (total - done) as f64 / timed as f64;
        let minutes = (seconds / 60.0).ceil();
        Some(format!("  scanned {done} of {total} images of {split}, about {minutes:.0} min left"))
    }
}

/// Number of batches of all epochs, up to and including this one.
const fn done(step: &StepRecord) -> usize {
    (step.epoch - 1) * step.batches + step.batch
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_pipeline::LossItems;

    fn step(epoch: usize, batch: usize) -> StepRecord {
        let loss = LossItems::default();
        StepRecord { epoch, epochs: 3, batch, batches: 10, loss, instances: 4, images: 2, imgsz: 64 }
    }

    #[test]
    fn a_scan_prints_a_line_after_the_interval() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut eta_log = ScanEtaLog::at(0, start);
        assert_eq!(eta_log.line("train", 10, 1000, at(29)), None);
        // 100 images in 50 s, 900 to go.
        let line = eta_log.line("train", 100, 1000, at(50)).unwrap();
        assert_eq!(line, "  scanned 100 of 1000 images of train, about 8 min left");
        assert_eq!(eta_log.line("train", 200, 1000, at(60)), None);
    }

    #[test]
    fn a_training_prints_a_line_after_the_interval() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // The training resumes in the second epoch; 11 batches count as done before.
        let mut eta_log = EtaLog::at(&step(2, 1), at(0));
        assert_eq!(eta_log.line(&step(2, 2), at(29)), None);
        eta_log.heard(at(10));
        assert_eq!(eta_log.line(&step(2, 3), at(39)), None);
        // 5 batches in 50 s, 14 to go.
        let line = eta_log.line(&step(2, 6), at(50)).unwrap();
        assert!(line.starts_with("  epoch 2/3, batch 6/10 ") && line.ends_with("about 3 min left"), "{line}");
        assert_eq!(eta_log.line(&step(2, 7), at(60)), None);
    }
}
