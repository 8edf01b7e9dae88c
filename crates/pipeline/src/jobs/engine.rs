//! [`engine()`] and [`unwrap_engine`]: an engine for the CPU from a checkpoint, or for a GPU from an ONNX
//! file, and Ultralytics' form of an engine.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::ScratchFolder;
use bonsai_detector::write_engine;
use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, Io, OnnxInfo, Precision};
use bonsai_stages::{before_writing, ensure_usage, is_onnx, open_network, quantize_on};
use bonsai_tensorrt::{
    BackendChoice, EngineMetadata, EngineOutcome, EnginePrecision, PlanHeader, add_metadata, remove_metadata,
};
use serde_json::{Value, json};

use super::export::export;
use super::requirements::data_yaml;
use crate::{EngineConfig, Misuse, PipelineConfig, Progress};

/// The result of [`engine()`].
#[derive(Debug)]
pub enum Engine {
    /// A folded network for the CPU.
    Cpu(PathBuf),
    /// An engine for a GPU, or the reason why there is none.
    TensorRt(Box<EngineOutcome>),
    /// An existing engine in Ultralytics' form.
    Prefixed(PathBuf),
}

/// Settings for Ultralytics' form of an engine, which begins with metadata.
#[derive(Debug, Clone, Default)]
pub struct UltralyticsForm {
    /// Whether the engine gets this form.
    pub wanted: bool,
    /// ONNX file to read names and sizes from, if the engine is given and not built.
    pub metadata_from: Option<PathBuf>,
}

/// Makes an engine for the CPU from a checkpoint, or for a GPU from an ONNX file or from a checkpoint, which
/// is exported first; or adds metadata to an existing engine. A checkpoint becomes an engine for a GPU if the
/// settings name a backend or `form` is wanted.
///
/// # Errors
/// If the file cannot be read, a setting has no meaning for it, or the builder fails.
pub fn engine(
    config: &PipelineConfig,
    file: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    config.engine.check()?;
    let log = log_beside(out);
    let read: Vec<&Path> = std::iter::once(file).chain(form.metadata_from.as_deref()).collect();
    before_writing(&read, &[out, &log])?;
    let is_plan = PlanHeader::open(file).is_ok();
    ensure_usage!(
        is_plan || form.metadata_from.is_none(),
        "--metadata-from needs an existing engine, but {} is none: leave the option out, a new engine has metadata",
        file.display()
    );
    if is_onnx(file) || file.extension().is_some_and(|e| e == "onnx") {
        // Read the file first: the builder may be missing, and its message about an invalid file is long.
        OnnxInfo::open(file)?;
        return from_onnx(&config.engine, file, out, form, progress);
    }
    if is_plan {
        let Some(onnx) = form.metadata_from.as_deref().filter(|_| form.wanted) else {
            bail!(
                "{} is an engine already; to put metadata in front of it, pass --ultralytics and \
                 --metadata-from MODEL.onnx",
                file.display()
            );
        };
        refuse_builder_settings(&config.engine, file)?;
        add_metadata(file, &engine_metadata(onnx)?, out)?;
        return Ok(Engine::Prefixed(out.to_owned()));
    }
    if form.wanted || config.engine.backend != BackendChoice::Auto {
        return from_checkpoint(config, file, out, form, progress);
    }
    let mut checkpoint = open_network(file)?;
    let mut settings = config.engine.clone();
    if settings.precision.take_if(|precision| *precision == EnginePrecision::Int8).is_some()
        && checkpoint.quantization.is_none()
    {
        let yaml = data_yaml(config).context("int8 is calibrated on images")?;
        checkpoint = quantize_on(&checkpoint, yaml, &config.export, &config.run_context()?, progress)?;
    }
    refuse_builder_settings(&settings, file)?;
    write_engine(&checkpoint, out)?;
    Ok(Engine::Cpu(out.to_owned()))
}

/// Refuses settings of an engine builder if no builder runs.
fn refuse_builder_settings(config: &EngineConfig, file: &Path) -> Result<()> {
    let others = config.changed()?;
    ensure_usage!(
        others.is_empty(),
        "{others} applies only to a builder of engines, and {} needs none: name a builder with --backend, which \
         exports a checkpoint first, or leave the setting out",
        file.display()
    );
    Ok(())
}

/// Exports a checkpoint to ONNX and builds the engine from that file.
fn from_checkpoint(
    config: &PipelineConfig,
    checkpoint: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    let mut options = ExportOptions::new(Size::square(config.imgsz));
    match config.engine.precision {
        Some(EnginePrecision::Fp16) => options.precision = Precision::Half { io: Io::Fp32 },
        Some(EnginePrecision::Int8) => bail!(Misuse::new(
            "an int8 engine needs value ranges, which are measured on images: make an ONNX file with `export --int8 \
             --data DATA.yaml`, and pass that file with --weights"
        )),
        _ => {}
    }
    let scratch = ScratchFolder::within(out.parent().unwrap_or(Path::new("")))?;
    let name = Path::new(checkpoint.file_stem().unwrap_or_default()).with_extension("onnx");
    let onnx = scratch.path().join(name);
    export(config, checkpoint, &onnx, &options, None, progress)?;
    progress.note(&format!("exported {} to ONNX first, at {} px", checkpoint.display(), config.imgsz));
    from_onnx(&config.engine, &onnx, out, form, progress)
}

fn from_onnx(
    config: &EngineConfig,
    onnx: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    if !form.wanted {
        return Ok(Engine::TensorRt(Box::new(config.build(onnx, out, progress)?)));
    }
    let backend = match config.backend {
        BackendChoice::Auto | BackendChoice::Trtexec => BackendChoice::Trtexec,
        BackendChoice::TensorrtRtx | BackendChoice::Rtx => {
            bail!("Ultralytics loads engines of TensorRT and not of TensorRT-RTX; use backend trtexec")
        }
    };
    let metadata = engine_metadata(onnx)?;
    // Build under a temporary name first, so that `out` never holds a plan without metadata.
    let scratch = ScratchFolder::within(out.parent().unwrap_or(Path::new("")))?;
    let raw = scratch.path().join(out.file_name().unwrap_or_default());
    let config = EngineConfig { backend, ..config.clone() };
    let built = config.build(onnx, &raw, progress);
    // Keep the log even if the build failed: it has the reason.
    if log_beside(&raw).exists() {
        let log = log_beside(out);
        std::fs::rename(log_beside(&raw), &log).with_context(|| format!("cannot write {}", log.display()))?;
    }
    let mut outcome = built?;
    if let EngineOutcome::Built(report) = &mut outcome {
        report.engine_bytes = add_metadata(&raw, &metadata, out)?;
        (report.engine, report.log) = (out.to_owned(), log_beside(out));
    }
    Ok(Engine::TensorRt(Box::new(outcome)))
}

/// Path of the build log of an engine.
fn log_beside(engine: &Path) -> PathBuf {
    let mut name = engine.as_os_str().to_owned();
    name.push(".log");
    PathBuf::from(name)
}

/// Removes the metadata from an engine in Ultralytics' form; returns the size of the bare plan in bytes.
///
/// # Errors
/// If the file does not have that form, or a file cannot be read or written.
pub fn unwrap_engine(file: &Path, out: &Path) -> Result<u64> {
    before_writing(&[file], &[out])?;
    remove_metadata(file, out).with_context(|| format!("cannot unwrap {}", file.display()))
}

/// The metadata that Ultralytics needs in an engine, from the ONNX file that the engine is built from.
///
/// Numbers, image size and class names become JSON values; every other entry stays text as in the ONNX file.
///
/// # Errors
/// If the file cannot be read, or lacks an entry that every export has.
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
    let Size { height, width } = info.imgsz.with_context(|| missing("imgsz"))?;
    metadata.insert("imgsz".to_owned(), json!([height, width]));
    for key in ["stride", "task", "batch"] {
        metadata.get(key).with_context(|| missing(key))?;
    }
    Ok(metadata)
}
