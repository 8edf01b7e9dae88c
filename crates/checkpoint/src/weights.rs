//! Parameters as plain arrays by name, in a stable order.

use bonsai_graph::Graph;
use indexmap::IndexMap;

use crate::{Array, CheckpointError};

/// Arrays by parameter name. The order is that of insertion; for a whole network, [`Graph::params`]'s.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Weights {
    arrays: IndexMap<String, Array>,
}

impl Weights {
    /// No arrays.
    pub fn new() -> Self {
        Self::default()
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

    /// One array, which must be there.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`] with the name.
    pub fn require(&self, name: &str) -> Result<&Array, CheckpointError> {
        self.get(name).ok_or_else(|| CheckpointError::Missing { name: name.to_owned() })
    }

    /// All arrays in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// Number of arrays.
    pub fn len(&self) -> usize {
        self.arrays.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.arrays.is_empty()
    }

    /// Checks that these are exactly the parameters of `graph`, and brings them into its order.
    ///
    /// # Errors
    /// [`CheckpointError::Missing`], [`CheckpointError::Shape`] or [`CheckpointError::Unexpected`], with the name.
    pub fn check(self, graph: &Graph) -> Result<Self, CheckpointError> {
        let mut rest = self.arrays;
        let mut arrays = IndexMap::with_capacity(rest.len());
        for spec in graph.params() {
            let array = rest
                .swap_remove(&spec.name)
                .ok_or_else(|| CheckpointError::Missing { name: spec.name.clone() })?;
            if array.shape != spec.shape {
                return Err(CheckpointError::Shape {
                    name: spec.name,
                    expected: spec.shape,
                    got: array.shape,
                });
            }
            arrays.insert(spec.name, array);
        }
        match rest.keys().min() {
            Some(name) => Err(CheckpointError::Unexpected { name: name.clone() }),
            None => Ok(Self { arrays }),
        }
    }
}

impl FromIterator<(String, Array)> for Weights {
    fn from_iter<T: IntoIterator<Item = (String, Array)>>(iter: T) -> Self {
        Self { arrays: iter.into_iter().collect() }
    }
}
