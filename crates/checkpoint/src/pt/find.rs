//! [`network`]: finds the network in a pickle.
//!
//! Users save checkpoints, modules, wrapped modules, objects of whole programs and state dicts.

use super::error::PtError;
use super::module::Module;
use super::pickle::{Id, Node, Pickle};

/// Deepest nesting of wrappers and dictionaries around a network.
const DEEPEST: usize = 6;
/// Keys under which a dictionary or an object may hold a network, the preferred ones first: the average comes
/// first, as in Ultralytics' own loader.
const KEYS: [&str; 10] = [
    "ema",
    "model",
    "module",
    "_orig_mod",
    "state_dict",
    "model_state_dict",
    "ema_state_dict",
    "net",
    "network",
    "weights",
];

/// Most dictionary entries that are searched.
const MOST_ENTRIES: usize = 1 << 22;

/// A network in a pickle.
pub(super) enum Found<'a> {
    Model(Module<'a>),
    State(Id),
}

/// Finds the network of a file.
///
/// # Errors
/// [`PtError::NoModel`] with a description of the content.
pub(super) fn network(pickle: &Pickle) -> Result<Found<'_>, PtError> {
    let root = pickle.root();
    let mut entries = MOST_ENTRIES;
    within(pickle, root, DEEPEST, &mut entries).ok_or_else(|| {
        if let Node::Object { class, .. } = pickle.node(root)
            && class.module.starts_with("__torch__")
        {
            let what = "this is a TorchScript program, whose layers cannot be identified".to_owned();
            return PtError::NoModel { what };
        }
        let keys = pickle.fields(root).map(|entries| {
            let keys = entries.iter().filter_map(|(key, _)| pickle.str(*key)).take(8);
            let keys: Vec<String> = keys.map(|key| key.escape_debug().take(40).collect()).collect();
            let kind = match pickle.node(root) {
                Node::Object { .. } => pickle.kind(root),
                _ => "a dictionary".to_owned(),
            };
            format!("{kind} with {}", keys.join(", "))
        });
        PtError::NoModel { what: keys.unwrap_or_else(|| pickle.kind(root)) }
    })
}

/// Searches a value and the values under its known keys, as long as `entries` is not used up.
fn within<'a>(pickle: &'a Pickle, id: Id, depth: usize, entries: &mut usize) -> Option<Found<'a>> {
    let deeper = depth.checked_sub(1)?;
    *entries = entries.checked_sub(1 + pickle.fields(id).unwrap_or_default().len())?;
    if let Some(module) = Module::from_pickle(pickle, id) {
        return Some(Found::Model(unwrapped(module)));
    }
    if is_state(pickle, id) {
        return Some(Found::State(id));
    }
    KEYS.iter().find_map(|key| within(pickle, pickle.get(id, key)?, deeper, entries))
}

/// The network inside `DataParallel`, the module of `torch.compile`, an average, or the class `YOLO`.
fn unwrapped(mut module: Module<'_>) -> Module<'_> {
    for _ in 0..DEEPEST {
        let inner = ["module", "_orig_mod", "model"].iter().find_map(|name| module.child(name));
        // A network's own `model` is a list of modules.
        match inner.filter(|inner| !inner.is("Sequential")) {
            Some(inner) => module = inner,
            None => break,
        }
    }
    module
}

/// Whether a value is a dictionary with tensors of a network; it may have other entries too.
fn is_state(pickle: &Pickle, id: Id) -> bool {
    let is_weight = |(name, value): &(Id, Id)| {
        pickle.str(*name).is_some_and(|name| name.ends_with("weight"))
            && matches!(pickle.node(*value), Node::Tensor(_) | Node::Broken(_))
    };
    pickle.entries(id).is_some_and(|entries| entries.iter().any(is_weight))
}
