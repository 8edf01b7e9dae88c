//! [`OnnxRuntime`]: options that choose what runs ONNX files.

use std::path::PathBuf;

use bonsai_pipeline::{Runtime, RuntimeChoice};
use clap::Args;

use crate::trial;

/// What runs ONNX files.
#[derive(Args, Clone)]
pub(crate) struct OnnxRuntime {
    /// What runs an ONNX file, as --executor runs the other ones: rten or onnxruntime [default: rten]
    #[arg(long)]
    pub(crate) runtime: Option<Runtime>,
    /// onnxruntime's library, or a folder with it [default: `ORT_DYLIB_PATH`, or the usual places]
    #[arg(long, value_name = "FILE")]
    pub(crate) onnxruntime: Option<PathBuf>,
}

impl OnnxRuntime {
    pub(crate) fn choice(&self) -> RuntimeChoice {
        RuntimeChoice {
            runtime: self.runtime,
            library: self.onnxruntime.clone(),
            trial: trial::by_this_program(),
        }
    }
}
