//! The engine of one file: for the CPU from a checkpoint, for a GPU from an ONNX file, and Ultralytics' form of one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::ScratchFolder;
use bonsai_detector::write_engine;
use bonsai_onnx::{ExportOptions, Io, OnnxInfo, Precision as OnnxPrecision};
use bonsai_stages::{before_writing, ensure_usage, is_onnx, open_checkpoint};
use bonsai_tensorrt::{
    BackendChoice, EngineMetadata, EngineOutcome, PlanHeader, Precision, add_metadata, remove_metadata,
};
use serde_json::{Value, json};
use toml::Table;

use super::export::export;
use crate::{EngineConfig, Misuse, PipelineConfig, Progress};

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

/// Makes an engine: for the CPU from a checkpoint, for a GPU from an ONNX file or from a checkpoint that is exported first; or
/// adds metadata to a plan. A checkpoint becomes an engine for a GPU where a backend is named, or Ultralytics' form is wanted.
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
        "--metadata-from is for an engine that is there; {} is none, and what is built of it has metadata of its own",
        file.display()
    );
    if is_onnx(file) || file.extension().is_some_and(|e| e == "onnx") {
        // The builder may not be here, and what it says of a file that is none is long.
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
    let checkpoint = open_checkpoint(file)?;
    refuse_builder_settings(&config.engine, file)?;
    write_engine(&checkpoint, out)?;
    Ok(Engine::Cpu(out.to_owned()))
}

/// Refuses settings of builders where none is at work.
fn refuse_builder_settings(config: &EngineConfig, file: &Path) -> Result<()> {
    let table = |config: &EngineConfig| -> Result<Table> { Ok(Table::try_from(config)?) };
    let asked = table(config)?;
    let standard = table(&EngineConfig::default())?;
    let others = asked.iter().filter(|(key, value)| standard.get(*key) != Some(*value));
    let others: Vec<String> = others.map(|(key, _)| format!("`{key}`")).collect();
    ensure_usage!(
        others.is_empty(),
        "{} has no meaning without a builder of engines, and {} is not built by one: name one with --backend, which has a \
         checkpoint exported first, or leave it out",
        others.join(", "),
        file.display()
    );
    Ok(())
}

/// Exports a checkpoint, and builds from that.
fn from_checkpoint(
    config: &PipelineConfig,
    checkpoint: &Path,
    out: &Path,
    form: &UltralyticsForm,
    progress: &mut dyn Progress,
) -> Result<Engine> {
    let mut options = ExportOptions::new((config.imgsz, config.imgsz));
    match config.engine.precision {
        Some(Precision::Fp16) => options.precision = OnnxPrecision::Half { io: Io::Fp32 },
        Some(Precision::Int8) => bail!(Misuse::new(
            "8 bits need ranges, which are found on images: make an ONNX file with `export --int8 --data DATA.yaml`, and pass \
             that with --weights"
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
    // Under a name of its own first: a bare plan must not stand where the other form was asked for.
    let scratch = ScratchFolder::within(out.parent().unwrap_or(Path::new("")))?;
    let raw = scratch.path().join(out.file_name().unwrap_or_default());
    let config = EngineConfig { backend, ..config.clone() };
    let built = config.build(onnx, &raw, progress);
    // The log tells why, if anything does.
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

/// Where the log of a build is.
fn log_beside(engine: &Path) -> PathBuf {
    let mut name = engine.as_os_str().to_owned();
    name.push(".log");
    PathBuf::from(name)
}

/// Takes the metadata off an engine of Ultralytics' form; returns the bytes of the bare plan.
///
/// # Errors
/// If the file is not of that form, or one cannot be read or written.
pub fn unwrap_engine(file: &Path, out: &Path) -> Result<u64> {
    before_writing(&[file], &[out])?;
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
