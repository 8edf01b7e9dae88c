//! What the file says about itself, in the words of Ultralytics' files: readers of version 8.0 stop with an error if
//! one of stride, task, batch, imgsz and names is missing, and those of 8.4 evaluate several as Python literals.
//!
//! No date: equal checkpoints give equal bytes.

use bonsai_graph::ModelSpec;

use crate::ExportOptions;
use crate::literal::{write_names, write_pair};
use crate::proto::StringStringEntryProto;

pub(crate) const STRIDE: &str = "stride";
pub(crate) const IMGSZ: &str = "imgsz";
pub(crate) const NAMES: &str = "names";

/// All entries, in the order in which they are written.
pub(crate) fn entries(model: &ModelSpec, options: &ExportOptions) -> Vec<StringStringEntryProto> {
    let stride = model.head().strides.iter().max().copied().unwrap_or(1);
    let input = model.graph().node(model.graph().input());
    [
        ("description", options.description.clone()),
        ("author", options.author.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("license", options.license.clone()),
        ("task", "detect".to_owned()),
        (STRIDE, stride.to_string()),
        ("batch", "1".to_owned()),
        (IMGSZ, write_pair(options.imgsz)),
        (NAMES, write_names(model.class_names())),
        ("channels", input.channels().to_string()),
        ("end2end", "False".to_owned()),
        ("args", "{'nms': False, 'dynamic': False}".to_owned()),
    ]
    .map(|(key, value)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) })
    .into()
}
