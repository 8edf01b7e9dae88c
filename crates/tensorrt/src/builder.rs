//! [`build`]: one run of `trtexec` or `tensorrt_rtx`, from options to a plan under its final name.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::arguments::engine_precision;
use crate::placement::{Log, Placement, file_error};
use crate::process::{self, Ending, Stream};
use crate::{
    Backend, BuildError, BuildOptions, BuildReport, BuilderTraits, Measurement, PlanHeader, ProfilingExports,
    Program, Tool, argv, preflight,
};

/// Facts found in the output so far.
#[derive(Default)]
struct Transcript {
    passed: bool,
    complaint: Option<String>,
    no_gpu: Option<String>,
    last: String,
    measurement: Measurement,
}

impl Transcript {
    fn read_line(&mut self, stream: Stream, line: &str) {
        self.passed |= line.starts_with("&&&& PASSED");
        self.measurement.read_line(line);
        if line.trim().is_empty() {
            return;
        }
        line.clone_into(&mut self.last);
        let no_gpu = ["Cuda failure", "Cannot find any available devices", "no CUDA-capable device"];
        if no_gpu.iter().any(|words| line.contains(words)) {
            self.no_gpu.get_or_insert_with(|| line.to_owned());
        }
        // Errors are marked [E]; a program that dies early (linker, shell) marks nothing.
        if stream == Stream::Err && (line.contains("[E]") || !line.contains("[W]")) {
            self.complaint.get_or_insert_with(|| line.to_owned());
        }
    }
}

/// Builds the engine and moves it into place.
///
/// Every line that the tool prints goes to `progress` and into the log, which lies next to the engine (`.log`
/// added to its name) and is kept on failure too. An older engine or timing cache stays until the new one is
/// complete.
///
/// # Errors
///
/// [`BuildError`]. Success requires exit status 0, a line `&&&& PASSED` and a plausible plan: some versions
/// exit with 0 on errors, others print no verdict.
pub fn build(
    tool: &Tool,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, BuildError> {
    let capabilities = tool.capabilities();
    let program = capabilities.program;
    let builder = capabilities.title();
    let traits = match program {
        Program::Trtexec => {
            let strongly_typed = options.strongly_typed || !capabilities.precision_flags();
            BuilderTraits::of_tensorrt(builder.clone(), strongly_typed)
        }
        Program::TensorrtRtx => BuilderTraits::of_rtx(builder.clone()),
    };
    let onnx = preflight(&options.onnx, &options.profiles, &traits)?.precision;
    let argv_final = argv(capabilities, options, onnx)?;
    let precision = engine_precision(capabilities, options, onnx)?;

    let placement = Placement::beside(&options.engine)?;
    let inside = redirected(options, &placement)?;
    let words = argv(capabilities, &inside, onnx)?;

    let mut log = Log::beside(&options.engine)?;
    let mut transcript = Transcript::default();
    let mut log_failure = None;
    let start = Instant::now();
    let ending = process::run(tool.path(), &words, options.time_limit, &mut |stream, line| {
        transcript.read_line(stream, line);
        progress(line);
        log.line(line).map_err(|error| {
            log_failure = Some(error);
            io::Error::other("the log cannot be written")
        })
    });
    let wall_seconds = start.elapsed().as_secs_f64();
    if let Some(error) = log_failure {
        return Err(error);
    }
    let ending = ending.map_err(|source| BuildError::Run { program: tool.path().to_owned(), source })?;

    check_ending(&ending, &transcript, &builder, options.time_limit, log.path())?;
    let header = PlanHeader::open_kind(&inside.engine, program.engine_kind())
        .map_err(|why| BuildError::Plan { builder, log: log.path().to_owned(), why })?;
    placement.finish(PLAN)?;
    for (name, target) in deliveries(options) {
        placement.deliver(name, target)?;
    }
    Ok(BuildReport {
        backend: Backend::from(program),
        engine: options.engine.clone(),
        log: log.path().to_owned(),
        engine_bytes: header.bytes,
        precision,
        version: capabilities.version.unwrap_or(header.version),
        argv: argv_final,
        wall_seconds,
        measurement: transcript.measurement,
    })
}

/// Names of the output files in the temporary folder.
const PLAN: &str = "plan";
const TIMES: &str = "times.json";
const PROFILE: &str = "profile.json";
const LAYERS: &str = "layers.json";
const CACHE: &str = "timing.cache";

/// The output files except the plan: their names in the temporary folder, and their final paths.
fn deliveries(options: &BuildOptions) -> impl Iterator<Item = (&'static str, &PathBuf)> {
    let exports = &options.exports;
    [
        (TIMES, &exports.times),
        (PROFILE, &exports.profile),
        (LAYERS, &exports.layer_info),
        (CACHE, &options.timing_cache),
    ]
    .into_iter()
    .filter_map(|(name, target)| Some((name, target.as_ref()?)))
}

/// The same options with all output files in the temporary folder.
fn redirected(options: &BuildOptions, placement: &Placement) -> Result<BuildOptions, BuildError> {
    if let Some(cache) = options.timing_cache.as_ref().filter(|cache| cache.exists()) {
        fs::copy(cache, placement.partial(CACHE)).map_err(file_error("read the timing cache", cache))?;
    }
    let exports = &options.exports;
    let moved = |target: &Option<PathBuf>, name: &str| target.as_ref().map(|_| placement.partial(name));
    Ok(BuildOptions {
        engine: placement.partial(PLAN),
        exports: ProfilingExports {
            times: moved(&exports.times, TIMES),
            profile: moved(&exports.profile, PROFILE),
            layer_info: moved(&exports.layer_info, LAYERS),
        },
        timing_cache: moved(&options.timing_cache, CACHE),
        ..options.clone()
    })
}

/// Checks that the run passed, by everything except the file.
fn check_ending(
    ending: &Ending,
    transcript: &Transcript,
    builder: &str,
    limit: Duration,
    log: &Path,
) -> Result<(), BuildError> {
    let builder = builder.to_owned();
    let log = log.to_owned();
    let last = transcript.last.clone();
    match *ending {
        Ending::TimedOut => Err(BuildError::TimedOut { builder, limit, last, log }),
        Ending::Exited(status) if status.success() && transcript.passed => Ok(()),
        Ending::Exited(status) => Err(if let Some(complaint) = transcript.no_gpu.clone() {
            BuildError::NoGpu { builder, complaint, log }
        } else if status.success() {
            BuildError::NotPassed { builder, last, log }
        } else {
            let complaint = transcript.complaint.clone().unwrap_or(last);
            BuildError::Failed { builder, status, complaint, log }
        }),
    }
}
