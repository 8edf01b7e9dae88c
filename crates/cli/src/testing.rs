//! `test`: every test of the workspace, in the profile that `cargo xtask` itself is built in.

use std::env;
use std::process::Command;

use anyhow::{Context, Result};

use crate::failure::{DONE, ErrorExt as _, FAILED};
use crate::invocation::checkout;

/// Runs `cargo test --workspace --release`, or with `arguments` in place of `--workspace`, in the checkout around the
/// current folder.
pub(crate) fn test(arguments: &[String]) -> Result<u8> {
    let here = env::current_dir().context("the current folder is gone")?;
    let root = checkout(&here)
        .with_context(|| {
            format!(
                "`test` needs a checkout of Bonsai, and neither {} nor a folder above it is one",
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
