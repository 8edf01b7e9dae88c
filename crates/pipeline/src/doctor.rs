//! What this machine can do, found by trying.

use std::path::PathBuf;

use bonsai_exec::{CandleExecutor, Device};
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
        detail: format!("{cores} cores, {}", instruction_set()),
    }];
    for (name, device) in [("CPU executor", Device::Cpu), ("CUDA executor", Device::Cuda(0))] {
        let tried = build(Scale::N, &["object".to_owned()])
            .map_err(anyhow::Error::from)
            .and_then(|model| Ok((init(&model, 0)?, model)))
            .and_then(|(c, model)| Ok(CandleExecutor::new(model.graph(), &c.weights, device)?));
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

fn instruction_set() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if std::arch::is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") {
            return "AVX2";
        }
    }
    "no AVX2"
}
