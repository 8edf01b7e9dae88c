//! [`TrainingEta`] and [`ImagesEta`]: the remaining time of a training and of other work on images, and lines
//! with it for logs without a progress bar.

use std::time::{Duration, Instant};

use bonsai_pipeline::StepRecord;

use crate::duration::remaining;

/// Interval after which a line is printed if no other line was.
const SILENCE: Duration = Duration::from_secs(30);

/// Measures the speed of a training, and the time since the last line.
pub(crate) struct TrainingEta {
    began: Instant,
    /// Batches that were done before the measurement began.
    before: usize,
    spoke: Instant,
}

impl TrainingEta {
    /// Begins with the first batch of a new or resumed training.
    pub(crate) fn at(step: &StepRecord, now: Instant) -> Self {
        Self { began: now, before: done(step), spoke: now }
    }

    /// Records that another line was printed.
    pub(crate) const fn heard(&mut self, now: Instant) {
        self.spoke = now;
    }

    /// Part of the training that was done before the measurement began.
    pub(crate) fn before(&self, step: &StepRecord) -> f64 {
        // The first batch ended when the measurement began; it belongs to this run.
        self.before.saturating_sub(1) as f64 / (step.epochs * step.batches).max(1) as f64
    }

    /// Part of the rest of the training that is done.
    pub(crate) fn fraction(&self, step: &StepRecord) -> f64 {
        let before = self.before.saturating_sub(1);
        (done(step) - before) as f64 / (step.epochs * step.batches - before).max(1) as f64
    }

    /// Expected seconds until the training ends; `None` while its speed is not known.
    pub(crate) fn seconds_left(&self, step: &StepRecord, now: Instant) -> Option<f64> {
        let timed = done(step) - self.before;
        let left = step.epochs * step.batches - done(step);
        (timed > 0).then(|| (now - self.began).as_secs_f64() * left as f64 / timed as f64)
    }

    /// A line, if no line was printed for the interval. `run_left` are the seconds until the run of which the
    /// training is a part ends.
    pub(crate) fn line(&mut self, step: &StepRecord, now: Instant, run_left: Option<f64>) -> Option<String> {
        if now - self.spoke < SILENCE {
            return None;
        }
        let seconds = self.seconds_left(step, now)?;
        self.spoke = now;
        let of_run = run_left.map_or_else(String::new, |left| format!(", {} of the run", remaining(left)));
        Some(format!(
            "  epoch {}/{}, batch {}/{}  box {:.3} cls {:.3} dfl {:.3}  about {} left{of_run}",
            step.epoch,
            step.epochs,
            step.batch,
            step.batches,
            step.loss.bbox,
            step.loss.cls,
            step.loss.dfl,
            remaining(seconds)
        ))
    }
}

/// Measures the speed of work on images, and the time since the last line.
pub(crate) struct ImagesEta {
    began: Instant,
    /// Images that were done before the measurement began.
    before: usize,
    spoke: Instant,
}

impl ImagesEta {
    pub(crate) const fn at(done: usize, now: Instant) -> Self {
        Self { began: now, before: done, spoke: now }
    }

    /// Expected seconds until all images are done; `None` while its speed is not known.
    pub(crate) fn seconds_left(&self, done: usize, total: usize, now: Instant) -> Option<f64> {
        let timed = done.saturating_sub(self.before);
        (timed > 0).then(|| (now - self.began).as_secs_f64() * (total - done) as f64 / timed as f64)
    }

    /// A line, if no line was printed for the interval.
    pub(crate) fn line(&mut self, what: &str, done: usize, total: usize, now: Instant) -> Option<String> {
        if now - self.spoke < SILENCE {
            return None;
        }
        let left = remaining(self.seconds_left(done, total, now)?);
        self.spoke = now;
        Some(format!("  {done} of {total} {what}, about {left} left"))
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
    fn work_on_images_prints_a_line_after_the_interval() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut eta = ImagesEta::at(0, start);
        assert_eq!(eta.line("images of train read", 10, 1000, at(29)), None);
        // 100 images in 50 s, 900 to go.
        let line = eta.line("images of train read", 100, 1000, at(50)).unwrap();
        assert_eq!(line, "  100 of 1000 images of train read, about 8 min left");
        assert_eq!(eta.line("images of train read", 200, 1000, at(60)), None);
    }

    #[test]
    fn a_training_prints_a_line_after_the_interval() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        // The training resumes in the second epoch; 11 batches count as done before.
        let mut eta = TrainingEta::at(&step(2, 1), at(0));
        assert_eq!(eta.line(&step(2, 2), at(29), None), None);
        eta.heard(at(10));
        assert_eq!(eta.line(&step(2, 3), at(39), None), None);
        // 5 batches in 50 s, 14 to go.
        let line = eta.line(&step(2, 6), at(50), Some(600.0)).unwrap();
        assert!(line.starts_with("  epoch 2/3, batch 6/10 "), "{line}");
        assert!(line.ends_with("about 3 min left, 10 min of the run"), "{line}");
        assert_eq!(eta.line(&step(2, 7), at(60), None), None);
    }

    #[test]
    fn a_resumed_training_begins_at_nothing_and_ends_whole() {
        let eta = TrainingEta::at(&step(2, 1), Instant::now());
        assert!((eta.before(&step(2, 1)) - 10.0 / 30.0).abs() < 1e-12);
        assert!((eta.fraction(&step(2, 1)) - 1.0 / 20.0).abs() < 1e-12);
        assert!((eta.fraction(&step(3, 10)) - 1.0).abs() < 1e-12);
    }
}
