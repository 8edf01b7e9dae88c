//! The program `bonsai`: runs the command line of [`bonsai_cli`].

use std::process::ExitCode;

fn main() -> ExitCode {
    bonsai_cli::main()
}
