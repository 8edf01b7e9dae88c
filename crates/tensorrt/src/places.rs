//! [`Places`]: where builders are looked for.

use std::path::PathBuf;

use crate::{Environment, FindOptions, Program};

/// Paths of the builders, in addition to the environment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Places {
    /// Path of `trtexec`.
    pub trtexec: Option<PathBuf>,
    /// Path of `tensorrt_rtx`.
    pub tensorrt_rtx: Option<PathBuf>,
    /// The folder with TensorRT-RTX's libraries.
    pub rtx_folder: Option<PathBuf>,
    /// The caller's environment.
    pub environment: Environment,
    /// Folders to try last, in place of those that NVIDIA's packages use.
    pub usual_folders: Option<Vec<PathBuf>>,
}

impl Places {
    /// The options for finding a tool.
    pub fn of(&self, program: Program) -> FindOptions {
        let explicit = match program {
            Program::Trtexec => self.trtexec.clone(),
            Program::TensorrtRtx => self.tensorrt_rtx.clone(),
        };
        let usual = FindOptions::new(program);
        let usual_folders = self.usual_folders.clone().unwrap_or(usual.usual_folders);
        FindOptions { program, explicit, environment: self.environment.clone(), usual_folders }
    }
}
