//! `cargo xtask` and `cargo test --workspace` use the same builds: a crate that has other features in one than in the other is
//! built twice, which costs minutes.

use std::collections::BTreeSet;
use std::process::Command;

use crate::tree::root;

/// The crates of a build with their features.
fn crates(selection: &[&str]) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--prefix", "none", "--format", "{p} {f}"])
        .args(selection)
        .current_dir(root())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| line.trim_end_matches(" (*)").trim_end().to_owned()).collect()
}

#[test]
fn the_program_and_the_tests_have_crates_with_the_same_features() {
    let program = crates(&["--package", "xtask", "--edges", "normal,build"]);
    let tests = crates(&["--workspace", "--edges", "normal,build,dev"]);
    assert!(program.len() > 100, "{program:?}");
    let only: Vec<&String> = program.difference(&tests).collect();
    assert!(
        only.is_empty(),
        "these crates of `cargo xtask` have other features in the tests: {only:?}; give them the features that `cargo tree \
         --workspace` shows, in the root's Cargo.toml or by features of bonsai-cli"
    );
}
