//! [`doctor`]: tests what this machine can do.

use std::error::Error as _;
use std::path::PathBuf;

use anyhow::Result;
use bonsai_detector::{Detector, Runtime};
use bonsai_exec::{CUDA_BUILT_IN, Device, ExecutorKind, ExecutorOptions, Gpu, Isa, build_executor};
use bonsai_graph::Size;
use bonsai_onnx::ExportOptions;
use bonsai_stages::RuntimeChoice;
use bonsai_tensorrt::{Program, RTX_BUILT_IN, find_libraries, find_tool};
use bonsai_yolov8::{Scale, build, init};

use crate::EngineConfig;

/// One test.
#[derive(Debug, Clone)]
pub struct Check {
    /// What was tested.
    pub name: &'static str,
    /// Whether it works.
    pub works: bool,
    /// Details, or the reason why it does not work and what to do.
    pub detail: String,
}

/// Tests the processor, the executors, the GPUs, the runtimes of ONNX files and the builders of engines.
pub fn doctor() -> Vec<Check> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut checks = vec![Check {
        name: "processor",
        works: true,
        detail: format!("{cores} cores, instructions: {}", Isa::detect()),
    }];
    for (name, kind, device) in [
        ("CPU executor", ExecutorKind::Cpu, Device::Cpu),
        ("candle executor", ExecutorKind::Candle, Device::Cpu),
        ("CUDA executor", ExecutorKind::Cuda, Device::Cuda(0)),
        ("candle on CUDA", ExecutorKind::Candle, Device::Cuda(0)),
    ] {
        let options = ExecutorOptions { kind: Some(kind), device, ..ExecutorOptions::default() };
        let tried = build(Scale::N, &["object".to_owned()])
            .map_err(anyhow::Error::from)
            .and_then(|model| Ok((init(&model, 0)?, model)))
            .and_then(|(c, model)| Ok(build_executor(model.graph(), &c.weights, &options)?));
        let works = tried.is_ok();
        let detail = tried.map_or_else(|e| format!("{e:#}"), |_| "a network was loaded".to_owned());
        checks.push(Check { name, works, detail });
    }
    checks.extend(gpus());
    for (name, runtime) in [("rten", Runtime::Rten), ("onnxruntime", Runtime::Onnxruntime)] {
        let tried = load_onnx(runtime);
        let works = tried.is_ok();
        let detail = tried.map_or_else(|e| format!("{e:#}"), |()| "an ONNX file was loaded".to_owned());
        checks.push(Check { name, works, detail });
    }
    let places = EngineConfig::default().places();
    for (name, program) in [("trtexec", Program::Trtexec), ("tensorrt_rtx", Program::TensorrtRtx)] {
        checks.push(match find_tool(&places.of(program)) {
            Ok(tool) => Check {
                name,
                works: true,
                detail: format!("{} at {}", tool.capabilities().title(), tool.path().display()),
            },
            Err(e) => Check { name, works: false, detail: e.to_string() },
        });
    }
    let (works, detail) = match find_libraries(&places) {
        Ok(found) if RTX_BUILT_IN => (true, found.core.display().to_string()),
        Ok(found) => {
            let there = found.core.display();
            (false, format!("{there} is there, but this program was built without feature `rtx`"))
        }
        Err(because) => (false, because),
    };
    checks.push(Check { name: "TensorRT-RTX library", works, detail });
    checks
}

/// Exports a small network and loads the file.
fn load_onnx(runtime: Runtime) -> Result<()> {
    let model = init(&build(Scale::N, &["object".to_owned()])?, 0)?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("doctor.onnx");
    bonsai_onnx::export(&model, &ExportOptions::new(Size::square(32)))?.save(&file)?;
    let choice = RuntimeChoice { runtime: Some(runtime), ..RuntimeChoice::default() };
    Detector::load(&file, choice.with(ExecutorOptions::default()))?;
    Ok(())
}

/// The GPUs that NVIDIA's driver finds, or how to get a program that asks for them.
fn gpus() -> Vec<Check> {
    let check = |works, detail| Check { name: "GPU", works, detail };
    if !CUDA_BUILT_IN {
        let because = "this program was built without feature `cuda`: build it with `cargo build --release -p \
                       bonsai-cli --features cuda` on a machine with CUDA's compiler";
        return vec![check(false, because.to_owned())];
    }
    match Gpu::all() {
        Ok(all) if all.is_empty() => vec![check(false, "NVIDIA's driver finds no GPU".to_owned())],
        Ok(all) => all.iter().map(|gpu| check(true, format!("cuda:{} is {gpu}", gpu.index))).collect(),
        Err(error) => {
            let because = error.source().map_or_else(String::new, |source| format!(": {source}"));
            vec![check(false, format!("{error}{because}"))]
        }
    }
}

/// Paths of the builders of engines; `None` for a builder that is not there.
pub(crate) fn engine_builders(config: &EngineConfig) -> [Option<PathBuf>; 3] {
    let places = config.places();
    let tool = |program| find_tool(&places.of(program)).ok().map(|tool| tool.path().to_owned());
    let library = RTX_BUILT_IN.then(|| find_libraries(&places).ok()).flatten().map(|found| found.core);
    [tool(Program::Trtexec), tool(Program::TensorrtRtx), library]
}
