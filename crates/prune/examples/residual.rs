//! Example: prunes a hand-made residual network to half of its multiply-accumulates and prints the plan.
//!
//! `cargo run --release -p bonsai-prune --example residual`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{DetectHead, Graph, GraphBuilder, GraphError, ModelSpec, NodeId, Op, ParamRole, Size};
use bonsai_prune::{
    Candidates, CostTarget, Coupling, PrunePolicy, PruneReport, ScoreConfig, apply_compensated, choose,
    report, score,
};

/// Images are squares of this many pixels.
const SIDE: usize = 64;

fn main() -> Result<(), Box<dyn Error>> {
    let model = model()?;
    let coupling = Coupling::from_graph(model.model.graph());
    println!("{} of {} channel sets may be removed", coupling.prunable().count(), coupling.sets().len());

    let scores = score(&coupling, &model.weights, &ScoreConfig::default())?;
    let candidates = Candidates { coupling: &coupling, scores: &scores, weights: &model.weights };
    let policy = PrunePolicy {
        target: Some(CostTarget::Macs(0.5)),
        min_channels: 4,
        round_to: Some(4),
        ..PrunePolicy::default()
    };
    let selection = choose(&candidates, &policy, Size::square(SIDE))?;
    print!("{}", selection.plan.to_json()?);

    let (pruned, compensation) = apply_compensated(&selection.plan, &model)?;
    let report = PruneReport {
        selection: Some(selection.summary),
        compensation: Some(compensation),
        ..report(&selection.plan, &model, Size::square(SIDE))?
    };
    for layer in &report.layers {
        println!("{:>12} {:>3} -> {:>3} channels", layer.conv, layer.original, layer.kept);
    }
    let share = |after: u64, before: u64| 100.0 * after as f64 / before as f64;
    println!(
        "{:.1} % of the parameters and {:.1} % of the MACs are left",
        share(report.after.params, report.before.params),
        share(report.after.macs, report.before.macs)
    );
    if let Some(compensation) = report.compensation {
        println!(
            "{} removed sets are read by {} convolutions; the largest folded constant is {:.4}",
            compensation.sets, compensation.convs, compensation.largest_shift
        );
    }
    // The result is an ordinary checkpoint: `pruned.save(path)` writes it.
    assert_eq!(pruned.model.graph().cost(Size::square(SIDE))?, report.after);
    assert!(2 * report.after.macs <= report.before.macs);
    Ok(())
}

/// A stem, two residual blocks, and a head for one class.
fn model() -> Result<Checkpoint, Box<dyn Error>> {
    let graph = graph()?;
    let mut random = Random(1);
    let mut weights = Weights::new();
    for spec in graph.params() {
        let fan_in: usize = spec.shape[1..].iter().product();
        let mut value = || match spec.role {
            ParamRole::ConvWeight => random.next() / (fan_in as f32).sqrt(),
            // As after sparse training: some scales are near zero.
            ParamRole::BnGamma => random.next().powi(2),
            ParamRole::BnBeta => 0.1 * random.next(),
            ParamRole::ConvBias | ParamRole::BnMean => 0.0,
            ParamRole::BnVar => 1.0,
        };
        let data = (0..spec.len()).map(|_| value()).collect();
        weights.insert(spec.name.clone(), Array::new(&spec.shape, data));
    }
    let head = DetectHead {
        num_classes: 1,
        reg_max: 1,
        strides: vec![4],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    Ok(Checkpoint::new(ModelSpec::new(graph, head, vec!["thing".to_owned()])?, weights)?)
}

fn graph() -> Result<Graph, GraphError> {
    let mut b = GraphBuilder::new();
    let images = b.push("images", Op::Input { channels: 3 }, &[])?;
    let mut stream = conv(&mut b, "stem", images, 32, 4)?;
    for name in ["block.0", "block.1"] {
        let inner = conv(&mut b, &format!("{name}.a"), stream, 48, 1)?;
        let outer = conv(&mut b, &format!("{name}.b"), inner, 32, 1)?;
        stream = b.push(&format!("{name}.add"), Op::Add, &[stream, outer])?;
    }
    let last = |channels| Op::Conv2d {
        out_channels: channels,
        kernel: 1,
        stride: 1,
        padding: 0,
        bias: true,
        groups: 1,
    };
    let boxes = b.push("boxes", last(4), &[stream])?;
    let classes = b.push("classes", last(1), &[stream])?;
    b.finish(&[boxes, classes])
}

/// Convolution, batch norm, activation.
fn conv(
    b: &mut GraphBuilder,
    name: &str,
    x: NodeId,
    channels: usize,
    stride: usize,
) -> Result<NodeId, GraphError> {
    let x = b.conv(&format!("{name}.conv"), x, channels, 3, stride)?;
    let x = b.push(&format!("{name}.bn"), Op::batch_norm(), &[x])?;
    b.push(&format!("{name}.act"), Op::Silu, &[x])
}

/// Numbers in `-1..1` from a linear congruential generator.
struct Random(u64);

impl Random {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 40) as f32 / (1 << 23) as f32 - 1.0
    }
}
