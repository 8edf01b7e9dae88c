//! [`Checkpoint::import`]: reads files that other programs wrote.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::{Array, Checkpoint, CheckpointError, PtError, Weights, pt};

/// First bytes of a zip archive.
const ZIP: &[u8] = b"PK\x03\x04";
/// First byte of a pickle without an archive: protocol 2, as PyTorch saved before 1.6.
const PICKLE: u8 = 0x80;

/// Header key of a state dict that Bonsai wrote; its value lists the blocks without activation.
pub(crate) const WITHOUT_SILU: &str = "bonsai.without_silu";

impl Checkpoint {
    /// Reads a YOLOv8 detector that Ultralytics or Torch-Pruning saved with `torch.save` (8.0 to 8.4; a
    /// checkpoint, a module, the class `YOLO` or a state dict, wrapped or fused), or a state dict of one in
    /// safetensors.
    ///
    /// The graph is built from the modules and shapes in the file, so pruned networks are read as they are. A
    /// state dict contains no wires, activations or class names: the import assumes those of the published
    /// network, and numbers for class names. Assumptions are logged as warnings.
    ///
    /// Nothing in the file is executed: classes are only names, and values outside of the network may be of
    /// any class.
    ///
    /// # Errors
    /// [`CheckpointError::Load`] with the path, around a [`PtError`] that names the module or the position.
    pub fn import(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        let (checkpoint, notes) = Self::import_with_notes(path)?;
        for note in notes {
            tracing::warn!("{}: {note}", path.display());
        }
        Ok(checkpoint)
    }

    /// As [`Checkpoint::import`], but also returns the notes: one sentence for each assumption or other
    /// remark.
    ///
    /// # Errors
    /// As [`Checkpoint::import`].
    pub fn import_with_notes(path: impl AsRef<Path>) -> Result<(Self, Vec<String>), CheckpointError> {
        let path = path.as_ref();
        let io = |source| CheckpointError::Io { action: "read", path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        let wrap = |source| CheckpointError::Load { path: path.to_owned(), source: Box::new(source) };
        let mut notes = Vec::new();
        let checkpoint = Self::import_from(BufReader::new(file), bytes, &mut notes).map_err(wrap)?;
        Ok((checkpoint, notes))
    }

    /// [`Checkpoint::import`] from bytes, without the notes.
    ///
    /// # Errors
    /// [`CheckpointError`] with the reason, without a path.
    pub fn import_bytes(bytes: &[u8]) -> Result<Self, CheckpointError> {
        Self::import_from(Cursor::new(bytes), bytes.len() as u64, &mut Vec::new())
    }

    /// Reads a checkpoint of Bonsai, or any file that [`Checkpoint::import`] reads.
    ///
    /// # Errors
    /// As [`Checkpoint::load`] or [`Checkpoint::import`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, CheckpointError> {
        let path = path.as_ref();
        match Self::load(path) {
            Err(CheckpointError::Load { source, .. })
                if matches!(*source, CheckpointError::Foreign { .. } | CheckpointError::Format(_)) =>
            {
                Self::import(path)
            }
            loaded => loaded,
        }
    }

    fn import_from<R: Read + Seek>(
        mut reader: R,
        bytes: u64,
        notes: &mut Vec<String>,
    ) -> Result<Self, CheckpointError> {
        let mut head = [0; 4];
        let unreadable = |source| PtError::Entry { entry: "the first bytes".to_owned(), source };
        reader.read_exact(&mut head).map_err(unreadable)?;
        reader.rewind().map_err(unreadable)?;
        if head == ZIP {
            return pt::read(reader, bytes, notes);
        }
        if head[0] == PICKLE {
            return Err(PtError::Old.into());
        }
        let mut content = Vec::new();
        reader.read_to_end(&mut content).map_err(unreadable)?;
        let without_silu = without_silu(&content)?;
        pt::from_state_dict(state_dict(&content)?, without_silu.as_deref(), notes)
    }
}

/// The blocks without activation, if the file lists them.
fn without_silu(bytes: &[u8]) -> Result<Option<Vec<String>>, CheckpointError> {
    let (_, header) = SafeTensors::read_metadata(bytes)?;
    let said = header.metadata().as_ref().and_then(|said| said.get(WITHOUT_SILU));
    Ok(said.map(|blocks| blocks.split_whitespace().map(str::to_owned).collect()))
}

/// The tensors of a safetensors file.
fn state_dict(bytes: &[u8]) -> Result<Weights, CheckpointError> {
    let tensors = SafeTensors::deserialize(bytes)?;
    let real = tensors.iter().filter(|(name, _)| !pt::is_counter(name));
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
    Array::try_new(view.shape(), data)
}
