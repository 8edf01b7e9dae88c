//! [`section`]: the channels that pruning kept, by module, and by convolution in a fold-out list.

use bonsai_prune::Importance;
use maud::{Markup, html};

use super::Section;
use crate::{LayerWidth, Report};

/// Rows that keep less than this fraction are marked.
const LOW: f64 = 0.45;

pub(super) fn section(report: &Report) -> Option<Section> {
    if report.layers.is_empty() {
        return None;
    }
    let modules = modules(&report.layers);
    let cut = modules.len().div_ceil(2);
    let body = html! {
        p { (finding(&report.layers)) " " (ranking(report.ranked_by)) " Modules that keep less than 45 % of their channels are shown in vermillion." }
        div class="grid2" {
            @for half in [&modules[..cut], &modules[cut..]] { div class="box" { (table("module", half)) } }
        }
        details { summary { "Every convolution" } div class="box" { (table("convolution", &report.layers)) } }
    };
    Some(Section { id: "channels", short: "Channels", title: "Channels that pruning kept", body })
}

fn finding(layers: &[LayerWidth]) -> String {
    let [original, kept] =
        [|l: &LayerWidth| l.original, |l: &LayerWidth| l.kept].map(|of| layers.iter().map(of).sum::<usize>());
    format!("Pruning kept {kept} of {original} output channels.")
}

/// How the channels were ranked.
fn ranking(by: Importance) -> String {
    match by {
        Importance::Gamma => "It removed those with the smallest gammas.".to_owned(),
        other => format!("It ranked them by importance {other}, not by gamma."),
    }
}

/// Sums the convolutions of a module, which the first two parts of their names identify: `model.2`.
fn modules(layers: &[LayerWidth]) -> Vec<LayerWidth> {
    let mut modules: Vec<LayerWidth> = Vec::new();
    for layer in layers {
        let name: Vec<&str> = layer.conv.splitn(3, '.').take(2).collect();
        let name = name.join(".");
        match modules.last_mut() {
            Some(module) if module.conv == name => {
                module.original += layer.original;
                module.kept += layer.kept;
                module.macs_before += layer.macs_before;
                module.macs_after += layer.macs_after;
            }
            _ => modules.push(LayerWidth { conv: name, ..layer.clone() }),
        }
    }
    modules
}

fn table(what: &str, layers: &[LayerWidth]) -> Markup {
    html! {
        table class="layers" {
            thead {
                tr {
                    th scope="col" { (what) }
                    th scope="col" { "kept" }
                    th scope="col" { "channels" }
                    th scope="col" { "fraction" }
                    th scope="col" { "MMACs" }
                }
            }
            tbody {
                @for layer in layers {
                    @let share = layer.kept as f64 / layer.original.max(1) as f64;
                    tr {
                        th scope="row" { code { (layer.conv) } }
                        td class=(if share < LOW { "bar low" } else { "bar" }) {
                            i style=(format!("width:{:.1}%", 100.0 * share)) {}
                        }
                        td { (layer.kept) "/" (layer.original) }
                        td class="muted" { (format!("{:.0} %", 100.0 * share)) }
                        td class="muted" {
                            (format!("{:.1} \u{2192} {:.1}", layer.macs_before as f64 / 1e6, layer.macs_after as f64 / 1e6))
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn convolutions_of_a_module_are_one_row() {
        let layer = |conv: &str, original, kept| LayerWidth {
            conv: conv.to_owned(),
            original,
            kept,
            macs_before: 10,
            macs_after: 4,
        };
        let layers = [
            layer("model.0.conv", 16, 8),
            layer("model.2.cv1.conv", 32, 16),
            layer("model.2.m.0.cv1.conv", 16, 16),
        ];
        let modules = modules(&layers);
        let rows: Vec<_> =
            modules.iter().map(|m| (m.conv.as_str(), m.original, m.kept, m.macs_after)).collect();
        assert_eq!(rows, [("model.0", 16, 8, 4), ("model.2", 48, 32, 8)]);
    }
}
