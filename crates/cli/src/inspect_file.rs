//! [`Inspection`] and [`inspect`]: the kind and contents of a file, determined by its bytes and never by its
//! name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{NodeId, Size};
use bonsai_onnx::OnnxInfo;
use bonsai_tensorrt::{EngineFile, EngineFileError, EngineKind, HeaderError, OnnxSource};
use serde::Serialize;

/// The description of a file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Inspection {
    /// The file.
    #[serde(with = "bonsai_stages::path_text")]
    pub(crate) file: PathBuf,
    /// Size of the file.
    pub(crate) bytes: u64,
    /// Kind and contents.
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// The kind of a file, with the contents of that kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// An ONNX file.
    Onnx(OnnxContent),
    /// An engine of TensorRT or TensorRT-RTX.
    Engine(EngineContent),
    /// A checkpoint or CPU engine, or a network that can be imported.
    Network(NetworkContent),
}

/// The contents of an ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OnnxContent {
    /// Version of the file format.
    pub(crate) ir_version: i64,
    /// Version of ONNX's operator set.
    pub(crate) opset: i64,
    /// The program that wrote the file.
    pub(crate) producer: String,
    /// Arithmetic in the file: fp32, fp16 or int8.
    pub(crate) precision: String,
    /// Name, element type and shape of every input.
    pub(crate) inputs: Vec<String>,
    /// Name, element type and shape of every output.
    pub(crate) outputs: Vec<String>,
    /// Number of nodes of each kind.
    pub(crate) nodes: BTreeMap<String, usize>,
    /// Number of constants.
    pub(crate) constants: usize,
    /// Names of the classes, if the file has them.
    pub(crate) class_names: Option<Vec<String>>,
    /// All metadata, unchanged.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The contents of an engine. Only its runtime can read inputs and outputs, on a GPU that can load the
/// engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EngineContent {
    /// TensorRT or TensorRT-RTX.
    pub(crate) runtime: EngineKind,
    /// Version of the builder.
    pub(crate) version: String,
    /// Size of the plan without metadata.
    pub(crate) plan_bytes: u64,
    /// Metadata in front of the plan, as Ultralytics writes it.
    pub(crate) metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// The contents of a file with a network and its weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NetworkContent {
    /// The kind of file.
    pub(crate) form: NetworkForm,
    /// Learned scalars.
    pub(crate) params: u64,
    /// Number of layers.
    pub(crate) layers: usize,
    /// Side of the training images in pixels, if known.
    pub(crate) imgsz: Option<usize>,
    /// Multiply-accumulates at batch 1 and `imgsz`.
    pub(crate) macs: Option<u64>,
    /// Input, with its shape if `imgsz` is known.
    pub(crate) inputs: Vec<String>,
    /// Raw outputs before decoding, with their shapes if `imgsz` is known.
    pub(crate) outputs: Vec<String>,
    /// Names of the classes.
    pub(crate) class_names: Vec<String>,
    /// Optimiser steps so far, if a training can resume from the file.
    pub(crate) training_step: Option<u64>,
    /// Metadata of the checkpoint.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The kind of file that contains a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkForm {
    /// A checkpoint.
    Checkpoint,
    /// A checkpoint that computes in 8-bit codes once it is folded.
    CheckpointInt8,
    /// A folded checkpoint, for the CPU.
    CpuEngine,
    /// A folded checkpoint that computes in 8-bit codes, for the CPU.
    CpuEngineInt8,
    /// Ultralytics' `.pt`, a file of PyTorch.
    Pt,
    /// A state dict in safetensors.
    StateDict,
}

impl fmt::Display for NetworkForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "checkpoint",
            Self::CheckpointInt8 => "checkpoint in 8-bit codes",
            Self::CpuEngine => "CPU engine",
            Self::CpuEngineInt8 => "CPU engine in 8-bit codes",
            Self::Pt => "PyTorch file",
            Self::StateDict => "state dict",
        })
    }
}

/// Reads a file and describes it.
///
/// # Errors
/// If the file cannot be read, its kind is unknown, or it is damaged.
pub(crate) fn inspect(file: &Path) -> Result<Inspection> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let content = content(file, &bytes).with_context(|| format!("in {}", file.display()))?;
    Ok(Inspection { file: file.to_owned(), bytes: bytes.len() as u64, content })
}

fn content(file: &Path, bytes: &[u8]) -> Result<Content> {
    match EngineFile::read(bytes) {
        Ok(engine) => return Ok(Content::Engine(engine_content(engine))),
        // No engine, or too short to be one.
        Err(EngineFileError::Plan(HeaderError::WrongMagic { .. })) => {}
        Err(EngineFileError::Plan(HeaderError::TooShort { .. })) if !starts_as_plan(bytes) => {}
        Err(error) => return Err(error.into()),
    }
    let zipped = bytes.starts_with(b"PK\x03\x04");
    let pickled = bytes.starts_with(b"\x80\x02") || bytes.starts_with(b"\x80\x04");
    if zipped || pickled || is_safetensors(bytes) {
        let network = Checkpoint::open(file)?;
        let form = match network.metadata.get("kind").map(String::as_str) {
            _ if zipped || pickled => NetworkForm::Pt,
            Some("cpu-engine") if network.quantization.is_some() => NetworkForm::CpuEngineInt8,
            _ if network.quantization.is_some() => NetworkForm::CheckpointInt8,
            Some("cpu-engine") => NetworkForm::CpuEngine,
            _ if Checkpoint::from_bytes(bytes).is_ok() => NetworkForm::Checkpoint,
            _ => NetworkForm::StateDict,
        };
        return Ok(Content::Network(network_content(&network, form)));
    }
    match OnnxInfo::read(bytes) {
        Ok(info) => Ok(Content::Onnx(onnx_content(&info, &OnnxSource::read(bytes)?))),
        Err(error) => bail!(
            "unknown kind of file; expected an engine (`ftrt` or `vtrt`), a checkpoint (safetensors), a PyTorch file \
             (zip) or an ONNX file; reading it as ONNX failed: {error}"
        ),
    }
}

fn starts_as_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ftrt") || bytes.starts_with(b"vtrt")
}

/// Whether the bytes begin with a length below 2^40 and the brace that opens JSON.
fn is_safetensors(bytes: &[u8]) -> bool {
    bytes.get(8) == Some(&b'{') && bytes.get(5..8) == Some(&[0; 3])
}

fn engine_content(engine: EngineFile<'_>) -> EngineContent {
    EngineContent {
        runtime: engine.header.kind,
        version: engine.header.version.to_string(),
        plan_bytes: engine.header.bytes,
        metadata: engine.metadata,
    }
}

fn onnx_content(info: &OnnxInfo, source: &OnnxSource) -> OnnxContent {
    OnnxContent {
        ir_version: info.ir_version,
        opset: info.opset,
        producer: info.producer.clone(),
        precision: source.precision.to_string(),
        inputs: info.inputs.iter().map(ToString::to_string).collect(),
        outputs: info.outputs.iter().map(ToString::to_string).collect(),
        nodes: info.op_counts.clone(),
        constants: info.constant_count,
        class_names: info.class_names.clone(),
        metadata: info.metadata.iter().cloned().collect(),
    }
}

fn network_content(network: &Checkpoint, form: NetworkForm) -> NetworkContent {
    let graph = network.model.graph();
    let imgsz: Option<usize> = network.metadata.get("imgsz").and_then(|size| size.parse().ok());
    // If the stored size does not fit the network, the description lacks costs and shapes.
    let cost = imgsz.and_then(|size| graph.cost(Size::square(size)).ok());
    let shapes = imgsz.and_then(|size| graph.shapes(Size::square(size)).ok());
    let shape = |id: NodeId| {
        let name = graph.node(id).name();
        let at = shapes.as_ref().map(|shapes| shapes[id.index()]);
        at.map_or_else(|| name.to_owned(), |s| format!("{name} [1, {}, {}, {}]", s.channels, s.h, s.w))
    };
    let trained = graph.params().into_iter().filter(|param| param.role.is_trained());
    NetworkContent {
        form,
        params: trained.map(|param| param.len() as u64).sum(),
        layers: graph.iter().count(),
        imgsz,
        macs: cost.map(|cost| cost.macs),
        inputs: vec![shape(graph.input())],
        outputs: graph.outputs().iter().map(|&id| shape(id)).collect(),
        class_names: network.model.class_names().to_vec(),
        training_step: network.train.as_ref().map(|train| train.progress.updates),
        metadata: network.metadata.clone(),
    }
}
