//! [`OnnxRuntime`]: options that choose the runtime for ONNX files.

use std::path::PathBuf;

use bonsai_pipeline::{Runtime, RuntimeChoice};
use clap::Args;

use crate::trial;

/// Options for the runtime of ONNX files.
#[derive(Args, Clone)]
pub(crate) struct OnnxRuntime {
    /// Runtime for an ONNX file: rten or onnxruntime [default: rten; for bench infer: every one that is found]
    #[arg(long)]
    pub(crate) runtime: Option<Runtime>,
    /// Library of onnxruntime, or its folder [default: search `ORT_DYLIB_PATH` and the usual folders]
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
