//! Tests of files of networks in 8-bit codes: every wire is rounded to the codes of the description.
//!
//! The results are compared with plain loops in `f64` that round each wire.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{NodeId, Quantization, Size, weight_codes};
use bonsai_onnx::{ExportOptions, Io, OnnxInfo, Precision, export};
use bonsai_testkit::{ReferenceTensor, reference_wires, reference_wires_reading};

use crate::form::check_form;
use crate::reader::{decoded, pictures, pruned, run, with_random_weights};
use crate::yolov8n;

const SIZE: Size = Size { height: 64, width: 96 };

/// 8-bit pictures and a folded network in codes that cover its values on them.
fn quantized(checkpoint: Checkpoint) -> (Array, Checkpoint) {
    let noise = pictures(&checkpoint, 1, SIZE);
    let pixels = noise.data().iter().map(|v| (v.abs() * 80.0).round().min(255.0) / 255.0).collect();
    let images = Array::new(noise.shape(), pixels);
    let folded = checkpoint.fold_batch_norm().unwrap();
    let graph = folded.model.graph();
    let wires = reference_wires(graph, &folded.weights, &images, false);
    let range = |id: NodeId| {
        let data = &wires[id.index()].data;
        let low = data.iter().copied().fold(f64::INFINITY, f64::min) as f32;
        let high = data.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32;
        (low, high)
    };
    let ranges: BTreeMap<String, (f32, f32)> =
        graph.iter().map(|(id, node)| (node.name().to_owned(), range(id))).collect();
    let quantization = Quantization::from_ranges(graph, &ranges).unwrap();
    (images, Checkpoint { quantization: Some(quantization), ..folded })
}

/// All wires, with every wire in codes rounded when it is read.
fn rounded(checkpoint: &Checkpoint, images: &Array) -> Vec<ReferenceTensor> {
    let graph = checkpoint.model.graph();
    let quantization = checkpoint.quantization.as_ref().unwrap();
    let mut weights = Weights::new();
    for (name, array) in checkpoint.weights.iter() {
        let mut array = array.clone();
        if array.shape().len() == 4 {
            let channel = array.data().len() / array.shape()[0];
            for channel in array.data_mut().chunks_mut(channel) {
                let (scale, codes) = weight_codes(channel);
                let values: Vec<f32> = codes.map(|code| scale * f32::from(code)).collect();
                channel.copy_from_slice(&values);
            }
        }
        weights.insert(name, array);
    }
    let read = |_: NodeId, wire: NodeId, values: &ReferenceTensor| {
        let codes = quantization.get(graph, wire).unwrap();
        let data = values.data.iter().map(|v| codes.number(codes.code(*v))).collect();
        Some(ReferenceTensor { shape: values.shape, data })
    };
    reference_wires_reading(graph, &weights, images, false, &read)
}

/// Root of the mean squared difference, of boxes and of scores.
fn distance(a: &[f32], b: &[f32], anchors: usize) -> [f64; 2] {
    let rows = a.len() / anchors;
    let mut sums = [(0.0, 0.0f64); 2];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let sum = &mut sums[usize::from(i / anchors % rows >= 4)];
        sum.0 += 1.0;
        sum.1 += f64::from(a - b).powi(2);
    }
    sums.map(|(n, sum)| (sum / n).sqrt())
}

/// A value between two codes may round to one in `f32` and to the other in `f64`, so the file is not equal to
/// the reference. It must be much closer to it than the reference is to the network without codes.
#[test]
fn a_file_rounds_as_the_description_says() {
    for checkpoint in [with_random_weights(yolov8n(&["a", "b", "c"])), pruned()] {
        let (images, checkpoint) = quantized(checkpoint);
        let onnx = export(&checkpoint, &ExportOptions::new(SIZE)).unwrap();
        check_form(onnx.proto());
        let (_, found) = run(&onnx, &images);
        let (rounded, anchors) = decoded(&checkpoint, &rounded(&checkpoint, &images));
        let exact = reference_wires(checkpoint.model.graph(), &checkpoint.weights, &images, false);
        let (exact, _) = decoded(&checkpoint, &exact);
        let own = distance(&found, &rounded, anchors);
        let lost = distance(&rounded, &exact, anchors);
        for (own, lost) in own.iter().zip(lost) {
            assert!(lost > 0.0 && *own < 0.5 * lost, "{own} from the reference, which loses {lost}");
        }
    }
}

#[test]
fn every_wire_but_the_outputs_is_in_codes() {
    let (_, checkpoint) = quantized(with_random_weights(yolov8n(&["a", "b"])));
    let graph = checkpoint.model.graph();
    let info = OnnxInfo::read(&export(&checkpoint, &ExportOptions::new(SIZE)).unwrap().to_bytes()).unwrap();
    let wires = graph.quantized_wires().len();
    assert_eq!(info.op_counts["QuantizeLinear"], wires);
    assert_eq!(info.op_counts["DequantizeLinear"], wires + 63);
    assert!(info.get("args").is_some_and(|args| args.contains("'int8': True")));
}

#[test]
fn the_codes_fix_the_precision() {
    let (_, checkpoint) = quantized(with_random_weights(yolov8n(&["a"])));
    let half = Precision::Half { io: Io::Fp32 };
    let error =
        export(&checkpoint, &ExportOptions { precision: half, ..ExportOptions::new(SIZE) }).unwrap_err();
    assert!(error.to_string().contains("8-bit codes"), "{error}");
    let error = export(&checkpoint, &ExportOptions { opset: 12, ..ExportOptions::new(SIZE) }).unwrap_err();
    assert!(error.to_string().contains("opset 13"), "{error}");
}
