//! [`Summary`] and [`summarise`]: parameters, MACs and layers of a network.

use anyhow::Result;
use bonsai_graph::{ModelSpec, Size};
use bonsai_yolov8::{Scale, build};
use serde::Serialize;

use crate::checkpoint_file::open_network;
use crate::path_of_text;

/// Number of classes of a model given by name: that of COCO, for which sizes are published.
const DEFAULT_CLASSES: usize = 80;

/// Size of a network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    /// The model name or file.
    pub model: String,
    /// Side of the image for which `macs` holds, in pixels.
    pub imgsz: usize,
    /// Number of classes.
    pub num_classes: usize,
    /// Learned scalars.
    pub params: u64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
    /// All layers, in order.
    pub layers: Vec<LayerSummary>,
}

/// Size of a layer.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct LayerSummary {
    /// Name of the layer.
    pub name: String,
    /// Kind of the layer.
    pub op: &'static str,
    /// Output shape `[c, h, w]`.
    pub shape: [usize; 3],
    /// Learned scalars.
    pub params: u64,
    /// Multiply-accumulates at batch 1.
    pub macs: u64,
}

/// The network of a model name or in a file.
///
/// # Errors
/// If `model` is neither, or the file is not valid.
pub fn open_model(model: &str) -> Result<ModelSpec> {
    if let Some(scale) = Scale::from_model_name(model) {
        let names: Vec<String> = (0..DEFAULT_CLASSES).map(|i| format!("class{i}")).collect();
        return Ok(build(scale, &names)?);
    }
    Ok(open_network(&path_of_text(model))?.model)
}

/// Summarises a network for square images of `imgsz` pixels a side.
///
/// # Errors
/// If the size does not fit the network.
pub fn summarise(name: &str, model: &ModelSpec, imgsz: usize) -> Result<Summary> {
    let graph = model.graph();
    let cost = graph.cost(Size::square(imgsz))?;
    let shapes = graph.shapes(Size::square(imgsz))?;
    let macs = graph.node_macs(Size::square(imgsz))?;
    let layers = graph
        .iter()
        .map(|(id, node)| {
            let trained = graph.node_params(id).into_iter().filter(|p| p.role.is_trained());
            let shape = shapes[id.index()];
            LayerSummary {
                name: node.name().to_owned(),
                op: node.op().keyword(),
                shape: [shape.channels, shape.h, shape.w],
                params: trained.map(|p| p.len() as u64).sum(),
                macs: macs[id.index()],
            }
        })
        .collect();
    let num_classes = model.head().num_classes;
    Ok(Summary { model: name.to_owned(), imgsz, num_classes, params: cost.params, macs: cost.macs, layers })
}
