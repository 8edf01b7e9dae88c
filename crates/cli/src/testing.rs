//! `test`: runs all tests of the workspace in release mode, the profile of `cargo xtask` itself.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::failure::{DONE, ErrorExt as _, FAILED};
use crate::invocation::checkout;

/// Runs `cargo test --workspace --release` in the checkout that contains the current folder; `arguments`
/// replace `--workspace`.
pub(crate) fn test(arguments: &[String]) -> Result<u8> {
    let here = env::current_dir().context("the current folder does not exist")?;
    let root = checkout(&here)
        .with_context(|| {
            format!(
                "`test` needs a checkout of Bonsai, but neither {} nor a parent folder is one",
                here.display()
            )
        })
        .hint(|| "change into the folder that Bonsai was cloned to".to_owned())?;
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--release"]).current_dir(root);
    if arguments.is_empty() {
        command.arg("--workspace");
    }
    let status = command.args(arguments).status().context("cannot start cargo")?;
    Ok(if status.success() { DONE } else { FAILED })
}
