//! Tests of the integer engine against plain loops in `f64`, layer by layer, and against itself.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_exec::{ExecError, Inference, Int8Inference, Int8Isa, Int8Options, MemoryBudget, MemoryLimit};
use bonsai_graph::{CodeScale, Graph, NodeId, Quantization, weight_codes};
use bonsai_testkit::{
    RandomGraphConfig, ReferenceTensor, Tolerance, assert_arrays_close, random_array, random_model,
    reference_wires, reference_wires_reading,
};
use bonsai_yolov8::{Scale, build, init};

/// Codes that may differ by one from the oracle's, which rounds sums in `f64` and not in `f32`.
const OFF_BY_ONE: f64 = 1e-3;

fn options(isa: Int8Isa, threads: usize) -> Int8Options {
    Int8Options { threads, isa: Some(isa) }
}

/// 8-bit images, as numbers from 0 to 1.
fn images(seed: u64, shape: &[usize]) -> Array {
    let values = random_array(seed, shape);
    let pixel = |v: &f32| (v.abs() * 80.0).round().min(255.0) / 255.0;
    Array::new(shape, values.data().iter().map(pixel).collect())
}

/// The folded network and codes that cover its values on `images`.
fn quantized(checkpoint: Checkpoint, images: &Array) -> (Checkpoint, Quantization) {
    let folded = checkpoint.fold_batch_norm().unwrap();
    let graph = folded.model.graph();
    let wires = reference_wires(graph, &folded.weights, images, false);
    let range = |values: &ReferenceTensor| {
        let low = values.data.iter().copied().fold(f64::INFINITY, f64::min);
        let high = values.data.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low as f32, high as f32)
    };
    let ranges: BTreeMap<String, (f32, f32)> =
        graph.iter().map(|(id, node)| (node.name().to_owned(), range(&wires[id.index()]))).collect();
    let quantization = Quantization::from_ranges(graph, &ranges).unwrap();
    (folded, quantization)
}

/// The weights that the codes of all kernels stand for.
pub(crate) fn rounded(weights: &Weights) -> Weights {
    let kernel = |array: &Array| {
        let channel = array.data().len() / array.shape()[0];
        let values = array.data().chunks(channel).flat_map(|channel| {
            let (scale, codes) = weight_codes(channel);
            codes.map(move |code| scale * f32::from(code)).collect::<Vec<_>>()
        });
        Array::new(array.shape(), values.collect())
    };
    let rounded = weights.iter().map(|(name, array)| {
        let array = if array.shape().len() == 4 { kernel(array) } else { array.clone() };
        (name.to_owned(), array)
    });
    rounded.collect()
}

/// Compares every wire with what plain loops compute from the engine's own inputs of that layer.
fn check_wires(folded: &Checkpoint, quantization: &Quantization, images: &Array) {
    let graph = folded.model.graph();
    let isa = Int8Isa::detect();
    let mut engine = Int8Inference::new(graph, &folded.weights, quantization, options(isa, 2)).unwrap();
    let wires = graph.quantized_wires();
    engine.set_taps(&wires);
    let outputs = engine.infer(images).unwrap().to_vec();
    let tapped: BTreeMap<NodeId, Array> =
        wires.iter().map(|wire| (*wire, engine.tap(*wire).unwrap())).collect();
    let read = |_: NodeId, wire: NodeId, values: &ReferenceTensor| {
        let data = tapped[&wire].data().iter().map(|v| f64::from(*v)).collect();
        Some(ReferenceTensor { shape: values.shape, data })
    };
    let expected = reference_wires_reading(graph, &rounded(&folded.weights), images, false, &read);
    for (wire, array) in &tapped {
        let name = graph.node(*wire).name();
        let codes = quantization.get(graph, *wire).unwrap();
        let mut off = 0;
        for (got, number) in array.data().iter().zip(&expected[wire.index()].data) {
            let got = codes.code(f64::from(*got));
            let expected = codes.code(*number);
            assert!(got.abs_diff(expected) <= 1, "{name}: {got} and {expected}\n{graph}");
            off += usize::from(got != expected);
        }
        let most = (OFF_BY_ONE * array.data().len() as f64).max(2.0);
        assert!(off as f64 <= most, "{name}: {off} of {} codes differ\n{graph}", array.data().len());
    }
    for (output, array) in graph.outputs().iter().zip(&outputs) {
        if graph.is_plain_output(*output) {
            let wire = &expected[output.index()];
            let expected = Array::new(&wire.shape, wire.data.iter().map(|v| *v as f32).collect());
            assert_arrays_close(array, &expected, Tolerance::Close, graph.node(*output).name());
        }
    }

    // The memory of another size is checked, which is no run.
    assert!(
        engine.check_memory([1, images.shape()[2] * 2, images.shape()[3]]).is_err()
            || engine.tap(wires[0]).is_none()
    );

    // Without taps, layers are fused, and nothing changes; nor does it with other instruction sets.
    for isa in Int8Isa::available() {
        for threads in [1, 3] {
            let options = options(isa, threads);
            let mut fused = Int8Inference::new(graph, &folded.weights, quantization, options).unwrap();
            assert!(fused.infer(images).unwrap() == outputs, "{isa}, {threads} threads\n{graph}");
            assert!(fused.infer(images).unwrap() == outputs, "{isa}, the second time");
        }
    }
}

#[test]
fn every_wire_of_random_networks() {
    let mut ran = 0;
    for seed in 0..80 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let images = images(seed, &[2, 3, model.h, model.w]);
        let (folded, quantization) = quantized(model.checkpoint, &images);
        let graph = folded.model.graph();
        match Int8Inference::new(graph, &folded.weights, &quantization, Int8Options::default()) {
            Ok(_) => {
                check_wires(&folded, &quantization, &images);
                ran += 1;
            }
            Err(error) => assert!(matches!(error, ExecError::Codes { .. }), "{error}"),
        }
    }
    assert!(ran >= 20, "only {ran} of 80 networks run on codes");
}

fn yolov8n(seed: u64) -> Checkpoint {
    init(&build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap(), seed).unwrap()
}

#[test]
fn every_wire_of_yolov8n() {
    let images = images(3, &[1, 3, 64, 96]);
    let (folded, quantization) = quantized(yolov8n(1), &images);
    check_wires(&folded, &quantization, &images);
}

#[test]
fn sizes_and_batches_take_turns() {
    let (folded, quantization) = quantized(yolov8n(2), &images(3, &[1, 3, 64, 64]));
    let graph = folded.model.graph();
    let new = || Int8Inference::new(graph, &folded.weights, &quantization, Int8Options::default()).unwrap();
    let mut engine = new();
    for (n, side) in [(1, 64), (2, 32), (1, 64), (3, 64), (2, 32)] {
        let images = images(n as u64, &[n, 3, side, side]);
        assert!(engine.infer(&images).unwrap() == new().infer(&images).unwrap(), "{n} of {side} px");
    }
    // An image in a batch is the image alone.
    let two = images(9, &[2, 3, 32, 32]);
    let one = Array::new(&[1, 3, 32, 32], two.data()[..3 * 32 * 32].to_vec());
    let both: Vec<Array> = engine.infer(&two).unwrap().to_vec();
    for (both, one) in both.iter().zip(engine.infer(&one).unwrap()) {
        assert_eq!(both.data()[..one.data().len()], *one.data());
    }
}

#[test]
fn what_cannot_run_is_refused() {
    let graph: Graph = "
        x = input() channels=3
        a = conv2d(x) out_channels=4 kernel=1 stride=1 padding=0 bias=false
        n = batch_norm(a) eps=0.001 momentum=0.03
        y = conv2d(n) out_channels=4 kernel=1 stride=1 padding=0 bias=false
        s = silu(y)
        outputs = y, s"
        .parse()
        .unwrap();
    let weights = bonsai_testkit::random_weights(1, &graph);
    let ranges = graph.iter().map(|(_, node)| (node.name().to_owned(), (-1.0, 1.0))).collect();
    let quantization = Quantization::from_ranges(&graph, &ranges).unwrap();
    let new = |graph: &Graph, weights: &Weights, quantization: &Quantization| {
        let error = Int8Inference::new(graph, weights, quantization, Int8Options::default()).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {source:?}")
    };
    let error = new(&graph, &weights, &quantization);
    assert!(error.contains("`n`") && error.contains("fold"), "{error}");

    let (folded, mut codes) = quantized(yolov8n(1), &images(1, &[1, 3, 32, 32]));
    let error = new(folded.model.graph(), &folded.weights, &quantization);
    assert!(error.contains("calibrate"), "{error}");
    // A max-pool copies bytes, so its output cannot have codes of its own.
    codes.insert("model.9.m.1", CodeScale { scale: 0.5, zero_point: 3 });
    let error = new(folded.model.graph(), &folded.weights, &codes);
    assert!(error.contains("share"), "{error}");
}

#[test]
fn a_pass_beyond_the_budget_is_refused_before_it_allocates() {
    let (folded, quantization) = quantized(yolov8n(1), &images(1, &[1, 3, 32, 32]));
    let budget = Some(MemoryBudget { bytes: 64 << 20, limit: MemoryLimit::Machine });
    let options = Int8Options::default();
    let mut engine = Int8Inference::new(folded.model.graph(), &folded.weights, &quantization, options)
        .unwrap()
        .with_budget(budget);
    assert!(engine.check_memory([1, 320, 320]).is_ok());
    assert!(matches!(engine.check_memory([64, 640, 640]), Err(ExecError::Memory { .. })));
    assert_eq!(engine.activation_bytes(), 0);
    // Codes have a quarter of the bytes of values.
    engine.infer(&images(2, &[1, 3, 320, 320])).unwrap();
    assert!(engine.activation_bytes() < 3 << 20, "{}", engine.activation_bytes());
}
