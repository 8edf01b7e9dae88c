//! `cargo xtask`: runs the command line of [`bonsai_cli`] from a checkout.

use std::process::ExitCode;

fn main() -> ExitCode {
    bonsai_cli::main()
}
