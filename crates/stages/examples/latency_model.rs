//! Compares predicted with measured latencies of randomly pruned networks:
//! `cargo run --release -p bonsai-stages --example latency_model -- WEIGHTS IMGSZ fp32|int8 [THREADS]`.

use anyhow::{Context as _, Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_detector::Detector;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::Size;
use bonsai_prune::{Importance, PruneOptions, PrunePolicy, PruneServices, ScoreConfig, prune};
use bonsai_stages::{LatencyModel, LoadingConfig, RunContext, time_images, timed_engine};
use bonsai_tensorrt::EnginePrecision;

/// Number of networks.
const NETWORKS: u64 = 20;

#[allow(clippy::print_stdout, reason = "an example prints its result")]
fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [weights, imgsz, precision, rest @ ..] = words.as_slice() else {
        bail!("usage: latency_model WEIGHTS IMGSZ fp32|int8 [THREADS]")
    };
    let precision = if precision == "int8" { EnginePrecision::Int8 } else { EnginePrecision::Fp32 };
    let threads = rest.first().map_or(Ok(0), |threads| threads.parse())?;
    let context = RunContext {
        ranks: None,
        imgsz: imgsz.parse().context("IMGSZ is a number")?,
        seed: 0,
        executor: ExecutorOptions { threads, ..ExecutorOptions::default() },
        loader: LoadingConfig::default(),
        rect: false,
    };
    let network = Checkpoint::load(weights)?;
    let model = LatencyModel::fit(&network, &PrunePolicy::default(), precision, &context)?;
    let mut networks = Vec::new();
    for seed in 0..NETWORKS {
        // Ratios from 0.1 to 0.8; half of the networks by chance, half by a norm in every layer alike.
        let importance = if seed % 2 == 0 { Importance::Random { seed: 100 + seed } } else { Importance::L1 };
        let options = PruneOptions {
            score: ScoreConfig { importance, ..ScoreConfig::default() },
            policy: PrunePolicy {
                prune_ratio: 0.1 + 0.7 * seed as f64 / NETWORKS as f64,
                clamp: true,
                ..PrunePolicy::default()
            },
            compensate: false,
            reconstruct: 0,
            image: Size::square(context.imgsz),
        };
        networks.push(prune(&network, &options, PruneServices::default())?.checkpoint);
    }
    let mut detectors = Vec::new();
    for network in &networks {
        let engine = timed_engine(network, precision, &context)?;
        detectors.push(Detector::from_checkpoint(engine, context.executor)?);
    }
    let mut turns: Vec<&mut Detector> = detectors.iter_mut().collect();
    let times = time_images(&mut turns, context.imgsz, 30)?;
    let mut worst: f64 = 0.0;
    for (network, times) in networks.iter().zip(times) {
        let (predicted, measured) = (model.predict(network.model.graph())?, times.latency().p50_ms);
        let error = predicted / measured - 1.0;
        worst = worst.max(error.abs());
        println!("predicted {predicted:.3} ms, measured {measured:.3} ms ({:+.1} %)", 100.0 * error);
    }
    println!("largest error {:.1} %", 100.0 * worst);
    Ok(())
}
