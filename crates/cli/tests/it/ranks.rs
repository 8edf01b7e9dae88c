//! A program that a launcher started as one of several processes; trainings of several are in `scripts/mpi-trials.sh`.

use std::process::Command;

/// Standard error of a training with variables of Open MPI's launcher, and its exit code.
fn started(rank: &str, world: &str) -> (String, Option<i32>) {
    let output = Command::new(env!("CARGO_BIN_EXE_bonsai"))
        .args(["train", "--data", "missing.yaml"])
        .envs([("OMPI_COMM_WORLD_RANK", rank), ("OMPI_COMM_WORLD_SIZE", world)])
        .output()
        .unwrap();
    (String::from_utf8(output.stderr).unwrap(), output.status.code())
}

#[test]
#[cfg(not(feature = "mpi"))]
fn one_of_several_needs_the_feature() {
    let (error, code) = started("1", "2");
    assert!(error.contains("rank 1 of 2") && error.contains("--features mpi"), "{error}");
    assert_eq!(code, Some(2));
}

#[test]
fn variables_that_contradict_each_other_are_refused() {
    let (error, code) = started("2", "2");
    assert!(error.contains("rank 2 of 2"), "{error}");
    assert_eq!(code, Some(2));
    let (error, code) = started("first", "2");
    assert!(error.contains("OMPI_COMM_WORLD_RANK=\"first\""), "{error}");
    assert_eq!(code, Some(2));
}

#[test]
fn a_single_process_needs_nothing() {
    let (error, code) = started("0", "1");
    assert!(error.contains("missing.yaml") && !error.contains("rank"), "{error}");
    assert_eq!(code, Some(2));
}
