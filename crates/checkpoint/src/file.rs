//! [`Checkpoint::to_bytes`] and [`Checkpoint::from_bytes`]: the file format, safetensors with one header key.
//!
//! The key holds everything except tensors, as JSON. Several keys would be written in the order of a hash
//! map, which differs from run to run.
//! The tensor `NAME` is a weight to deploy; `train.raw.NAME`, `train.momentum.NAME` and, except for SGD,
//! `train.second_moment.NAME` are needed to resume training.
//!
//! If a network without batch norm computes in 8-bit codes, a kernel is stored as codes, and `NAME.scale` has the
//! scale of each output channel.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bonsai_graph::{Graph, ModelSpec, Op, ParamRole, ParamSpec, Quantization, weight_codes};
use safetensors::tensor::{Dtype, SafeTensors, TensorView, View};
use serde::{Deserialize, Serialize};

use crate::{Array, Checkpoint, CheckpointError, TrainProgress, TrainState, Weights, write_file};

const HEADER_KEY: &str = "bonsai";
/// Prefix that no layer name may have.
const RESERVED: &str = "train.";
const RAW: &str = "train.raw.";
const MOMENTUM: &str = "train.momentum.";
const SECOND_MOMENT: &str = "train.second_moment.";
/// Suffix of the scales of a kernel in codes.
const SCALE: &str = ".scale";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    model: ModelSpec,
    metadata: BTreeMap<String, String>,
    progress: Option<TrainProgress>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quantization: Option<Quantization>,
}

/// A tensor for the file. Its bytes are produced only when it is written, so that at most one array exists
/// twice in memory.
enum Stored<'a> {
    /// The values.
    Values(Cow<'a, Array>),
    /// The codes of a kernel.
    Codes(&'a Array),
}

impl Stored<'_> {
    fn array(&self) -> &Array {
        match self {
            Self::Values(array) => array,
            Self::Codes(array) => array,
        }
    }
}

impl View for Stored<'_> {
    fn dtype(&self) -> Dtype {
        match self {
            Self::Values(_) => Dtype::F32,
            Self::Codes(_) => Dtype::I8,
        }
    }

    fn shape(&self) -> &[usize] {
        self.array().shape()
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(match self {
            Self::Values(array) => array.data().iter().flat_map(|value| value.to_le_bytes()).collect(),
            Self::Codes(array) => {
                channels(array).flat_map(|channel| weight_codes(channel).1.map(i8::cast_unsigned)).collect()
            }
        })
    }

    fn data_len(&self) -> usize {
        match self {
            Self::Values(array) => size_of_val(array.data()),
            Self::Codes(array) => array.data().len(),
        }
    }
}

/// The weights of each output channel of a kernel.
fn channels(kernel: &Array) -> impl Iterator<Item = &[f32]> {
    let count = kernel.shape().first().copied().unwrap_or(0);
    kernel.data().chunks((kernel.data().len() / count.max(1)).max(1))
}

/// The tensors of `weights`, with kernels as codes and scales.
fn quantized<'a>(graph: &Graph, weights: &'a Weights) -> Vec<(String, Stored<'a>)> {
    let kernels: Vec<String> =
        graph.params().into_iter().filter(|p| p.role == ParamRole::ConvWeight).map(|p| p.name).collect();
    let mut tensors = Vec::new();
    for (name, array) in weights.iter() {
        if kernels.iter().any(|kernel| kernel == name) {
            let scales: Vec<f32> = channels(array).map(|channel| weight_codes(channel).0).collect();
            let scales = Array::new(&[scales.len()], scales);
            tensors.push((format!("{name}{SCALE}"), Stored::Values(Cow::Owned(scales))));
            tensors.push((name.to_owned(), Stored::Codes(array)));
        } else {
            tensors.push((name.to_owned(), Stored::Values(Cow::Borrowed(array))));
        }
    }
    tensors
}

impl Checkpoint {
    /// The bytes of the file; equal checkpoints give equal bytes.
    ///
    /// # Errors
    /// The errors that [`Checkpoint::from_bytes`] would give: weights or training state that do not fit the
    /// graph, and [`CheckpointError::Reserved`] for layers whose names begin with `train.`.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CheckpointError> {
        self.check()?;
        let header = Header {
            model: self.model.clone(),
            metadata: self.metadata.clone(),
            progress: self.train.as_ref().map(|t| t.progress.clone()),
            quantization: self.quantization.clone(),
        };
        let metadata = HashMap::from([(HEADER_KEY.to_owned(), serde_json::to_string(&header)?)]);
        let named = |prefix: &'static str, weights| {
            let stored = |array| Stored::Values(Cow::Borrowed(array));
            Weights::iter(weights).map(move |(n, a)| (format!("{prefix}{n}"), stored(a)))
        };
        let folded = !self.model.graph().nodes().iter().any(|n| matches!(n.op(), Op::BatchNorm { .. }));
        let mut tensors: Vec<(String, Stored<'_>)> = if self.quantization.is_some() && folded {
            quantized(self.model.graph(), &self.weights)
        } else {
            named("", &self.weights).collect()
        };
        if let Some(train) = &self.train {
            tensors.extend(named(RAW, &train.raw));
            tensors.extend(named(MOMENTUM, &train.momentum));
            tensors.extend(train.second_moment.iter().flat_map(|second| named(SECOND_MOMENT, second)));
        }
        Ok(safetensors::serialize(tensors, Some(metadata))?)
    }

    /// Reads the bytes that [`Checkpoint::to_bytes`] wrote. The bytes are not trusted.
    ///
    /// # Errors
    /// [`CheckpointError`] with the tensor or the part that is wrong.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let (_, metadata) = SafeTensors::read_metadata(bytes)?;
        let header =
            metadata.metadata().as_ref().and_then(|m| m.get(HEADER_KEY)).ok_or_else(|| {
                CheckpointError::Foreign { what: format!("the header has no `{HEADER_KEY}`") }
            })?;
        let Header { model, metadata, progress, quantization } = serde_json::from_str(header)?;
        let mut weights = Weights::new();
        let mut raw = Weights::new();
        let mut momentum = Weights::new();
        let mut second = Weights::new();
        let tensors = SafeTensors::deserialize(bytes)?;
        for (name, view) in tensors.iter() {
            let kernel = name.strip_suffix(SCALE).and_then(|kernel| tensors.tensor(kernel).ok());
            if quantization.is_some() && kernel.is_some_and(|kernel| kernel.dtype() == Dtype::I8) {
                continue; // Read with its kernel.
            }
            let array = if quantization.is_some() && view.dtype() == Dtype::I8 {
                let scale = format!("{name}{SCALE}");
                let scales = tensors.tensor(&scale).map_err(|_| CheckpointError::Missing { name: scale })?;
                read_kernel(name, &view, &scales)?
            } else {
                read_array(name, &view)?
            };
            if let Some(name) = name.strip_prefix(RAW) {
                raw.insert(name, array);
            } else if let Some(name) = name.strip_prefix(MOMENTUM) {
                momentum.insert(name, array);
            } else if let Some(name) = name.strip_prefix(SECOND_MOMENT) {
                second.insert(name, array);
            } else {
                weights.insert(name, array);
            }
        }
        let train = if let Some(progress) = progress {
            let raw = raw.check(model.graph()).map_err(|e| prefixed(RAW, e))?;
            let momentum = momentum.arrange(&trained(model.graph())).map_err(|e| prefixed(MOMENTUM, e))?;
            let arrange = |second: Weights| second.arrange(&trained(model.graph()));
            let second_moment = (!second.is_empty()).then(|| arrange(second)).transpose();
            let second_moment = second_moment.map_err(|e| prefixed(SECOND_MOMENT, e))?;
            Some(TrainState { raw, momentum, second_moment, progress })
        } else {
            for (prefix, part) in [(RAW, &raw), (MOMENTUM, &momentum), (SECOND_MOMENT, &second)] {
                if let Some((name, _)) = part.iter().next() {
                    return Err(CheckpointError::Unexpected { name: format!("{prefix}{name}") });
                }
            }
            None
        };
        let weights = weights.check(model.graph())?;
        let read = Self { model, weights, metadata, train, quantization };
        read.check()?;
        Ok(read)
    }

    /// Writes the file; a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`CheckpointError::Io`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), CheckpointError> {
        let path = path.as_ref();
        write_file(path, &self.to_bytes()?)
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`CheckpointError::Load`] with the path and the error in the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let wrap = |source| CheckpointError::Load { path: path.to_owned(), source: Box::new(source) };
        let bytes = std::fs::read(path).map_err(|source| CheckpointError::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        Self::from_bytes(&bytes).map_err(wrap)
    }
}

/// Fields are public, so a caller can combine them wrongly; such a checkpoint must not be written.
impl Checkpoint {
    fn check(&self) -> Result<(), CheckpointError> {
        let graph = self.model.graph();
        if let Some(node) = graph.nodes().iter().find(|n| n.name().starts_with(RESERVED)) {
            return Err(CheckpointError::Reserved { layer: node.name().to_owned() });
        }
        self.weights.verify(&graph.params())?;
        if let Some(quantization) = &self.quantization {
            let folded = graph.fold_batch_norm().graph;
            for wire in folded.quantized_wires() {
                quantization.get(&folded, wire)?;
            }
        }
        if let Some(train) = &self.train {
            train.raw.verify(&graph.params()).map_err(|e| prefixed(RAW, e))?;
            train.momentum.verify(&trained(graph)).map_err(|e| prefixed(MOMENTUM, e))?;
            if let Some(second) = &train.second_moment {
                second.verify(&trained(graph)).map_err(|e| prefixed(SECOND_MOMENT, e))?;
            }
        }
        Ok(())
    }
}

/// The error with the tensor name that the file has.
fn prefixed(prefix: &str, error: CheckpointError) -> CheckpointError {
    let full = |name: String| format!("{prefix}{name}");
    match error {
        CheckpointError::Missing { name } => CheckpointError::Missing { name: full(name) },
        CheckpointError::Unexpected { name } => CheckpointError::Unexpected { name: full(name) },
        CheckpointError::Shape { name, expected, got } => {
            CheckpointError::Shape { name: full(name), expected, got }
        }
        other => other,
    }
}

fn read_array(name: &str, view: &TensorView<'_>) -> Result<Array, CheckpointError> {
    if view.dtype() != Dtype::F32 {
        return Err(CheckpointError::Dtype { name: name.to_owned(), got: format!("{:?}", view.dtype()) });
    }
    let data = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    Ok(Array::new(view.shape(), data))
}

/// The numbers that the codes of a kernel stand for.
fn read_kernel(
    name: &str,
    codes: &TensorView<'_>,
    scales: &TensorView<'_>,
) -> Result<Array, CheckpointError> {
    let scales = read_array(&format!("{name}{SCALE}"), scales)?;
    let count = codes.shape().first().copied().unwrap_or(0);
    let positive = |scale: &f32| scale.is_normal() && *scale > 0.0;
    if scales.shape() != [count] || !scales.data().iter().all(positive) {
        return Err(CheckpointError::Scales { name: name.to_owned(), expected: count });
    }
    let per_channel = (codes.data().len() / count.max(1)).max(1);
    let channels = codes.data().chunks(per_channel).zip(scales.data());
    let number = |(codes, scale): (&[u8], &f32)| -> Vec<f32> {
        codes.iter().map(|code| scale * f32::from(code.cast_signed())).collect()
    };
    Ok(Array::new(codes.shape(), channels.flat_map(number).collect()))
}

/// The parameters that the optimiser trains; only these have a momentum.
fn trained(graph: &Graph) -> Vec<ParamSpec> {
    graph.params().into_iter().filter(|s| s.role.is_trained()).collect()
}
