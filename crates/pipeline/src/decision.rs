//! [`decide`]: whether a stage runs, and why.

use std::collections::BTreeMap;

use anyhow::{Result, bail};
use bonsai_stages::differences;
use serde_json::Value;

use crate::{Control, Found, Manifest, RunDir, Stage};

/// Maximum number of files that a reason names; further files are only counted.
const NAMED: usize = 3;

/// Whether a stage runs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Decision {
    /// The stage is complete, made from the same configuration and inputs.
    Cached(Manifest),
    /// The run begins after this stage, so its files are used, whatever they were made from.
    Taken(Manifest),
    /// The stage runs, for these reasons; with the manifest of its last run, if that can be read.
    Run(Vec<String>, Option<Manifest>),
}

/// Decides whether a stage of `config` runs, from the files in the directory. An input without digest is a
/// stage that will run first.
///
/// # Errors
/// If the run begins after the stage and the stage is not complete.
pub(crate) fn decide(
    dir: &RunDir,
    control: &Control,
    stage: Stage,
    config: &Value,
    inputs: &BTreeMap<Stage, Option<String>>,
) -> Result<Decision> {
    let found = dir.found(stage);
    if control.takes(stage) {
        let Found::Complete(manifest) = found else {
            bail!(
                "--from needs stage `{stage}` complete in {}, but {}; begin with --from {stage}, or without --from",
                dir.root().display(),
                unfit(&found).join("; ")
            );
        };
        return Ok(Decision::Taken(manifest));
    }
    let mut reasons = unfit(&found);
    if control.forces(stage) {
        reasons.push("forced".to_owned());
    }
    let (Found::Complete(manifest) | Found::Damaged(manifest, _)) = found else {
        return Ok(Decision::Run(reasons, None));
    };
    if manifest.version != env!("CARGO_PKG_VERSION") {
        reasons.push(format!("version {} -> {}", manifest.version, env!("CARGO_PKG_VERSION")));
    }
    reasons.extend(differences(&manifest.config, config));
    let before: Vec<&str> =
        inputs.iter().filter(|(_, d)| d.is_none()).map(|(input, _)| input.name()).collect();
    match before.as_slice() {
        [] => {}
        [one] => reasons.push(format!("{one} runs before it")),
        all => reasons.push(format!("{} run before it", all.join(", "))),
    }
    for (input, digest) in inputs {
        if digest.as_ref().is_some_and(|digest| manifest.inputs.get(input) != Some(digest)) {
            reasons.push(format!("input {input} changed"));
        }
    }
    if manifest.inputs.keys().any(|input| !inputs.contains_key(input)) {
        reasons.push("it was made from other input stages".to_owned());
    }
    Ok(if reasons.is_empty() { Decision::Cached(manifest) } else { Decision::Run(reasons, Some(manifest)) })
}

/// Why the files of a stage cannot be used; empty for a complete stage.
fn unfit(found: &Found) -> Vec<String> {
    vec![match found {
        Found::Complete(_) => return Vec::new(),
        Found::Nothing => "it has not run here".to_owned(),
        Found::Begun => "its last run did not complete".to_owned(),
        Found::Unreadable(why) => format!("its manifest cannot be read ({why})"),
        Found::Damaged(_, files) => {
            let more = files.len().saturating_sub(NAMED);
            let and = if more > 0 { format!(" and {more} more") } else { String::new() };
            format!("files were changed or are missing: {}{and}", files[..files.len() - more].join(", "))
        }
    }]
}
