//! Runs that share stages: a run takes over a stage that a neighbouring run made from the same configuration and
//! inputs.
//!
//! Files are linked, or copied if the file system cannot link. No run writes to a completed stage, so a link
//! is as good as a copy.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use bonsai_checkpoint::write_file;

use crate::{Manifest, RunDir, Stage};

/// File that lists the runs of a sweep, in its folder.
pub const SWEEP: &str = "sweep.json";
/// File that marks a folder which is not a sweep but whose runs share stages too.
const NEIGHBOURS: &str = "neighbours.txt";

/// Takes `stage` into `dir` from a neighbouring run. Does nothing unless `dir` lies in a folder whose runs
/// share stages, has no stage whose manifest `fits`, and a neighbour has one.
///
/// # Errors
/// If a file can be neither linked nor copied.
pub(crate) fn adopt(dir: &RunDir, stage: Stage, fits: impl Fn(&Manifest) -> bool) -> Result<()> {
    let Some(sweep) = sweep_around(dir) else { return Ok(()) };
    let has = |dir: &RunDir| Manifest::load(&dir.stage(stage).join(Manifest::FILE)).is_ok_and(|m| fits(&m));
    if has(dir) {
        return Ok(());
    }
    let entries = fs::read_dir(sweep).with_context(|| format!("cannot read {}", sweep.display()))?;
    let mut neighbours: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    neighbours.sort();
    let donors = neighbours.into_iter().filter(|path| path.file_name() != dir.root().file_name());
    for donor in donors.map(RunDir::new).filter(|donor| has(donor)) {
        // Take over only a stage whose files are unchanged.
        if let Some(manifest) = donor.completed(stage) {
            return take_over(&donor.stage(stage), &manifest, dir, stage);
        }
    }
    Ok(())
}

fn take_over(from: &Path, manifest: &Manifest, dir: &RunDir, stage: Stage) -> Result<()> {
    let partial = dir.begin(stage)?;
    for name in manifest.outputs.keys() {
        let source = from.join(name);
        let target = partial.join(name);
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        }
        if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target)
                .with_context(|| format!("cannot copy {} to {}", source.display(), target.display()))?;
        }
    }
    dir.finish(stage, manifest)
}

/// Marks a folder so that the runs in it share stages.
///
/// # Errors
/// If the file cannot be written.
pub fn mark_neighbours(root: &Path) -> Result<()> {
    let text = "Runs in this folder take over stages that another run made from the same settings.\n";
    Ok(write_file(root.join(NEIGHBOURS), text.as_bytes())?)
}

/// The folder around a run directory, if the runs in it share stages.
pub fn sweep_around(dir: &RunDir) -> Option<&Path> {
    let is_marked = |parent: &&Path| [SWEEP, NEIGHBOURS].iter().any(|mark| parent.join(mark).is_file());
    parent(dir.root()).filter(is_marked)
}

/// The folder around `path`; the parent of a name alone is the current folder.
fn parent(path: &Path) -> Option<&Path> {
    path.parent().map(|parent| if parent.as_os_str().is_empty() { Path::new(".") } else { parent })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use bonsai_exec::ExecutorOptions;

    use super::*;
    use crate::manifest::outputs_in;

    #[test]
    fn a_name_alone_lies_in_the_current_folder() {
        assert_eq!(parent(Path::new("run")), Some(Path::new(".")));
        assert_eq!(parent(Path::new("sweep/run")), Some(Path::new("sweep")));
        assert_eq!(parent(Path::new("/")), None);
    }

    fn made(dir: &RunDir, key: &str, text: &str) {
        let folder = dir.begin(Stage::Baseline).unwrap();
        fs::create_dir(folder.join("inner")).unwrap();
        fs::write(folder.join("inner/best"), text).unwrap();
        let manifest = Manifest {
            stage: Stage::Baseline,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            config: key.into(),
            inputs: BTreeMap::new(),
            outputs: outputs_in(&folder).unwrap(),
            seed: 0,
            began: String::new(),
            seconds: 1.0,
            interruptions: 0,
            cpu_seconds: None,
            peak_mib: None,
            executor: ExecutorOptions::default().describe().unwrap(),
        };
        dir.finish(Stage::Baseline, &manifest).unwrap();
    }

    #[test]
    fn a_stage_is_taken_from_a_whole_neighbour_with_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let dir = |name: &str| RunDir::new(folder.path().join(name));
        let odd = dir("a");
        let broken = dir("b");
        let donor = dir("c");
        let own = dir("d");
        made(&odd, "other", "other");
        made(&broken, "key", "whole");
        fs::write(broken.stage(Stage::Baseline).join("inner/best"), "changed").unwrap();
        made(&donor, "key", "whole");
        // Outside a sweep, runs share no stages.
        adopt(&own, Stage::Baseline, |manifest| manifest.config == "key").unwrap();
        assert!(own.completed(Stage::Baseline).is_none());
        fs::write(folder.path().join(SWEEP), "[]").unwrap();
        adopt(&own, Stage::Baseline, |manifest| manifest.config == "none has this").unwrap();
        assert!(own.completed(Stage::Baseline).is_none());
        adopt(&own, Stage::Baseline, |manifest| manifest.config == "key").unwrap();
        assert_eq!(own.completed(Stage::Baseline), donor.completed(Stage::Baseline));
        assert_eq!(fs::read_to_string(own.stage(Stage::Baseline).join("inner/best")).unwrap(), "whole");
        // If the donor repeats the stage, the files that were taken over do not change.
        made(&donor, "new", "new");
        assert_eq!(fs::read_to_string(own.stage(Stage::Baseline).join("inner/best")).unwrap(), "whole");
    }
}
