//! One run of `trtexec`, from options to a plan under its final name.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use crate::process::{self, Ending, Stream};
use crate::{BuildOptions, BuildReport, Measurement, OptionsError, PlanError, Trtexec, argv, check_plan};

/// Why there is no engine. No variant leaves a file under the engine's name that was not there before.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The options make no sense for this `trtexec`.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// There is nothing to build from.
    #[error("there is no ONNX file {path:?}; export one first")]
    NoOnnx {
        /// The file asked for.
        path: PathBuf,
    },
    /// A file could not be handled.
    #[error("cannot {action} {path:?}")]
    File {
        /// What was tried.
        action: &'static str,
        /// On which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program could not be run to its end.
    #[error("cannot run {trtexec:?}")]
    Run {
        /// The program.
        trtexec: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It took too long and was killed.
    #[error(
        "trtexec was killed after {} s, the time limit; last it said {last:?} (log: {log:?})",
        limit.as_secs_f64()
    )]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// Its last line.
        last: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// This machine has no GPU that it can use.
    #[error("trtexec finds no usable GPU: {complaint:?} (log: {log:?})")]
    NoGpu {
        /// Its words.
        complaint: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// It ended with an error.
    #[error("trtexec failed ({status}): {complaint:?} (log: {log:?})")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// The first error it printed, else its last line.
        complaint: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// It ended well without saying that it passed.
    #[error("trtexec exited with 0 but never printed `&&&& PASSED`; last it said {last:?} (log: {log:?})")]
    NotPassed {
        /// Its last line.
        last: String,
        /// Everything it printed.
        log: PathBuf,
    },
    /// It said that it passed, but the file is not a plan.
    #[error("trtexec said PASSED but wrote no plan (log: {log:?})")]
    Plan {
        /// Everything it printed.
        log: PathBuf,
        /// What is wrong with the file.
        #[source]
        source: PlanError,
    },
}

/// What was noticed in the output so far.
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
        if line.contains("Cuda failure") || line.contains("Cannot find any available devices") {
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
/// Every line that `trtexec` prints goes to `progress` and into the log, which lies beside the engine (`.log`
/// added to its name) and is kept on failure too. An older engine stays until the new one is complete.
///
/// # Errors
///
/// [`BuildError`]. Success needs exit status 0, a line `&&&& PASSED` and a plausible plan, all three: some
/// versions exit with 0 on errors, others print no verdict.
pub fn build(
    trtexec: &Trtexec,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, BuildError> {
    let argv_final = argv(trtexec.capabilities(), options)?;
    if !options.onnx.is_file() {
        return Err(BuildError::NoOnnx { path: options.onnx.clone() });
    }
    let file_error = |action, path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::File { action, path, source }
    };

    // Beside the engine, so that the last step is a rename; removed with whatever is in it when dropped.
    let folder = match options.engine.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let partial = tempfile::Builder::new()
        .prefix(".engine-")
        .suffix(".partial")
        .tempdir_in(folder)
        .map_err(file_error("make a temporary folder in", folder))?;
    let plan = partial.path().join("plan");
    let words = argv(trtexec.capabilities(), &BuildOptions { engine: plan.clone(), ..options.clone() })?;

    let log = log_path(&options.engine);
    let mut log_file = BufWriter::new(File::create(&log).map_err(file_error("write the log", &log))?);
    let mut transcript = Transcript::default();
    let start = Instant::now();
    let ending = process::run(trtexec.path(), &words, options.time_limit, &mut |stream, line| {
        transcript.read_line(stream, line);
        progress(line);
        writeln!(log_file, "{line}")
    });
    let wall_seconds = start.elapsed().as_secs_f64();
    log_file.flush().map_err(file_error("write the log", &log))?;
    let ending = ending.map_err(|source| BuildError::Run { trtexec: trtexec.path().to_owned(), source })?;

    judge(&ending, &transcript, options.time_limit, &log)?;
    let engine_bytes = check_plan(&plan).map_err(|source| BuildError::Plan { log: log.clone(), source })?;
    // Durable before visible: the name must never stand for half a file, even after a power cut.
    File::open(&plan).and_then(|file| file.sync_all()).map_err(file_error("sync", &plan))?;
    fs::rename(&plan, &options.engine).map_err(file_error("move the finished plan to", &options.engine))?;
    Ok(BuildReport {
        engine: options.engine.clone(),
        log,
        engine_bytes,
        precision: options.precision,
        version: trtexec.capabilities().version,
        argv: argv_final,
        wall_seconds,
        measurement: transcript.measurement,
    })
}

/// Whether the run counts as passed, by everything but the file.
fn judge(ending: &Ending, transcript: &Transcript, limit: Duration, log: &Path) -> Result<(), BuildError> {
    let (log, last) = (log.to_owned(), transcript.last.clone());
    match *ending {
        Ending::TimedOut => Err(BuildError::TimedOut { limit, last, log }),
        Ending::Exited(status) if status.success() && transcript.passed => Ok(()),
        Ending::Exited(status) => Err(if let Some(complaint) = transcript.no_gpu.clone() {
            BuildError::NoGpu { complaint, log }
        } else if status.success() {
            BuildError::NotPassed { last, log }
        } else {
            BuildError::Failed { status, complaint: transcript.complaint.clone().unwrap_or(last), log }
        }),
    }
}

/// The engine's path with `.log` added: `model.engine.log`.
fn log_path(engine: &Path) -> PathBuf {
    let mut name = OsString::from(engine);
    name.push(".log");
    PathBuf::from(name)
}
