//! The dictionary that Ultralytics saves, and what else `torch.save` may have been given.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::archive::Archive;
use super::blueprint::Part;
use super::error::PtError;
use super::module::{Module, array};
use super::modules;
use super::pickle::{self, Id, Node, Pickle};
use super::state::{checkpoint, from_state_dict};
use crate::{Checkpoint, CheckpointError, Weights};

/// Deepest nesting of modules; a detector has seven.
const DEEPEST: usize = 32;
/// Most modules; YOLOv8x has some 400.
const MOST_MODULES: usize = 1 << 14;

/// Reads a `.pt` file of so many bytes.
///
/// # Errors
/// [`PtError`] for a file that is damaged, dangerous or no YOLOv8 detector, [`CheckpointError`] if its tensors do not fit
/// together.
pub(crate) fn read<R: Read + Seek>(reader: R, bytes: u64) -> Result<Checkpoint, CheckpointError> {
    let mut archive = Archive::open(reader, bytes)?;
    let pickle = pickle::read(&archive.pickle()?)?;
    let mut checkpoint = match find(&pickle)? {
        Found::Model(model) => from_model(&mut archive, model)?,
        Found::State(dict) => {
            let entries = pickle.entries(dict).unwrap_or_default();
            let named = entries.iter().filter_map(|(name, id)| Some((pickle.str(*name)?.to_owned(), *id)));
            from_state_dict(tensors(&mut archive, &pickle, named.collect())?)?
        }
    };
    note(&pickle, &mut checkpoint);
    Ok(checkpoint)
}

enum Found<'a> {
    Model(Module<'a>),
    State(Id),
}

/// The network in a pickle: the average where there is one, as Ultralytics' own loader takes it.
fn find(pickle: &Pickle) -> Result<Found<'_>, PtError> {
    let root = pickle.root();
    let found = |id: Id| match Module::of(pickle, id) {
        Some(model) => Some(Found::Model(model)),
        None => is_state(pickle, id).then_some(Found::State(id)),
    };
    let keyed = ["ema", "model", "state_dict"].iter().filter_map(|key| pickle.get(root, key));
    std::iter::once(root).chain(keyed).find_map(found).ok_or_else(|| {
        let keys = pickle.entries(root).map(|entries| {
            let keys: Vec<_> = entries.iter().filter_map(|(key, _)| pickle.str(*key)).take(8).collect();
            format!("a dictionary with {}", keys.join(", "))
        });
        PtError::NoModel { what: keys.unwrap_or_else(|| pickle.kind(root)) }
    })
}

/// Whether it is a dictionary of tensors.
fn is_state(pickle: &Pickle, id: Id) -> bool {
    let is_tensor = |(name, value): &(Id, Id)| {
        pickle.str(*name).is_some() && matches!(pickle.node(*value), Node::Tensor(_))
    };
    pickle.entries(id).is_some_and(|entries| !entries.is_empty() && entries.iter().all(is_tensor))
}

fn from_model<R: Read + Seek>(
    archive: &mut Archive<R>,
    model: Module<'_>,
) -> Result<Checkpoint, CheckpointError> {
    if model.class() != "DetectionModel" {
        let place = "model".to_owned();
        return Err(PtError::Module { place, class: model.class().to_owned() }.into());
    }
    let pickle = model.pickle();
    let mut blueprint = modules::blueprint(model)?;
    if let Some(Part::Detect(head)) = blueprint.layers.last_mut().map(|layer| &mut layer.part) {
        head.strides = strides(archive, model, head.boxes.len())?;
    }
    let spec = blueprint.assemble()?;
    let mut walk = Walk::default();
    walk.visit(model, "", 0)?;
    checkpoint(spec, tensors(archive, pickle, walk.named)?)
}

/// Pixels per cell of each level.
fn strides<R: Read + Seek>(
    archive: &mut Archive<R>,
    model: Module<'_>,
    levels: usize,
) -> Result<Vec<usize>, PtError> {
    let unsupported = |what: String| PtError::Unsupported { place: "model.stride".to_owned(), what };
    let Some(id) = modules::strides(model) else { return Err(unsupported("it is missing".to_owned())) };
    let values = array(archive, model.pickle(), "model.stride", id)?.data;
    let whole = |stride: &f32| stride.fract() == 0.0 && (1.0..=1024.0).contains(stride);
    if values.len() != levels || !values.iter().all(whole) {
        return Err(unsupported(format!("{values:?}, expected {levels} whole numbers")));
    }
    Ok(values.into_iter().map(|stride| stride as usize).collect())
}

/// The tensors of a module and of all in it, by name.
#[derive(Default)]
struct Walk {
    named: Vec<(String, Id)>,
    modules: usize,
}

impl Walk {
    fn visit(&mut self, module: Module<'_>, prefix: &str, depth: usize) -> Result<(), PtError> {
        self.modules += 1;
        // In a pickle a module can contain itself.
        if depth > DEEPEST || self.modules > MOST_MODULES {
            let what = format!("more than {MOST_MODULES} modules, or nested more than {DEEPEST} deep");
            return Err(PtError::Unsupported { place: prefix.trim_end_matches('.').to_owned(), what });
        }
        self.named.extend(module.tensors().into_iter().map(|(name, id)| (format!("{prefix}{name}"), id)));
        for (name, child) in module.children() {
            self.visit(child, &format!("{prefix}{name}."), depth + 1)?;
        }
        Ok(())
    }
}

/// Their numbers; counters, which are whole, are left out.
fn tensors<R: Read + Seek>(
    archive: &mut Archive<R>,
    pickle: &Pickle,
    named: Vec<(String, Id)>,
) -> Result<Weights, PtError> {
    let named = named.into_iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
    named.map(|(name, id)| array(archive, pickle, &name, id).map(|array| (name, array))).collect()
}

/// A value that is a truth value, a number or a short text.
fn plain(pickle: &Pickle, id: Id) -> Option<serde_json::Value> {
    /// Longer texts are no settings.
    const LONGEST: usize = 1 << 10;
    match pickle.node(id) {
        Node::Bool(value) => Some((*value).into()),
        Node::Int(value) => Some((*value).into()),
        Node::Float(value) => serde_json::Number::from_f64(*value).map(Into::into),
        Node::Str(text) if text.len() <= LONGEST => Some((**text).into()),
        _ => None,
    }
}

/// Notes what later stages and people can use: where it came from, how it was trained, the size of its images.
fn note(pickle: &Pickle, checkpoint: &mut Checkpoint) {
    let root = pickle.root();
    let version = pickle.get(root, "version").and_then(|id| pickle.str(id)).unwrap_or("of unknown version");
    checkpoint.metadata.insert("imported_from".to_owned(), format!("Ultralytics {version}"));
    let Some(arguments) = pickle.get(root, "train_args") else { return };
    let entries = pickle.entries(arguments).unwrap_or_default().iter();
    let plain: BTreeMap<&str, serde_json::Value> =
        entries.filter_map(|(key, value)| Some((pickle.str(*key)?, plain(pickle, *value)?))).collect();
    if let Ok(text) = serde_json::to_string(&plain) {
        checkpoint.metadata.insert("train_args".to_owned(), text);
    }
    let imgsz = pickle.get(arguments, "imgsz").and_then(|id| pickle.int(id));
    if let Some(imgsz) = imgsz.filter(|imgsz| (1..=8192).contains(imgsz) && imgsz % 32 == 0) {
        checkpoint.metadata.insert("imgsz".to_owned(), imgsz.to_string());
    }
}
