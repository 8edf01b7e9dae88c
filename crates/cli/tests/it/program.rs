//! [`xtask`], [`answer`], [`refusal`] and [`misuse`]: run the built program.

use std::process::{Command, Output};

/// Runs a command.
pub(crate) fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_bonsai")).args(arguments).output().unwrap()
}

/// Standard output of a command that succeeds.
pub(crate) fn answer(arguments: &[&str]) -> String {
    let output = xtask(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Standard error of a command that fails.
pub(crate) fn refusal(arguments: &[&str]) -> String {
    ends_with(1, arguments)
}

/// Standard error of a command whose arguments or settings are wrong.
pub(crate) fn misuse(arguments: &[&str]) -> String {
    ends_with(2, arguments)
}

fn ends_with(code: i32, arguments: &[&str]) -> String {
    let output = xtask(arguments);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {message}");
    assert!(output.stdout.is_empty(), "{arguments:?} prints a result but fails");
    // Warnings about a dataset may come before the error.
    assert!(message.lines().any(|line| line.starts_with("error: ")), "{message}");
    message
}
