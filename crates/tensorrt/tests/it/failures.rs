//! Tests of builds that fail: they give the right reason, keep an older engine, and leave only the log.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::{Duration, Instant};

use bonsai_tensorrt::{BuildError, BuildOptions, PreflightError, build};

use crate::build::{options, run};
use crate::help::{HELP_8_6, HELP_10, HELP_11};
use crate::plan_bytes::{WRITE_PLAN, WRITE_RTX_PLAN};
use crate::stand_in::{Bench, PASSES};

/// Runs a build that must fail, over an older engine that must survive; only the log may be added.
fn failure_of(help: &str, run_script: &str) -> BuildError {
    let bench = Bench::new(help, run_script);
    fs::write(bench.path("model.engine"), b"an older engine").unwrap();
    let error = run(&bench).unwrap_err();
    assert_eq!(bench.listing(), ["bin", "model.engine", "model.engine.log", "model.onnx"]);
    assert_eq!(fs::read(bench.path("model.engine")).unwrap(), b"an older engine");
    error
}

fn failure(run_script: &str) -> BuildError {
    failure_of(HELP_8_6, run_script)
}

#[test]
fn a_failed_build_names_the_first_error() {
    for (help, version) in [(HELP_8_6, "8.6.1"), (HELP_10, "10.16.0"), (HELP_11, "11.1.0")] {
        let error = failure_of(
            help,
            "echo '[01/31/2026-10:00:00] [W] [TRT] a warning' >&2\n\
             echo '[01/31/2026-10:00:00] [E] Error[4]: no optimization profile has been defined' >&2\n\
             echo '[01/31/2026-10:00:00] [E] Engine set up failed' >&2\n\
             printf ftrt > \"$engine\"\n\
             echo '&&&& FAILED TensorRT.trtexec [TensorRT v8601]'; exit 1",
        );
        assert!(matches!(error, BuildError::Failed { .. }));
        let text = error.to_string();
        assert!(
            text.contains("no optimization profile has been defined") && text.contains(version),
            "{text}"
        );
    }
}

#[test]
fn exit_0_alone_is_not_success() {
    // TensorRT 11.1 ends in this way on an option that it does not know.
    let error = failure_of(HELP_11, &format!("{WRITE_PLAN}\necho 'Unknown option: --best x'"));
    assert!(matches!(error, BuildError::NotPassed { .. }), "{error}");
    assert!(error.to_string().contains("Unknown option"), "{error}");
}

#[test]
fn passed_with_exit_1_is_not_success() {
    let error = failure(&format!("{PASSES}\nexit 1"));
    assert!(matches!(error, BuildError::Failed { .. }), "{error}");
}

#[test]
fn passed_without_a_plan_is_not_success() {
    for (write, reason) in [
        ("true", "cannot read the plan"),
        ("printf ftrt > \"$engine\"", "too few for a plan"),
        ("head -c 300 /dev/zero > \"$engine\"", "a plan starts with `ftrt`"),
        (WRITE_RTX_PLAN, "an engine of TensorRT-RTX cannot take the place of one of TensorRT"),
        ("mkdir \"$engine\"", "cannot read the plan"),
    ] {
        let error = failure(&format!("{write}\necho '&&&& PASSED TensorRT.trtexec'"));
        assert!(matches!(error, BuildError::Plan { .. }), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn a_crash_is_reported_with_its_signal() {
    let error = failure("echo '[I] Building'; printf ftrt > \"$engine\"; kill -SEGV $$");
    assert!(matches!(error, BuildError::Failed { .. }));
    let text = error.to_string();
    assert!(text.contains("signal: 11") && text.contains("Building"), "{text}");
}

#[test]
fn a_full_disk_is_reported() {
    // The tool cannot write its own plan; some versions print PASSED nevertheless.
    let script = "{ printf ftrt; head -c 20 /dev/zero; } > \"$engine\"; head -c 9 /dev/zero > /dev/full";
    let error = failure(&format!("{script} || exit 1"));
    assert!(matches!(&error, BuildError::Failed { .. }), "{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    let error = failure(&format!("{script}; echo '&&&& PASSED TensorRT.trtexec'"));
    assert!(error.to_string().contains("the disk may be full"), "{error}");

    // The log cannot be written: the tool is stopped at its first line.
    let bench = Bench::new(HELP_8_6, &format!("{PASSES}\nsleep 60"));
    symlink("/dev/full", bench.path("model.engine.log")).unwrap();
    let start = Instant::now();
    let error = run(&bench).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(15));
    assert!(error.to_string().contains("cannot write the log"), "{error}");
    assert_eq!(bench.listing(), ["bin", "model.engine.log", "model.onnx"]);
}

#[test]
fn a_hanging_build_is_killed() {
    for help in [HELP_8_6, HELP_10, HELP_11] {
        let bench =
            Bench::new(help, "echo 'timing tactics'; printf ftrt > \"$engine\"; sleep 12 & exec sleep 60");
        let options = BuildOptions { time_limit: Duration::from_millis(400), ..options(&bench) };
        let start = Instant::now();
        let error = build(&bench.trtexec(), &options, &mut |_| {}).unwrap_err();
        assert!(
            start.elapsed() < Duration::from_secs(10),
            "a child of trtexec that keeps the pipes open delays nothing"
        );
        let text = error.to_string();
        assert!(matches!(error, BuildError::TimedOut { .. }));
        assert!(text.contains("0.4 s") && text.contains("timing tactics"), "{text}");
        assert_eq!(bench.listing(), ["bin", "model.engine.log", "model.onnx"]);
    }
}

#[test]
fn missing_input_and_missing_folder_are_named() {
    let bench = Bench::new(HELP_8_6, PASSES);
    let no_onnx = BuildOptions { onnx: bench.path("typo.onnx"), ..options(&bench) };
    let error = build(&bench.trtexec(), &no_onnx, &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::Preflight(PreflightError::NoOnnx { .. })));
    assert!(error.to_string().contains("typo.onnx"));

    let no_folder = BuildOptions { engine: bench.path("absent/model.engine"), ..options(&bench) };
    let error = build(&bench.trtexec(), &no_folder, &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::File { .. }) && error.to_string().contains("absent"), "{error}");
}
