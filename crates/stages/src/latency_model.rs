//! [`LatencyModel`]: predicts the latency of a pruned network from its layers, after timing a few networks.
//!
//! A search for a latency target looks at dozens of networks. Timing each would take minutes, and a machine that
//! is busy for a moment would mislead the search.

use anyhow::{Result, ensure};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_graph::{Graph, Op, Size};
use bonsai_prune::{
    CostTarget, Importance, PruneError, PruneOptions, PrunePolicy, PruneServices, ScoreConfig, prune,
};
use bonsai_tensorrt::EnginePrecision;
use nalgebra::{DMatrix, DVector};

use crate::calibrate::timed_engine;
use crate::{RunContext, engine_executor, time_images};

/// Fractions of the multiply-accumulates of the networks that are timed besides the given one.
const FRACTIONS: [f64; 4] = [0.7, 0.45, 0.25, 0.125];
/// Rounds in which the networks take turns.
const ROUNDS: usize = 20;
/// The kernels compute channels in segments of this size.
const SEGMENT: usize = 16;
/// Numbers of [`features`].
const FEATURES: usize = 3;
/// Singular values below this fraction of the largest count as zero.
const RANK: f64 = 1e-9;

/// Latency as a weighted sum of computed multiply-accumulates, values written, and a constant.
#[derive(Debug, Clone)]
pub struct LatencyModel {
    weights: [f64; FEATURES],
    image: Size,
}

impl LatencyModel {
    /// Times `network` and some networks pruned from it, as engines in `precision`; `policy` has the guards of
    /// pruning.
    ///
    /// # Errors
    /// If a network cannot run.
    pub fn fit(
        network: &Checkpoint,
        policy: &PrunePolicy,
        precision: EnginePrecision,
        context: &RunContext,
    ) -> Result<Self> {
        let image = Size::square(context.imgsz);
        let mut networks = vec![network.clone()];
        for (index, fraction) in FRACTIONS.into_iter().enumerate() {
            // A ranking by norm prunes layers unequally, a random one prunes them equally.
            for importance in [Importance::L2, Importance::Random { seed: index as u64 }] {
                let target = Some(CostTarget::Macs(fraction));
                networks.extend(pruned(
                    network,
                    importance,
                    PrunePolicy { target, ..policy.clone() },
                    image,
                )?);
            }
        }
        let smallest = PrunePolicy { prune_ratio: 1.0, target: None, ..policy.clone() };
        networks.extend(pruned(network, Importance::L2, smallest, image)?);
        let mut detectors = Vec::with_capacity(networks.len());
        for network in &networks {
            let engine = timed_engine(network, precision, context)?;
            detectors.push(Detector::from_checkpoint(engine, engine_executor(context.executor))?);
        }
        let mut turns: Vec<&mut Detector> = detectors.iter_mut().collect();
        let times = time_images(&mut turns, context.imgsz, ROUNDS)?;
        let measured: Vec<f64> = times.iter().map(|times| times.latency().p50_ms).collect();
        let graphs: Vec<&Graph> = networks.iter().map(|network| network.model.graph()).collect();
        Ok(Self { weights: fitted(&graphs, &measured, image)?, image })
    }

    /// Milliseconds for one image.
    ///
    /// # Errors
    /// If the graph has no valid shape at the image size.
    pub fn predict(&self, graph: &Graph) -> Result<f64> {
        let features = features(graph, self.image)?;
        Ok(features.iter().zip(&self.weights).map(|(feature, weight)| feature * weight).sum())
    }
}

/// A pruned network; `None` if the guards do not allow the target.
fn pruned(
    network: &Checkpoint,
    importance: Importance,
    policy: PrunePolicy,
    image: Size,
) -> Result<Option<Checkpoint>> {
    let options = PruneOptions {
        score: ScoreConfig { importance, ..ScoreConfig::default() },
        policy: PrunePolicy { clamp: true, ..policy },
        compensate: false,
        reconstruct: 0,
        image,
    };
    match prune(network, &options, PruneServices::default()) {
        Ok(pruned) => Ok(Some(pruned.checkpoint)),
        Err(PruneError::UnreachableTarget { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Millions of multiply-accumulates that the kernels compute, millions of values that the layers write, and the
/// constant 1.
fn features(graph: &Graph, image: Size) -> Result<[f64; FEATURES]> {
    let shapes = graph.shapes(image)?;
    let macs = graph.node_macs(image)?;
    let padding = |channels: usize| channels.next_multiple_of(SEGMENT) as f64 / channels.max(1) as f64;
    let mut computed = 0.0;
    let mut written = 0.0;
    for ((id, node), macs) in graph.iter().zip(macs) {
        let shape = shapes[id.index()];
        if matches!(node.op(), Op::Conv2d { .. }) {
            let inputs = node.inputs().first().map_or(1, |input| shapes[input.index()].channels);
            computed += macs as f64 * padding(shape.channels) * padding(inputs);
        }
        written += (shape.channels * shape.h * shape.w) as f64;
    }
    Ok([computed / 1e6, written / 1e6, 1.0])
}

/// Weights of at least 0 that predict the measured times with small relative errors. A feature whose weight
/// would be negative is left out, and the others are fitted again.
fn fitted(graphs: &[&Graph], measured: &[f64], image: Size) -> Result<[f64; FEATURES]> {
    let mut used = vec![true; FEATURES];
    loop {
        let weights = solved(graphs, measured, image, &used)?;
        let Some(lowest) = (0..FEATURES).min_by(|a, b| weights[*a].total_cmp(&weights[*b])) else {
            return Ok(weights);
        };
        if weights[lowest] >= 0.0 {
            return Ok(weights);
        }
        used[lowest] = false;
    }
}

/// The least squares of [`fitted`] with some features; the weights of the others are 0.
fn solved(graphs: &[&Graph], measured: &[f64], image: Size, used: &[bool]) -> Result<[f64; FEATURES]> {
    let mut rows = DMatrix::zeros(measured.len(), FEATURES);
    for (row, (graph, time)) in graphs.iter().zip(measured).enumerate() {
        for (column, feature) in features(graph, image)?.into_iter().enumerate() {
            rows[(row, column)] = if used[column] { feature / time } else { 0.0 };
        }
    }
    let ones = DVector::from_element(measured.len(), 1.0);
    let svd = rows.svd(true, true);
    let solved = svd.solve(&ones, RANK * svd.singular_values.max());
    let weights = solved.map_err(anyhow::Error::msg)?;
    ensure!(
        weights.iter().all(|weight| weight.is_finite()),
        "the latency model of {} networks has a weight that is not finite, from these times: {measured:?} ms; measure \
         again on an idle machine",
        measured.len()
    );
    Ok([weights[0], weights[1], weights[2]])
}

#[cfg(test)]
mod tests {
    use bonsai_yolov8::{Scale, build};

    use super::*;

    #[test]
    fn times_that_are_such_a_sum_are_predicted() {
        let image = Size::square(64);
        let graphs: Vec<Graph> = [Scale::N, Scale::S, Scale::M, Scale::L]
            .map(|scale| build(scale, &["cell".to_owned()]).unwrap().graph().clone())
            .into();
        let truth = [0.02, 0.3, 0.5];
        let time = |graph: &Graph| -> f64 {
            features(graph, image).unwrap().iter().zip(truth).map(|(feature, weight)| feature * weight).sum()
        };
        let refs: Vec<&Graph> = graphs[1..].iter().collect();
        let measured: Vec<f64> = refs.iter().map(|graph| time(graph)).collect();
        let model = LatencyModel { weights: fitted(&refs, &measured, image).unwrap(), image };
        let predicted = model.predict(&graphs[0]).unwrap();
        assert!((predicted / time(&graphs[0]) - 1.0).abs() < 1e-6, "{predicted}");
    }

    #[test]
    fn channels_are_computed_in_segments() {
        let graph = build(Scale::N, &["cell".to_owned()]).unwrap().graph().clone();
        let [computed, written, one] = features(&graph, Size::square(64)).unwrap();
        let macs = graph.cost(Size::square(64)).unwrap().macs as f64 / 1e6;
        // The image has 3 channels and the class outputs 1.
        assert!(computed > macs && computed < 2.0 * macs && written > 0.0 && one == 1.0);
    }
}
