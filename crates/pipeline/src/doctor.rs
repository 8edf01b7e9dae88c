//! What this machine can do, found by trying.

use std::path::PathBuf;

use bonsai_exec::{Device, ExecutorKind, ExecutorOptions, Isa, build_executor};
use bonsai_tensorrt::{FindOptions, find_trtexec};
use bonsai_yolov8::{Scale, build, init};

use crate::EngineConfig;
use crate::stages::environment;

/// One thing that was tried.
#[derive(Debug, Clone)]
pub struct Check {
    /// What.
    pub name: &'static str,
    /// Whether it works.
    pub works: bool,
    /// Figures, or the reason and what to do.
    pub detail: String,
}

/// Tries what the stages need.
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
        ("CUDA executor", ExecutorKind::Candle, Device::Cuda(0)),
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
    let found = find_trtexec(&FindOptions { environment: environment(), ..FindOptions::default() });
    checks.push(match found {
        Ok(trtexec) => Check {
            name: "trtexec",
            works: true,
            detail: format!("{} at {}", trtexec.capabilities().version, trtexec.path().display()),
        },
        Err(e) => Check { name: "trtexec", works: false, detail: e.to_string() },
    });
    checks
}

/// Where trtexec would be taken from, if anywhere.
pub(crate) fn trtexec_path(config: &EngineConfig) -> Option<PathBuf> {
    let options = FindOptions {
        explicit: config.trtexec.clone(),
        environment: environment(),
        ..FindOptions::default()
    };
    find_trtexec(&options).ok().map(|t| t.path().to_owned())
}
