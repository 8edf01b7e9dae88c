//! [`from_state_dict`]: makes a checkpoint from named tensors.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use bonsai_graph::ModelSpec;

use super::archive::Archive;
use super::error::PtError;
use super::stock::{self, Shapes};
use super::tensors::Tensors;
use crate::weights::verify_shapes;
use crate::{Array, Checkpoint, CheckpointError, Weights};

/// Suffix of the head's fixed weights, which are neither parameters of the graph nor counters.
const EXPECTATION: &str = "dfl.conv.weight";
/// The first two weights, without the common prefix of all names.
const STEM: [&str; 2] = ["0.conv.weight", "1.conv.weight"];
/// The block whose activation depends on the version of Ultralytics.
const SPPF: &str = "model.9.cv1";

/// Reads the network of a state dict in safetensors with Ultralytics' names, of any widths; class names are
/// generated. `without_silu` lists the blocks without activation, if the file contains the list; assumptions
/// are added to `notes`.
///
/// # Errors
/// [`PtError`] for parts that YOLOv8 does not have, [`CheckpointError`] for tensors that do not fit together.
pub(crate) fn from_state_dict(
    weights: Weights,
    without_silu: Option<&[String]>,
    notes: &mut Vec<String>,
) -> Result<Checkpoint, CheckpointError> {
    let prefix = prefix(weights.iter().map(|(name, _)| name))?;
    let mut own = Weights::new();
    for (name, array) in weights {
        let name = own_name(&name, prefix.as_deref());
        if own.get(&name).is_some() {
            return Err(PtError::Twice { name }.into());
        }
        own.insert(name, array);
    }
    let weights = own;
    let shapes = weights.iter().map(|(name, array)| (name.to_owned(), array.shape().to_vec())).collect();
    let model = network(&shapes, without_silu, notes)?;
    checkpoint(model, weights)
}

/// As [`from_state_dict`], for tensors in an archive; numbers are read only after all names and shapes have
/// been checked.
pub(super) fn from_archive<R: Read + Seek>(
    archive: &mut Archive<R>,
    tensors: Tensors<'_>,
    notes: &mut Vec<String>,
) -> Result<Checkpoint, CheckpointError> {
    let prefix = prefix(tensors.names())?;
    let tensors = tensors.renamed(|name| own_name(name, prefix.as_deref()))?;
    let model = network(&tensors.shapes(), None, notes)?;
    read(archive, model, tensors)
}

/// Reads the tensors of a network from an archive; numbers are read only after all names and shapes have been
/// checked.
pub(super) fn read<R: Read + Seek>(
    archive: &mut Archive<R>,
    model: ModelSpec,
    tensors: Tensors<'_>,
) -> Result<Checkpoint, CheckpointError> {
    let mut shapes = tensors.shapes();
    shapes.retain(|name, _| !name.ends_with(EXPECTATION));
    let shape = |name: &str| shapes.get(name).map(Vec::as_slice);
    verify_shapes(&model.graph().params(), shape, shapes.keys().map(String::as_str))?;
    let weights = tensors.read(archive)?;
    checkpoint(model, weights)
}

fn network(
    shapes: &Shapes,
    without_silu: Option<&[String]>,
    notes: &mut Vec<String>,
) -> Result<ModelSpec, CheckpointError> {
    let model = stock::blueprint(shapes, without_silu.unwrap_or_default())?.assemble()?;
    if without_silu.is_none() {
        notes.push(format!(
            "a state dict does not contain activations: SiLU was assumed after `{SPPF}` (SPPF). Ultralytics \
             8.4.0 to 8.4.140 built YOLOv8 without it: if one of them trained it, import its `.pt` file instead"
        ));
    }
    Ok(model)
}

/// The prefix of all names before the number of the first module: `model.` in a `DetectionModel`, empty in a
/// `Sequential`, `module.model.` in `DataParallel`, `_orig_mod.model.` in `torch.compile`'s module,
/// `model.model.` in a `YOLO`.
fn prefix<'a>(names: impl Iterator<Item = &'a str>) -> Result<Option<String>, PtError> {
    let mut found = BTreeSet::new();
    let mut second = BTreeSet::new();
    for name in names {
        found.extend(name.strip_suffix(STEM[0]));
        second.extend(name.strip_suffix(STEM[1]));
    }
    // Branches of the head have the same suffixes, but after a number.
    let is_outside = |prefix: &str| prefix.split('.').all(|part| part.parse::<u32>().is_err());
    let is_whole = |prefix: &str| prefix.is_empty() || prefix.ends_with('.');
    found.retain(|prefix| is_whole(prefix) && is_outside(prefix) && second.contains(prefix));
    let mut found = found.into_iter();
    match (found.next(), found.next()) {
        (Some(one), Some(other)) => {
            let what =
                format!("it has several networks, such as `{one}` and `{other}`: save the one that you mean");
            Err(PtError::Unsupported { place: "state dict".to_owned(), what })
        }
        (found, _) => Ok(found.map(str::to_owned)),
    }
}

/// The name that the tensor has in a `DetectionModel`.
fn own_name(name: &str, prefix: Option<&str>) -> String {
    match prefix.and_then(|prefix| name.strip_prefix(prefix)) {
        Some(rest) => format!("model.{rest}"),
        None => name.to_owned(),
    }
}

/// Combines a network and its tensors; checks the head's fixed weights and leaves them out.
fn checkpoint(model: ModelSpec, weights: Weights) -> Result<Checkpoint, CheckpointError> {
    let mut kept = Weights::new();
    for (name, array) in weights {
        if name.ends_with(EXPECTATION) {
            check_expectation(&name, &array)?;
        } else {
            kept.insert(name, array);
        }
    }
    Checkpoint::new(model, kept)
}

/// The distance of a side is the expectation over its bins, so the weights must be the numbers of the bins.
fn check_expectation(name: &str, array: &Array) -> Result<(), PtError> {
    if array.data().iter().enumerate().all(|(bin, weight)| *weight == bin as f32) {
        return Ok(());
    }
    let what = "its weights are not 0, 1, 2 and so on: this head decodes boxes in another way".to_owned();
    Err(PtError::Unsupported { place: name.to_owned(), what })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_what_stands_before_the_first_module() {
        let found = |begin: &str| {
            let tails =
                ["22.cv2.0.0.conv.weight", "22.cv2.0.1.conv.weight", "1.conv.weight", "0.conv.weight"];
            let names: Vec<String> = tails.iter().map(|tail| format!("{begin}{tail}")).collect();
            prefix(names.iter().map(String::as_str)).unwrap()
        };
        for begin in ["", "model.", "module.", "module.model.", "_orig_mod.model.", "ema.module.model."] {
            assert_eq!(found(begin).as_deref(), Some(begin));
        }
        let of = |names: &[&'static str]| prefix(names.iter().copied());
        assert_eq!(of(&["model.22.cv2.0.0.conv.weight", "model.22.cv2.0.1.conv.weight"]).unwrap(), None);
        let two = ["a.0.conv.weight", "a.1.conv.weight", "b.0.conv.weight", "b.1.conv.weight"];
        assert!(of(&two).unwrap_err().to_string().contains("`a.` and `b.`"));
        assert_eq!(own_name("module.model.3.conv.weight", Some("module.model.")), "model.3.conv.weight");
        assert_eq!(own_name("x.3", Some("model.")), "x.3");
    }
}
