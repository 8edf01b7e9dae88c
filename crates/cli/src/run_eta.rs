//! [`RunEta`]: how much of a run of several stages is done, and how long the rest takes.

use std::time::Instant;

use bonsai_pipeline::Stage;

/// The expected costs of the stages of a run, corrected by the speed of what was done.
pub(crate) struct RunEta {
    began: Instant,
    /// The stages to come, with their expected seconds. The first one runs if `fraction` is not 0.
    left: Vec<(Stage, f64)>,
    /// Part of the first stage that is done.
    fraction: f64,
    /// Expected seconds of the stages that ended.
    done: f64,
}

impl RunEta {
    pub(crate) fn new(stages: &[(Stage, f64)], now: Instant) -> Self {
        Self { began: now, left: stages.to_vec(), fraction: 0.0, done: 0.0 }
    }

    /// A stage was done by an earlier run: it takes no time now.
    pub(crate) fn skip(&mut self, stage: Stage) {
        self.left.retain(|(other, _)| *other != stage);
    }

    /// A stage ended.
    pub(crate) fn end(&mut self, stage: Stage) {
        self.done += self.expected(stage);
        self.fraction = 0.0;
        self.skip(stage);
    }

    /// An earlier run did this part of a stage; only the rest takes time now.
    pub(crate) fn resume(&mut self, stage: Stage, fraction: f64) {
        for (_, expected) in self.left.iter_mut().filter(|(other, _)| *other == stage) {
            *expected *= 1.0 - fraction;
        }
    }

    /// The part of the first stage that was done in this run.
    pub(crate) const fn advance(&mut self, fraction: f64) {
        self.fraction = fraction;
    }

    /// Whether no stage is left.
    pub(crate) const fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Part of the run that is done, from 0 to 1.
    pub(crate) fn fraction(&self) -> f64 {
        let all = self.done + self.left.iter().map(|(_, expected)| expected).sum::<f64>();
        if all > 0.0 { (self.spent() / all).min(1.0) } else { 1.0 }
    }

    /// Expected seconds until the end of the run.
    pub(crate) fn seconds_left(&self, now: Instant) -> f64 {
        let left: f64 = self.left.iter().map(|(_, expected)| expected).sum();
        let left = left - self.fraction * self.left.first().map_or(0.0, |(_, expected)| *expected);
        let spent = self.spent();
        // The expected costs are rough, but their ratios are better: what was done tells the speed.
        let pace = if spent > 0.0 { (now - self.began).as_secs_f64() / spent } else { 1.0 };
        left * pace
    }

    /// Expected seconds of all that is done.
    fn spent(&self) -> f64 {
        self.done + self.fraction * self.left.first().map_or(0.0, |(_, expected)| *expected)
    }

    fn expected(&self, stage: Stage) -> f64 {
        self.left.iter().filter(|(other, _)| *other == stage).map(|(_, expected)| expected).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Two halves of a second: the expected costs need no exact arithmetic.
    const ROUNDING: f64 = 1e-9;

    fn assert_near(value: f64, expected: f64) {
        assert!((value - expected).abs() < ROUNDING, "{value} is not {expected}");
    }

    #[test]
    fn what_was_done_corrects_the_expected_costs() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let stages = [(Stage::Baseline, 100.0), (Stage::Prune, 20.0), (Stage::Finetune, 80.0)];
        let mut eta = RunEta::new(&stages, start);
        assert_near(eta.seconds_left(at(0)), 200.0);
        assert_near(eta.fraction(), 0.0);
        // Half of the baseline took twice the expected time, so the rest will too.
        eta.advance(0.5);
        assert_near(eta.fraction(), 0.25);
        assert_near(eta.seconds_left(at(100)), 300.0);
        eta.end(Stage::Baseline);
        assert_near(eta.fraction(), 0.5);
        assert_near(eta.seconds_left(at(200)), 200.0);
        eta.end(Stage::Prune);
        assert!(!eta.is_over());
        eta.end(Stage::Finetune);
        assert!(eta.is_over());
        assert_near(eta.fraction(), 1.0);
        assert_near(eta.seconds_left(at(500)), 0.0);
    }

    #[test]
    fn work_of_an_earlier_run_does_not_count_for_the_speed() {
        let start = Instant::now();
        let mut eta = RunEta::new(&[(Stage::Baseline, 100.0), (Stage::Finetune, 50.0)], start);
        eta.resume(Stage::Baseline, 0.9);
        assert_near(eta.seconds_left(start), 60.0);
        eta.advance(0.5);
        assert_near(eta.seconds_left(start + Duration::from_secs(5)), 55.0);
        eta.skip(Stage::Finetune);
        assert_near(eta.seconds_left(start + Duration::from_secs(5)), 5.0);
    }
}
