//! [`Checkpoint::to_ultralytics`]: exports a network as the `.pt` file that Ultralytics saves.

use std::path::Path;

use crate::{Checkpoint, CheckpointError, UltralyticsFile, pt, write_file};

impl Checkpoint {
    /// The network as the `.pt` file that Ultralytics 8.0 to 8.4 loads with `YOLO("file.pt")`: a pickle of
    /// Ultralytics' own modules with the sizes of this network, so that no class of Bonsai and no YAML is needed.
    ///
    /// The halves of a C2f that pruning left uneven are filled up with channels that are zero, because
    /// Ultralytics cuts the output of `cv1` in the middle; the outputs stay the same. A batch norm that was
    /// folded is written again as one that only adds the bias.
    ///
    /// The file has the weights to deploy in 32 bits, without the state of a training and without 8-bit codes.
    ///
    /// # Errors
    /// [`PtError::NotUltralytics`](crate::PtError::NotUltralytics) with the node that no module of YOLOv8 has,
    /// and [`CheckpointError`] if the weights do not fit the graph.
    pub fn to_ultralytics(&self) -> Result<UltralyticsFile, CheckpointError> {
        pt::to_ultralytics(self)
    }

    /// Writes [`Checkpoint::to_ultralytics`] to a file, completely or not at all.
    ///
    /// # Errors
    /// As [`Checkpoint::to_ultralytics`], and [`CheckpointError::Io`] with the path.
    pub fn save_ultralytics(&self, path: impl AsRef<Path>) -> Result<UltralyticsFile, CheckpointError> {
        let file = self.to_ultralytics()?;
        write_file(path, &file.bytes)?;
        Ok(file)
    }
}
