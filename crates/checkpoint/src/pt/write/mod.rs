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
use super::blueprint::{Blueprint, ConvBlock, Part};
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
    /// Whether a batch norm had been folded into its convolution. The file has one again that only adds the bias:
    /// it is right for inference, but a training would normalise by the batch and so begin with another network.
    pub was_folded: bool,
    /// Whether Ultralytics can build the network from the description in the file, which its `train` does.
    /// It can build networks of regular widths only; for others its `get_model` must be overridden. Ultralytics
    /// 8.3.0 to 8.3.16 and 8.4.0 to 8.4.140 build YOLOv8 with other modules from any description.
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
    let was_folded = has_folded_block(&blueprint);
    let structure = yaml::structure(&blueprint);
    let can_be_rebuilt = structure.is_some();
    let model = model(checkpoint, &blueprint, layers, structure);
    let (pickle, storages) = Pickler::write(&content(checkpoint, model));
    Ok(UltralyticsFile {
        bytes: archive::write(&pickle, &storages)?,
        added_channels,
        was_folded,
        can_be_rebuilt,
    })
}

/// Whether a block has no batch norm. The last convolutions of the head never have one.
fn has_folded_block(blueprint: &Blueprint) -> bool {
    let blocks = |part: &Part| -> Vec<ConvBlock> {
        match part {
            Part::Conv(block) => vec![*block],
            Part::C2f(block) => {
                let inner = block.m.iter().flat_map(|m| [m.cv1, m.cv2]);
                [block.cv1, block.cv2].into_iter().chain(inner).collect()
            }
            Part::Sppf(block) => vec![block.cv1, block.cv2],
            Part::Detect(head) => {
                let branches = head.boxes.iter().chain(&head.classes);
                branches.flat_map(|branch| branch.blocks.iter().map(|(_, block)| *block)).collect()
            }
            Part::Upsample { .. } | Part::Concat => Vec::new(),
        }
    };
    blueprint.layers.iter().any(|layer| blocks(&layer.part).iter().any(|block| block.norm.is_none()))
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bonsai_testkit::imported;

    use super::*;
    use crate::pt::archive::Archive;
    use crate::pt::pickle::{self, Id, Pickle};

    /// Whole numbers in a list or tuple.
    fn numbers(pickle: &Pickle, id: Id) -> Vec<i64> {
        pickle.members(id).unwrap().iter().map(|member| pickle.int(*member).unwrap()).collect()
    }

    /// Attributes that only Ultralytics reads; the importer ignores them.
    #[test]
    fn ultralytics_finds_the_attributes_that_it_reads() {
        let checkpoint = Checkpoint::import_bytes(&imported("pruned")).unwrap();
        let bytes = to_ultralytics(&checkpoint).unwrap().bytes;
        let mut archive = Archive::open(Cursor::new(&bytes), bytes.len() as u64).unwrap();
        let pickle = pickle::read(&archive.pickle().unwrap()).unwrap();
        let get = |id: Id, key: &str| pickle.get(id, key).unwrap_or_else(|| panic!("no {key}"));
        let model = get(pickle.root(), "model");
        // The outputs of these modules of YOLOv8 are read by later ones.
        assert_eq!(numbers(&pickle, get(model, "save")), [4, 6, 9, 12, 15, 18, 21]);
        assert_eq!(pickle.int(get(model, "nc")), Some(3));
        let modules = |id: Id| pickle.entries(get(id, "_modules")).unwrap();
        let layers = modules(modules(model)[0].1);
        assert_eq!(layers.len(), 23);
        for (index, (_, layer)) in layers.iter().enumerate() {
            assert_eq!(pickle.int(get(*layer, "i")), Some(index as i64));
            assert!(pickle.int(get(*layer, "np")).is_some() && pickle.str(get(*layer, "type")).is_some());
        }
        assert_eq!(pickle.int(get(layers[5].1, "f")), Some(-1));
        assert_eq!(numbers(&pickle, get(layers[11].1, "f")), [-1, 6]);
        let head = layers[22].1;
        assert_eq!(numbers(&pickle, get(head, "f")), [15, 18, 21]);
        let number = |key: &str| pickle.int(get(head, key));
        assert_eq!(["nc", "nl", "reg_max", "no"].map(number), [3, 3, 16, 67].map(Some));
        // Half of the output of `cv1`.
        let block = layers[2].1;
        let cv1 = modules(block).iter().find(|(name, _)| pickle.str(*name) == Some("cv1")).unwrap().1;
        let outputs = pickle.int(get(modules(cv1)[0].1, "out_channels")).unwrap();
        assert_eq!(pickle.int(get(block, "c")).map(|half| 2 * half), Some(outputs));
    }
}
