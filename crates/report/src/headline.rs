//! [`RunResult`]: the values that decide the headline of a report, and the rules that form it.

use bonsai_metrics::Change;
use bonsai_stages::Speed;
use bonsai_tensorrt::EnginePrecision;

use crate::{CheckVerdict, ReportCheck};

/// Largest loss of mAP50-95 that counts as small.
const SMALL_LOSS: f64 = 0.01;
/// Lowest start of the interval for a change to count as no loss; a smaller loss is negligible.
const NO_LOSS: f64 = -0.002;
/// A baseline with a lower mAP50-95 detects nothing, so it has nothing to lose.
const NOTHING: f64 = 0.001;
/// Latency counts as unchanged above this fraction of the baseline's.
const SAME_LATENCY: f64 = 0.9;
/// Multiply-accumulates count as much fewer below this fraction of the baseline's.
const FEWER_MACS: f64 = 0.7;

/// What the fine-tuned network is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// A baseline that more epochs would hardly have improved.
    Baseline,
    /// A baseline that was still improving when it ended.
    ImprovingBaseline,
    /// The baseline trained on for as many epochs without pruning.
    DenseControl,
}

impl Reference {
    /// The words that the headline adds for it.
    const fn words(self) -> &'static str {
        match self {
            Self::Baseline => "",
            Self::ImprovingBaseline => ", against a baseline that was still improving",
            Self::DenseControl => ", against the baseline trained on without pruning",
        }
    }
}

/// The values that decide the headline.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RunResult {
    /// mAP50-95 of the reference and of the fine-tuned network, with the interval of the change.
    pub change: Change,
    /// The reference of `change`.
    pub reference: Reference,
    /// Precision of the fine-tuned network.
    pub precision: EnginePrecision,
    /// Time for an image as a fraction of the baseline's.
    pub latency_share: f64,
    /// Multiply-accumulates as a fraction of the baseline's.
    pub macs_share: f64,
}

impl RunResult {
    /// The headline.
    pub fn headline(&self) -> String {
        format!("{}{}", self.verdict(), self.reference.words())
    }

    fn verdict(&self) -> String {
        let difference = self.change.difference();
        let loss = signed(difference);
        if self.latency_share > SAME_LATENCY && self.macs_share < FEWER_MACS {
            return "Smaller but not faster on this CPU".to_owned();
        }
        let speed = self.speed();
        if self.change.before < NOTHING {
            return format!("{speed}, but the baseline detects nothing: train it for longer");
        }
        if self.change.low > NO_LOSS {
            format!("{speed}, with no loss")
        } else if self.change.high >= 0.0 {
            format!("{speed}, with no loss that the test images can show")
        } else if difference >= -SMALL_LOSS {
            format!("{speed}, at a loss of {:.3} mAP50-95", -difference)
        } else {
            format!(
                "Too much accuracy was lost: {loss} mAP50-95 for {} times the speed",
                ratio(1.0 / self.latency_share)
            )
        }
    }

    fn speed(&self) -> String {
        let times = 1.0 / self.latency_share;
        let codes = if self.precision == EnginePrecision::Int8 { " in 8-bit codes" } else { "" };
        if (1.95..2.05).contains(&times) {
            return format!("Twice as fast on this CPU{codes}");
        }
        format!("{} times as fast on this CPU{codes}", ratio(times))
    }
}

/// The headline with the failed checks: the loss of an export is part of the result of a run.
pub fn with_failures(headline: &str, checks: &[ReportCheck]) -> String {
    let failed: Vec<&str> =
        checks.iter().filter(|c| c.verdict == CheckVerdict::Failed).map(|c| c.what.as_str()).collect();
    match failed.as_slice() {
        [] => headline.to_owned(),
        [one] => format!("{headline}, but a check failed: {one}"),
        [first, ..] => format!("{headline}, but {} checks failed, the first: {first}", failed.len()),
    }
}

/// A difference with its sign, to three decimals.
pub(crate) fn signed(value: f64) -> String {
    let sign = if value < -0.0005 {
        "\u{2212}"
    } else if value >= 0.0005 {
        "+"
    } else {
        "±"
    };
    format!("{sign}{:.3}", value.abs())
}

/// Milliseconds without meaningless digits.
pub(crate) fn milliseconds(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

/// A speed with its interval, such as `1.9× (1.8 to 2.0)`.
pub(crate) fn times(speed: &Speed) -> String {
    let Speed { times, low, high } = *speed;
    let value = ratio(times);
    let [low, high] = [low, high].map(ratio);
    // An interval that rounds to the value says nothing.
    if low == value && high == value {
        format!("{value}\u{d7}")
    } else {
        format!("{value}\u{d7} ({low} to {high})")
    }
}

/// Two significant digits.
pub(crate) fn ratio(value: f64) -> String {
    if value >= 10.0 { format!("{value:.0}") } else { format!("{value:.1}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(difference: f64, [low, high]: [f64; 2], [latency_share, macs_share]: [f64; 2], expected: &str) {
        let change = Change { before: 0.6, after: 0.6 + difference, low, high };
        let reference = Reference::Baseline;
        let precision = EnginePrecision::Fp32;
        assert_eq!(
            RunResult { change, reference, precision, latency_share, macs_share }.headline(),
            expected
        );
        let reference = Reference::ImprovingBaseline;
        let said = RunResult { change, reference, precision, latency_share, macs_share }.headline();
        assert_eq!(said, format!("{expected}, against a baseline that was still improving"));
    }

    #[test]
    fn the_first_rule_that_fits_decides() {
        check(0.01, [-0.001, 0.02], [0.5, 0.46], "Twice as fast on this CPU, with no loss");
        check(
            -0.004,
            [-0.013, 0.005],
            [0.4, 0.3],
            "2.5 times as fast on this CPU, with no loss that the test images can show",
        );
        check(
            -0.006,
            [-0.011, -0.001],
            [0.4, 0.3],
            "2.5 times as fast on this CPU, at a loss of 0.006 mAP50-95",
        );
        check(
            -0.05,
            [-0.06, -0.04],
            [0.25, 0.2],
            "Too much accuracy was lost: \u{2212}0.050 mAP50-95 for 4.0 times the speed",
        );
        check(0.0, [0.0, 0.0], [0.95, 0.5], "Smaller but not faster on this CPU");
        check(0.0, [0.0, 0.0], [0.95, 0.9], "1.1 times as fast on this CPU, with no loss");
    }

    #[test]
    fn a_baseline_that_detects_nothing_has_nothing_to_lose() {
        let change = Change { before: 0.0, after: 0.0, low: 0.0, high: 0.0 };
        let reference = Reference::Baseline;
        let precision = EnginePrecision::Fp32;
        let said = RunResult { change, reference, precision, latency_share: 0.5, macs_share: 0.5 }.headline();
        assert_eq!(said, "Twice as fast on this CPU, but the baseline detects nothing: train it for longer");
    }

    #[test]
    fn failed_checks_are_part_of_the_headline() {
        let check = |what: &str, verdict| ReportCheck { what: what.to_owned(), verdict };
        let passed = check("fine", CheckVerdict::Passed);
        let failed = check("int8 loses", CheckVerdict::Failed);
        assert_eq!(with_failures("Fast", &[passed]), "Fast");
        assert_eq!(
            with_failures("Fast", std::slice::from_ref(&failed)),
            "Fast, but a check failed: int8 loses"
        );
        let both = [failed, check("boxes differ", CheckVerdict::Failed)];
        assert_eq!(with_failures("Fast", &both), "Fast, but 2 checks failed, the first: int8 loses");
    }

    #[test]
    fn numbers_keep_their_sign_and_two_digits() {
        assert_eq!([signed(-0.0123), signed(0.0123), signed(0.0001)], ["\u{2212}0.012", "+0.012", "±0.000"]);
        assert_eq!([ratio(1.96), ratio(12.4)], ["2.0", "12"]);
    }
}
