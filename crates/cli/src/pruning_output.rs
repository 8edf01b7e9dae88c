//! [`print_pruning`] and [`print_next`]: the text that `prune` prints.

use std::path::Path;

use bonsai_pipeline::{ClampedLayer, PruneReport};

use crate::invocation::program;
use crate::output::{say, tell};
use crate::shell::quoted;

/// Names the file, and the command that follows.
pub(crate) fn print_next(out: &Path, given_plan: Option<&Path>, data: Option<&Path>) {
    let name = quoted(out);
    let plan = given_plan.map_or_else(|| out.with_extension("plan.json"), Path::to_owned);
    say!("{}: the pruned network; its plan is in {}", out.display(), plan.display());
    let data = data.map_or_else(|| "DATA.yaml".to_owned(), quoted);
    tell!("next: {} finetune --model {name} --data {data}", program());
}

/// Prints the widths of all layers, and what was removed.
pub(crate) fn print_pruning(report: &PruneReport) {
    say!("{:>28} {:>5} {:>5} {:>8} {:>8} {:>8}", "convolution", "was", "kept", "min", "mean", "max |gamma|");
    for layer in report.layers.iter().filter(|l| l.gamma.is_some()) {
        let (min, mean, max) = layer.gamma.as_ref().map_or((0.0, 0.0, 0.0), |g| (g.min, g.mean, g.max));
        say!("{:>28} {:>5} {:>5} {min:>8.4} {mean:>8.4} {max:>8.4}", layer.conv, layer.original, layer.kept);
    }
    if let Some(chosen) = &report.selection {
        for clamp in &chosen.clamped {
            let &ClampedLayer { channels, asked, lost, guard, .. } = clamp;
            say!("{:>28} loses {lost} of {channels}, not {asked}: {guard:?}", clamp.conv);
        }
        if let Some(limit) = &chosen.safe_limit {
            let ratio = chosen.prune_ratio;
            let safe = limit.ratio;
            let conv = &limit.conv;
            say!(
                "ratio {ratio:.4}; above {safe:.4}, a layer would lose all channels without guards, {conv} first"
            );
        }
    }
    if let Some(made) = &report.compensation {
        say!(
            "{} convolutions absorbed the constant output of removed channels, at most {:.3}; {} layers could not",
            made.convs,
            made.largest_shift,
            made.lost.len()
        );
    }
    let share = |after: u64, before: u64| 100.0 * after as f64 / before as f64;
    say!(
        "removed {} of {} prunable channel sets ({} in all); params {} -> {} ({:.0} %), MACs {} -> {} ({:.0} %)",
        report.removed_sets,
        report.prunable_sets,
        report.sets,
        report.before.params,
        report.after.params,
        share(report.after.params, report.before.params),
        report.before.macs,
        report.after.macs,
        share(report.after.macs, report.before.macs)
    );
}
