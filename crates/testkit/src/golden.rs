//! [`Golden`]: arrays that another program wrote; [`shared_data`]: optional data beside the repository.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use bonsai_checkpoint::Array;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// The arrays and notes of one safetensors file.
#[derive(Debug, Clone)]
pub struct Golden {
    path: PathBuf,
    arrays: BTreeMap<String, Array>,
    metadata: BTreeMap<String, String>,
}

impl Golden {
    /// Reads a file, decompressed if it ends in `.gz`. Relative paths start at the workspace root.
    ///
    /// Numbers stored as F64, I64, I32, U8 or BOOL become `f32`.
    ///
    /// # Panics
    /// If the file is missing or is not a safetensors file.
    #[track_caller]
    pub fn load(path: impl AsRef<Path>) -> Self {
        let path = workspace_root().join(path);
        let fail = |e: &dyn std::fmt::Display| -> ! { panic!("golden file {}: {e}", path.display()) };
        let bytes = fixture(&path);
        let (_, header) = SafeTensors::read_metadata(&bytes).unwrap_or_else(|e| fail(&e));
        let metadata = header.metadata().iter().flatten().map(|(k, v)| (k.clone(), v.clone())).collect();
        let tensors = SafeTensors::deserialize(&bytes).unwrap_or_else(|e| fail(&e));
        let arrays = tensors
            .iter()
            .map(|(name, view)| {
                let data = to_f32(&view).unwrap_or_else(|| {
                    fail(&format!(
                        "tensor `{name}` has type {:?}, which golden files do not support",
                        view.dtype()
                    ))
                });
                (name.to_owned(), Array::new(view.shape(), data))
            })
            .collect();
        Self { path, arrays, metadata }
    }

    /// One array.
    ///
    /// # Panics
    /// If no array has that name; the message lists the existing names.
    #[track_caller]
    pub fn get(&self, name: &str) -> &Array {
        self.arrays.get(name).unwrap_or_else(|| {
            let names: Vec<_> = self.arrays.keys().collect();
            panic!("golden file {} has no `{name}`; it has {names:?}", self.path.display())
        })
    }

    /// All arrays, by name in alphabetic order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Array)> {
        self.arrays.iter().map(|(n, a)| (n.as_str(), a))
    }

    /// A metadata entry of the file's header (version of the program that wrote it, seed).
    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata.get(key).map(String::as_str)
    }
}

/// Converts values to `f32`; `None` for types that golden files do not use.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "a foreign enum that may grow; all other types are rejected"
)]
fn to_f32(view: &TensorView<'_>) -> Option<Vec<f32>> {
    let bytes = view.data();
    Some(match view.dtype() {
        Dtype::F32 => each(bytes, f32::from_le_bytes),
        Dtype::F64 => each(bytes, |b| f64::from_le_bytes(b) as f32),
        Dtype::I64 => each(bytes, |b| i64::from_le_bytes(b) as f32),
        Dtype::I32 => each(bytes, |b| i32::from_le_bytes(b) as f32),
        Dtype::U8 | Dtype::BOOL => each(bytes, |b: [u8; 1]| f32::from(b[0])),
        _ => return None,
    })
}

fn each<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks::<N>().0.iter().map(|b| read(*b)).collect()
}

/// The directory of the workspace's `Cargo.toml`.
pub fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Path of optional data in `../shared` beside the workspace, which is absent in a fresh clone.
///
/// If the data is missing, prints its path to the log and returns `None`, so that the caller skips the check.
#[expect(clippy::print_stderr, reason = "a skipped check must be visible in the test's output")]
pub fn shared_data(relative: &str) -> Option<PathBuf> {
    let path = workspace_root().join("../shared").join(relative);
    if path.exists() {
        return Some(path);
    }
    eprintln!("not checked: ../shared/{relative} does not exist (optional data beside the repository)");
    None
}

/// Contents of a `.pt` file of `fixtures/checkpoint`, where these files are stored compressed.
///
/// # Panics
/// If no file has that name.
pub fn imported(name: &str) -> Vec<u8> {
    fixture(format!("fixtures/checkpoint/{name}.pt.gz"))
}

/// The bytes of a file, decompressed if it ends in `.gz`. Relative paths start at the workspace root.
///
/// # Panics
/// If the file is missing or damaged.
#[track_caller]
pub fn fixture(path: impl AsRef<Path>) -> Vec<u8> {
    let path = workspace_root().join(path);
    let fail = |e: std::io::Error| -> ! { panic!("fixture {}: {e}", path.display()) };
    let mut file = File::open(&path).unwrap_or_else(|e| fail(e));
    let mut bytes = Vec::new();
    let read = if path.extension().is_some_and(|ending| ending == "gz") {
        flate2::read::GzDecoder::new(file).read_to_end(&mut bytes)
    } else {
        file.read_to_end(&mut bytes)
    };
    read.unwrap_or_else(|e| fail(e));
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_read_type_arrive() {
        let f64s: Vec<u8> = [1.5f64, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
        let i64s: Vec<u8> = [-3i64, 7].iter().flat_map(|v| v.to_le_bytes()).collect();
        let view = |dtype, bytes| TensorView::new(dtype, vec![2], bytes).unwrap();
        assert_eq!(to_f32(&view(Dtype::F64, &f64s)), Some(vec![1.5, -2.0]));
        assert_eq!(to_f32(&view(Dtype::I64, &i64s)), Some(vec![-3.0, 7.0]));
        assert_eq!(to_f32(&view(Dtype::BOOL, &[1, 0])), Some(vec![1.0, 0.0]));
        assert_eq!(to_f32(&view(Dtype::U16, &[1, 0, 2, 0])), None);
    }

    #[test]
    fn missing_data_is_none() {
        assert!(shared_data("no/such/file").is_none());
        assert!(workspace_root().join("Cargo.toml").exists());
    }
}
