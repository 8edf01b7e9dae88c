//! Files that other programs wrote.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Array, Checkpoint, CheckpointError, PtError, Weights, pt};

/// First bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// First bytes of a bare pickle: protocol 2, as PyTorch saved before 1.6.
const PICKLE: u8 = 0x80;

impl Checkpoint {
    /// Reads a YOLOv8 detector that Ultralytics or Torch-Pruning saved with `torch.save` (8.0 to 8.4; a checkpoint, a module or
    /// a state dict), or a state dict of one in safetensors.
    ///
    /// The graph is that of the file's own modules and shapes, so pruned networks are read as what they are. A state dict
    /// says neither wires nor class names: those of the published network are taken, and numbers.
    ///
    /// # Errors
    /// [`CheckpointError::Load`] with the path, around a [`PtError`] that names the module or the place.
    pub fn import(path: &Path) -> Result<Self, CheckpointError> {
        let io = |source| CheckpointError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let wrap = |source| CheckpointError::Load { path: path.to_owned(), source: Box::new(source) };
        Self::import_from(BufReader::new(file), bytes).map_err(wrap)
    }

    /// [`Checkpoint::import`] from bytes.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn import_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::import_from(Cursor::new(bytes), bytes.len() as u64)
    }

    /// A checkpoint of Bonsai's, or anything that [`Checkpoint::import`] reads.
    ///
    /// # Errors
    /// As [`Checkpoint::load`] or [`Checkpoint::import`].
    pub fn open(path: &Path) -> Result<Self, CheckpointError> {
        match Self::load(path) {
            Err(CheckpointError::Load { source, .. })
                if matches!(*source, CheckpointError::Foreign { .. } | CheckpointError::Format(_)) =>
            {
                Self::import(path)
            }
            loaded => loaded,
        }
    }

    fn import_from<R: Read + Seek>(mut reader: R, bytes: u64) -> Result<Self, CheckpointError> {
        let mut head = [0; 4];
        let unreadable = |source| PtError::Entry { entry: "the first bytes".to_owned(), source };
        reader.read_exact(&mut head).map_err(unreadable)?;
        reader.rewind().map_err(unreadable)?;
        if head == ZIP {
            return pt::read(reader, bytes);
        }
        if head[0] == PICKLE {
            return Err(PtError::Old.into());
        }
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(unreadable)?;
        pt::from_state_dict(state_dict(&content)?)
    }
}

/// The tensors of a safetensors file.
fn state_dict(bytes: &[u8]) -> Result<Weights, CheckpointError> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let real = tensors.iter().filter(|(name, _)| !name.ends_with("num_batches_tracked"));
    real.map(|(name, view)| Ok((name.to_owned(), read(name, &view)?))).collect()
}

fn read(name: &str, view: &TensorView<'_>) -> Result<Array, CheckpointError> {
    let bytes = view.data();
    let data = match view.dtype() {
        Dtype::F32 => bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
        Dtype::F16 => bytes.as_chunks().0.iter().map(|b| half::f16::from_le_bytes(*b).to_f32()).collect(),
        Dtype::BF16 => bytes.as_chunks().0.iter().map(|b| half::bf16::from_le_bytes(*b).to_f32()).collect(),
        other => {
            return Err(CheckpointError::Dtype { name: name.to_owned(), got: format!("{other:?}") });
        }
    };
    Ok(Array { shape: view.shape().to_vec(), data })
}
