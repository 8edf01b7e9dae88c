//! Test: every key of `engine.*` reaches the builder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use bonsai_pipeline::{EngineConfig, PipelineConfig, resolve};
use bonsai_tensorrt::{
    BackendChoice, BuildOptions, EnginePrecision, HardwareCompatibility, ProfilingExports,
};

fn set(settings: &[&str]) -> anyhow::Result<EngineConfig> {
    let settings: Vec<String> = settings.iter().map(|setting| (*setting).to_owned()).collect();
    resolve(&PipelineConfig::default(), &settings).map(|config| config.engine)
}

#[test]
fn every_key_reaches_the_builder() {
    let config = set(&[
        "engine.backend=trtexec",
        "engine.trtexec=tools/trtexec",
        "engine.tensorrt_rtx=tools/tensorrt_rtx",
        "engine.rtx_folder=libraries",
        "engine.precision=fp16",
        "engine.strongly_typed=true",
        "engine.workspace_mib=512",
        "engine.profiles=['images:1x3x640x640,4x3x640x640,16x3x640x640']",
        "engine.optimization_level=4",
        "engine.timing_cache=tactics.cache",
        "engine.version_compatible=true",
        "engine.hardware_compatibility=ampere_plus",
        "engine.compute_capabilities=['8.6', '8.9']",
        "engine.measure=false",
        "engine.exports=true",
        "engine.extra=['--verbose']",
        "engine.time_limit_seconds=90",
    ])
    .unwrap();
    assert_eq!(config.backend, BackendChoice::Trtexec);
    let places = config.places();
    assert_eq!(places.trtexec, Some(PathBuf::from("tools/trtexec")));
    assert_eq!(places.tensorrt_rtx, Some(PathBuf::from("tools/tensorrt_rtx")));
    assert_eq!(places.rtx_folder, Some(PathBuf::from("libraries")));

    let beside = |what: &str| Some(PathBuf::from(format!("best.engine.{what}.json")));
    let expected = BuildOptions {
        precision: Some(EnginePrecision::Fp16),
        strongly_typed: true,
        workspace_mib: Some(512),
        profiles: vec!["images:1x3x640x640,4x3x640x640,16x3x640x640".parse().unwrap()],
        optimization_level: Some(4),
        timing_cache: Some(PathBuf::from("tactics.cache")),
        version_compatible: true,
        hardware_compatibility: Some(HardwareCompatibility::AmperePlus),
        compute_capabilities: vec!["8.6".parse().unwrap(), "8.9".parse().unwrap()],
        measure: false,
        exports: ProfilingExports {
            times: beside("times"),
            profile: beside("profile"),
            layer_info: beside("layers"),
        },
        extra: vec!["--verbose".to_owned()],
        time_limit: Duration::from_secs(90),
        ..BuildOptions::new("best.onnx", "best.engine")
    };
    assert_eq!(config.build_options(Path::new("best.onnx"), Path::new("best.engine")), expected);
    // Without settings, the builder gets its own defaults.
    let standard = EngineConfig::default().build_options(Path::new("best.onnx"), Path::new("best.engine"));
    assert_eq!(standard, BuildOptions::new("best.onnx", "best.engine"));
}

#[test]
fn values_that_no_builder_knows_are_refused() {
    for (setting, part) in [
        ("engine.backend=tensorflow", "trtexec"),
        ("engine.precision=fp8", "fp16"),
        ("engine.profiles=['images']", "images"),
        ("engine.compute_capabilities=['best']", "best"),
        ("engine.workspace=512", "did you mean"),
    ] {
        let error = format!("{:#}", set(&[setting]).unwrap_err());
        assert!(error.contains(part), "{setting}: {error}");
    }
}
