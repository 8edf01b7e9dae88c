//! Bars that a figure has to reach: the work is done either way, but the exit code says whether they were missed.

use bonsai_pipeline::{DetMetrics, Report};
use clap::Args;

use crate::failure::{DONE, MISSED};
use crate::output::eprint_line;

/// Bars of a validation.
#[derive(Args)]
pub(crate) struct ValThresholds {
    /// End with 3 if mAP50 is below
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_map50: Option<f64>,
    /// End with 3 if mAP50-95 is below
    #[arg(long = "min-map50-95", value_name = "SHARE", value_parser = share)]
    min_map50_95: Option<f64>,
}

/// Bars of a whole run.
#[derive(Args)]
pub(crate) struct RunThresholds {
    /// End with 3 if the fine-tuned network lost more mAP50-95 against the baseline
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_drop: Option<f64>,
}

impl ValThresholds {
    /// Says which thresholds were missed.
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
    /// Says whether too much was lost.
    pub(crate) fn check(&self, report: &Report) -> u8 {
        let Some(threshold) = self.max_drop else { return DONE };
        let of = |name: &str| report.row(name).map(|row| row.map50_95);
        let change = report.change.as_ref().map(|change| change.map50_95.difference());
        // A split of a single image has no paired change, but figures all the same.
        let change = change.or_else(|| Some(of("fine-tuned")? - of("baseline")?));
        let missed = match change {
            Some(change) if -change <= threshold => return DONE,
            Some(change) => {
                format!("mAP50-95 changed by {change:+.4}; --max-drop allows a loss of {threshold}")
            }
            None => "the report has no mAP50-95 of both networks to hold against --max-drop".to_owned(),
        };
        ended(&[missed])
    }
}

fn ended(missed: &[String]) -> u8 {
    for text in missed {
        eprint_line!("missed: {text}");
    }
    if missed.is_empty() { DONE } else { MISSED }
}

/// A number from 0 to 1.
fn share(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(share) if (0.0..=1.0).contains(&share) => Ok(share),
        _ => Err("a number from 0 to 1 is needed, such as 0.01".to_owned()),
    }
}
