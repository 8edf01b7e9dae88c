//! The first sentence of a report, made by rule from its figures.

use bonsai_metrics::Change;

use crate::{CheckVerdict, ReportCheck};

/// Loss of mAP50-95 that is called small.
const SMALL_LOSS: f64 = 0.01;
/// Where the interval may begin for a change to be called no loss at all: what rounding to three decimals hides.
const NO_LOSS: f64 = -0.002;
/// mAP50-95 of a baseline below which there is nothing to lose.
const NOTHING: f64 = 0.001;
/// Latency counts as unchanged above this share.
const SAME_LATENCY: f64 = 0.9;
/// Multiply-accumulates count as much fewer below this share.
const FEWER_MACS: f64 = 0.7;

/// What the fine-tuned network is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// A baseline that more epochs would hardly have improved.
    Baseline,
    /// A baseline that ended while it improved.
    ImprovingBaseline,
    /// The baseline trained on for as many epochs without pruning.
    DenseControl,
}

impl Reference {
    /// What the head line adds for it.
    const fn words(self) -> &'static str {
        match self {
            Self::Baseline => "",
            Self::ImprovingBaseline => ", against a baseline that was still improving",
            Self::DenseControl => ", against the baseline trained on without pruning",
        }
    }
}

/// What decides how a run is summed up.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Outcome {
    /// mAP50-95 of the reference and of the fine-tuned network, with the interval of the change.
    pub change: Change,
    /// What that reference is.
    pub reference: Reference,
    /// Share of the baseline's latency.
    pub latency_share: f64,
    /// Share of the baseline's multiply-accumulates.
    pub macs_share: f64,
}

impl Outcome {
    /// The head line.
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
            return format!("{speed}, but the baseline finds nothing: train it for longer");
        }
        if self.change.low > NO_LOSS {
            format!("{speed}, with no loss")
        } else if self.change.high >= 0.0 {
            format!("{speed}, with no loss that the test images can show")
        } else if difference >= -SMALL_LOSS {
            format!("{speed}, for {:.3} mAP50-95", -difference)
        } else {
            format!(
                "Too much was lost: {loss} mAP50-95 for {} times the speed",
                ratio(1.0 / self.latency_share)
            )
        }
    }

    fn speed(&self) -> String {
        let times = 1.0 / self.latency_share;
        if (1.95..2.05).contains(&times) {
            return "Twice as fast on this CPU".to_owned();
        }
        format!("{} times as fast on this CPU", ratio(times))
    }
}

/// The head line where checks failed: what an export loses belongs to what the run achieved.
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

/// Milliseconds with as many digits as mean something.
pub(crate) fn milliseconds(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.1}") }
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
        assert_eq!(Outcome { change, reference, latency_share, macs_share }.headline(), expected);
        let reference = Reference::ImprovingBaseline;
        let said = Outcome { change, reference, latency_share, macs_share }.headline();
        assert_eq!(said, format!("{expected}, against a baseline that was still improving"));
    }

    #[test]
    fn the_first_rule_that_fits_is_said() {
        check(0.01, [-0.001, 0.02], [0.5, 0.46], "Twice as fast on this CPU, with no loss");
        check(
            -0.004,
            [-0.013, 0.005],
            [0.4, 0.3],
            "2.5 times as fast on this CPU, with no loss that the test images can show",
        );
        check(-0.006, [-0.011, -0.001], [0.4, 0.3], "2.5 times as fast on this CPU, for 0.006 mAP50-95");
        check(
            -0.05,
            [-0.06, -0.04],
            [0.25, 0.2],
            "Too much was lost: \u{2212}0.050 mAP50-95 for 4.0 times the speed",
        );
        check(0.0, [0.0, 0.0], [0.95, 0.5], "Smaller but not faster on this CPU");
        check(0.0, [0.0, 0.0], [0.95, 0.9], "1.1 times as fast on this CPU, with no loss");
    }

    #[test]
    fn who_finds_nothing_loses_nothing() {
        let change = Change { before: 0.0, after: 0.0, low: 0.0, high: 0.0 };
        let reference = Reference::Baseline;
        let said = Outcome { change, reference, latency_share: 0.5, macs_share: 0.5 }.headline();
        assert_eq!(said, "Twice as fast on this CPU, but the baseline finds nothing: train it for longer");
    }

    #[test]
    fn failed_checks_are_part_of_it() {
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
