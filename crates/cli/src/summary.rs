//! `summary`: prints parameters, multiply-accumulates and layers of a model.

use anyhow::Result;
use bonsai_pipeline::{open_model, path_text, summarise};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser as _};

use crate::failure::DONE;
use crate::model_name::known_model;
use crate::numbers::side;
use crate::output::{is_json, say};

/// Arguments of `summary`.
#[derive(Args)]
pub(crate) struct Summary {
    /// yolov8n to yolov8x (80 classes), or a checkpoint file
    #[arg(value_parser = OsStringValueParser::new().map(|name| path_text(name.as_ref())))]
    pub(crate) model: String,
    /// Side of the image in pixels, for the MACs
    #[arg(long, default_value = "640", value_parser = side)]
    pub(crate) imgsz: usize,
}
pub(crate) fn summary(args: &Summary) -> Result<u8> {
    known_model(&args.model)?;
    let summary = summarise(&args.model, &open_model(&args.model)?, args.imgsz)?;
    if is_json() {
        say!("{}", serde_json::to_string_pretty(&summary)?);
        return Ok(DONE);
    }
    for layer in &summary.layers {
        let [c, h, w] = layer.shape;
        let shape = format!("{c}x{h}x{w}");
        say!("{:>24} {:>10} {shape:>14} {:>10} {:>13}", layer.name, layer.op, layer.params, layer.macs);
    }
    say!(
        "{}: {} layers, {} classes, {} params, {} MACs ({:.2} G) at {} px",
        summary.model,
        summary.layers.len(),
        summary.num_classes,
        summary.params,
        summary.macs,
        summary.macs as f64 / 1e9,
        summary.imgsz
    );
    Ok(DONE)
}
