//! [`read`]: imports the dictionary that Ultralytics saves, and other content of `torch.save`.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::archive::Archive;
use super::blueprint::Part;
use super::error::PtError;
use super::find::{self, Found};
use super::module::Module;
use super::modules;
use super::pickle::{self, Id, Node, Pickle};
use super::state;
use super::tensors::{self, Tensors};
use super::walk;
use crate::{Checkpoint, CheckpointError};

/// Longest text of a training argument, and longest of all arguments together, in bytes.
const LONGEST_ARGUMENT: usize = 1 << 10;
const LONGEST_ARGUMENTS: usize = 1 << 16;
/// Python modules that checkpoints have no use for, and whose functions can do anything.
const DANGEROUS: [&str; 12] = [
    "os",
    "posix",
    "nt",
    "subprocess",
    "sys",
    "shutil",
    "socket",
    "runpy",
    "importlib",
    "ctypes",
    "pty",
    "webbrowser",
];
/// Longest module name that is compared; all of the above are shorter.
const LONGEST_MODULE: usize = 256;
/// Python's own functions of this kind.
const DANGEROUS_BUILTINS: [&str; 6] = ["eval", "exec", "compile", "__import__", "open", "breakpoint"];

/// Reads a `.pt` file of `bytes` bytes; assumptions and other remarks are added to `notes`.
///
/// # Errors
/// [`PtError`] for a file that is damaged or not a YOLOv8 detector, [`CheckpointError`] if its tensors do not
/// fit together.
pub(crate) fn read<R: Read + Seek>(
    reader: R,
    bytes: u64,
    notes: &mut Vec<String>,
) -> Result<Checkpoint, CheckpointError> {
    let mut archive = Archive::open(reader, bytes)?;
    let pickle = pickle::read(&archive.pickle()?)?;
    warn_of_danger(&pickle, notes);
    let mut checkpoint = match find::network(&pickle)? {
        Found::Model(model) => from_model(&mut archive, model, notes)?,
        Found::State(dict) => {
            let tensors = Tensors::check(&archive, &pickle, walk::entries(&pickle, dict)?)?;
            state::from_archive(&mut archive, tensors, notes)?
        }
    };
    note(&pickle, &mut checkpoint);
    Ok(checkpoint)
}

/// Adds a note if Python would call a dangerous function when it loads the file; the import here does not
/// call it.
fn warn_of_danger(pickle: &Pickle, notes: &mut Vec<String>) {
    let is_dangerous = |module: &str, name: &str| {
        // The pickle can mention a name of a megabyte a million times.
        if module.len() > LONGEST_MODULE {
            return false;
        }
        let package = module.split('.').next().unwrap_or(module);
        DANGEROUS.contains(&package)
            || (matches!(module, "builtins" | "__builtin__") && DANGEROUS_BUILTINS.contains(&name))
    };
    if let Some(class) = pickle.classes().find(|class| is_dangerous(&class.module, &class.name)) {
        notes.push(format!(
            "the file names `{class}`, which Python would call when it loads the file; it was not run here, but do not load \
             the file in Python unless you trust who made it"
        ));
    }
}

fn from_model<R: Read + Seek>(
    archive: &mut Archive<R>,
    model: Module<'_>,
    notes: &mut Vec<String>,
) -> Result<Checkpoint, CheckpointError> {
    if !model.is("DetectionModel") {
        return Err(model.stranger("model").into());
    }
    // The walk comes first, because it enforces limits: code that reads the modules afterwards need not.
    let walk = walk::tensors(model)?;
    if let Some(place) = walk.hooked {
        notes.push(format!(
            "module `{place}` has hooks (functions before or after it), which are not run here"
        ));
    }
    let tensors = Tensors::check(archive, model.pickle(), walk.named)?;
    let mut blueprint = modules::blueprint(model, notes)?;
    if let Some(Part::Detect(head)) = blueprint.layers.last_mut().map(|layer| &mut layer.part) {
        head.strides = strides(archive, model, head.boxes.len())?;
    }
    state::read(archive, blueprint.assemble()?, tensors)
}

/// The stride of each level, in pixels per cell.
fn strides<R: Read + Seek>(
    archive: &mut Archive<R>,
    model: Module<'_>,
    levels: usize,
) -> Result<Vec<usize>, PtError> {
    let unsupported = |what: String| PtError::Unsupported { place: "model.stride".to_owned(), what };
    let Some(id) = modules::strides(model) else { return Err(unsupported("it is missing".to_owned())) };
    let values = tensors::array(archive, model.pickle(), "model.stride", id)?.into_data();
    let whole = |stride: &f32| stride.fract() == 0.0 && (1.0..=1024.0).contains(stride);
    if values.len() != levels || !values.iter().all(whole) {
        let shown: Vec<f32> = values.iter().copied().take(8).collect();
        return Err(unsupported(format!("{shown:?}, expected {levels} whole numbers")));
    }
    Ok(values.into_iter().map(|stride| stride as usize).collect())
}

/// A boolean, a number or a short text, as JSON.
fn plain(pickle: &Pickle, id: Id) -> Option<serde_json::Value> {
    match pickle.node(id) {
        Node::Bool(value) => Some((*value).into()),
        Node::Int(value) => Some((*value).into()),
        Node::Float(value) => serde_json::Number::from_f64(*value).map(Into::into),
        Node::Str(text) if text.len() <= LONGEST_ARGUMENT => Some((**text).into()),
        _ => None,
    }
}

/// Adds metadata for later stages and for people: origin, training arguments, image size.
fn note(pickle: &Pickle, checkpoint: &mut Checkpoint) {
    let root = pickle.root();
    let version = pickle.get(root, "version").and_then(|id| pickle.str(id));
    let version: String = version.unwrap_or("of unknown version").escape_debug().take(40).collect();
    // Bonsai names itself in the files that it writes for Ultralytics.
    let program = if version.starts_with("Bonsai ") { "" } else { "Ultralytics " };
    checkpoint.metadata.insert("imported_from".to_owned(), format!("{program}{version}"));
    let Some(arguments) = pickle.get(root, "train_args") else { return };
    let mut room = LONGEST_ARGUMENTS;
    let plain: BTreeMap<&str, serde_json::Value> = pickle
        .fields(arguments)
        .unwrap_or_default()
        .iter()
        .filter_map(|(key, value)| {
            let key = pickle.str(*key)?;
            let value = plain(pickle, *value)?;
            room = room.checked_sub(key.len() + value.as_str().map_or(8, str::len))?;
            Some((key, value))
        })
        .collect();
    if let Ok(text) = serde_json::to_string(&plain) {
        checkpoint.metadata.insert("train_args".to_owned(), text);
    }
    let imgsz = pickle.get(arguments, "imgsz").and_then(|id| pickle.int(id));
    if let Some(imgsz) = imgsz.filter(|imgsz| (1..=8192).contains(imgsz) && imgsz % 32 == 0) {
        checkpoint.metadata.insert("imgsz".to_owned(), imgsz.to_string());
    }
}
