//! Exporting, and the file that comes of it.

use std::path::Path;

use bonsai_checkpoint::{Checkpoint, write_file};
use prost::Message;

use crate::decode::write_decode;
use crate::layers::write_layers;
use crate::metadata::entries;
use crate::name::common_module;
use crate::proto::{ModelProto, OperatorSetIdProto};
use crate::writer::Writer;
use crate::{ExportOptions, OnnxError};

/// Protobuf's limit for one message.
const MAX_BYTES: usize = i32::MAX as usize;

/// A model in ONNX's own terms.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxModel {
    proto: ModelProto,
}

/// Exports a detector: `f32`, batch 1, batch norm folded, decoding included.
///
/// The input is `[1, channels, h, w]` (RGB in 0..=1, as it was trained), the output `[1, 4 + classes, anchors]`:
/// centre x, centre y, width, height in pixels of the input, then one score per class.
/// Anchors are ordered by level (stride 8, 16, 32) and row by row; nothing is suppressed.
///
/// # Errors
/// [`OnnxError::Opset`] for an operator set that is not written, [`OnnxError::Names`] for names that clash,
/// [`OnnxError::Graph`] if the network cannot take
/// images of this size, [`OnnxError::NotFinite`] for weights that are no numbers,
/// [`OnnxError::TooLarge`] beyond 2 GiB.
pub fn export(checkpoint: &Checkpoint, options: &ExportOptions) -> Result<OnnxModel, OnnxError> {
    let ir_version = options.ir_version()?;
    options.check_names()?;
    let folded = checkpoint.clone().fold_batch_norm()?;
    let graph = folded.model.graph();
    let shapes = graph.shapes(options.imgsz.0, options.imgsz.1)?;
    let input = shapes[graph.input().index()];
    let dims = [1, input.channels, input.h, input.w];
    let (mut writer, images) = Writer::new(&options.input_name, &dims, &options.output_name);
    let outputs = write_layers(&mut writer, &folded, &shapes, &images)?;
    let head = common_module(graph, graph.outputs()).unwrap_or_else(|| "head".to_owned());
    let output = write_decode(&mut writer, &head, folded.model.head(), &outputs);
    let proto = ModelProto {
        ir_version: Some(ir_version),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(i64::from(options.opset)),
        }],
        producer_name: Some("bonsai".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(writer.finish("main_graph", &output)),
        metadata_props: entries(&folded.model, options),
        ..ModelProto::default()
    };
    let bytes = proto.encoded_len();
    if bytes > MAX_BYTES {
        return Err(OnnxError::TooLarge { bytes, max: MAX_BYTES });
    }
    Ok(OnnxModel { proto })
}

impl OnnxModel {
    /// The protobuf message, for a pass of one's own.
    pub const fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The file's bytes; equal checkpoints and options give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// Writes the file; a reader sees the old one or the new one, never a part.
    ///
    /// # Errors
    /// [`OnnxError::Checkpoint`] with the path.
    pub fn save(&self, path: &Path) -> Result<(), OnnxError> {
        Ok(write_file(path, &self.to_bytes())?)
    }
}
