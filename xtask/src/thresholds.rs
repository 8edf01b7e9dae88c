//! Bars that a figure has to reach: the work is done either way, but the exit code says whether they were missed.

use bonsai_pipeline::{DetMetrics, Report};
use clap::Args;

use crate::failure::{DONE, MISSED};
use crate::output::complain;

/// Bars of a validation.
#[derive(Args)]
pub(crate) struct ValBars {
    /// End with 3 if mAP50 is below
    #[arg(long, value_name = "SHARE", value_parser = share)]
    min_map50: Option<f64>,
    /// End with 3 if mAP50-95 is below
    #[arg(long = "min-map50-95", value_name = "SHARE", value_parser = share)]
    min_map50_95: Option<f64>,
}

/// Bars of a whole run.
#[derive(Args)]
pub(crate) struct RunBars {
    /// End with 3 if the fine-tuned network lost more mAP50-95 against the baseline
    #[arg(long, value_name = "SHARE", value_parser = share)]
    max_drop: Option<f64>,
}

impl ValBars {
    /// Says which bars were missed.
    pub(crate) fn judge(&self, metrics: &DetMetrics) -> u8 {
        let bars = [
            ("mAP50", metrics.map50, self.min_map50, "--min-map50"),
            ("mAP50-95", metrics.map50_95, self.min_map50_95, "--min-map50-95"),
        ];
        let missed = bars.into_iter().filter(|(_, figure, bar, _)| bar.is_some_and(|bar| *figure < bar));
        let missed: Vec<String> = missed
            .map(|(name, figure, bar, option)| {
                format!("{name} is {figure:.4}, below the {} of {option}", bar.unwrap_or_default())
            })
            .collect();
        ended(&missed)
    }
}

impl RunBars {
    /// Says whether too much was lost.
    pub(crate) fn judge(&self, report: &Report) -> u8 {
        let Some(bar) = self.max_drop else { return DONE };
        let of = |name: &str| report.row(name).map(|row| row.map50_95);
        let change = report.change.as_ref().map(|change| change.map50_95.difference());
        // A split of a single image has no paired change, but figures all the same.
        let change = change.or_else(|| Some(of("fine-tuned")? - of("baseline")?));
        let missed = match change {
            Some(change) if -change <= bar => return DONE,
            Some(change) => format!("mAP50-95 changed by {change:+.4}; --max-drop allows a loss of {bar}"),
            None => "the report has no mAP50-95 of both networks to hold against --max-drop".to_owned(),
        };
        ended(&[missed])
    }
}

fn ended(missed: &[String]) -> u8 {
    for text in missed {
        complain!("missed: {text}");
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
