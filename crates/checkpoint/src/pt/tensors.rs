//! [`Tensors`]: reads the numbers of tensors, each storage once, after adding up the memory that they take.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use super::archive::Archive;
use super::error::PtError;
use super::pickle::{Id, Node, Pickle, Tensor};
use super::stock::Shapes;
use super::walk::Named;
use crate::{Array, Weights};

/// Largest ratio of all tensors together to the file: names can share a storage, as tied weights do.
const MOST_SHARED: u64 = 4;

/// Tensors by name, with existing storages and checked sizes.
pub(super) struct Tensors<'a> {
    named: Vec<(String, &'a Tensor)>,
}

impl<'a> Tensors<'a> {
    /// Checks every tensor and the directory of the archive, without reading numbers.
    ///
    /// # Errors
    /// [`PtError`] with the tensor's name if it cannot be read, is empty, has no floating-point numbers, or
    /// if its storage is missing or shorter than the pickle requires; and if all together are far larger than
    /// the file.
    pub(super) fn check<R: Read + Seek>(
        archive: &Archive<R>,
        pickle: &'a Pickle,
        named: Named,
    ) -> Result<Self, PtError> {
        let mut total = 0u64;
        let checked = named.into_iter().map(|(name, id)| {
            let tensor = real(pickle, &name, id)?;
            archive.check(&tensor.storage)?;
            // A tensor is no longer than its storage, which is no longer than the file.
            total = total.saturating_add((tensor.len() as u64).saturating_mul(tensor.storage.dtype.size()));
            if total > archive.bytes().saturating_mul(MOST_SHARED) {
                return Err(PtError::Shared { total, bytes: archive.bytes() });
            }
            Ok((name, tensor))
        });
        Self::unique(checked.collect::<Result<_, PtError>>()?)
    }

    /// The same tensors under other names.
    ///
    /// # Errors
    /// [`PtError::Twice`] if two get the same name.
    pub(super) fn renamed(self, name: impl Fn(&str) -> String) -> Result<Self, PtError> {
        Self::unique(self.named.into_iter().map(|(old, tensor)| (name(&old), tensor)).collect())
    }

    fn unique(named: Vec<(String, &'a Tensor)>) -> Result<Self, PtError> {
        let mut seen = BTreeSet::new();
        match named.iter().find(|(name, _)| !seen.insert(name.as_str())) {
            Some((name, _)) => Err(PtError::Twice { name: name.clone() }),
            None => Ok(Self { named }),
        }
    }

    /// Names, in order.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }

    /// Shapes by name.
    pub(super) fn shapes(&self) -> Shapes {
        self.named.iter().map(|(name, tensor)| (name.clone(), tensor.shape.clone())).collect()
    }

    /// Reads the numbers.
    ///
    /// # Errors
    /// [`PtError`] if the archive is damaged.
    pub(super) fn read<R: Read + Seek>(self, archive: &mut Archive<R>) -> Result<Weights, PtError> {
        let mut by_storage: BTreeMap<&str, Vec<(String, &Tensor)>> = BTreeMap::new();
        for (name, tensor) in self.named {
            by_storage.entry(&tensor.storage.key).or_default().push((name, tensor));
        }
        let mut weights = Weights::new();
        for (key, tensors) in by_storage {
            let bytes = archive.storage(key)?;
            for (name, tensor) in tensors {
                let Some(data) = tensor.values(&bytes) else { return Err(whole(&name)) };
                let array = Array::try_new(&tensor.shape, data).map_err(|error| {
                    let what = format!("a tensor with an unusable shape: {error}");
                    PtError::Unsupported { place: name.clone(), what }
                })?;
                weights.insert(name, array);
            }
        }
        Ok(weights)
    }
}

/// Reads the numbers of one tensor.
///
/// # Errors
/// As [`Tensors::check`] and [`Tensors::read`].
pub(super) fn array<R: Read + Seek>(
    archive: &mut Archive<R>,
    pickle: &Pickle,
    name: &str,
    id: Id,
) -> Result<Array, PtError> {
    let mut read = Tensors::check(archive, pickle, vec![(name.to_owned(), id)])?.read(archive)?.into_iter();
    read.next().map(|(_, array)| array).ok_or_else(|| PtError::Missing { name: name.to_owned() })
}

/// A tensor of floating-point numbers that is not empty.
fn real<'a>(pickle: &'a Pickle, name: &str, id: Id) -> Result<&'a Tensor, PtError> {
    match pickle.node(id) {
        Node::Tensor(tensor) if tensor.len() == 0 => {
            let name = name.to_owned();
            let found = tensor.shape.clone();
            Err(PtError::Shape { name, found, expected: "at least one number".to_owned() })
        }
        Node::Tensor(tensor) if !tensor.storage.dtype.is_real() => Err(whole(name)),
        Node::Tensor(tensor) => Ok(tensor),
        Node::Broken(broken) => {
            Err(PtError::Pickle { at: broken.at, what: format!("`{name}` is {}", broken.what) })
        }
        _ => Err(PtError::Missing { name: name.to_owned() }),
    }
}

fn whole(name: &str) -> PtError {
    let what = "a tensor of integers; weights must be floating-point numbers".to_owned();
    PtError::Unsupported { place: name.to_owned(), what }
}
