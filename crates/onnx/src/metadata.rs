//! [`entries`]: the metadata of a file, with the keys of Ultralytics' files.
//!
//! Readers of version 8.0 stop with an error if one of stride, task, batch, imgsz and names is missing, and
//! those of 8.4 evaluate several as Python literals. There is no date, so that equal checkpoints give equal
//! bytes.

use bonsai_checkpoint::Checkpoint;

use crate::literal::{write_names, write_size};
use crate::proto::StringStringEntryProto;
use crate::{Dynamic, ExportOptions, Precision};

pub(crate) const STRIDE: &str = "stride";
pub(crate) const IMGSZ: &str = "imgsz";
pub(crate) const NAMES: &str = "names";

/// All entries, in the order in which they are written.
pub(crate) fn entries(folded: &Checkpoint, options: &ExportOptions) -> Vec<StringStringEntryProto> {
    let model = &folded.model;
    let stride = model.head().strides.iter().max().copied().unwrap_or(1);
    let input = model.graph().node(model.graph().input());
    [
        ("description", options.description.clone()),
        ("author", options.author.clone()),
        ("version", env!("CARGO_PKG_VERSION").to_owned()),
        ("license", options.license.clone()),
        ("task", "detect".to_owned()),
        (STRIDE, stride.to_string()),
        ("batch", options.batch.to_string()),
        (IMGSZ, write_size(options.imgsz)),
        (NAMES, write_names(model.class_names())),
        ("channels", input.channels().to_string()),
        ("end2end", "False".to_owned()),
        ("args", args(options, folded.quantization.is_some())),
    ]
    .map(|(key, value)| StringStringEntryProto { key: Some(key.to_owned()), value: Some(value) })
    .into()
}

/// The arguments that Ultralytics' export would have written: its readers use `nms` and `dynamic`.
fn args(options: &ExportOptions, codes: bool) -> String {
    let word = |yes: bool| if yes { "True" } else { "False" };
    // Some readers take `dynamic` to include the size and pass images of any size: only `shape` allows that.
    let dynamic = options.dynamic == Dynamic::Shape;
    let mut entries =
        vec![("nms", word(options.nms.is_some()).to_owned()), ("dynamic", word(dynamic).to_owned())];
    match options.precision {
        Precision::Fp32 if codes => entries.push(("int8", word(true).to_owned())),
        Precision::Fp32 => {}
        Precision::Half { .. } => entries.push(("half", word(true).to_owned())),
        Precision::Int8(_) => entries.push(("int8", word(true).to_owned())),
    }
    if options.batch != 1 {
        entries.push(("batch", options.batch.to_string()));
    }
    let entries: Vec<String> = entries.into_iter().map(|(key, value)| format!("'{key}': {value}")).collect();
    format!("{{{}}}", entries.join(", "))
}
