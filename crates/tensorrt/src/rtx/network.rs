//! [`build`]: one build with TensorRT-RTX's library.
//!
//! The builder runs in its own thread and sends its messages over a channel, so that they reach the caller
//! while it works. After the time limit it is asked to stop whenever it reports a step; its C++ side cannot
//! be interrupted otherwise.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use trtx::builder::{ComputeCapability as Target, MemoryPoolType};
use trtx::interfaces::MonitorProgress;
use trtx::trtx_sys::Dims64;
use trtx::{Builder, LogHandler, Logger, OnnxParser, OptProfileSelector, Severity};

use crate::arguments::{refuse_for_rtx, typed_precision};
use crate::placement::{Log, Placement, file_error};
use crate::{
    Backend, BuildError, BuildOptions, BuildReport, BuilderTraits, ComputeCapability, EngineKind,
    Measurement, OptionsError, PlanHeader, RtxLibraries, ShapeProfile, preflight,
};

/// Name of the builder in messages.
const TITLE: &str = "TensorRT-RTX";

/// Severity and text of a message of the library.
type Message = (Severity, String);

/// Builds the engine and moves it into place.
///
/// # Errors
///
/// As `build` with a tool; an error of the library is [`BuildError::Library`].
pub(super) fn build(
    libraries: &RtxLibraries,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, BuildError> {
    let traits = BuilderTraits::of_rtx(TITLE.to_owned());
    let onnx = preflight(&options.onnx, &options.profiles, &traits)?.precision;
    let precision = typed_precision(TITLE, options.precision, onnx)?;
    check(options)?;
    let model = fs::read(&options.onnx).map_err(file_error("read", &options.onnx))?;

    let placement = Placement::beside(&options.engine)?;
    let mut log = Log::beside(&options.engine)?;
    let start = Instant::now();
    let deadline = start + options.time_limit;
    let (sender, messages) = mpsc::channel::<Message>();
    let mut last = String::new();
    let mut complaint = None;
    let mut log_failure = None;
    let stopped = Arc::new(AtomicBool::new(false));
    let built = thread::scope(|scope| {
        let watch = Watch { deadline, stopped: Arc::clone(&stopped), sender: Mutex::new(sender.clone()) };
        let speaker = Speaker(Mutex::new(sender));
        let builder = scope.spawn(|| serialise(libraries, &model, options, speaker, watch));
        for (severity, text) in messages {
            let line = format!("[{severity:?}] {text}");
            if severity <= Severity::Error {
                complaint.get_or_insert_with(|| text.clone());
            }
            if log_failure.is_none() {
                log_failure = log.line(&line).err();
            }
            if severity <= Severity::Info {
                progress(&line);
                last = text;
            }
        }
        builder.join().unwrap_or_else(|_| Err("the builder's thread panicked".to_owned()))
    });
    let wall_seconds = start.elapsed().as_secs_f64();
    if let Some(error) = log_failure {
        return Err(error);
    }
    let log = log.path().to_owned();
    let plan = match built {
        Ok(plan) => plan,
        Err(_) if stopped.load(Ordering::Relaxed) => {
            let builder = TITLE.to_owned();
            let limit = options.time_limit;
            return Err(BuildError::TimedOut { builder, limit, last, log });
        }
        Err(error) => return Err(BuildError::Library { complaint: complaint.unwrap_or(error), log }),
    };

    let partial = placement.partial("plan");
    fs::write(&partial, &plan).map_err(file_error("write the plan", &partial))?;
    let header = PlanHeader::open_kind(&partial, EngineKind::TensorRtRtx)
        .map_err(|why| BuildError::Plan { builder: TITLE.to_owned(), log: log.clone(), why })?;
    placement.finish("plan")?;
    Ok(BuildReport {
        backend: Backend::Rtx,
        engine: options.engine.clone(),
        log,
        engine_bytes: header.bytes,
        precision,
        version: header.version,
        argv: Vec::new(),
        wall_seconds,
        measurement: Measurement { build_seconds: Some(wall_seconds), ..Measurement::default() },
    })
}

/// Refuses options that only a command line tool supports.
fn check(options: &BuildOptions) -> Result<(), OptionsError> {
    refuse_for_rtx(TITLE, options)?;
    for profile in &options.profiles {
        profile.check()?;
    }
    if let Some(level) = options.optimization_level.filter(|&level| level > 5) {
        return Err(OptionsError::BadLevel { level });
    }
    let (option, because) = if !options.extra.is_empty() {
        ("a list of further words", "it has no command line; use backend tensorrt_rtx")
    } else if options.exports != crate::ProfilingExports::default() {
        ("a file of times or layers", "it runs no engine; use backend tensorrt_rtx")
    } else {
        return Ok(());
    };
    Err(OptionsError::NotForThisBuilder { option, builder: format!("{TITLE}'s library"), because })
}

/// The engine's bytes, or the error of the bindings.
fn serialise(
    libraries: &RtxLibraries,
    model: &[u8],
    options: &BuildOptions,
    speaker: Speaker,
    watch: Watch,
) -> Result<Vec<u8>, String> {
    // Held to the end, because the compute capabilities of one build affect other builds at the same time.
    let _alone = load(libraries)?;
    let text = |error: trtx::Error| error.to_string();
    let logger = Logger::new(speaker).map_err(text)?;
    let mut builder = Builder::new(&logger).map_err(text)?;
    let mut config = builder.create_config().map_err(text)?;
    config.set_progress_monitor(Box::new(watch)).map_err(text)?;
    if let Some(mib) = options.workspace_mib {
        config.set_memory_pool_limit(MemoryPoolType::kWORKSPACE, (mib as usize) << 20);
    }
    if let Some(level) = options.optimization_level {
        config.set_builder_optimization_level(i32::from(level));
    }
    if !options.compute_capabilities.is_empty() {
        let targets =
            options.compute_capabilities.iter().map(|&c| target(c)).collect::<Result<Vec<_>, _>>()?;
        config.set_nb_compute_capabilities(targets.len() as i32).map_err(text)?;
        for (index, target) in targets.into_iter().enumerate() {
            config.set_compute_capability(target, index as i32).map_err(text)?;
        }
    }
    let network = builder.create_network(0).map_err(text)?;
    let mut parser = OnnxParser::new(network, &logger).map_err(text)?;
    parser.parse(model).map_err(text)?;
    if !options.profiles.is_empty() {
        let mut profile = builder.creata_optimization_profile().map_err(text)?;
        for ShapeProfile { input, min, opt, max } in &options.profiles {
            for (end, shape) in [
                (OptProfileSelector::kMIN, min),
                (OptProfileSelector::kOPT, opt),
                (OptProfileSelector::kMAX, max),
            ] {
                let shape: Vec<i64> = shape.iter().map(|&size| size as i64).collect();
                profile.set_dimensions(input, end, &Dims64::from_slice(&shape)).map_err(text)?;
            }
        }
        config.add_optimization_profile(&mut profile).map_err(text)?;
    }
    let plan = builder.build_serialized_network(parser.network_mut(), &mut config).map_err(text)?;
    Ok(plan.to_vec())
}

fn target(capability: ComputeCapability) -> Result<Target, String> {
    Ok(match capability.number() {
        75 => Target::kSM75,
        80 => Target::kSM80,
        86 => Target::kSM86,
        89 => Target::kSM89,
        120 => Target::kSM120,
        121 => Target::kSM121,
        _ => return Err(format!("these bindings do not know compute capability {capability}")),
    })
}

/// Loads both libraries, once in a process; the guard keeps other builds out.
fn load(libraries: &RtxLibraries) -> Result<MutexGuard<'static, Option<PathBuf>>, String> {
    static LOADED: Mutex<Option<PathBuf>> = Mutex::new(None);
    let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
    match loaded.as_deref() {
        Some(earlier) if earlier == libraries.core => return Ok(loaded),
        Some(earlier) => {
            let earlier = earlier.display();
            let now = libraries.core.display();
            return Err(format!("{earlier} is loaded already; start again to use {now}"));
        }
        None => {}
    }
    let cannot = |path: &Path, error: trtx::Error| format!("cannot load {}: {error}", path.display());
    // The parser is linked to the core library, and finds it by its name once it is loaded.
    trtx::dynamically_load_tensorrt(Some(&libraries.core)).map_err(|error| cannot(&libraries.core, error))?;
    trtx::dynamically_load_tensorrt_onnxparser(Some(&libraries.parser))
        .map_err(|error| cannot(&libraries.parser, error))?;
    *loaded = Some(libraries.core.clone());
    Ok(loaded)
}

/// Passes on the messages of the library.
struct Speaker(Mutex<Sender<Message>>);

impl LogHandler for Speaker {
    fn log(&self, severity: Severity, message: &str) {
        // It does not matter here whether the channel is still open. No panic may cross into C++.
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sender.send((severity, message.to_owned()));
    }
}

/// Reports phases and stops the build at the deadline.
struct Watch {
    deadline: Instant,
    stopped: Arc<AtomicBool>,
    sender: Mutex<Sender<Message>>,
}

impl MonitorProgress for Watch {
    fn phase_start(&self, phase_name: &str, _parent_phase: Option<&str>, num_steps: i32) {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sender.send((Severity::Info, format!("{phase_name}: {num_steps} steps")));
    }

    fn step_complete(&self, _phase_name: &str, _step: i32) -> ControlFlow<()> {
        if Instant::now() < self.deadline {
            return ControlFlow::Continue(());
        }
        self.stopped.store(true, Ordering::Relaxed);
        ControlFlow::Break(())
    }

    fn phase_finish(&self, _phase_name: &str) {}
}
