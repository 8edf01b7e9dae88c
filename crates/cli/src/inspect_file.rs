//! What a file is, and what it says of itself: told by its content, never by its name.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::NodeId;
use bonsai_onnx::OnnxInfo;
use bonsai_tensorrt::{EngineFile, EngineFileError, EngineKind, HeaderError, OnnxSource};
use serde::Serialize;

/// What a file is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Inspection {
    /// The file.
    #[serde(with = "bonsai_stages::path_text")]
    pub(crate) file: PathBuf,
    /// Its size.
    pub(crate) bytes: u64,
    /// What it is.
    #[serde(flatten)]
    pub(crate) content: Content,
}

/// What a file is, with what that kind says of itself.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(crate) enum Content {
    /// An ONNX file.
    Onnx(OnnxContent),
    /// An engine of TensorRT or TensorRT-RTX.
    Engine(EngineContent),
    /// A network of this project's own, or one that it can import.
    Network(NetworkContent),
}

/// An ONNX file.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct OnnxContent {
    /// Version of the file format.
    pub(crate) ir_version: i64,
    /// Version of ONNX's operator set.
    pub(crate) opset: i64,
    /// The program that wrote it.
    pub(crate) producer: String,
    /// Arithmetic that it spells out: fp32, fp16 or int8.
    pub(crate) precision: String,
    /// Name, element type and shape of every input.
    pub(crate) inputs: Vec<String>,
    /// Likewise of every output.
    pub(crate) outputs: Vec<String>,
    /// Number of nodes of each kind.
    pub(crate) nodes: BTreeMap<String, usize>,
    /// Number of constants.
    pub(crate) constants: usize,
    /// Names of the classes, where given.
    pub(crate) class_names: Option<Vec<String>>,
    /// Metadata as it stands there.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// An engine. Its inputs and outputs are known to its runtime alone, on a GPU that can load it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct EngineContent {
    /// TensorRT or TensorRT-RTX.
    pub(crate) runtime: EngineKind,
    /// The version that built it.
    pub(crate) version: String,
    /// Size of the plan itself.
    pub(crate) plan_bytes: u64,
    /// Metadata in front of the plan, in Ultralytics' form of an engine.
    pub(crate) metadata: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A network with its weights.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct NetworkContent {
    /// In which form.
    pub(crate) form: NetworkForm,
    /// Learned scalars.
    pub(crate) params: u64,
    /// Layers.
    pub(crate) layers: usize,
    /// Side of the images in pixels that it was trained at, where known.
    pub(crate) imgsz: Option<usize>,
    /// Multiply-accumulates at batch 1 at that size.
    pub(crate) macs: Option<u64>,
    /// Input, with its shape where the size is known.
    pub(crate) inputs: Vec<String>,
    /// Raw outputs, likewise; decoding is no part of the network.
    pub(crate) outputs: Vec<String>,
    /// Names of the classes.
    pub(crate) class_names: Vec<String>,
    /// Optimiser steps of the training that can go on from here, where it can.
    pub(crate) training_step: Option<u64>,
    /// Notes.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// The file that a network came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum NetworkForm {
    /// A checkpoint.
    Checkpoint,
    /// A folded checkpoint, for the CPU.
    CpuEngine,
    /// A file of PyTorch's, Ultralytics' `.pt`.
    Pt,
    /// A state dict in safetensors.
    StateDict,
}

impl fmt::Display for NetworkForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Checkpoint => "checkpoint",
            Self::CpuEngine => "CPU engine",
            Self::Pt => "file of PyTorch's",
            Self::StateDict => "state dict",
        })
    }
}

/// Finds out what a file is.
///
/// # Errors
/// If it cannot be read, is nothing that is known, or is damaged.
pub(crate) fn inspect(file: &Path) -> Result<Inspection> {
    let bytes = std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let content = content(file, &bytes).with_context(|| format!("in {}", file.display()))?;
    Ok(Inspection { file: file.to_owned(), bytes: bytes.len() as u64, content })
}

fn content(file: &Path, bytes: &[u8]) -> Result<Content> {
    match EngineFile::read(bytes) {
        Ok(engine) => return Ok(Content::Engine(engine_content(engine))),
        // Something else, or the beginning of something.
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
            Some("cpu-engine") => NetworkForm::CpuEngine,
            _ if Checkpoint::from_bytes(bytes).is_ok() => NetworkForm::Checkpoint,
            _ => NetworkForm::StateDict,
        };
        return Ok(Content::Network(network_content(&network, form)));
    }
    match OnnxInfo::read(bytes) {
        Ok(info) => Ok(Content::Onnx(onnx_content(&info, &OnnxSource::read(bytes)?))),
        Err(error) => bail!(
            "it is no engine (`ftrt` or `vtrt`), no checkpoint (safetensors) and no file of PyTorch's (zip), \
             and as an ONNX file: {error}"
        ),
    }
}

fn starts_as_plan(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ftrt") || bytes.starts_with(b"vtrt")
}

/// A length, then JSON.
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
    // A stored size that does not fit the network is no reason not to describe it.
    let cost = imgsz.and_then(|size| graph.cost(size, size).ok());
    let shapes = imgsz.and_then(|size| graph.shapes(size, size).ok());
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
