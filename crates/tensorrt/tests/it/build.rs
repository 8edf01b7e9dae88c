//! Tests of builds that succeed, and of the files that they leave.

use std::fs;
use std::time::Duration;

use bonsai_tensorrt::{
    Backend, BuildError, BuildOptions, BuildReport, EnginePrecision, ProfilingExports, Program, build,
};

use crate::help::{HELP_8_6, HELP_10, HELP_11, HELP_RTX};
use crate::plan_bytes::{WRITE_PLAN, WRITE_RTX_PLAN};
use crate::stand_in::{Bench, PASSES};

pub(crate) fn options(bench: &Bench) -> BuildOptions {
    BuildOptions {
        time_limit: Duration::from_secs(20),
        ..BuildOptions::new(bench.path("model.onnx"), bench.path("model.engine"))
    }
}

pub(crate) fn run(bench: &Bench) -> Result<BuildReport, BuildError> {
    build(&bench.trtexec(), &options(bench), &mut |_| {})
}

#[test]
fn a_passed_build_is_moved_into_place_and_reported() {
    let bench = Bench::new(HELP_8_6, PASSES);
    let mut lines = Vec::new();
    let report =
        build(&bench.trtexec(), &options(&bench), &mut |line: &str| lines.push(line.to_owned())).unwrap();

    assert_eq!(bench.listing(), ["bin", "model.engine", "model.engine.log", "model.onnx"]);
    assert_eq!((report.backend, report.engine_bytes), (Backend::Trtexec, 204));
    assert_eq!((report.precision, report.version.to_string().as_str()), (EnginePrecision::Fp16, "8.6.1"));
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
fn every_version_passes_in_its_own_words() {
    let passes = |banner: &str, built: &str| {
        format!(
            "echo '&&&& RUNNING TensorRT.trtexec {banner} # trtexec'\n\
             echo '[01/31/2026-10:00:00] [I] {built}'\n{WRITE_PLAN}\n\
             echo '[01/31/2026-10:00:09] [I] Throughput: 500 qps'\n\
             echo '[01/31/2026-10:00:09] [I] GPU Compute Time: min = 1 ms, max = 3 ms, mean = 2 ms, median = 1.9 ms, \
             percentile(90%) = 2 ms, percentile(95%) = 2 ms, percentile(99%) = 2.5 ms'\n\
             echo '&&&& PASSED TensorRT.trtexec {banner} # trtexec'"
        )
    };
    for (help, banner, built, version, precision) in [
        (HELP_8_6, "[TensorRT v8601]", "Engine built in 12.5 sec.", "8.6.1", EnginePrecision::Fp16),
        (HELP_10, "[TensorRT v101600] [b1]", "Engine built in 12.5 sec.", "10.16.0", EnginePrecision::Fp16),
        (HELP_11, "[TensorRT v110100] [b2]", "Engine built in 12.5 sec.", "11.1.0", EnginePrecision::Fp32),
    ] {
        let report = run(&Bench::new(help, &passes(banner, built))).unwrap();
        assert_eq!((report.version.to_string().as_str(), report.precision), (version, precision));
        assert_eq!(report.measurement.build_seconds, Some(12.5));
        assert_eq!(report.measurement.gpu_compute.map(|t| t.median_ms), Some(1.9));
    }
}

#[test]
fn the_tool_of_rtx_builds_its_own_kind() {
    let bench = Bench::empty();
    let passes = format!("{WRITE_RTX_PLAN}\necho '&&&& PASSED TensorRT-RTX.tensorrt_rtx'");
    bench.add(Program::TensorrtRtx, HELP_RTX, &passes);
    let report = build(&bench.tool(Program::TensorrtRtx), &options(&bench), &mut |_| {}).unwrap();
    assert_eq!((report.backend, report.engine_bytes), (Backend::TensorrtRtx, 204));
    assert_eq!((report.precision, report.version.to_string().as_str()), (EnginePrecision::Fp32, "1.7.1"));

    // A plan of the other runtime does not count as a plan.
    bench.add(Program::TensorrtRtx, HELP_RTX, PASSES);
    let error = build(&bench.tool(Program::TensorrtRtx), &options(&bench), &mut |_| {}).unwrap_err();
    assert!(error.to_string().contains("an engine of TensorRT cannot take the place"), "{error}");

    // If the banner is missing, the version comes from the engine.
    let (_, without_banner) = HELP_RTX.split_once('\n').unwrap();
    bench.add(Program::TensorrtRtx, without_banner, &passes);
    let report = build(&bench.tool(Program::TensorrtRtx), &options(&bench), &mut |_| {}).unwrap();
    assert_eq!(report.version.to_string(), "1.7.1");
}

#[test]
fn a_second_build_replaces_the_first() {
    let bench = Bench::new(HELP_8_6, PASSES);
    fs::write(bench.path("model.engine"), b"an older engine").unwrap();
    assert_eq!(run(&bench).unwrap().engine_bytes, 204);
    assert!(fs::read(bench.path("model.engine")).unwrap().starts_with(b"ftrt"));
}

/// Shell commands that write every requested file, and append to the timing cache.
const WRITES_ALL: &str = r#"
for word in "$@"; do
case "$word" in
--exportTimes=*) echo times > "${word#*=}";;
--exportProfile=*) echo profile > "${word#*=}";;
--exportLayerInfo=*) echo layers > "${word#*=}";;
--timingCacheFile=*) echo more >> "${word#*=}";;
esac
done
"#;

#[test]
fn exports_and_timing_cache_appear_with_the_engine_alone() {
    let options = |bench: &Bench| BuildOptions {
        timing_cache: Some(bench.path("timing.cache")),
        exports: ProfilingExports {
            times: Some(bench.path("t.json")),
            profile: Some(bench.path("p.json")),
            layer_info: Some(bench.path("l.json")),
        },
        ..options(bench)
    };
    let bench = Bench::new(HELP_10, &format!("{WRITES_ALL}\necho '&&&& FAILED'; exit 1"));
    fs::write(bench.path("timing.cache"), "old\n").unwrap();
    build(&bench.trtexec(), &options(&bench), &mut |_| {}).unwrap_err();
    assert_eq!(bench.listing(), ["bin", "model.engine.log", "model.onnx", "timing.cache"]);
    assert_eq!(fs::read_to_string(bench.path("timing.cache")).unwrap(), "old\n");
    drop(bench);

    let bench = Bench::new(HELP_10, &format!("{WRITES_ALL}\n{PASSES}"));
    fs::write(bench.path("timing.cache"), "old\n").unwrap();
    let report = build(&bench.trtexec(), &options(&bench), &mut |_| {}).unwrap();
    let named = format!("--exportTimes={}", bench.path("t.json").display());
    assert!(report.argv.contains(&named), "{:?}", report.argv);
    for (name, content) in [
        ("t.json", "times\n"),
        ("p.json", "profile\n"),
        ("l.json", "layers\n"),
        ("timing.cache", "old\nmore\n"),
    ] {
        assert_eq!(fs::read_to_string(bench.path(name)).unwrap(), content);
    }
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
