//! Tests of the choice of the builder, and of what is an outcome rather than an error.

use std::fs;

use bonsai_tensorrt::{
    BackendChoice, BuildOptions, EngineOutcome, EnginePrecision, Environment, Places, Program,
    build_if_possible,
};

use crate::build::options;
use crate::help::{HELP_8_6, HELP_10, HELP_11, HELP_RTX};
use crate::onnx_file;
use crate::plan_bytes::WRITE_RTX_PLAN;
use crate::stand_in::{Bench, PASSES};

fn because(bench: &Bench, choice: BackendChoice, options: &BuildOptions) -> String {
    match build_if_possible(choice, &bench.places(), options, &mut |_| {}) {
        Ok(EngineOutcome::NotRun { because }) => because,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_the_machine_lacks_is_an_outcome() {
    let half = |bench: &Bench| BuildOptions { precision: Some(EnginePrecision::Fp16), ..options(bench) };
    let bench = Bench::empty();
    assert!(because(&bench, BackendChoice::Trtexec, &half(&bench)).contains("no trtexec found"));
    assert!(because(&bench, BackendChoice::TensorrtRtx, &half(&bench)).contains("no tensorrt_rtx found"));
    let rtx = because(&bench, BackendChoice::Rtx, &half(&bench));
    let mend = if cfg!(feature = "rtx") { "scripts/install-tensorrt-rtx.sh DIR" } else { "--features rtx" };
    assert!(rtx.contains(mend), "{rtx}");
    let none = because(&bench, BackendChoice::Auto, &half(&bench));
    assert!(none.contains("no trtexec found") && none.contains(mend), "{none}");
    drop(bench);

    let no_gpu = "echo '[E] Cannot find any available devices (GPUs)!' >&2; echo '&&&& FAILED'; exit 1";
    for (help, script, expected) in [
        (HELP_8_6, no_gpu, "no usable GPU"),
        (HELP_10, "echo 'Cuda failure: no CUDA-capable device is detected' >&2; exit 134", "no usable GPU"),
        (HELP_11, PASSES, "export the ONNX file as fp16"),
    ] {
        let bench = Bench::new(help, script);
        let reason = because(&bench, BackendChoice::Auto, &half(&bench));
        assert!(reason.contains(expected), "{reason}");
    }

    let bench = Bench::new(HELP_10, "exit 3");
    let failed = build_if_possible(BackendChoice::Auto, &bench.places(), &half(&bench), &mut |_| {});
    assert!(failed.is_err(), "a builder that fails is an error, and no other is tried");
}

#[test]
fn auto_takes_trtexec_and_then_the_tool_of_rtx() {
    let built = |bench: &Bench, choice| match build_if_possible(
        choice,
        &bench.places(),
        &options(bench),
        &mut |_| {},
    ) {
        Ok(EngineOutcome::Built(report)) => report.engine,
        other => panic!("{other:?}"),
    };
    let bench = Bench::empty();
    let passes = format!("{WRITE_RTX_PLAN}\necho '&&&& PASSED'");
    bench.add(Program::TensorrtRtx, HELP_RTX, &passes);
    assert_eq!(built(&bench, BackendChoice::Auto), bench.path("model.rtx.engine"));
    assert!(!bench.path("model.engine").exists());
    bench.add(Program::Trtexec, HELP_10, PASSES);
    assert_eq!(built(&bench, BackendChoice::Auto), bench.path("model.engine"));
    fs::remove_file(bench.path("model.rtx.engine")).unwrap();
    assert_eq!(built(&bench, BackendChoice::TensorrtRtx), bench.path("model.rtx.engine"));
}

#[test]
fn a_named_builder_that_does_not_work_is_not_passed_over() {
    let bench = Bench::empty();
    let passes = format!("{WRITE_RTX_PLAN}\necho '&&&& PASSED'");
    bench.add(Program::TensorrtRtx, HELP_RTX, &passes);
    let environment = Environment { trtexec: Some(bench.path("typo").into()), ..Environment::default() };
    let places = Places { environment, ..bench.places() };
    let outcome = build_if_possible(BackendChoice::Auto, &places, &options(&bench), &mut |_| {}).unwrap();
    assert!(matches!(outcome, EngineOutcome::NotRun { because } if because.contains("typo")));
}

#[test]
fn half_files_give_half_engines_where_the_file_decides() {
    let bench = Bench::new(HELP_11, PASSES);
    fs::write(bench.path("model.onnx"), onnx_file::fp16()).unwrap();
    let outcome = build_if_possible(BackendChoice::Auto, &bench.places(), &options(&bench), &mut |_| {});
    assert!(matches!(outcome, Ok(EngineOutcome::Built(report)) if report.precision == EnginePrecision::Fp16));
}
