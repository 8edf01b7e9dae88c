//! [`Pickle`]: the values of a pickle.

use std::rc::Rc;

use super::globals::{Class, Dtype, Meaning};

/// Position of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pt) struct Id(pub(super) u32);

/// A value; its parts are values of their own. A node has at most four words, because one byte of a pickle
/// can make a node.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pt) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    /// Bytes, integers of more than 64 bits, and results of calls of things that are not classes: their
    /// content is never needed.
    Opaque,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    /// In the order of insertion; later entries of the same key replace earlier ones.
    Dict(Vec<(Id, Id)>),
    /// A class or function.
    Global {
        class: Rc<Class>,
        meaning: Meaning,
    },
    /// An object of a class that is known only by name, with the arguments of its construction and its
    /// attributes.
    Object {
        class: Rc<Class>,
        arguments: Option<Id>,
        state: Option<Id>,
    },
    Storage(Rc<Storage>),
    Tensor(Box<Tensor>),
    /// A tensor that cannot be read; that matters only if the network needs it.
    Broken(Box<Broken>),
}

/// Numbers in an entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) struct Storage {
    /// Name of the entry in `data/`.
    pub(in crate::pt) key: Rc<str>,
    pub(in crate::pt) dtype: Dtype,
    /// Count of numbers.
    pub(in crate::pt) len: usize,
}

/// A view of a storage; it lies inside the storage and contains no number twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) struct Tensor {
    pub(in crate::pt) storage: Rc<Storage>,
    pub(in crate::pt) offset: usize,
    pub(in crate::pt) shape: Vec<usize>,
    pub(in crate::pt) strides: Vec<usize>,
}

/// Reason why a tensor cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) struct Broken {
    /// Offset in the pickle.
    pub(in crate::pt) at: usize,
    pub(in crate::pt) what: String,
}

/// All values, and the position of the outermost one.
#[derive(Debug)]
pub(in crate::pt) struct Pickle {
    pub(super) nodes: Vec<Node>,
    pub(super) root: Id,
}

impl Pickle {
    pub(in crate::pt) fn root(&self) -> Id {
        self.root
    }

    pub(in crate::pt) fn node(&self, id: Id) -> &Node {
        &self.nodes[id.0 as usize]
    }

    /// The classes and functions that the pickle mentions, with repetitions.
    pub(in crate::pt) fn classes(&self) -> impl Iterator<Item = &Class> {
        self.nodes.iter().filter_map(|node| match node {
            Node::Global { class, .. } => Some(&**class),
            _ => None,
        })
    }

    pub(in crate::pt) fn str(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// An integer; booleans do not count as integers.
    pub(in crate::pt) fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A number, as floating point.
    pub(in crate::pt) fn float(&self, id: Id) -> Option<f64> {
        match self.node(id) {
            Node::Float(value) => Some(*value),
            Node::Int(value) => Some(*value as f64),
            _ => None,
        }
    }

    /// The members of a list or tuple.
    pub(in crate::pt) fn members(&self, id: Id) -> Option<&[Id]> {
        match self.node(id) {
            Node::List(members) | Node::Tuple(members) => Some(members),
            _ => None,
        }
    }

    /// The entries of a dictionary.
    pub(in crate::pt) fn entries(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Dict(entries) => Some(entries),
            _ => None,
        }
    }

    /// The entries of a dictionary, or the attributes of an object such as a namespace.
    pub(in crate::pt) fn fields(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.node(id) {
            Node::Object { state: Some(state), .. } => self.entries(*state),
            _ => self.entries(id),
        }
    }

    /// The value of a text key of a dictionary, or an attribute of an object.
    pub(in crate::pt) fn get(&self, id: Id, key: &str) -> Option<Id> {
        let found = self.fields(id)?.iter().rev().find(|(k, _)| self.str(*k) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// A description of the value, for messages.
    pub(in crate::pt) fn kind(&self, id: Id) -> String {
        match self.node(id) {
            Node::None => "None".to_owned(),
            Node::Bool(value) => if *value { "True" } else { "False" }.to_owned(),
            Node::Int(value) => value.to_string(),
            Node::Float(value) => value.to_string(),
            Node::Str(_) => "a text".to_owned(),
            Node::Opaque => "bytes".to_owned(),
            Node::List(members) => format!("a list of {}", members.len()),
            Node::Tuple(members) => format!("a tuple of {}", members.len()),
            Node::Set(_) => "a set".to_owned(),
            Node::Dict(entries) => format!("a dictionary of {}", entries.len()),
            Node::Global { class, .. } => format!("the name `{class}`"),
            Node::Object { class, .. } => format!("a `{class}` (which was not run)"),
            Node::Storage(_) => "a storage".to_owned(),
            Node::Tensor(tensor) => format!("a tensor {:?}", tensor.shape),
            Node::Broken(broken) => broken.what.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_takes_four_words() {
        assert!(size_of::<Node>() <= 32, "{}", size_of::<Node>());
    }
}
