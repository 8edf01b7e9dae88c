//! Tests of 16-bit files: their types, and that they compute with rounded weights.
//!
//! `rten` converts 16 bits to 32 when it reads a file, so it computes the network with rounded weights.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::Size;
use bonsai_onnx::proto::tensor_proto::DataType;
use bonsai_onnx::{Dynamic, ExportOptions, Io, Layout, OnnxError, OnnxInfo, Precision, export};
use bonsai_testkit::{RandomGraphConfig, RandomModel, arb_model};
use half::f16;
use proptest::prelude::*;

use crate::form::{check_form, types};
use crate::reader::{check_against, pruned, with_random_weights};
use crate::yolov8n;

fn half(io: Io, size: Size) -> ExportOptions {
    ExportOptions { precision: Precision::Half { io }, ..ExportOptions::new(size) }
}

/// The folded network with every weight rounded to 16 bits.
fn rounded(checkpoint: &Checkpoint) -> Checkpoint {
    let mut folded = checkpoint.clone().fold_batch_norm().unwrap();
    let mut weights = Weights::new();
    for (name, array) in folded.weights.iter() {
        let mut array = array.clone();
        array.data_mut().iter_mut().for_each(|v| *v = f16::from_f32(*v).to_f32());
        weights.insert(name, array);
    }
    folded.weights = weights;
    folded
}

#[test]
fn weights_are_rounded_and_nothing_else() {
    for checkpoint in [with_random_weights(yolov8n(&["a", "b", "c"])), pruned()] {
        for io in [Io::Fp32, Io::Fp16] {
            check_against(
                &checkpoint,
                &rounded(&checkpoint),
                &half(io, Size { height: 64, width: 96 }),
                1,
                Size { height: 64, width: 96 },
            );
        }
        for dynamic in [Dynamic::Batch, Dynamic::Shape] {
            let options =
                ExportOptions { dynamic, opset: 12, ..half(Io::Fp32, Size { height: 64, width: 96 }) };
            check_against(&checkpoint, &rounded(&checkpoint), &options, 2, Size { height: 64, width: 96 });
        }
    }
}

#[test]
fn layers_are_of_16_bits_and_decoding_of_32() {
    let checkpoint = yolov8n(&["a", "b"]);
    let onnx = export(&checkpoint, &half(Io::Fp32, Size::square(640))).unwrap();
    check_form(onnx.proto());
    let info = OnnxInfo::read(&onnx.to_bytes()).unwrap();
    assert_eq!(info.inputs[0].to_string(), "images FLOAT [1, 3, 640, 640]");
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT [1, 6, 8400]");
    assert_eq!((info.op_counts["Cast"], info.node_count), (3, 227));
    assert!(info.get("args").is_some_and(|a| a.contains("'half': True")));
    let full = export(&checkpoint, &ExportOptions::new(Size::square(640))).unwrap().to_bytes().len();
    assert!(onnx.to_bytes().len() * 100 < full * 53, "{} of {full} bytes", onnx.to_bytes().len());

    let types = types(onnx.proto());
    let graph = onnx.proto().graph.as_ref().unwrap();
    for node in &graph.node {
        let decoding = node.name().starts_with("/model.22/dfl/") || node.name().matches('/').count() == 2;
        let element = types[node.output[0].as_str()];
        match node.op_type() {
            "Conv" | "MaxPool" | "Resize" | "Split" => {
                assert_eq!(element, DataType::Float16, "{}", node.name());
            }
            "Softmax" | "MatMul" => assert_eq!(element, DataType::Float, "{}", node.name()),
            _ => assert!(
                decoding || element == DataType::Float16 || node.op_type() == "Cast",
                "{}",
                node.name()
            ),
        }
    }

    let onnx = export(&checkpoint, &half(Io::Fp16, Size::square(640))).unwrap();
    check_form(onnx.proto());
    let info = OnnxInfo::read(&onnx.to_bytes()).unwrap();
    assert_eq!(info.inputs[0].to_string(), "images FLOAT16 [1, 3, 640, 640]");
    assert_eq!(info.outputs[0].to_string(), "output0 FLOAT16 [1, 6, 8400]");
}

#[test]
fn the_other_layout_keeps_32_bits_outside() {
    let options = ExportOptions { layout: Layout::YoloTrtSim, ..half(Io::Fp32, Size::square(64)) };
    let info = OnnxInfo::read(&export(&yolov8n(&["a"]), &options).unwrap().to_bytes()).unwrap();
    assert_eq!(info.outputs[0].to_string(), "outputs FLOAT [1, 84, 6]");
    let options = ExportOptions { layout: Layout::YoloTrtSim, ..half(Io::Fp16, Size::square(64)) };
    let error = export(&yolov8n(&["a"]), &options).unwrap_err().to_string();
    assert!(error.contains("yolo_trt_sim and io fp16 exclude each other"), "{error}");
}

#[test]
fn weights_beyond_16_bits_are_named() {
    let mut checkpoint = yolov8n(&["a"]).fold_batch_norm().unwrap();
    checkpoint.weights.get_mut("model.22.cv3.0.2.bias").unwrap().data_mut()[0] = -7e4;
    let weights = checkpoint.weights.get_mut("model.4.m.1.cv2.conv.weight").unwrap();
    weights.data_mut()[2] = 65519.0; // Rounds to the largest 16-bit number.
    weights.data_mut()[3] = 65520.0;
    weights.data_mut()[9] = 1e9;
    let error = export(&checkpoint, &half(Io::Fp32, Size::square(64))).unwrap_err();
    let text = error.to_string();
    let OnnxError::Half { count, max, tensors, .. } = error else { panic!("{text}") };
    assert_eq!((count, max), (3, 65504.0));
    let found: Vec<_> = tensors.iter().map(|t| (t.tensor.as_str(), t.count, t.worst)).collect();
    assert_eq!(found, [("model.4.m.1.cv2.conv.weight", 2, 1e9), ("model.22.cv3.0.2.bias", 1, -7e4)]);
    assert!(text.contains("2 of `model.4.m.1.cv2.conv.weight` (up to 1000000000)"), "{text}");
    export(&checkpoint, &ExportOptions::new(Size::square(64))).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn any_network_can_be_of_16_bits(
        model in arb_model(RandomGraphConfig::default()),
        opset in 11u32..=17,
        io in prop::sample::select(vec![Io::Fp32, Io::Fp16]),
    ) {
        let RandomModel { checkpoint, h, w } = &model;
        prop_assume!(checkpoint.model.head().reg_max > 1);
        let options = ExportOptions { opset, ..half(io, Size { height: *h, width: *w }) };
        check_form(export(checkpoint, &options).unwrap().proto());
        check_against(checkpoint, &rounded(checkpoint), &options, 1, Size { height: *h, width: *w });
    }
}
