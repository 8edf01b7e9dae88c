//! [`Weights`]: parameters as plain arrays by name, in a stable order.

use std::collections::BTreeSet;

use bonsai_graph::{Graph, ParamSpec};
use indexmap::IndexMap;

use crate::{Array, CheckpointError};

/// Arrays by parameter name, in the order of insertion; for a whole network, in the order of
/// [`Graph::params`].
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    arrays: IndexMap<String, Array>,
}

impl Weights {
    /// An empty collection.
    pub fn new() -> Self {
        Self::default()
    }

    /// Zeros for all parameters of a network.
    pub fn zeros(graph: &Graph) -> Self {
        graph.params().into_iter().map(|spec| (spec.name, Array::zeros(&spec.shape))).collect()
    }

    /// Adds or replaces one array.
    pub fn insert(&mut self, name: impl Into<String>, array: Array) {
        self.arrays.insert(name.into(), array);
    }

    /// One array.
    pub fn get(&self, name: &str) -> Option<&Array> {
        self.arrays.get(name)
    }

    /// One array, writable.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Array> {
        self.arrays.get_mut(name)
    }

    /// One array, which must exist.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`] with the name.
    pub fn require(&self, name: &str) -> Result<&Array, CheckpointError> {
        self.get(name).ok_or_else(|| CheckpointError::Missing { name: name.to_owned() })
    }

    /// One array, writable, which must exist.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`] with the name.
    pub fn require_mut(&mut self, name: &str) -> Result<&mut Array, CheckpointError> {
        self.arrays.get_mut(name).ok_or_else(|| CheckpointError::Missing { name: name.to_owned() })
    }

    /// Takes one array out; the others keep their order.
    pub fn remove(&mut self, name: &str) -> Option<Array> {
        self.arrays.shift_remove(name)
    }

    /// All arrays in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// Number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there are no arrays.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// Checks that these are exactly the parameters of `graph`, and puts them into its order.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::Shape`] or [`CheckpointError::Unexpected`], with the
    /// name.
    pub fn check(self, graph: &Graph) -> Result<Self, CheckpointError> {
        self.arrange(&graph.params())
    }

    /// These arrays in the order of `specs`, if their names and shapes are exactly those of `specs`.
    pub(crate) fn arrange(mut self, specs: &[ParamSpec]) -> Result<Self, CheckpointError> {
        self.verify(specs)?;
        let mut take = |spec: &ParamSpec| self.arrays.swap_remove_entry(&spec.name);
        Ok(Self { arrays: specs.iter().filter_map(&mut take).collect() })
    }

    /// Checks that these are exactly the arrays of `specs`, in any order.
    ///
    /// # Errors
    /// As [`Weights::check`].
    pub fn verify(&self, specs: &[ParamSpec]) -> Result<(), CheckpointError> {
        let shape = |name: &str| self.get(name).map(Array::shape);
        verify_shapes(specs, shape, self.arrays.keys().map(String::as_str))
    }
}

/// Checks that names and shapes are exactly those of `specs`, in any order. `shape` returns the shape of a
/// name, `names` lists all names.
///
/// # Errors
/// As [`Weights::check`].
pub(crate) fn verify_shapes<'a>(
    specs: &[ParamSpec],
    shape: impl Fn(&str) -> Option<&'a [usize]>,
    names: impl ExactSizeIterator<Item = &'a str>,
) -> Result<(), CheckpointError> {
    for spec in specs {
        let Some(got) = shape(&spec.name) else {
            return Err(CheckpointError::Missing { name: spec.name.clone() });
        };
        if got != spec.shape {
            return Err(CheckpointError::Shape {
                name: spec.name.clone(),
                expected: spec.shape.clone(),
                got: got.to_vec(),
            });
        }
    }
    if names.len() == specs.len() {
        return Ok(());
    }
    let known: BTreeSet<&str> = specs.iter().map(|s| s.name.as_str()).collect();
    match names.filter(|name| !known.contains(name)).min() {
        Some(name) => Err(CheckpointError::Unexpected { name: name.to_owned() }),
        None => Ok(()),
    }
}

impl IntoIterator for Weights {
    type Item = (String, Array);
    type IntoIter = indexmap::map::IntoIter<String, Array>;

    fn into_iter(self) -> Self::IntoIter {
        self.arrays.into_iter()
    }
}

impl FromIterator<(String, Array)> for Weights {
    fn from_iter<T: IntoIterator<Item = (String, Array)>>(iter: T) -> Self {
        Self { arrays: iter.into_iter().collect() }
    }
}
