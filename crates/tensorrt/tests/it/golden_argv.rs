//! Tests of the exact arguments for each version.

use bonsai_tensorrt::{
    BuildOptions, Capabilities, EnginePrecision, HardwareCompatibility, OptionsError, ProfilingExports,
    Program, ShapeProfile, argv,
};

use crate::help::{HELP_8_6, HELP_10, HELP_11, HELP_RTX};

const PLAIN: &str = "--onnx=m.onnx --saveEngine=m.engine";

fn words_of(
    program: Program,
    help: &str,
    options: &BuildOptions,
    onnx: EnginePrecision,
) -> Result<String, OptionsError> {
    argv(&Capabilities::from_help(program, help).unwrap(), options, onnx).map(|words| words.join(" "))
}

fn words(help: &str, options: &BuildOptions, onnx: EnginePrecision) -> Result<String, OptionsError> {
    words_of(Program::Trtexec, help, options, onnx)
}

fn rtx(options: &BuildOptions, onnx: EnginePrecision) -> Result<String, OptionsError> {
    words_of(Program::TensorrtRtx, HELP_RTX, options, onnx)
}

fn plain() -> BuildOptions {
    BuildOptions::new("m.onnx", "m.engine")
}

fn wants(precision: EnginePrecision) -> BuildOptions {
    BuildOptions { precision: Some(precision), ..plain() }
}

#[test]
fn fp32_needs_no_flag_anywhere() {
    for help in [HELP_8_6, HELP_10, HELP_11] {
        assert_eq!(words(help, &wants(EnginePrecision::Fp32), EnginePrecision::Fp32).unwrap(), PLAIN);
    }
    assert_eq!(rtx(&wants(EnginePrecision::Fp32), EnginePrecision::Fp32).unwrap(), PLAIN);
}

#[test]
fn fp16_is_a_flag_up_to_10_and_a_property_of_the_file_from_11() {
    use EnginePrecision::{Fp16, Fp32};
    for help in [HELP_8_6, HELP_10] {
        for (options, onnx) in [(wants(Fp16), Fp32), (wants(Fp16), Fp16), (plain(), Fp32), (plain(), Fp16)] {
            assert_eq!(words(help, &options, onnx).unwrap(), format!("{PLAIN} --fp16"));
        }
    }
    assert_eq!(words(HELP_11, &wants(Fp16), Fp16).unwrap(), PLAIN);
    assert_eq!(words(HELP_11, &plain(), Fp32).unwrap(), PLAIN, "nobody asked for fp16");

    let refusal = words(HELP_11, &wants(Fp16), Fp32).unwrap_err().to_string();
    assert_eq!(
        refusal,
        "TensorRT 11.1.0 takes its precision from the ONNX file alone: the \
         file is fp32, but the engine should be fp16; export the ONNX file as fp16 first"
    );
    for refused in [words(HELP_11, &wants(Fp32), Fp16), rtx(&wants(Fp16), Fp32)] {
        assert!(matches!(refused, Err(OptionsError::PrecisionIsInTheFile { .. })));
    }
}

#[test]
fn strong_typing_is_a_flag_of_10_alone() {
    use EnginePrecision::{Fp16, Fp32, Int8};
    let strong = |precision| BuildOptions { strongly_typed: true, precision, ..plain() };
    let flag = format!("{PLAIN} --stronglyTyped");
    for onnx in [Fp32, Fp16, Int8] {
        assert_eq!(words(HELP_10, &strong(None), onnx).unwrap(), flag);
        assert_eq!(words(HELP_10, &strong(Some(onnx)), onnx).unwrap(), flag);
        assert_eq!(words(HELP_11, &strong(None), onnx).unwrap(), PLAIN);
        assert_eq!(rtx(&strong(None), onnx).unwrap(), PLAIN);
    }
    let refused = words(HELP_10, &strong(Some(Fp16)), Fp32);
    assert!(matches!(refused, Err(OptionsError::PrecisionIsInTheFile { .. })));
    let refused = words(HELP_8_6, &strong(None), Fp32).unwrap_err().to_string();
    assert!(refused.contains("TensorRT 8.6.1") && refused.contains("`--stronglyTyped`"), "{refused}");
}

#[test]
fn int8_needs_quantise_nodes_everywhere() {
    use EnginePrecision::{Fp32, Int8};
    for (help, flags) in [(HELP_8_6, " --int8 --fp16"), (HELP_10, " --int8 --fp16"), (HELP_11, "")] {
        assert!(matches!(words(help, &wants(Int8), Fp32), Err(OptionsError::NotQuantised { .. })));
        for options in [wants(Int8), plain()] {
            assert_eq!(words(help, &options, Int8).unwrap(), format!("{PLAIN}{flags}"));
        }
    }
    assert!(matches!(rtx(&wants(Int8), Fp32), Err(OptionsError::NotQuantised { .. })));
    assert_eq!(rtx(&wants(Int8), Int8).unwrap(), PLAIN);
}

fn everything() -> BuildOptions {
    BuildOptions {
        workspace_mib: Some(2048),
        profiles: vec![
            "images:1x3x640x640,4x3x640x640,16x3x640x640".parse().unwrap(),
            "scale:1".parse().unwrap(),
        ],
        optimization_level: Some(5),
        timing_cache: Some("timing.cache".into()),
        version_compatible: true,
        hardware_compatibility: Some(HardwareCompatibility::AmperePlus),
        measure: true,
        exports: ProfilingExports {
            times: Some("t.json".into()),
            profile: Some("p.json".into()),
            layer_info: Some("l.json".into()),
        },
        extra: vec!["--verbose".to_owned()],
        ..plain()
    }
}

const SHAPES: &str = "--minShapes=images:1x3x640x640,scale:1 --optShapes=images:4x3x640x640,scale:1 \
                      --maxShapes=images:16x3x640x640,scale:1";
const EXPORTS: &str = "--profilingVerbosity=detailed --separateProfileRun --exportTimes=t.json --exportProfile=p.json \
                       --exportLayerInfo=l.json --verbose";

#[test]
fn everything_at_once() {
    for (help, fp16) in [(HELP_8_6, " --fp16"), (HELP_10, " --fp16"), (HELP_11, "")] {
        assert_eq!(
            words(help, &everything(), EnginePrecision::Fp32).unwrap(),
            format!(
                "{PLAIN}{fp16} --memPoolSize=workspace:2048 {SHAPES} --builderOptimizationLevel=5 \
                 --timingCacheFile=timing.cache --versionCompatible --hardwareCompatibilityLevel=ampere+ {EXPORTS}"
            )
        );
    }
    let unmeasured = BuildOptions {
        measure: false,
        hardware_compatibility: Some(HardwareCompatibility::SameComputeCapability),
        ..plain()
    };
    assert_eq!(
        words(HELP_11, &unmeasured, EnginePrecision::Fp16).unwrap(),
        format!("{PLAIN} --hardwareCompatibilityLevel=sameComputeCapability --skipInference")
    );
}

#[test]
fn rtx_takes_compute_capabilities_in_place_of_compatibility() {
    let targets = BuildOptions {
        compute_capabilities: ["7.5", "86", "12.0"].map(|text| text.parse().unwrap()).to_vec(),
        timing_cache: None,
        version_compatible: false,
        hardware_compatibility: None,
        ..everything()
    };
    assert_eq!(
        rtx(&targets, EnginePrecision::Fp32).unwrap(),
        format!(
            "{PLAIN} --memPoolSize=workspace:2048 {SHAPES} --builderOptimizationLevel=5 \
             --computeCapabilities=75,86,120 {EXPORTS}"
        )
    );
    let refused = words(HELP_10, &targets, EnginePrecision::Fp32).unwrap_err().to_string();
    assert!(refused.contains("compute capabilities") && refused.contains("TensorRT 10.16.0"), "{refused}");
    let others = [
        BuildOptions { timing_cache: Some("c".into()), ..plain() },
        BuildOptions { version_compatible: true, ..plain() },
        BuildOptions { hardware_compatibility: Some(HardwareCompatibility::AmperePlus), ..plain() },
    ];
    for options in others {
        assert!(matches!(rtx(&options, EnginePrecision::Fp32), Err(OptionsError::NotForThisBuilder { .. })));
    }
}

#[test]
fn senseless_options_are_refused() {
    let bad = ShapeProfile { input: "images".to_owned(), min: vec![2, 3], opt: vec![1, 3], max: vec![4, 3] };
    let profile = BuildOptions { profiles: vec![bad], ..plain() };
    assert!(matches!(words(HELP_10, &profile, EnginePrecision::Fp32), Err(OptionsError::Profile(_))));
    let level = BuildOptions { optimization_level: Some(6), ..plain() };
    assert_eq!(words(HELP_10, &level, EnginePrecision::Fp32), Err(OptionsError::BadLevel { level: 6 }));
    let exports = ProfilingExports { times: Some("t.json".into()), ..ProfilingExports::default() };
    let unmeasured = BuildOptions { measure: false, exports, ..plain() };
    assert_eq!(words(HELP_10, &unmeasured, EnginePrecision::Fp32), Err(OptionsError::NothingMeasured));

    let old = "&&&& RUNNING TensorRT.trtexec [TensorRT v8205] # trtexec --help\n --fp16 \n --workspace=N";
    let workspace = BuildOptions { workspace_mib: Some(64), ..plain() };
    let unmeasured = BuildOptions { measure: false, ..plain() };
    for (options, name) in [(workspace, "--memPoolSize"), (unmeasured, "--skipInference")] {
        let error = words(old, &options, EnginePrecision::Fp32).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("8.2.5"), "{error}");
    }
}
