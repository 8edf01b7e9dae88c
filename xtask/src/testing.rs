//! `cargo xtask test`: every test of the workspace, in the profile that `cargo xtask` itself is built in.

use std::env;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result};

/// Runs `cargo test --workspace --release`, or with `arguments` in place of `--workspace`.
pub(crate) fn test(arguments: &[String]) -> Result<ExitCode> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--release"]);
    if arguments.is_empty() {
        command.arg("--workspace");
    }
    let status = command.args(arguments).status().context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
