//! [`data_yaml`] and [`trained_imgsz`]: what single jobs read from a configuration or a file.

use std::path::Path;

use anyhow::Result;
use bonsai_detector::{FileKind, OnnxSignature};
use bonsai_onnx::OnnxInfo;
use bonsai_stages::{NoDataset, open_network};

use crate::PipelineConfig;

/// The `data.yaml` of the configuration, or an error if it names none.
pub(super) fn data_yaml(config: &PipelineConfig) -> Result<&Path> {
    Ok(config.data.as_deref().ok_or(NoDataset)?)
}

/// The image size that a checkpoint or engine file was trained at or an ONNX file was exported for; `None` if
/// a checkpoint does not record it.
///
/// # Errors
/// If the file cannot be read.
pub fn trained_imgsz(file: &Path) -> Result<Option<usize>> {
    if FileKind::from_path(file)? == FileKind::Onnx {
        return Ok(Some(OnnxSignature::read(&OnnxInfo::open(file)?)?.imgsz));
    }
    Ok(open_network(file)?.metadata.get("imgsz").and_then(|size| size.parse().ok()))
}
