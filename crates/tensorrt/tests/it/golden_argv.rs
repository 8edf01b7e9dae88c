//! The exact words per version.

use bonsai_tensorrt::{BuildOptions, Capabilities, OptionsError, Precision, ShapeProfile, argv};

use crate::stand_in::{HELP_8_6, HELP_10, HELP_11};

fn words(help: &str, options: &BuildOptions) -> Result<String, OptionsError> {
    argv(&Capabilities::from_help(help).unwrap(), options).map(|words| words.join(" "))
}

fn half() -> BuildOptions {
    BuildOptions { precision: Precision::Fp16, ..BuildOptions::new("m.onnx", "m.engine") }
}

fn half_in_the_file() -> BuildOptions {
    BuildOptions { onnx_precision: Precision::Fp16, ..half() }
}

#[test]
fn fp32_needs_no_flag_anywhere() {
    for help in [HELP_8_6, HELP_10, HELP_11] {
        let plain = words(help, &BuildOptions::new("m.onnx", "m.engine"));
        assert_eq!(plain.unwrap(), "--onnx=m.onnx --saveEngine=m.engine");
    }
}

#[test]
fn fp16_is_a_flag_up_to_10_and_a_property_of_the_file_from_11() {
    for help in [HELP_8_6, HELP_10] {
        assert_eq!(words(help, &half()).unwrap(), "--onnx=m.onnx --saveEngine=m.engine --fp16");
        assert_eq!(words(help, &half_in_the_file()).unwrap(), "--onnx=m.onnx --saveEngine=m.engine --fp16");
    }
    assert_eq!(words(HELP_11, &half_in_the_file()).unwrap(), "--onnx=m.onnx --saveEngine=m.engine");

    let refusal = words(HELP_11, &half()).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "TensorRT 11.1.0 has no precision flags: it computes in what the ONNX file spells out, which \
         is Fp32, but the engine should be Fp16; export the ONNX file as Fp16 first"
    );
    let fp32_from_half = BuildOptions { precision: Precision::Fp32, ..half_in_the_file() };
    assert!(matches!(words(HELP_11, &fp32_from_half), Err(OptionsError::PrecisionIsInTheFile { .. })));
}

#[test]
fn int8_needs_quantise_nodes_everywhere() {
    let from_fp32 = BuildOptions { precision: Precision::Int8, ..half() };
    let quantised = BuildOptions { onnx_precision: Precision::Int8, ..from_fp32.clone() };
    for (help, flags) in [(HELP_8_6, " --int8 --fp16"), (HELP_10, " --int8 --fp16"), (HELP_11, "")] {
        assert!(matches!(words(help, &from_fp32), Err(OptionsError::NotQuantised { .. })));
        assert_eq!(words(help, &quantised).unwrap(), format!("--onnx=m.onnx --saveEngine=m.engine{flags}"));
    }
}

#[test]
fn everything_at_once() {
    let options = BuildOptions {
        workspace_mib: Some(2048),
        profile: Some(ShapeProfile {
            input: "images".to_owned(),
            min: vec![1, 3, 640, 640],
            opt: vec![4, 3, 640, 640],
            max: vec![16, 3, 640, 640],
        }),
        optimization_level: Some(5),
        timing_cache: Some("timing.cache".into()),
        measure: false,
        extra: vec!["--verbose".to_owned()],
        ..half()
    };
    for help in [HELP_8_6, HELP_10] {
        assert_eq!(
            words(help, &options).unwrap(),
            "--onnx=m.onnx --saveEngine=m.engine --fp16 --memPoolSize=workspace:2048 \
             --minShapes=images:1x3x640x640 --optShapes=images:4x3x640x640 --maxShapes=images:16x3x640x640 \
             --builderOptimizationLevel=5 --timingCacheFile=timing.cache --skipInference --verbose"
        );
    }
}

#[test]
fn senseless_options_are_refused() {
    let profile = |min: &[usize], opt: &[usize], max: &[usize]| BuildOptions {
        profile: Some(ShapeProfile {
            input: "images".to_owned(),
            min: min.to_vec(),
            opt: opt.to_vec(),
            max: max.to_vec(),
        }),
        ..half()
    };
    for bad in [
        profile(&[2, 3], &[1, 3], &[4, 3]),
        profile(&[1, 3], &[8, 3], &[4, 3]),
        profile(&[1, 3], &[1, 3, 1], &[4, 3]),
        profile(&[0, 3], &[1, 3], &[4, 3]),
        profile(&[], &[], &[]),
    ] {
        assert!(matches!(words(HELP_10, &bad), Err(OptionsError::BadProfile { .. })));
    }
    let level = BuildOptions { optimization_level: Some(6), ..half() };
    assert_eq!(words(HELP_10, &level), Err(OptionsError::BadLevel { level: 6 }));

    let old = "&&&& RUNNING TensorRT.trtexec [TensorRT v8205] # trtexec --help\n --fp16 \n --workspace=N";
    let workspace = BuildOptions { workspace_mib: Some(64), ..half() };
    let unmeasured = BuildOptions { measure: false, ..half() };
    for (options, name) in [(workspace, "--memPoolSize"), (unmeasured, "--skipInference")] {
        let error = words(old, &options).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("8.2.5"), "{error}");
    }
}
