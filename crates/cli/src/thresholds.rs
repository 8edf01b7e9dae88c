//! [`ValThresholds`] and [`RunThresholds`]: thresholds for metrics. The exit code says whether they were met;
//! the command does all its work in either case.

use bonsai_pipeline::{DetMetrics, Report};
use clap::Args;

use crate::failure::{DONE, MISSED};
use crate::output::eprint_line;

/// Thresholds of `val`.
#[derive(Args)]
pub(crate) struct ValThresholds {
    /// Exit code 3 if mAP50 is below this value
    #[arg(long, value_name = "FRACTION", value_parser = share)]
    min_map50: Option<f64>,
    /// Exit code 3 if mAP50-95 is below this value
    #[arg(long = "min-map50-95", value_name = "FRACTION", value_parser = share)]
    min_map50_95: Option<f64>,
}

/// Thresholds of `pipeline`.
#[derive(Args)]
pub(crate) struct RunThresholds {
    /// Exit code 3 if the fine-tuned network loses more mAP50-95 than this, compared with the baseline
    #[arg(long, value_name = "FRACTION", value_parser = share)]
    max_drop: Option<f64>,
}

impl ValThresholds {
    /// Prints the thresholds that were not met; returns the exit code.
    pub(crate) fn check(&self, metrics: &DetMetrics) -> u8 {
        let thresholds = [
            ("mAP50", metrics.map50, self.min_map50, "--min-map50"),
            ("mAP50-95", metrics.map50_95, self.min_map50_95, "--min-map50-95"),
        ];
        let missed = thresholds
            .into_iter()
            .filter(|(_, figure, threshold, _)| threshold.is_some_and(|threshold| *figure < threshold));
        let missed: Vec<String> = missed
            .map(|(name, figure, threshold, option)| {
                format!("{name} is {figure:.4}, below the {} of {option}", threshold.unwrap_or_default())
            })
            .collect();
        ended(&missed)
    }
}

impl RunThresholds {
    /// Prints a message if the loss is too large; returns the exit code.
    pub(crate) fn check(&self, report: &Report) -> u8 {
        let Some(threshold) = self.max_drop else { return DONE };
        let of = |name: &str| report.row(name).map(|row| row.map50_95);
        let change = report.change.as_ref().map(|change| change.map50_95.difference());
        // A split with a single image has metrics, but no paired change.
        let change = change.or_else(|| Some(of("fine-tuned")? - of("baseline")?));
        let missed = match change {
            Some(change) if -change <= threshold => return DONE,
            Some(change) => {
                format!("mAP50-95 changed by {change:+.4}; --max-drop allows a loss of {threshold}")
            }
            None => "the report lacks the mAP50-95 of a network, so --max-drop cannot be checked".to_owned(),
        };
        ended(&[missed])
    }
}

fn ended(missed: &[String]) -> u8 {
    for text in missed {
        eprint_line!("threshold not met: {text}");
    }
    if missed.is_empty() { DONE } else { MISSED }
}

/// Parses a number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("expected a number from 0 to 1, such as 0.01".to_owned()),
    }
}
