//! A sweep for others to run: a list of commands, and a script for Slurm. Both are plain `pipeline` commands.

use std::fmt::Write as _;
use std::path::Path;

use bonsai_pipeline::sweep::{Sweep, SweepRun};

use crate::shell::quoted;

/// One command a line; comments say which may go at once.
pub(crate) fn command_list(sweep: &Sweep, program: &Path) -> String {
    let mut text = String::new();
    for (phase, runs) in phases(sweep) {
        let makes = if phase == 1 {
            "these make the stages that later runs share"
        } else {
            "these take over what earlier runs made"
        };
        let _ = writeln!(text, "# phase {phase}: {makes}; all of a phase may run at once");
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

/// A script that submits itself as one array for each phase, and does one run as a task of such an array.
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
# `bash FILE` submits the runs of a sweep, each phase after the one whose stages it takes over. Add what your cluster
# wants (--partition, --time, --cpus-per-task) as #SBATCH lines, and name another program with BONSAI.
set -euo pipefail
bonsai=${{BONSAI:-{program}}}
sweep={root}
runs=({names})
phases=({ranges})

if [ -z \"${{SLURM_ARRAY_TASK_ID:-}}\" ]; then
    after=
    for range in \"${{phases[@]}}\"; do
        # afterany: a run whose neighbour failed makes the shared stages itself.
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
