//! [`to_ultralytics`]: writes a network as the `.pt` file that Ultralytics saves.
//!
//! [`recognize`](super::recognize) finds the modules, [`even`](super::even) gives them shapes that Ultralytics
//! can compute, [`layers`] and [`module`] make their objects of plain [`value`]s, [`yaml`] describes the
//! network if Ultralytics could build it, and [`pickler`] and [`archive`] write the bytes.

mod archive;
mod layers;
mod module;
mod pickler;
mod value;
mod yaml;

use self::layers::Writer;
use self::pickler::Pickler;
use self::value::{Class, Value};
use super::blueprint::{Blueprint, Part};
use super::even::even_halves;
use super::recognize;
use crate::{Checkpoint, CheckpointError};

/// Result of [`Checkpoint::to_ultralytics`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UltralyticsFile {
    /// The content of the `.pt` file.
    pub bytes: Vec<u8>,
    /// Channels that were added to the halves of C2f modules, because Ultralytics can only compute equal
    /// halves. They are zero.
    pub added_channels: usize,
    /// Whether Ultralytics can build the network from the description in the file, which its `train` does.
    /// It can build networks of regular widths only; for others its `get_model` must be overridden.
    pub can_be_rebuilt: bool,
}

/// Writes a checkpoint; see [`Checkpoint::to_ultralytics`].
pub(crate) fn to_ultralytics(checkpoint: &Checkpoint) -> Result<UltralyticsFile, CheckpointError> {
    checkpoint.weights.verify(&checkpoint.model.graph().params())?;
    let mut blueprint = recognize::blueprint(&checkpoint.model)?;
    let mut weights = checkpoint.weights.clone();
    let added_channels = even_halves(&mut blueprint, &mut weights)?;
    let writer = Writer { weights: &weights };
    let layers = blueprint.layers.iter().enumerate();
    let layers =
        layers.map(|(index, layer)| writer.layer(index, layer)).collect::<Result<_, CheckpointError>>()?;
    let structure = yaml::structure(&blueprint);
    let can_be_rebuilt = structure.is_some();
    let model = model(checkpoint, &blueprint, layers, structure);
    let (pickle, storages) = Pickler::write(&content(checkpoint, model));
    Ok(UltralyticsFile { bytes: archive::write(&pickle, &storages)?, added_channels, can_be_rebuilt })
}

/// The `DetectionModel`.
fn model(
    checkpoint: &Checkpoint,
    blueprint: &Blueprint,
    layers: Vec<Value>,
    structure: Option<Vec<(&'static str, Value)>>,
) -> Value {
    let names = checkpoint.model.class_names().iter().enumerate();
    let names = names.map(|(class, name)| (Value::size(class), Value::text(name))).collect();
    let num_classes = Value::size(checkpoint.model.class_names().len());
    let channels = checkpoint.model.graph().node(checkpoint.model.graph().input()).channels();
    let mut yaml = vec![("nc", num_classes.clone()), ("ch", Value::size(channels))];
    yaml.push(("channels", Value::size(channels)));
    yaml.push(("yaml_file", Value::text("bonsai.yaml")));
    yaml.extend(structure.unwrap_or_default());
    let stride = match blueprint.layers.last().map(|layer| &layer.part) {
        Some(Part::Detect(head)) => layers::strides(head),
        _ => Value::None,
    };
    let parts = module::Parts {
        modules: vec![("model".to_owned(), module::list("Sequential", layers))],
        ..module::Parts::default()
    };
    module::module(
        Class("ultralytics.nn.tasks", "DetectionModel"),
        parts,
        vec![
            ("yaml", Value::dict(yaml)),
            ("save", Value::List(kept_outputs(blueprint))),
            ("names", Value::Dict(names)),
            ("inplace", Value::Bool(true)),
            ("stride", stride),
            ("nc", num_classes),
            ("task", Value::text("detect")),
            ("args", Value::dict(arguments(checkpoint))),
        ],
    )
}

/// The layers whose outputs later layers read, other than the next one; in order.
fn kept_outputs(blueprint: &Blueprint) -> Vec<Value> {
    let read = blueprint.layers.iter().flat_map(|layer| &layer.from).filter(|from| **from >= 0);
    let read: std::collections::BTreeSet<i64> = read.copied().collect();
    read.into_iter().map(Value::Int).collect()
}

/// Training arguments that Ultralytics takes from a file: the task and the image size.
fn arguments(checkpoint: &Checkpoint) -> Vec<(&'static str, Value)> {
    let mut arguments = vec![("task", Value::text("detect")), ("mode", Value::text("train"))];
    if let Some(imgsz) = checkpoint.metadata.get("imgsz").and_then(|size| size.parse().ok()) {
        arguments.push(("imgsz", Value::Int(imgsz)));
    }
    arguments
}

/// The dictionary around the model.
fn content(checkpoint: &Checkpoint, model: Value) -> Value {
    Value::dict(vec![
        ("epoch", Value::Int(-1)),
        ("best_fitness", Value::None),
        ("model", model),
        ("ema", Value::None),
        ("updates", Value::None),
        ("optimizer", Value::None),
        ("train_args", Value::dict(arguments(checkpoint))),
        // No time, so that equal content gives equal bytes.
        ("date", Value::None),
        ("version", Value::text(concat!("Bonsai ", env!("CARGO_PKG_VERSION")))),
    ])
}
