//! One network in every form that is exported.

use anyhow::Result;
use bonsai_graph::Size;
use bonsai_onnx::{
    Dynamic, ExportOptions, Io, Layout, ExportNms, Placement, Precision, Quantization, export,
    quantized_wires,
};
use bonsai_yolov8::{Scale, build, init};

/// Names and bytes.
pub fn exports() -> Result<Vec<(String, Vec<u8>)>> {
    let names: Vec<String> = ["person", "l'été", "\"quoted\""].map(str::to_owned).into();
    let checkpoint = init(&build(Scale::N, &names)?, 0)?;
    let folded = checkpoint.clone().fold_batch_norm()?;
    let graph = folded.model.graph();
    let placement = Placement::default();
    let ranges = quantized_wires(graph, placement);
    let ranges = ranges.iter().map(|id| (graph.node(*id).name().to_owned(), (-1.0, 3.0))).collect();
    let int8 = Precision::Int8(Quantization { ranges, placement });
    let standard = ExportOptions::new(Size { height: 64, width: 96 });
    let forms = [
        ("fp32", standard.clone()),
        ("opset 11", ExportOptions { opset: 11, ..standard.clone() }),
        ("opset 17", ExportOptions { opset: 17, ..standard.clone() }),
        ("half", ExportOptions { precision: Precision::Half { io: Io::Fp32 }, ..standard.clone() }),
        ("half, io fp16", ExportOptions { precision: Precision::Half { io: Io::Fp16 }, ..standard.clone() }),
        ("dynamic batch", ExportOptions { dynamic: Dynamic::Batch, ..standard.clone() }),
        ("dynamic shape", ExportOptions { dynamic: Dynamic::Shape, ..standard.clone() }),
        ("yolo_trt_sim", ExportOptions { layout: Layout::YoloTrtSim, ..standard.clone() }),
        ("int8", ExportOptions { precision: int8, ..standard.clone() }),
        ("nms", ExportOptions { nms: Some(ExportNms::default()), ..standard }),
    ];
    let export = |(name, options): (&str, ExportOptions)| -> Result<(String, Vec<u8>)> {
        Ok((name.to_owned(), export(&checkpoint, &options)?.to_bytes()))
    };
    forms.into_iter().map(export).collect()
}
