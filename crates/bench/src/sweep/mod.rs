//! [`Sweep`] and [`run_sweep`]: many runs in one folder, every ratio with every seed, and the table of their
//! results.
//!
//! A sweep is a folder with [`Sweep::FILE`], a run directory for each run, and the configuration of each run
//! in `configs`. A run whose folder lies in a sweep takes over the completed stages that its neighbours made
//! from the same key, also if another process started them ([`bonsai_pipeline::neighbours`]). So dataset, baseline and
//! sparsity training are made once for each seed. This module has no scheduler: it makes runs one after
//! another. A caller that starts them itself must keep to the order of [`SweepRun::phase`].

mod gather;
mod means;
mod plan;
mod row;
mod table;

use std::collections::BTreeSet;
use std::path::PathBuf;

use anyhow::{Error, Result};
use bonsai_checkpoint::write_file;
use bonsai_pipeline::neighbours::sweep_around;
use bonsai_pipeline::{Interrupted, PipelineConfig, Progress, RunDir, run};
use bonsai_stages::open_dataset;

pub use gather::gather;
pub use means::Mean;
pub use plan::{Axes, Sweep, SweepRun};
pub use row::{Figures, Outcome, Point, SweepRow};
pub use table::SweepTable;

/// Makes the missing runs, one after another, and returns how many failed; a failure does not stop the
/// others.
///
/// # Errors
/// [`Interrupted`] if the progress asked for a stop, and the errors of [`open_dataset`], before the first
/// run.
pub fn run_sweep(sweep: &Sweep, configs: &[PipelineConfig], progress: &mut dyn Progress) -> Result<usize> {
    // A dataset that cannot be trained on would end all runs, so check the datasets first.
    let datasets: BTreeSet<_> = configs.iter().filter_map(|config| config.data.as_deref()).collect();
    for yaml in datasets {
        open_dataset(yaml, progress)?;
    }
    let mut failed = 0;
    let count = configs.len();
    for (index, (one, config)) in sweep.runs().iter().zip(configs).enumerate() {
        progress.note(&format!("run {} of {count}: {}", index + 1, one.name));
        let dir = sweep.dir(one);
        match run(config, &dir, progress) {
            Ok(_) => drop(failure_file(&dir).map(std::fs::remove_file)),
            Err(error) if error.is::<Interrupted>() => return Err(error),
            Err(error) => {
                failed += 1;
                note_failure(&dir, &error);
                progress.note(&format!("warning: {} failed: {error:#}", one.name));
            }
        }
    }
    Ok(failed)
}

/// Writes the reason of a failure beside a run directory that lies in a sweep, for [`gather()`]; elsewhere
/// does nothing.
pub fn note_failure(dir: &RunDir, error: &Error) {
    if let Some(file) = failure_file(dir) {
        // The user must see the failure itself, so an error while writing it is ignored.
        let _ = file.parent().map(std::fs::create_dir_all);
        let _ = write_file(&file, format!("{error:#}\n").as_bytes());
    }
}

/// File with the reason of the last failure. It is not in the run directory, whose creation may be what
/// failed.
fn failure_file(dir: &RunDir) -> Option<PathBuf> {
    let name = dir.root().file_name()?.to_str()?;
    Some(sweep_around(dir)?.join("failures").join(format!("{name}.txt")))
}
