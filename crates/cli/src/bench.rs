//! `bench`: times training steps and inferences, and prints the measurements.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_bench::{
    ArtefactBench, CompareBench, InferBench, InferPrecision, LayerShare, Narrow, Network, PhaseTime,
    StepBench, artefact, compare, infer, step,
};
use bonsai_graph::Size;
use clap::{Args, Subcommand};
use serde::Serialize;

use crate::failure::{DONE, ensure_usage};
use crate::numbers::{count, side};
use crate::onnx_args::OnnxRuntime;
use crate::output::{is_json, say};
use crate::recipes::{self, Recipes};
use crate::settings_args::Machine;

/// The benchmark to run.
#[derive(Subcommand)]
pub(crate) enum Bench {
    /// Time a training step on generated images: forward, loss, backward, clip, SGD, average
    Step(Step),
    /// Time an inference on noise (folded network, decode, suppression); an ONNX file in every available
    /// runtime
    Infer(Infer),
    /// Compare the latency of several networks, which take turns, with the first
    Compare(Compare),
    /// Train and prune by several recipes on several datasets, compared with the same epochs without pruning
    Recipe(Box<Recipes>),
}

/// Arguments of `bench compare`.
#[derive(Args)]
pub(crate) struct Compare {
    /// Checkpoints or CPU engines; the first is the reference
    #[arg(long, value_name = "FILE", required = true, num_args = 1..)]
    weights: Vec<PathBuf>,
    /// Side of the images in pixels; may be a list
    #[arg(long, default_value = "640", num_args = 1.., value_parser = side)]
    imgsz: Vec<usize>,
    /// Measured rounds, after three warm-up rounds
    #[arg(long, default_value = "20", value_parser = count)]
    rounds: usize,
    #[command(flatten)]
    machine: Machine,
}

/// Arguments of `bench step`.
#[derive(Args)]
pub(crate) struct Step {
    #[command(flatten)]
    what: What,
    /// Side of the images in pixels
    #[arg(long, default_value = "320", value_parser = side)]
    imgsz: usize,
    /// Images in the batch
    #[arg(long, default_value = "8", value_parser = count)]
    batch: usize,
    /// Measured steps, after two warm-up steps
    #[arg(long, default_value = "6", value_parser = count)]
    steps: usize,
    /// Use the mean square of the raw outputs as loss, and no optimiser
    #[arg(long)]
    dummy_loss: bool,
}

/// Arguments of `bench infer`.
#[derive(Args)]
pub(crate) struct Infer {
    #[command(flatten)]
    what: What,
    /// Side of the images in pixels [default: 640, or the size of the ONNX file]
    #[arg(long, value_parser = side)]
    imgsz: Option<usize>,
    /// Images per batch
    #[arg(long, default_value = "1", value_parser = count)]
    batch: usize,
    /// Measured runs, after three warm-up runs
    #[arg(long, default_value = "20", value_parser = count)]
    runs: usize,
    /// f32, or int8: 8-bit codes for the values on the noise [default: as in the file]
    #[arg(long)]
    precision: Option<InferPrecision>,
    /// Checkpoint or CPU engine to compare with an ONNX file in --weights
    #[arg(long, value_name = "FILE", requires = "weights")]
    beside: Option<PathBuf>,
    #[command(flatten)]
    onnx: OnnxRuntime,
}

/// The network and the executor.
#[derive(Args)]
struct What {
    /// yolov8n to yolov8x, with new weights
    #[arg(long, default_value = "yolov8n")]
    model: String,
    /// Checkpoint or CPU engine instead of --model; for `infer` also an ONNX file
    #[arg(long, value_name = "FILE", conflicts_with = "model")]
    weights: Option<PathBuf>,
    /// Reduce the widths at random to about half, none a multiple of 8
    #[arg(long, value_name = "SEED")]
    narrow: Option<u64>,
    /// As --narrow, but with widths rounded up to multiples of 16
    #[arg(long, value_name = "SEED", conflicts_with = "narrow")]
    narrow_rounded: Option<u64>,
    /// Only print the network as text, for other implementations
    #[arg(long)]
    print_graph: bool,
    /// Compute every convolution as a direct sum
    #[arg(long)]
    no_winograd: bool,
    /// Print the time of each layer
    #[arg(long)]
    layers: bool,
    #[command(flatten)]
    machine: Machine,
}

impl What {
    fn network(&self) -> Network {
        let narrow = self.narrow.map(|seed| Narrow { seed, rounded: false });
        let rounded = self.narrow_rounded.map(|seed| Narrow { seed, rounded: true });
        Network { model: self.model.clone(), weights: self.weights.clone(), narrow: narrow.or(rounded) }
    }

    fn options(&self) -> Result<bonsai_pipeline::ExecutorOptions> {
        Ok(bonsai_pipeline::ExecutorOptions { winograd: !self.no_winograd, ..self.machine.options()? })
    }
}

pub(crate) fn run(bench: &Bench) -> Result<u8> {
    if let Bench::Infer(args) = bench
        && let Some(file) = args.what.weights.as_ref().filter(|file| bonsai_stages::is_onnx(file))
    {
        return run_artefact(args, file);
    }
    let what = match bench {
        Bench::Step(Step { what, .. }) | Bench::Infer(Infer { what, .. }) => what,
        Bench::Compare(args) => return run_compare(args),
        Bench::Recipe(args) => return recipes::run(args),
    };
    if what.print_graph {
        // The text already ends with a line break.
        say!("{}", what.network().open()?.model.graph().to_string().trim_end());
        return Ok(DONE);
    }
    let network = what.network();
    let executor = what.options()?;
    let layers = what.layers;
    match bench {
        Bench::Compare(_) | Bench::Recipe(_) => {}
        Bench::Step(args) => {
            let &Step { imgsz, batch, steps, dummy_loss, .. } = args;
            let figures = step(&StepBench { network, imgsz, batch, steps, dummy_loss, executor, layers })?;
            if is_json() {
                return json(&figures);
            }
            print_layers(&figures.layers);
            print_phases(&figures.phases);
            say!(
                "{} ({} params), batch {batch} at {imgsz} px, {}: {:.2} ms a step (least {:.2}){}",
                figures.network,
                figures.params,
                figures.executor,
                figures.step_ms_median,
                figures.step_ms_min,
                memory(figures.peak_rss_mb)
            );
        }
        Bench::Infer(args) => {
            let &Infer { batch, runs, .. } = args;
            let imgsz = args.imgsz.unwrap_or(640);
            ensure_usage!(
                args.beside.is_none() && args.onnx.runtime.is_none(),
                "--beside and --runtime need an ONNX file in --weights; to compare networks, use `bench compare`"
            );
            let figures = infer(&InferBench {
                network,
                imgsz,
                batch,
                runs,
                executor,
                layers,
                precision: args.precision,
            })?;
            if is_json() {
                return json(&figures);
            }
            print_layers(&figures.layers);
            print_phases(&figures.phases);
            say!(
                "{} ({} params), batch {batch} at {imgsz} px, {}: {:.2} ms (least {:.2}){}",
                figures.network,
                figures.params,
                figures.executor,
                figures.latency_ms_median,
                figures.latency_ms_min,
                memory(figures.peak_rss_mb)
            );
        }
    }
    Ok(DONE)
}

/// Times an ONNX file in turns with the network of `--beside`.
fn run_artefact(args: &Infer, file: &Path) -> Result<u8> {
    let What { narrow, narrow_rounded, print_graph, layers, .. } = args.what;
    ensure_usage!(
        narrow.or(narrow_rounded).is_none() && !print_graph && !layers && args.precision.is_none(),
        "{} is an ONNX file, so its layers cannot be narrowed, printed, timed or quantised: leave --narrow, \
         --narrow-rounded, --print-graph, --layers and --precision out",
        file.display()
    );
    let figures = artefact(&ArtefactBench {
        file: file.to_owned(),
        beside: args.beside.clone(),
        imgsz: args.imgsz,
        batch: args.batch,
        runs: args.runs,
        executor: args.what.options()?,
        runtime: args.onnx.choice(),
    })?;
    if is_json() {
        return json(&figures);
    }
    for runner in &figures.runners {
        say!(
            "{:>12} {:>9.2} ms (least {:.2}) {:>7.3} of the first, {} objects  {}",
            runner.runner,
            runner.latency_ms_median,
            runner.latency_ms_min,
            runner.share,
            runner.detections,
            runner.file.display()
        );
    }
    for reason in &figures.not_run {
        say!("{reason}");
    }
    let Size { height: h, width: w } = figures.size;
    say!("batch {} at {h} x {w} px{}", figures.batch, memory(figures.peak_rss_mb));
    Ok(DONE)
}

fn run_compare(args: &Compare) -> Result<u8> {
    for &imgsz in &args.imgsz {
        let files = args.weights.clone();
        let executor = args.machine.options()?;
        let networks = compare(&CompareBench { files, imgsz, rounds: args.rounds, executor })?;
        if is_json() {
            say!("{}", serde_json::to_string(&networks)?);
            continue;
        }
        say!("{:>9} {:>9} {:>7} {:>9} {:>7}  at {imgsz} px", "params", "MACs, M", "ratio", "ms", "ratio");
        for network in networks {
            say!(
                "{:>9} {:>9.1} {:>7.3} {:>9.3} {:>7.3}  {}",
                network.cost.params,
                network.cost.macs as f64 / 1e6,
                network.macs_share,
                network.latency_ms,
                network.latency_share,
                network.file.display()
            );
        }
    }
    Ok(DONE)
}

fn json(figures: &impl Serialize) -> Result<u8> {
    say!("{}", serde_json::to_string(figures)?);
    Ok(DONE)
}

fn memory(peak: Option<f64>) -> String {
    peak.map_or_else(String::new, |mb| format!(", peak {mb:.0} MiB"))
}

fn print_layers(layers: &[LayerShare]) {
    let mut so_far = 0.0;
    for layer in layers {
        so_far += layer.share;
        say!(
            "{:>48} {:>9.3} ms {:>5.1} % {:>6.1} % so far",
            layer.layer,
            layer.ms,
            1e2 * layer.share,
            1e2 * so_far
        );
    }
}

fn print_phases(phases: &[PhaseTime]) {
    for phase in phases {
        say!("{:>48} {:>9.3} ms", phase.phase, phase.ms);
    }
}
