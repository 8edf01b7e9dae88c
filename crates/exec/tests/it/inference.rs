//! Tests of inference against the evaluation of an executor: the same bits with less memory.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_exec::{
    Buffer, CpuExecutor, CpuInference, CpuOptions, Executor, ExecutorOptions, Inference, Isa, Mode,
    build_inference,
};
use bonsai_graph::{Graph, Size};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, random_model,
    reference_forward,
};
use bonsai_yolov8::{Scale, build, init};
use proptest::prelude::*;

use crate::engines::KINDS;

fn options(isa: Isa) -> CpuOptions {
    CpuOptions { isa: Some(isa), threads: 2, winograd: true }
}

fn evaluate(graph: &Graph, weights: &Weights, isa: Isa, images: &Array) -> Vec<Array> {
    CpuExecutor::new(graph, weights, options(isa)).unwrap().forward(Mode::Eval, images).unwrap()
}

fn yolov8n(seed: u64) -> Checkpoint {
    init(&build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap(), seed).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    #[test]
    fn the_same_bits_as_an_evaluation(model in arb_model(RandomGraphConfig::default()), seed: u64) {
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        for isa in Isa::available() {
            let mut network = CpuInference::new(graph, weights.clone(), options(isa)).unwrap();
            // Some networks cannot run on images of twice the size.
            let larger = if graph.shapes(Size { height: 2 * model.h, width: 2 * model.w }).is_ok() { 2 } else { 1 };
            for (n, scale) in [(2, 1), (1, larger), (2, 1)] {
                let images = random_array(seed, &[n, 3, model.h * scale, model.w * scale]);
                let expected = evaluate(graph, weights, isa, &images);
                prop_assert_eq!(network.infer(&images).unwrap(), expected, "{} images, {}", n, isa);
            }
        }
    }
}

#[test]
fn weights_are_packed_for_every_size_that_wants_them_otherwise() {
    // At 64 px no convolution uses Winograd's algorithm; at 192 px most 3x3 convolutions do.
    let checkpoint = yolov8n(1);
    let graph = checkpoint.model.graph();
    let weights = &checkpoint.weights;
    for isa in Isa::available() {
        let mut network = CpuInference::new(graph, weights.clone(), options(isa)).unwrap();
        for side in [64, 192, 64, 192] {
            let images = random_array(2, &[1, 3, side, side]);
            assert!(
                network.infer(&images).unwrap() == evaluate(graph, weights, isa, &images),
                "{side}, {isa}"
            );
        }
    }
}

#[test]
fn an_evaluation_follows_the_parameters() {
    let [first, second] = [1, 2].map(yolov8n);
    let images = random_array(3, &[1, 3, 192, 192]);
    let graph = first.model.graph();
    let mut executor = CpuExecutor::new(graph, &first.weights, options(Isa::detect())).unwrap();
    let small = random_array(3, &[1, 3, 64, 64]);
    for weights in [&first.weights, &second.weights, &first.weights] {
        executor.write(Buffer::Params, weights).unwrap();
        for images in [&images, &small] {
            let outputs = executor.forward(Mode::Eval, images).unwrap();
            assert!(outputs == evaluate(graph, weights, Isa::detect(), images));
        }
    }
}

#[test]
fn either_executor_can_be_asked_for_inference_alone() {
    let model = random_model(4, &RandomGraphConfig::default());
    let graph = model.spec().graph();
    let weights = &model.checkpoint.weights;
    let images = random_array(5, &[2, 3, model.h, model.w]);
    let expected = reference_forward(graph, weights, &images, false);
    for &kind in KINDS {
        let options = ExecutorOptions { kind: Some(kind), ..ExecutorOptions::default() };
        let mut network = build_inference(graph, weights.clone(), &options).unwrap();
        assert_eq!(network.graph().nodes().len(), graph.nodes().len());
        let wrong = random_array(5, &[2, 4, model.h, model.w]);
        assert!(network.infer(&wrong).unwrap_err().to_string().contains("3 channels"), "{kind}");
        network.set_timing(true);
        for (actual, expected) in network.infer(&images).unwrap().iter().zip(&expected) {
            assert_arrays_close(actual, expected, Tolerance::Close, kind.name());
        }
        let conv = graph.nodes().iter().find(|n| n.op().keyword() == "conv2d").unwrap();
        assert!(network.timings().iter().any(|(label, _)| label.starts_with(conv.name())), "{kind}");
    }
}
