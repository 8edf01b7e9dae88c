//! [`command_list`] and [`slurm_script`]: a sweep as a list of `pipeline` commands, and as a script for
//! Slurm.

use std::fmt::Write as _;
use std::path::Path;

use bonsai_bench::sweep::{Sweep, SweepRun};

use crate::shell::quoted;

/// One command per line; comments say which may run at the same time.
pub(crate) fn command_list(sweep: &Sweep, program: &Path) -> String {
    let mut text = String::new();
    for (phase, runs) in phases(sweep) {
        let makes = if phase == 1 {
            "these runs make the stages that later runs share"
        } else {
            "these runs use the stages of earlier runs"
        };
        let _ = writeln!(text, "# phase {phase}: {makes}; all runs of a phase may run at once");
        for run in runs {
            let program = quoted(program);
            let config = quoted(&sweep.config_file(run));
            let _ = writeln!(
                text,
                "{program} pipeline --config {config} --project {}",
                quoted(sweep.dir(run).root())
            );
        }
    }
    let _ =
        writeln!(text, "# afterwards: {} pipeline sweep --gather {}", quoted(program), quoted(sweep.root()));
    text
}

/// A script that submits itself as one array for each phase; each task of an array executes one run.
pub(crate) fn slurm_script(sweep: &Sweep, program: &Path) -> String {
    let names: Vec<String> = sweep.runs().iter().map(|run| quoted(&run.name)).collect();
    let mut ranges = Vec::new();
    let mut first = 0;
    for (_, runs) in phases(sweep) {
        ranges.push(format!("{first}-{}", first + runs.len() - 1));
        first += runs.len();
    }
    let root = quoted(sweep.root());
    format!(
        "\
#!/usr/bin/env bash
#SBATCH --job-name=bonsai-sweep
#SBATCH --output=bonsai-sweep-%A_%a.log
# `bash FILE` submits the runs of a sweep; each phase starts after the phase whose stages it uses. Add the options of
# your cluster (--partition, --time, --cpus-per-task) as #SBATCH lines. Set BONSAI to use another program.
set -euo pipefail
bonsai=${{BONSAI:-{program}}}
sweep={root}
runs=({names})
phases=({ranges})

if [ -z \"${{SLURM_ARRAY_TASK_ID:-}}\" ]; then
    after=
    for range in \"${{phases[@]}}\"; do
        # afterany: if an earlier run failed, later runs make the shared stages themselves.
        after=$(sbatch --parsable ${{after:+--dependency=afterany:$after}} --array=\"$range\" \"$0\")
        after=${{after%%;*}}
        echo \"runs $range: job $after\"
    done
    echo \"afterwards: $bonsai pipeline sweep --gather $sweep\"
    exit
fi
run=${{runs[$SLURM_ARRAY_TASK_ID]}}
exec \"$bonsai\" pipeline --config \"$sweep/configs/$run.toml\" --project \"$sweep/$run\"
",
        program = quoted(program),
        names = names.join(" "),
        ranges = ranges.join(" "),
    )
}

/// The runs of each phase, in order.
fn phases(sweep: &Sweep) -> Vec<(usize, &[SweepRun])> {
    sweep.runs().chunk_by(|a, b| a.phase == b.phase).map(|runs| (runs[0].phase, runs)).collect()
}
