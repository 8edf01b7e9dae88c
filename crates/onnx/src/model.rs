//! [`export`] and [`OnnxModel`]: the export, and the resulting file.

use std::path::Path;

use bonsai_checkpoint::{Checkpoint, write_file};
use prost::Message;

use crate::attribute::int;
use crate::decode::{Decoded, write_decode};
use crate::element::Element;
use crate::layers::write_layers;
use crate::metadata::entries;
use crate::name::common_module;
use crate::nms::write_nms;
use crate::proto::{ModelProto, OperatorSetIdProto};
use crate::sizes::sizes;
use crate::writer::{Value, Writer};
use crate::{ExportOptions, Io, Layout, OnnxError};

/// Protobuf's limit for one message.
const MAX_BYTES: usize = i32::MAX as usize;

/// A model as an ONNX message.
#[derive(Debug, Clone, PartialEq)]
pub struct OnnxModel {
    proto: ModelProto,
}

/// Exports a detector with batch norm folded and decoding included.
///
/// The input is `[n, channels, h, w]` (RGB in 0..=1, as in training), the output `[n, 4 + classes, anchors]`:
/// centre x, centre y, width, height in pixels of the input, then one score per class.
/// Anchors are ordered by level (stride 8, 16, 32) and row by row; no box is suppressed.
/// [`Layout`] and [`ExportOptions::nms`] change that form.
///
/// A checkpoint in 8-bit codes becomes a file that rounds every wire to the same codes, except for
/// the outputs that a convolution computes.
///
/// # Errors
/// As [`ExportOptions::check`] for options that cannot be written; [`OnnxError::Graph`] if the network cannot
/// take images of this size, [`OnnxError::NotFinite`] for weights that are not finite, [`OnnxError::Half`]
/// for weights that 16 bits cannot hold, [`OnnxError::NoRange`] or [`OnnxError::Range`] for missing or wrong
/// ranges of int8, [`OnnxError::TooLarge`] beyond 2 GiB.
pub fn export(checkpoint: &Checkpoint, options: &ExportOptions) -> Result<OnnxModel, OnnxError> {
    options.check()?;
    let folded = checkpoint.clone().fold_batch_norm()?;
    if folded.quantization.is_some() {
        options.check_codes()?;
    }
    let graph = folded.model.graph();
    let sizes = sizes(graph, options.imgsz, options.batch, options.dynamic)?;
    let io = match options.io() {
        Io::Fp32 => Element::F32,
        Io::Fp16 => Element::F16,
    };
    let dims = &sizes[graph.input().index()];
    let (mut writer, images) =
        Writer::new(options.opset, &options.input_name, io, dims, options.output_name());
    let outputs = write_layers(&mut writer, &folded, &sizes, &images, &options.precision)?;
    let layer = common_module(graph, graph.outputs()).unwrap_or_else(|| "head".to_owned());
    let objectness = options.layout == Layout::YoloTrtSim;
    let found = write_decode(&mut writer, &layer, folded.model.head(), &outputs, objectness);
    let output = match &options.nms {
        Some(nms) => write_nms(&mut writer, &layer, &found, nms),
        None => arrange(&mut writer, &layer, &found, options.layout),
    };
    let output = writer.cast(&layer, &output, io);
    let proto = ModelProto {
        ir_version: Some(options.ir_version()),
        opset_import: vec![OperatorSetIdProto {
            domain: Some(String::new()),
            version: Some(i64::from(options.opset)),
        }],
        producer_name: Some("bonsai".to_owned()),
        producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
        graph: Some(writer.finish("main_graph", &output)),
        metadata_props: entries(&folded, options),
        ..ModelProto::default()
    };
    let bytes = proto.encoded_len();
    if bytes > MAX_BYTES {
        return Err(OnnxError::TooLarge { bytes, max: MAX_BYTES });
    }
    Ok(OnnxModel { proto })
}

/// Boxes and scores as one value, in the form of the layout.
fn arrange(writer: &mut Writer, layer: &str, found: &Decoded, layout: Layout) -> Value {
    let rows =
        [&found.boxes, &found.scores].map(|v| v.dims()[1].fixed()).into_iter().flatten().sum::<usize>();
    let mut dims = found.boxes.dims().to_vec();
    dims[1] = rows.into();
    let rows = [&found.boxes, &found.scores];
    let all = writer.node(layer, "Concat", &rows, vec![int("axis", 1)], &dims);
    match layout {
        Layout::Ultralytics => all,
        Layout::YoloTrtSim => writer.swap(layer, &all, 1, 2),
    }
}

impl OnnxModel {
    /// The protobuf message, for further processing.
    pub const fn proto(&self) -> &ModelProto {
        &self.proto
    }

    /// The file's bytes; equal checkpoints and options give equal bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.proto.encode_to_vec()
    }

    /// Writes the file; a reader sees the old file or the new one, never a part.
    ///
    /// # Errors
    /// [`OnnxError::Checkpoint`] with the path.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), OnnxError> {
        let path = path.as_ref();
        Ok(write_file(path, &self.to_bytes())?)
    }
}
