//! Modules of `torch.nn` as a pickle has them: a class, attributes, and tensors and modules by name.

use std::io::{Read, Seek};

use super::archive::Archive;
use super::error::PtError;
use super::pickle::{Id, Node, Pickle};
use crate::Array;

/// An object that is a module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Module<'a> {
    pickle: &'a Pickle,
    class: &'a str,
    state: Id,
}

impl<'a> Module<'a> {
    /// The module that `id` is, if it is one.
    pub(super) fn of(pickle: &'a Pickle, id: Id) -> Option<Self> {
        match pickle.node(id) {
            Node::Object { class, state: Some(state) } if pickle.get(*state, "_modules").is_some() => {
                Some(Self { pickle, class, state: *state })
            }
            _ => None,
        }
    }

    /// The class without the Python module, which changed with Ultralytics' versions.
    pub(super) fn class(&self) -> &'a str {
        self.class.rsplit('.').next().unwrap_or(self.class)
    }

    /// An attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<Id> {
        self.pickle.get(self.state, name)
    }

    /// The pickle that it is in.
    pub(super) fn pickle(&self) -> &'a Pickle {
        self.pickle
    }

    /// The modules in it, in order.
    pub(super) fn children(&self) -> Vec<(&'a str, Module<'a>)> {
        let entries = self.named("_modules");
        entries.into_iter().filter_map(|(name, id)| Some((name, Self::of(self.pickle, id)?))).collect()
    }

    /// A module in it.
    pub(super) fn child(&self, name: &str) -> Option<Module<'a>> {
        self.children().into_iter().find(|(n, _)| *n == name).map(|(_, module)| module)
    }

    /// Its own tensors: parameters, then buffers.
    pub(super) fn tensors(&self) -> Vec<(&'a str, Id)> {
        let mut tensors = self.named("_parameters");
        tensors.extend(self.named("_buffers"));
        tensors.retain(|(_, id)| matches!(self.pickle.node(*id), Node::Tensor(_)));
        tensors
    }

    fn named(&self, attribute: &str) -> Vec<(&'a str, Id)> {
        let entries = self.attribute(attribute).and_then(|id| self.pickle.entries(id)).unwrap_or_default();
        entries.iter().filter_map(|(key, value)| Some((self.pickle.str(*key)?, *value))).collect()
    }

    /// A whole number, alone or the same for both directions.
    pub(super) fn size(&self, name: &str) -> Option<usize> {
        let id = self.attribute(name)?;
        let one = |id: Id| usize::try_from(self.pickle.int(id)?).ok();
        match self.pickle.members(id) {
            Some([a, b]) if one(*a) == one(*b) => one(*a),
            Some(_) => None,
            None => one(id),
        }
    }

    /// A number.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.pickle.float(self.attribute(name)?)
    }

    /// A truth value.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.pickle.node(self.attribute(name)?) {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An attribute as it is shown in messages.
    pub(super) fn shown(&self, name: &str) -> String {
        let Some(id) = self.attribute(name) else { return "nothing".to_owned() };
        match self.pickle.members(id) {
            Some(members) if members.len() <= 4 => {
                let members: Vec<_> = members.iter().map(|id| self.pickle.kind(*id)).collect();
                format!("({})", members.join(", "))
            }
            _ => self.pickle.kind(id),
        }
    }
}

/// The numbers of a tensor.
///
/// # Errors
/// If its storage is not there, or holds no real numbers.
pub(super) fn array<R: Read + Seek>(
    archive: &mut Archive<R>,
    pickle: &Pickle,
    name: &str,
    id: Id,
) -> Result<Array, PtError> {
    let Node::Tensor(tensor) = pickle.node(id) else {
        return Err(PtError::Missing { name: name.to_owned() });
    };
    let bytes = archive.storage(&tensor.storage)?;
    let Some(data) = tensor.values(&bytes) else {
        let what = format!("tensor `{name}` holds whole numbers; weights are real");
        return Err(PtError::Unsupported { place: name.to_owned(), what });
    };
    Ok(Array { shape: tensor.shape.clone(), data })
}
