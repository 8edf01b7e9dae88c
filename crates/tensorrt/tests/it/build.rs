//! How a run of `trtexec` is judged, and what it leaves behind.

use std::fs;
use std::time::{Duration, Instant};

use bonsai_tensorrt::{
    BuildError, BuildOptions, BuildReport, EngineOutcome, Precision, build, build_if_possible,
};

use crate::stand_in::{Bench, HELP_8_6, HELP_10, HELP_11, PASSES};

fn options(bench: &Bench) -> BuildOptions {
    BuildOptions {
        precision: Precision::Fp16,
        time_limit: Duration::from_secs(20),
        ..BuildOptions::new(bench.path("model.onnx"), bench.path("model.engine"))
    }
}

fn run(bench: &Bench) -> Result<BuildReport, BuildError> {
    build(&bench.trtexec(), &options(bench), &mut |_| {})
}

/// Runs a build that must fail, over an older engine that must survive; the log must be kept and nothing
/// else.
fn failure(run_script: &str) -> BuildError {
    let bench = Bench::new(HELP_8_6, run_script);
    fs::write(bench.path("model.engine"), b"an older engine").unwrap();
    let error = run(&bench).unwrap_err();
    assert_eq!(bench.listing(), ["bin", "model.engine", "model.engine.log", "model.onnx"]);
    assert_eq!(fs::read(bench.path("model.engine")).unwrap(), b"an older engine");
    error
}

#[test]
fn a_passed_build_is_moved_into_place_and_reported() {
    let bench = Bench::new(HELP_8_6, PASSES);
    let mut lines = Vec::new();
    let report =
        build(&bench.trtexec(), &options(&bench), &mut |line: &str| lines.push(line.to_owned())).unwrap();

    assert_eq!(bench.listing(), ["bin", "model.engine", "model.engine.log", "model.onnx"]);
    assert_eq!(report.engine_bytes, 204);
    assert_eq!(report.version.to_string(), "8.6.1");
    assert_eq!(report.argv[1], format!("--saveEngine={}", bench.path("model.engine").display()));
    assert_eq!(report.argv[2..], ["--fp16"]);
    assert_eq!(report.measurement.build_seconds, Some(31.5));
    assert_eq!(report.measurement.throughput_qps, Some(978.2));
    assert_eq!(report.measurement.latency.map(|l| (l.median_ms, l.p99_ms)), Some((1.2, Some(2.0))));

    assert_eq!(lines.len(), 6);
    assert!(lines.iter().any(|line| line.contains("[W] a warning")), "stderr is shown too");
    let log = fs::read_to_string(&report.log).unwrap();
    assert_eq!(log.lines().collect::<Vec<_>>(), lines);
}

#[test]
fn a_second_build_replaces_the_first() {
    let bench = Bench::new(HELP_8_6, PASSES);
    fs::write(bench.path("model.engine"), b"an older engine").unwrap();
    assert_eq!(run(&bench).unwrap().engine_bytes, 204);
    assert!(fs::read(bench.path("model.engine")).unwrap().starts_with(b"ftrt"));
}

#[test]
fn a_failed_build_names_the_first_error() {
    let error = failure(
        "echo '[01/31/2026-10:00:00] [W] [TRT] a warning' >&2\n\
         echo '[01/31/2026-10:00:00] [E] Error[4]: no optimization profile has been defined' >&2\n\
         echo '[01/31/2026-10:00:00] [E] Engine set up failed' >&2\n\
         printf ftrt > \"$engine\"\n\
         echo '&&&& FAILED TensorRT.trtexec [TensorRT v8601]'; exit 1",
    );
    assert!(matches!(error, BuildError::Failed { .. }));
    assert!(error.to_string().contains("no optimization profile has been defined"), "{error}");
}

#[test]
fn exit_0_alone_is_not_success() {
    let error = failure("{ printf ftrt; head -c 200 /dev/zero; } > \"$engine\"; echo 'unknown option'");
    assert!(matches!(error, BuildError::NotPassed { .. }), "{error}");
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
        ("head -c 300 /dev/zero > \"$engine\"", "a TensorRT plan with"),
        ("{ printf vtrt; head -c 200 /dev/zero; } > \"$engine\"", "a TensorRT plan with"),
    ] {
        let error = failure(&format!("{write}\necho '&&&& PASSED TensorRT.trtexec'"));
        let BuildError::Plan { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(reason), "{source}");
    }
}

#[test]
fn a_hanging_build_is_killed() {
    let bench =
        Bench::new(HELP_10, "echo 'timing tactics'; printf ftrt > \"$engine\"; sleep 12 & exec sleep 60");
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

#[test]
fn a_slow_reader_misses_nothing() {
    let many = "i=0; while [ $i -lt 40 ]; do echo line $i; i=$((i+1)); done";
    let bench = Bench::new(HELP_8_6, &format!("{many}\n{PASSES}"));
    let mut count = 0;
    let slow = &mut |_: &str| {
        count += 1;
        std::thread::sleep(Duration::from_millis(10));
    };
    build(&bench.trtexec(), &options(&bench), slow).unwrap();
    assert_eq!(count, 46);
}

#[test]
fn missing_input_and_missing_folder_are_named() {
    let bench = Bench::new(HELP_8_6, PASSES);
    let no_onnx = BuildOptions { onnx: bench.path("typo.onnx"), ..options(&bench) };
    let error = build(&bench.trtexec(), &no_onnx, &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::NoOnnx { .. }) && error.to_string().contains("typo.onnx"));

    let no_folder = BuildOptions { engine: bench.path("absent/model.engine"), ..options(&bench) };
    let error = build(&bench.trtexec(), &no_folder, &mut |_| {}).unwrap_err();
    assert!(matches!(error, BuildError::File { .. }) && error.to_string().contains("absent"), "{error}");
}

#[test]
fn what_the_machine_lacks_is_an_outcome() {
    let because = |bench: &Bench| match build_if_possible(&bench.find_options(), &options(bench), &mut |_| {})
    {
        Ok(EngineOutcome::NotRun { because }) => because,
        other => panic!("{other:?}"),
    };
    assert!(because(&Bench::empty()).contains("no trtexec found"));
    let no_gpu = "echo '[E] Cannot find any available devices (GPUs)!' >&2; echo '&&&& FAILED'; exit 1";
    assert!(because(&Bench::new(HELP_8_6, no_gpu)).contains("no usable GPU"));
    assert!(because(&Bench::new(HELP_11, PASSES)).contains("no precision flags"));

    let bench = Bench::new(HELP_10, PASSES);
    let outcome = build_if_possible(&bench.find_options(), &options(&bench), &mut |_| {}).unwrap();
    assert!(matches!(outcome, EngineOutcome::Built(report) if report.engine == bench.path("model.engine")));
    drop(bench);
    let bench = Bench::new(HELP_10, "exit 3");
    assert!(build_if_possible(&bench.find_options(), &options(&bench), &mut |_| {}).is_err());
}
