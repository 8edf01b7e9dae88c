//! [`Module`]: a module of `torch.nn` in a pickle, with its class, attributes, tensors and modules.

use std::collections::HashMap;

use super::error::PtError;
use super::pickle::{Class, Id, Node, Pickle};

/// Longest tensor name in bytes, including the names of all modules around it.
pub(super) const LONGEST_NAME: usize = 256;

/// An object that is a module.
#[derive(Debug, Clone, Copy)]
pub(super) struct Module<'a> {
    pickle: &'a Pickle,
    class: &'a Class,
    state: Id,
}

/// Kinds of named members of a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Own {
    /// Modules.
    Modules,
    Parameters,
    Buffers,
}

impl Own {
    const fn attribute(self) -> &'static str {
        match self {
            Self::Modules => "_modules",
            Self::Parameters => "_parameters",
            Self::Buffers => "_buffers",
        }
    }
}

impl<'a> Module<'a> {
    /// The module with this id, if the value is one.
    pub(super) fn from_pickle(pickle: &'a Pickle, id: Id) -> Option<Self> {
        match pickle.node(id) {
            Node::Object { class, state: Some(state), .. }
                if pickle.entries(*state).is_some()
                    && pickle.get(*state, Own::Modules.attribute()).is_some() =>
            {
                Some(Self { pickle, class, state: *state })
            }
            _ => None,
        }
    }

    /// The class name without the Python module, which changed between versions of Ultralytics.
    pub(super) fn class(&self) -> &'a str {
        &self.class.name
    }

    /// Whether it is the class of this name from `torch.nn` or Ultralytics' package, and not one of the same
    /// name from elsewhere.
    pub(super) fn is(&self, class: &str) -> bool {
        let module = &*self.class.module;
        let known = module.starts_with("ultralytics.") || module.starts_with("torch.nn.modules.");
        // Torch-Pruning's example defines this class in the script that the user runs.
        *self.class.name == *class && (known || class == "C2f_v2")
    }

    /// The error for a module that does not occur in a detector.
    pub(super) fn stranger(&self, place: &str) -> PtError {
        PtError::Module {
            place: place.to_owned(),
            class: self.class.name.escape_debug().to_string(),
            module: self.class.module.escape_debug().to_string(),
        }
    }

    /// An attribute.
    pub(super) fn attribute(&self, name: &str) -> Option<Id> {
        self.pickle.get(self.state, name)
    }

    /// The pickle that contains it.
    pub(super) fn pickle(&self) -> &'a Pickle {
        self.pickle
    }

    /// Number of attributes and of entries in the dictionaries of modules and tensors: the cost of looking
    /// for one of them.
    pub(super) fn cost(&self) -> usize {
        let entries = |id| self.pickle.entries(id).unwrap_or_default().len();
        [Own::Modules, Own::Parameters, Own::Buffers]
            .iter()
            .filter_map(|own| self.attribute(own.attribute()))
            .fold(entries(self.state), |sum, id| sum.saturating_add(entries(id)))
    }

    /// The members of one kind, in order; of equal names the last one counts, as in Python.
    pub(super) fn named(&self, own: Own) -> Vec<(&'a str, Id)> {
        let entries = self.attribute(own.attribute()).and_then(|id| self.pickle.entries(id));
        let mut named: Vec<(&str, Id)> = Vec::new();
        let mut places = HashMap::new();
        for (key, value) in entries.unwrap_or_default() {
            let Some(name) = self.pickle.str(*key) else { continue };
            if name.len() > LONGEST_NAME {
                // Code that builds a path from this name refuses it; comparing a megabyte a million times is
                // avoided.
                named.push((name, *value));
                continue;
            }
            match *places.entry(name).or_insert(named.len()) {
                place if place < named.len() => named[place].1 = *value,
                _ => named.push((name, *value)),
            }
        }
        named
    }

    /// The modules in this one, in order.
    pub(super) fn children(&self) -> Vec<(&'a str, Module<'a>)> {
        let entries = self.named(Own::Modules);
        entries
            .into_iter()
            .filter_map(|(name, id)| Some((name, Self::from_pickle(self.pickle, id)?)))
            .collect()
    }

    /// The module of this name in this one.
    pub(super) fn child(&self, name: &str) -> Option<Module<'a>> {
        let children = self.attribute(Own::Modules.attribute())?;
        self.pickle.entries(children)?;
        Self::from_pickle(self.pickle, self.pickle.get(children, name)?)
    }

    /// The shape of one of its parameters.
    pub(super) fn shape(&self, name: &str) -> Option<&'a [usize]> {
        let parameters = self.attribute(Own::Parameters.attribute())?;
        match self.pickle.node(self.pickle.get(parameters, name)?) {
            Node::Tensor(tensor) => Some(&tensor.shape),
            _ => None,
        }
    }

    /// An integer attribute, given once, or twice with the same value for both directions.
    pub(super) fn size(&self, name: &str) -> Option<usize> {
        let id = self.attribute(name)?;
        let one = |id: Id| usize::try_from(self.pickle.int(id)?).ok();
        match self.pickle.members(id) {
            Some([a, b]) if one(*a) == one(*b) => one(*a),
            Some(_) => None,
            None => one(id),
        }
    }

    /// A numeric attribute.
    pub(super) fn float(&self, name: &str) -> Option<f64> {
        self.pickle.float(self.attribute(name)?)
    }

    /// A boolean attribute.
    pub(super) fn flag(&self, name: &str) -> Option<bool> {
        match self.pickle.node(self.attribute(name)?) {
            Node::Bool(value) => Some(*value),
            _ => None,
        }
    }

    /// An attribute in the form for messages.
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

    /// The `forward` of this object if it was replaced: the name of a method, or the kind of another value.
    pub(super) fn own_forward(&self) -> Option<String> {
        let id = self.attribute("forward")?;
        // A method of an object is `getattr(object, name)`.
        let method = match self.pickle.node(id) {
            Node::Object { class, arguments: Some(arguments), .. } if *class.name == *"getattr" => {
                self.pickle.members(*arguments).and_then(|members| self.pickle.str(*members.get(1)?))
            }
            _ => None,
        };
        Some(method.map_or_else(|| self.pickle.kind(id), |name| name.escape_debug().to_string()))
    }

    /// Whether it has hooks, which run before or after it.
    pub(super) fn has_hooks(&self) -> bool {
        let hooks = ["_forward_hooks", "_forward_pre_hooks"].map(|name| self.attribute(name));
        hooks.into_iter().flatten().any(|id| self.pickle.entries(id).is_some_and(|hooks| !hooks.is_empty()))
    }
}
