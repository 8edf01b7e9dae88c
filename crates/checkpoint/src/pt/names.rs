//! [`of`]: the class names of a model, whatever form they have.

use super::error::PtError;
use super::module::Module;
use super::pickle::{Id, Node, Pickle};

/// Most classes; the largest public datasets have about 20,000.
pub(super) const MOST_CLASSES: usize = 1 << 16;
/// Longest name in bytes.
const LONGEST: usize = 1 << 10;

/// The generated name of a class without a name.
pub(super) fn numbered(class: usize) -> String {
    format!("class{class}")
}

/// A name for each class: from `names`, which is a list or a dictionary with keys of any type, or a generated
/// one. Entries that do not fit are reported in `notes`.
///
/// # Errors
/// [`PtError::Unsupported`] if there are too many classes.
pub(super) fn of(
    model: Module<'_>,
    num_classes: usize,
    notes: &mut Vec<String>,
) -> Result<Vec<String>, PtError> {
    if num_classes > MOST_CLASSES {
        let what = format!("{num_classes} classes, at most {MOST_CLASSES} are read");
        return Err(PtError::Unsupported { place: "model".to_owned(), what });
    }
    let pickle = model.pickle();
    let mut names = vec![None; num_classes];
    // Keys of other classes, and names that are not text.
    let mut beyond = 0usize;
    let mut other = 0usize;
    let mut put = |class: Option<usize>, id: Id| match (class, name(pickle, id)) {
        (Some(class), Some(name)) if class < num_classes => {
            other += usize::from(!matches!(pickle.node(id), Node::Str(_)));
            names[class] = Some(name);
        }
        (Some(class), _) if class >= num_classes => beyond += 1,
        _ => other += 1,
    };
    let attribute = model.attribute("names");
    if let Some(entries) = attribute.and_then(|id| pickle.entries(id)) {
        for (key, name) in entries {
            put(key_number(pickle, *key), *name);
        }
    } else if let Some(members) = attribute.and_then(|id| pickle.members(id)) {
        for (class, name) in members.iter().enumerate() {
            put(Some(class), *name);
        }
    }
    let missing = names.iter().filter(|name| name.is_none()).count();
    let shown = attribute.map_or_else(|| "missing".to_owned(), |id| pickle.kind(id));
    if missing > 0 {
        let which = if missing == num_classes { "they".to_owned() } else { format!("{missing} of them") };
        notes.push(format!(
            "the network has {num_classes} classes and its `names` is {shown}: {which} have numbers for names (class0, class1, ...)"
        ));
    }
    if beyond > 0 {
        notes.push(format!(
            "`names` has {beyond} names for classes that the network, with {num_classes} classes, does not have; they are left out"
        ));
    }
    if other > 0 {
        notes.push(format!(
            "{other} entries of `names` are not a text under the number of a class: numbers are taken as texts, others are left \
             out"
        ));
    }
    Ok(names.into_iter().enumerate().map(|(class, name)| name.unwrap_or_else(|| numbered(class))).collect())
}

/// The class that a key denotes: an integer, or its digits.
fn key_number(pickle: &Pickle, key: Id) -> Option<usize> {
    match pickle.node(key) {
        Node::Int(class) => usize::try_from(*class).ok(),
        Node::Bool(class) => Some(usize::from(*class)),
        Node::Float(class) if class.fract() == 0.0 && (0.0..=MOST_CLASSES as f64).contains(class) => {
            Some(*class as usize)
        }
        Node::Str(digits) if digits.len() <= LONGEST => digits.trim().parse().ok(),
        _ => None,
    }
}

/// A text, or a number as text.
fn name(pickle: &Pickle, id: Id) -> Option<String> {
    match pickle.node(id) {
        Node::Str(name) if name.len() <= LONGEST => Some(name.to_string()),
        Node::Int(number) => Some(number.to_string()),
        Node::Float(number) => Some(number.to_string()),
        Node::Bool(value) => Some(if *value { "True" } else { "False" }.to_owned()),
        _ => None,
    }
}
