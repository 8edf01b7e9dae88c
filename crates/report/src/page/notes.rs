//! [`not_run`] and [`reproduce`]: what was not run and why, and how to repeat the run.

use maud::html;

use super::Section;
use crate::Report;

pub(super) fn not_run(report: &Report) -> Option<Section> {
    if report.not_run.is_empty() {
        return None;
    }
    let body = html! {
        p { "None of these is a failure." }
        div class="scroll" tabindex="0" role="region" aria-label="Not run" {
            table class="stack" {
                thead { tr { th scope="col" { "what" } th scope="col" style="text-align:left" { "why" } } }
                tbody {
                    @for missing in &report.not_run {
                        tr {
                            th scope="row" { (missing.what) }
                            td class="na" {
                                (missing.short())
                                @if missing.short() != missing.because {
                                    details { summary { "Full message" } (missing.because) }
                                }
                            }
                        }
                    }
                }
            }
        }
    };
    Some(Section { id: "notrun", short: "Not run", title: "Not run, and why", body })
}

pub(super) fn reproduce(report: &Report) -> Section {
    let body = html! {
        p { "The same seed on the same instruction set gives the same bits on the CPU executor." }
        div class="box" {
            pre { "cargo xtask pipeline --config config.toml" }
            dl class="kv" {
                dt { "Bonsai" } dd { (env!("CARGO_PKG_VERSION")) }
                dt { "Executor" } dd { (report.executor) }
                dt { "Data" } dd { (report.data) ": " (report.images) " " (report.split) " images, " (report.instances) " objects" }
                dt { "Network" } dd { (report.model) ", " (report.imgsz) " px, seed " (report.seed) }
                dt { "Settings" } dd { code { "config.toml" } " in the run directory lists every one" }
                dt { "Digests" } dd { code { "manifest.json" } " in each stage\u{2019}s folder" }
            }
        }
    };
    Section { id: "repro", short: "Reproduce", title: "Reproduce", body }
}
