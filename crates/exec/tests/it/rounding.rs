//! Training passes that round to 8-bit codes, against plain loops in `f64` that round each wire.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_exec::{
    Buffer, CpuExecutor, CpuOptions, ExecError, Executor, ExecutorKind, ExecutorOptions, Mode, build_executor,
};
use bonsai_graph::{CodeScale, Graph, NodeId, Op, Quantization};
use bonsai_testkit::{
    Golden, RandomGraphConfig, ReferenceTensor, Tolerance, assert_arrays_close, assert_close, random_array,
    random_model, random_weights, reference_wires, reference_wires_reading,
};

use crate::int8::rounded;

fn executor(graph: &Graph, weights: &Weights) -> CpuExecutor {
    CpuExecutor::new(graph, weights, CpuOptions { threads: 2, ..CpuOptions::default() }).unwrap()
}

/// The wire of the folded network that has the values of each wire, if a layer computes them.
fn names(graph: &Graph) -> BTreeMap<NodeId, String> {
    let folds = graph.fold_batch_norm().folds;
    let name = |(id, node): (NodeId, &bonsai_graph::Node)| {
        let fold = folds.iter().find(|fold| fold.batch_norm == node.name());
        let inner = folds.iter().any(|fold| fold.conv == node.name());
        let name = fold.map_or(node.name(), |fold| fold.conv.as_str()).to_owned();
        (!inner).then_some((id, name))
    };
    graph.iter().filter_map(name).collect()
}

/// Codes that cover the values of a training pass.
fn codes(checkpoint: &Checkpoint, images: &Array) -> Quantization {
    let graph = checkpoint.model.graph();
    let wires = reference_wires(graph, &checkpoint.weights, images, true);
    let range = |id: NodeId| {
        let data = &wires[id.index()].data;
        let low = data.iter().copied().fold(f64::INFINITY, f64::min) as f32;
        let high = data.iter().copied().fold(f64::NEG_INFINITY, f64::max) as f32;
        // A narrow range, so that some values lie outside.
        (0.8 * low, 0.8 * high)
    };
    let ranges: BTreeMap<String, (f32, f32)> =
        names(graph).into_iter().map(|(id, name)| (name, range(id))).collect();
    Quantization::from_ranges(&graph.fold_batch_norm().graph, &ranges).unwrap()
}

/// Root of the mean squared difference of all outputs.
fn distance(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let squares = a.iter().flatten().zip(b.iter().flatten()).map(|(a, b)| (a - b).powi(2));
    (squares.sum::<f64>() / a.iter().map(Vec::len).sum::<usize>() as f64).sqrt()
}

/// A value between two codes may round to one in `f32` and to the other in `f64`, so the executor is not equal
/// to the loops. It must be much closer to them than they are to the pass without rounding.
#[test]
fn random_networks_round_as_plain_loops_do() {
    let mut ran = 0;
    for seed in 0..80 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let noise = random_array(seed, &[2, 3, model.h, model.w]);
        let pixel = |v: &f32| (v.abs() * 80.0).round().min(255.0) / 255.0;
        let images = Array::new(noise.shape(), noise.data().iter().map(pixel).collect());
        let quantization = codes(&model.checkpoint, &images);
        let weights = &model.checkpoint.weights;
        let mut engine = executor(graph, weights);
        match engine.set_rounding(Some(&quantization)) {
            Ok(()) => {}
            Err(ExecError::Codes { .. }) => continue,
            Err(error) => panic!("{error}"),
        }
        let folded = graph.fold_batch_norm().graph;
        let names = names(graph);
        let read = |_: NodeId, wire: NodeId, values: &ReferenceTensor| {
            if *graph.node(wire).op() == (Op::Input { channels: 3 }) {
                return None;
            }
            let wire = folded.find(names.get(&wire)?)?;
            let codes = quantization.get(&folded, wire).unwrap();
            let data = values.data.iter().map(|v| codes.number(codes.code(*v))).collect();
            Some(ReferenceTensor { shape: values.shape, data })
        };
        let outputs = |wires: &[ReferenceTensor]| -> Vec<Vec<f64>> {
            graph.outputs().iter().map(|output| wires[output.index()].data.clone()).collect()
        };
        let expected = outputs(&reference_wires_reading(graph, &rounded(weights), &images, true, &read));
        let exact = outputs(&reference_wires(graph, weights, &images, true));
        let forward = |engine: &mut CpuExecutor| -> Vec<Vec<f64>> {
            let outputs = engine.forward(Mode::Train, &images).unwrap();
            outputs.iter().map(|array| array.data().iter().map(|v| f64::from(*v)).collect()).collect()
        };
        let found = forward(&mut engine);
        // Outputs that no convolution computes are rounded too, which the loops do only where they are read.
        if graph.outputs().iter().all(|output| matches!(graph.node(*output).op(), Op::Conv2d { .. })) {
            let lost = distance(&expected, &exact);
            let own = distance(&found, &expected);
            assert!(own <= 0.5 * lost + 1e-6, "seed {seed}: {own} off, rounding costs {lost}\n{graph}");
            ran += 1;
        }
        // Rounding ends when it is turned off, and evaluation is never rounded.
        let eval = engine.forward(Mode::Eval, &images).unwrap();
        engine.set_rounding(None).unwrap();
        assert!(engine.forward(Mode::Eval, &images).unwrap() == eval);
        engine.write(Buffer::Params, weights).unwrap();
        let mut plain = executor(graph, weights);
        assert!(forward(&mut engine) == forward(&mut plain), "seed {seed}");
    }
    assert!(ran >= 15, "only {ran} of 80 networks were compared");
}

/// A convolution, SiLU and a convolution, whose gradients plain loops compute with the rounded values.
#[test]
fn gradients_pass_where_a_value_has_a_code() {
    let graph: Graph = "
        x = input() channels=3
        a = conv2d(x) out_channels=5 kernel=1 stride=1 padding=0 bias=true
        s = silu(a)
        y = conv2d(s) out_channels=4 kernel=1 stride=1 padding=0 bias=false
        outputs = y"
        .parse()
        .unwrap();
    let weights = random_weights(3, &graph);
    let mut quantization = Quantization::default();
    for wire in ["x", "a", "s"] {
        quantization.insert(wire, CodeScale { scale: 0.0037, zero_point: 90 });
    }
    let images = random_array(4, &[1, 3, 6, 7]);
    let mut engine = executor(&graph, &weights);
    engine.set_rounding(Some(&quantization)).unwrap();
    engine.forward(Mode::Train, &images).unwrap();
    let upstream = random_array(5, &[1, 4, 6, 7]);
    engine.backward(std::slice::from_ref(&upstream)).unwrap();
    let gradients = engine.read(Buffer::Gradients).unwrap();

    let codes_of = rounded(&weights);
    let get = |of: &Weights, name: &str| -> Vec<f64> {
        of.require(name).unwrap().data().iter().map(|v| f64::from(*v)).collect()
    };
    let [wa, wy] = ["a.weight", "y.weight"].map(|name| get(&codes_of, name));
    let bias = get(&weights, "a.bias");
    let codes = quantization.get(&graph, graph.find("a").unwrap()).unwrap();
    let round = |v: f64| {
        let exact = v / f64::from(codes.scale) + f64::from(codes.zero_point);
        (codes.number(codes.code(v)), (-0.5..=255.5).contains(&exact))
    };
    let mut expected: BTreeMap<&str, Vec<f64>> =
        [("a.weight", vec![0.0; 15]), ("a.bias", vec![0.0; 5]), ("y.weight", vec![0.0; 20])].into();
    let mut outside = 0;
    for pixel in 0..42 {
        let x = |c: usize| f64::from(images.data()[c * 42 + pixel]);
        let dy = |c: usize| f64::from(upstream.data()[c * 42 + pixel]);
        for c in 0..5 {
            let (a, a_inside) = round(bias[c] + (0..3).map(|i| wa[c * 3 + i] * x(i)).sum::<f64>());
            let sigmoid = 1.0 / (1.0 + (-a).exp());
            let (s, s_inside) = round(a * sigmoid);
            let ds: f64 = (0..4).map(|o| wy[o * 5 + c] * dy(o)).sum();
            let slope = sigmoid * (1.0 + a * (1.0 - sigmoid));
            let da = if a_inside && s_inside { ds * slope } else { 0.0 };
            outside += usize::from(!a_inside || !s_inside);
            expected.get_mut("a.bias").unwrap()[c] += da;
            for i in 0..3 {
                expected.get_mut("a.weight").unwrap()[c * 3 + i] += da * x(i);
            }
            for o in 0..4 {
                expected.get_mut("y.weight").unwrap()[o * 5 + c] += s * dy(o);
            }
        }
    }
    assert!((10..200).contains(&outside), "{outside} of 210 values are outside");
    for (name, expected) in expected {
        assert_close(gradients.require(name).unwrap().data(), &expected, Tolerance::Close, name);
    }
}

/// `fixtures/exec/rounding.safetensors.gz`: PyTorch's fake quantisation of weights and wires, with batch norm.
#[test]
fn equals_pytorch() {
    let golden = Golden::load("fixtures/exec/rounding.safetensors.gz");
    let graph: Graph = "
        x = input() channels=3
        a = conv2d(x) out_channels=6 kernel=3 stride=1 padding=1 bias=false
        n = batch_norm(a) eps=0.001 momentum=0.03
        s = silu(n)
        y = conv2d(s) out_channels=4 kernel=1 stride=1 padding=0 bias=true
        outputs = y"
        .parse()
        .unwrap();
    let mut weights = random_weights(1, &graph);
    for (name, array) in golden.iter().filter_map(|(n, a)| Some((n.strip_prefix("param.")?, a))) {
        weights.insert(name, array.clone());
    }
    let mut quantization = Quantization::default();
    quantization.insert("a", CodeScale { scale: 0.017, zero_point: 130 });
    quantization.insert("s", CodeScale { scale: 0.011, zero_point: 24 });
    let mut engine = executor(&graph, &weights);
    engine.set_rounding(Some(&quantization)).unwrap();
    engine.set_taps(&[graph.find("n").unwrap()]);
    let outputs = engine.forward(Mode::Train, golden.get("images")).unwrap();
    assert_arrays_close(&outputs[0], golden.get("y"), Tolerance::Tight, "y");
    let inner = engine.tap(graph.find("n").unwrap()).unwrap();
    assert_arrays_close(&inner, golden.get("inner"), Tolerance::Tight, "after the batch norm");
    engine.backward(std::slice::from_ref(golden.get("upstream"))).unwrap();
    let gradients = engine.read(Buffer::Gradients).unwrap();
    for (name, expected) in golden.iter().filter_map(|(n, a)| Some((n.strip_prefix("gradient.")?, a))) {
        assert_arrays_close(gradients.require(name).unwrap(), expected, Tolerance::Close, name);
    }
}

#[test]
fn what_cannot_round_says_so() {
    let graph: Graph = "
        x = input() channels=3
        n = batch_norm(x) eps=0.001 momentum=0.03
        y = conv2d(n) out_channels=4 kernel=1 stride=1 padding=0 bias=false
        outputs = y"
        .parse()
        .unwrap();
    let weights = random_weights(1, &graph);
    let mut engine = executor(&graph, &weights);
    let error = engine.set_rounding(Some(&Quantization::default())).unwrap_err();
    assert!(error.to_string().contains("`n`"), "{error}");
    let images = random_array(1, &[2, 3, 4, 4]);
    assert!(engine.forward(Mode::Train, &images).is_ok(), "nothing has changed");
    let options = ExecutorOptions { kind: Some(ExecutorKind::Candle), ..ExecutorOptions::default() };
    if let Ok(mut candle) = build_executor(&graph, &weights, &options) {
        let error = candle.set_rounding(Some(&Quantization::default())).unwrap_err();
        assert!(error.to_string().contains("8-bit codes"), "{error}");
        assert!(candle.set_rounding(None).is_ok());
    }
}
