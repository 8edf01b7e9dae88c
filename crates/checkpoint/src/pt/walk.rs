//! [`tensors`] and [`entries`]: list the tensors of a network by name, within limits.
//!
//! A module in a pickle can contain itself, and a thousand modules can share one dictionary.

use std::collections::BTreeMap;

use super::error::PtError;
use super::module::{LONGEST_NAME, Module, Own};
use super::pickle::{Id, Node, Pickle};

/// Deepest nesting of modules; a detector has seven.
const DEEPEST: usize = 32;
/// Most modules; YOLOv8x has about 400, with shared activations counted as often as they occur.
const MOST_MODULES: usize = 1 << 14;
/// Most tensors; YOLOv8x has about 700.
const MOST_TENSORS: usize = 1 << 14;
/// Most attributes and entries of all modules together; YOLOv8x has about 20,000.
const MOST_ENTRIES: usize = 1 << 20;

/// Counters of batches and of averaged networks: integers that are not needed here.
const COUNTERS: [&str; 2] = ["num_batches_tracked", "n_averaged"];

/// Tensors by the names that PyTorch's `state_dict` would give them.
pub(super) type Named = Vec<(String, Id)>;

/// Lists the tensors of a module and of all modules in it.
///
/// # Errors
/// [`PtError`] beyond the limits, and with the place of a module or tensor that is of another kind.
pub(super) fn tensors(model: Module<'_>) -> Result<Walk, PtError> {
    let mut walk = Walk::default();
    walk.visit(model, "", 0)?;
    Ok(walk)
}

/// Lists the tensors of a state dict; other entries are ignored.
///
/// # Errors
/// [`PtError`] beyond the limits.
pub(super) fn entries(pickle: &Pickle, dict: Id) -> Result<Named, PtError> {
    // Of equal names the last one counts, as in Python.
    let mut named = BTreeMap::new();
    for (key, id) in pickle.entries(dict).unwrap_or_default() {
        if let Some(name) = pickle.str(*key) {
            check_length("", name)?;
            named.insert(name, *id);
        }
    }
    let mut walk = Walk::default();
    for (name, id) in named {
        if let Node::Tensor(_) | Node::Broken(_) = pickle.node(id) {
            walk.add("", name, id)?;
        }
    }
    Ok(walk.named)
}

/// Result of a walk.
#[derive(Default)]
pub(super) struct Walk {
    pub(super) named: Named,
    /// The first module with hooks.
    pub(super) hooked: Option<String>,
    modules: usize,
    entries: usize,
}

impl Walk {
    fn visit(&mut self, module: Module<'_>, prefix: &str, depth: usize) -> Result<(), PtError> {
        self.modules += 1;
        self.entries = self.entries.saturating_add(module.cost());
        if depth > DEEPEST || self.modules > MOST_MODULES || self.entries > MOST_ENTRIES {
            let what = format!(
                "more than {MOST_MODULES} modules, {MOST_ENTRIES} attributes, or nested more than {DEEPEST} deep"
            );
            return Err(PtError::Unsupported { place: place(prefix), what });
        }
        if module.has_hooks() && self.hooked.is_none() {
            self.hooked = Some(place(prefix));
        }
        let pickle = module.pickle();
        for own in [Own::Parameters, Own::Buffers] {
            for (name, id) in module.named(own) {
                match pickle.node(id) {
                    Node::None => {}
                    Node::Tensor(_) | Node::Broken(_) => self.add(prefix, name, id)?,
                    _ => {
                        let what = format!("its `{}` is {}, not a tensor", shortened(name), pickle.kind(id));
                        return Err(PtError::Unsupported { place: place(prefix), what });
                    }
                }
            }
        }
        for (name, id) in module.named(Own::Modules) {
            let path = path(prefix, name)?;
            match (Module::from_pickle(pickle, id), pickle.node(id)) {
                (Some(child), _) => self.visit(child, &format!("{path}."), depth + 1)?,
                (None, Node::None) => {}
                (None, Node::Object { class, .. }) => {
                    let (class, module) = (&class.name, &class.module);
                    return Err(PtError::Module {
                        place: path,
                        class: class.escape_debug().to_string(),
                        module: module.escape_debug().to_string(),
                    });
                }
                (None, _) => {
                    let what = format!("{} in the place of a module", pickle.kind(id));
                    return Err(PtError::Unsupported { place: path, what });
                }
            }
        }
        Ok(())
    }

    fn add(&mut self, prefix: &str, name: &str, id: Id) -> Result<(), PtError> {
        if is_counter(name) {
            return Ok(());
        }
        if self.named.len() == MOST_TENSORS {
            return Err(PtError::TooMany { most: MOST_TENSORS });
        }
        self.named.push((path(prefix, name)?, id));
        Ok(())
    }
}

fn path(prefix: &str, name: &str) -> Result<String, PtError> {
    check_length(prefix, name)?;
    Ok(format!("{prefix}{name}"))
}

fn check_length(prefix: &str, name: &str) -> Result<(), PtError> {
    if prefix.len() + name.len() <= LONGEST_NAME {
        return Ok(());
    }
    let what = format!("`{}...` is longer than the {LONGEST_NAME} bytes of a name", shortened(name));
    Err(PtError::Unsupported { place: place(prefix), what })
}

/// Whether a tensor of this name is a counter.
pub(crate) fn is_counter(name: &str) -> bool {
    COUNTERS.iter().any(|counter| name.ends_with(counter))
}

/// The name of a module, from the prefix of its members.
fn place(prefix: &str) -> String {
    match prefix.trim_end_matches('.') {
        "" => "model".to_owned(),
        place => place.to_owned(),
    }
}

fn shortened(name: &str) -> String {
    name.escape_debug().take(64).collect()
}
