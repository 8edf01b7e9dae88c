//! The engine of one file: for the CPU from a checkpoint, for a GPU from an ONNX file, and Ultralytics' form of one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_detector::write_engine;
use bonsai_onnx::OnnxInfo;
use bonsai_tensorrt::{
    BackendChoice, EngineMetadata, EngineOutcome, PlanHeader, add_metadata, remove_metadata,
};
use serde_json::{Value, json};

use crate::checkpoint_file::open_checkpoint;
use crate::jobs::is_onnx;
use crate::stages::build_tensorrt;
use crate::{EngineConfig, Progress};

/// What an engine job made.
#[derive(Debug)]
pub enum Engine {
    /// A folded network for the CPU.
    Cpu(PathBuf),
    /// An engine for a GPU, or why there is none.
    TensorRt(Box<EngineOutcome>),
    /// An engine that was there, in Ultralytics' form.
    Prefixed(PathBuf),
}

/// Ultralytics' form of an engine.
#[derive(Debug, Clone, Default)]
pub struct UltralyticsForm {
    /// Whether it is wanted.
    pub wanted: bool,
    /// ONNX file to take names and sizes from, where the engine is given and not built.
    pub metadata_from: Option<PathBuf>,
}

/// Makes an engine: for the CPU from a checkpoint, for a GPU from an ONNX file; or adds metadata to a plan.
///
/// # Errors
/// If the file cannot be read or the builder fails.
pub fn engine(
    config: &EngineConfig,
    file: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    if is_onnx(file) || file.extension().is_some_and(|e| e == "onnx") {
        // The builder may not be here, and what it says of a file that is none is long.
        OnnxInfo::open(file)?;
        return from_onnx(config, file, out, form, progress);
    }
    if PlanHeader::open(file).is_ok() {
        let Some(onnx) = form.metadata_from.as_deref().filter(|_| form.wanted) else {
            bail!(
                "{} is an engine already; to put metadata in front of it, pass --ultralytics and \
                 --metadata-from MODEL.onnx",
                file.display()
            );
        };
        add_metadata(file, &engine_metadata(onnx)?, out)?;
        return Ok(Engine::Prefixed(out.to_owned()));
    }
    if form.wanted {
        bail!(
            "{} is neither an ONNX file nor a plan of TensorRT, so there is nothing for Ultralytics",
            file.display()
        );
    }
    write_engine(&open_checkpoint(file)?, out)?;
    Ok(Engine::Cpu(out.to_owned()))
}

fn from_onnx(
    config: &EngineConfig,
    onnx: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    if !form.wanted {
        return Ok(Engine::TensorRt(Box::new(build_tensorrt(config, onnx, out, progress)?)));
    }
    let backend = match config.backend {
        BackendChoice::Auto | BackendChoice::Trtexec => BackendChoice::Trtexec,
        BackendChoice::TensorrtRtx | BackendChoice::Rtx => {
            bail!("Ultralytics loads engines of TensorRT and not of TensorRT-RTX; use backend trtexec")
        }
    };
    let metadata = engine_metadata(onnx)?;
    // Under a name of its own first: a bare plan must not stand where the other form was asked for.
    let folder = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let partial = tempfile::Builder::new()
        .prefix(".engine-")
        .tempdir_in(folder)
        .with_context(|| format!("cannot make a temporary folder in {}", folder.display()))?;
    let raw = partial.path().join(out.file_name().unwrap_or_default());
    let config = EngineConfig { backend, ..config.clone() };
    let built = build_tensorrt(&config, onnx, &raw, progress);
    // The log tells why, if anything does.
    let log = |path: &Path| PathBuf::from(format!("{}.log", path.display()));
    if log(&raw).exists() {
        std::fs::rename(log(&raw), log(out))
            .with_context(|| format!("cannot write {}", log(out).display()))?;
    }
    let mut outcome = built?;
    if let EngineOutcome::Built(report) = &mut outcome {
        report.engine_bytes = add_metadata(&raw, &metadata, out)?;
        (report.engine, report.log) = (out.to_owned(), log(out));
    }
    Ok(Engine::TensorRt(Box::new(outcome)))
}

/// Takes the metadata off an engine of Ultralytics' form; returns the bytes of the bare plan.
///
/// # Errors
/// If the file is not of that form, or one cannot be read or written.
pub fn unwrap_engine(file: &Path, out: &Path) -> Result<u64> {
    remove_metadata(file, out).with_context(|| format!("cannot unwrap {}", file.display()))
}

/// What Ultralytics wants to know of an engine, from the ONNX file that it is built from.
///
/// Numbers, image size and names become JSON's own; the rest stays the text that it is in the ONNX file.
///
/// # Errors
/// If the file cannot be read, or does not have what every export has.
pub fn engine_metadata(onnx: &Path) -> Result<EngineMetadata> {
    let info = OnnxInfo::open(onnx)?;
    let missing = |what| format!("{} has no metadata `{what}`, which Ultralytics needs", onnx.display());
    let mut metadata = EngineMetadata::new();
    for (key, value) in &info.metadata {
        let number = value.trim().parse::<i64>();
        let value = match key.as_str() {
            "stride" | "batch" | "channels" => number.map_or_else(|_| json!(value), Value::from),
            _ => json!(value),
        };
        metadata.insert(key.clone(), value);
    }
    let names = info.class_names.with_context(|| missing("names"))?;
    let names = names.into_iter().enumerate().map(|(class, name)| (class.to_string(), json!(name)));
    metadata.insert("names".to_owned(), Value::Object(names.collect()));
    let (height, width) = info.imgsz.with_context(|| missing("imgsz"))?;
    metadata.insert("imgsz".to_owned(), json!([height, width]));
    for key in ["stride", "task", "batch"] {
        metadata.get(key).with_context(|| missing(key))?;
    }
    Ok(metadata)
}
