//! Example: prunes a small image classifier, which has no detection head, to half of its multiply-accumulates,
//! refits the layers that lost inputs on a few images, and runs the network before and after.
//!
//! `cargo run --release -p bonsai-prune --example classifier`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{ExecutorOptions, Mode, build_executor};
use bonsai_graph::{Graph, GraphBuilder, GraphError, NodeId, Op, ParamRole, Size};
use bonsai_prune::{
    BoxError, CostTarget, GraphServices, PruneOptions, PrunePolicy, PrunedGraph, ScoreConfig, prune_graph,
};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// Images are squares of this many pixels.
const SIDE: usize = 32;
const CLASSES: usize = 10;
/// Images in a batch.
const IMAGES: usize = 4;
/// Side of the last map, over which the maximum is taken.
const LAST: usize = SIDE / 8;

fn main() -> Result<(), Box<dyn Error>> {
    let graph = classifier()?;
    let weights = weights(&graph);
    let policy = PrunePolicy {
        target: Some(CostTarget::Macs(0.5)),
        min_channels: 4,
        round_to: Some(4),
        ..PrunePolicy::default()
    };
    let image = Size::square(SIDE);
    let options =
        PruneOptions { score: ScoreConfig::default(), policy, compensate: true, reconstruct: 4, image };
    // In your program, these are batches of your training images.
    let mut executor = build_executor(&graph, &weights, &ExecutorOptions::default())?;
    let mut activations = |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
        executor.set_taps(layers);
        executor.forward(Mode::Eval, &images(batch))?;
        layers.iter().map(|layer| Ok(executor.tap(*layer)?)).collect()
    };
    let services = GraphServices { activations: Some(&mut activations), ..GraphServices::default() };
    let pruned = prune_graph(&graph, &weights, &options, services)?;
    let PrunedGraph { graph: small, weights: fewer, plan, report } = &pruned;
    for layer in &report.layers {
        println!("{:>14} {:>3} -> {:>3} channels", layer.conv, layer.original, layer.kept);
    }
    println!("{} of {} parameters are left", report.after.params, report.before.params);
    if let Some(reconstruction) = &report.reconstruction {
        println!("{reconstruction}");
    }

    assert_eq!(report.before, graph.cost(Size::square(SIDE))?);
    assert_eq!(report.after, small.cost(Size::square(SIDE))?);
    assert!(2 * report.after.macs <= report.before.macs);
    assert!(report.after.params < report.before.params);
    // The classes stay, and the weights are those of the smaller graph.
    assert_eq!(plan.keep("classes").map(<[usize]>::len), Some(CLASSES));
    fewer.verify(&small.params())?;
    assert_eq!(fewer.len(), weights.len());

    for (graph, weights) in [(&graph, &weights), (small, fewer)] {
        let mut executor = build_executor(graph, weights, &ExecutorOptions::default())?;
        let outputs = executor.forward(Mode::Eval, &images(99))?;
        assert_eq!(outputs.len(), 1);
        assert_eq!(outputs[0].shape(), [IMAGES, CLASSES, 1, 1]);
        assert!(outputs[0].data().iter().all(|score| score.is_finite()));
    }
    Ok(())
}

/// Three blocks that halve the map, the maximum over the last map, and a score for each class.
fn classifier() -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new();
    let mut x = b.push("images", Op::Input { channels: 3 }, &[])?;
    for (name, channels) in [("block.0", 16), ("block.1", 32), ("block.2", 64)] {
        x = block(&mut b, name, x, channels)?;
    }
    let pool = b.push("pool", Op::MaxPool { kernel: LAST, stride: LAST, padding: 0 }, &[x])?;
    let last = Op::Conv2d { out_channels: CLASSES, kernel: 1, stride: 1, padding: 0, bias: true, groups: 1 };
    let classes = b.push("classes", last, &[pool])?;
    b.finish(&[classes])
}

/// Convolution of stride 2, batch norm, activation.
fn block(b: &mut GraphBuilder, name: &str, x: NodeId, channels: usize) -> Result<NodeId, GraphError> {
    let x = b.conv(&format!("{name}.conv"), x, channels, 3, 2)?;
    let x = b.push(&format!("{name}.bn"), Op::batch_norm(), &[x])?;
    b.push(&format!("{name}.act"), Op::Silu, &[x])
}

/// Random kernels, and batch-norm scales from 0 to 1, so that some channels are less important than others.
fn weights(graph: &Graph) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut weights = Weights::zeros(graph);
    for spec in graph.params() {
        let last = (spec.len() - 1).max(1) as f32;
        let values: Vec<f32> = match spec.role {
            ParamRole::ConvWeight => (0..spec.len()).map(|_| rng.random_range(-0.2..0.2)).collect(),
            ParamRole::BnGamma => (0..spec.len()).map(|channel| channel as f32 / last).collect(),
            ParamRole::BnVar => vec![1.0; spec.len()],
            ParamRole::ConvBias | ParamRole::BnBeta | ParamRole::BnMean => continue,
        };
        weights.insert(spec.name, Array::new(&spec.shape, values));
    }
    weights
}

/// One batch of random images.
fn images(batch: usize) -> Array {
    let mut rng = ChaCha8Rng::seed_from_u64(batch as u64);
    let shape = [IMAGES, 3, SIDE, SIDE];
    Array::new(&shape, (0..shape.iter().product()).map(|_| rng.random_range(0.0..1.0)).collect())
}
