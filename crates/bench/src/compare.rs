//! [`compare`]: times several networks in turns, to measure how much faster the smaller ones are.

#![expect(
    clippy::result_large_err,
    reason = "closures that hand on the error of an executor, which carries candle's"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bonsai_checkpoint::Array;
use bonsai_exec::{ExecutorOptions, Inference, build_deployed};
use bonsai_graph::{Cost, Size};
use bonsai_stages::open_network;
use serde::Serialize;

use crate::WARM_UP;
use crate::input::images;
use crate::stopwatch::{median, timed};

/// Settings of [`compare`].
#[derive(Debug, Clone, PartialEq)]
pub struct CompareBench {
    /// Checkpoints or CPU engines; the others are compared with the first.
    pub files: Vec<PathBuf>,
    /// Side of the images in pixels.
    pub imgsz: usize,
    /// Number of counted rounds, after three that warm up; each round runs every network once.
    pub rounds: usize,
    /// The executor.
    pub executor: ExecutorOptions,
}

/// A network compared with the first one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedNetwork {
    /// Its file.
    #[serde(with = "bonsai_stages::path_text")]
    pub file: PathBuf,
    /// Number of learned scalars and multiply-accumulates, folded.
    #[serde(flatten)]
    pub cost: Cost,
    /// Median milliseconds of one image, from memory to raw outputs.
    pub latency_ms: f64,
    /// Multiply-accumulates as a fraction of the first network's.
    pub macs_share: f64,
    /// Median over the rounds of the time as a fraction of the first network's time in the same round.
    pub latency_share: f64,
}

struct Candidate {
    cost: Cost,
    network: Box<dyn Inference + Send>,
    times: Vec<f64>,
}

/// Times one image of noise on each network, in turns, so that other load on the machine affects all networks
/// alike.
///
/// # Errors
/// If a file cannot be read, a network cannot run at that size, or there is no file or no round.
pub fn compare(what: &CompareBench) -> Result<Vec<ComparedNetwork>> {
    ensure!(what.rounds > 0 && !what.files.is_empty(), "give at least one file and one round");
    let mut candidates = what.files.iter().map(|f| load(f, what)).collect::<Result<Vec<_>>>()?;
    let image = images(1, 3, what.imgsz);
    for round in 0..WARM_UP + what.rounds {
        for (candidate, file) in candidates.iter_mut().zip(&what.files) {
            let time = candidate.run(&image).with_context(|| format!("cannot run {}", file.display()))?;
            if round >= WARM_UP {
                candidate.times.push(time);
            }
        }
    }
    let first = candidates[0].cost.macs;
    let base = candidates[0].times.clone();
    let compared = candidates.iter().zip(&what.files).map(|(candidate, file)| {
        let shares: Vec<f64> = candidate.times.iter().zip(&base).map(|(t, b)| t / b).collect();
        ComparedNetwork {
            file: file.clone(),
            cost: candidate.cost,
            latency_ms: median(&candidate.times),
            macs_share: candidate.cost.macs as f64 / first as f64,
            latency_share: median(&shares),
        }
    });
    Ok(compared.collect())
}

fn load(file: &Path, what: &CompareBench) -> Result<Candidate> {
    let folded = open_network(file)?.fold_batch_norm()?;
    let cost = folded.model.graph().cost(Size::square(what.imgsz))?;
    let network = build_deployed(folded, &what.executor)?;
    Ok(Candidate { cost, network, times: Vec::with_capacity(what.rounds) })
}

impl Candidate {
    /// Milliseconds of a run.
    fn run(&mut self, image: &Array) -> Result<f64> {
        let mut time = Duration::ZERO;
        timed(&mut time, || self.network.infer(image).map(drop))?;
        Ok(time.as_secs_f64() * 1e3)
    }
}
