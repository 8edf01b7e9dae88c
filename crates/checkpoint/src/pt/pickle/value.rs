//! What a pickle holds.

use std::rc::Rc;

use super::globals::{Dtype, Global};

/// The position of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pt) struct Id(pub(super) u32);

/// A value; parts of it are values of their own.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::pt) enum Node {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(Rc<str>),
    /// Bytes, or a whole number of more than 64 bits: nothing here asks for their content.
    Opaque,
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Set(Vec<Id>),
    /// In the order of insertion; later entries of the same key replace earlier ones.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// An object of a class that is known by name only, and its attributes.
    Object {
        class: Rc<str>,
        state: Option<Id>,
    },
    Storage(Storage),
    Tensor(Tensor),
}

/// Numbers in an entry of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) struct Storage {
    /// Name of the entry in `data/`.
    pub(in crate::pt) key: Rc<str>,
    pub(in crate::pt) dtype: Dtype,
    /// Numbers in it.
    pub(in crate::pt) len: usize,
}

/// A view of a storage; all of it lies inside, and no number is seen twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) struct Tensor {
    pub(in crate::pt) storage: Storage,
    pub(in crate::pt) offset: usize,
    pub(in crate::pt) shape: Vec<usize>,
    pub(in crate::pt) strides: Vec<usize>,
}

/// All values, and the one that the pickle is of.
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

    pub(in crate::pt) fn str(&self, id: Id) -> Option<&str> {
        match self.node(id) {
            Node::Str(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number; truth values are none.
    pub(in crate::pt) fn int(&self, id: Id) -> Option<i64> {
        match self.node(id) {
            Node::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A number.
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

    /// The value of a key of a dictionary that is text.
    pub(in crate::pt) fn get(&self, dict: Id, key: &str) -> Option<Id> {
        let found = self.entries(dict)?.iter().rev().find(|(k, _)| self.str(*k) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// What kind of value it is, for messages.
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
            Node::Dict(_) => "a dictionary".to_owned(),
            Node::Global(global) => format!("the name `{global}`"),
            Node::Object { class, .. } => format!("a `{class}`"),
            Node::Storage(_) => "a storage".to_owned(),
            Node::Tensor(tensor) => format!("a tensor {:?}", tensor.shape),
        }
    }
}
