//! [`section`]: the files to deploy with the commands that run them, and what to do next.

use maud::html;

use super::results::megabytes;
use super::{Section, milliseconds};
use crate::Report;
use crate::advice::advice;
use crate::deploy::choices;
use crate::headline::times;

pub(super) fn section(report: &Report) -> Option<Section> {
    let choices = choices(report);
    let advice = advice(report);
    if choices.is_empty() && advice.is_empty() {
        return None;
    }
    let body = html! {
        p {
            "Paths are relative to the run directory. In each place, this is the fastest file that loses at most 0.01 mAP50-95 \
             against the fine-tuned network, or the most accurate one if every file loses more."
        }
        @for choice in &choices {
            div class="box apart" {
                h3 { "For " (choice.place) }
                dl class="kv" {
                    dt { "File" } dd { code { (choice.row.file) } }
                    dt { "Size" } dd { (megabytes(choice.row.bytes)) " MB, " (choice.row.precision) }
                    dt { "Measured here" }
                    dd {
                        (format!("{:.3}", choice.row.map50_95)) " mAP50-95, " (milliseconds(choice.row.latency.p50_ms)) " ms, run by "
                        (choice.row.runner) ", " (times(&choice.row.speed)) " the baseline\u{2019}s speed"
                    }
                }
                pre { (choice.how) }
            }
        }
        @if !advice.is_empty() {
            div class="box apart" {
                h3 { "What to do next" }
                ul { @for sentence in &advice { li { (sentence) } } }
            }
        }
    };
    Some(Section { id: "deploy", short: "Deploy", title: "Which file to deploy", body })
}
