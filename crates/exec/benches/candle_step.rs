//! Benchmark of one training step of YOLOv8n at 160 px, batch 8: this crate's reverse walk against stock
//! candle autograd.
//!
//! `cargo bench -p bonsai-exec --bench candle_step [-- ROUNDS]`
//!
//! Both sides run forward, backward from the same gradients at the outputs, and SGD (stock: candle-nn's plain
//! SGD; ours with Nesterov momentum, clipping and averaging), interleaved. The benchmark prints both medians
//! and their ratio. Stock candle cannot train the network: its pooling has no backward for kernel 5 and
//! stride 1, and its upsampling gradient is wrong with several consumers. The stock side therefore replaces
//! these two layers by shifted maxima and broadcasting, which candle can differentiate. All other layers are
//! those that a candle user would choose.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints and may stop")]

use std::collections::HashMap;
use std::time::{Duration, Instant};

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{CandleExecutor, Device, Executor, Mode, UpdateRule};
use bonsai_graph::{Graph, Op, ParamRole};
use bonsai_testkit::random_array;
use candle_core::{Result, Tensor, Var};
use candle_nn::{BatchNorm, BatchNormConfig, Optimizer, SGD};

const BATCH: usize = 8;
const IMGSZ: usize = 160;

fn main() {
    let rounds = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(5);
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let checkpoint = bonsai_yolov8::init(&model, 0).unwrap();
    let images = random_array(1, &[BATCH, 3, IMGSZ, IMGSZ]);

    let mut ours = CandleExecutor::new(model.graph(), &checkpoint.weights, Device::Cpu).unwrap();
    let outputs = ours.forward(Mode::Train, &images).unwrap();
    let upstream: Vec<Array> =
        outputs.iter().enumerate().map(|(i, o)| random_array(i as u64, o.shape())).collect();
    let rule = UpdateRule {
        momentum: 0.9,
        nesterov: true,
        clip_norm: Some(10.0),
        ema_decay: 0.99,
        ..UpdateRule::sgd(1e-6)
    };
    let mut stock = Stock::new(model.graph(), &checkpoint.weights).unwrap();

    let mut our_times = Vec::new();
    let mut stock_times = Vec::new();
    for _ in 0..=rounds {
        our_times.push(time(|| {
            ours.forward(Mode::Train, &images).unwrap();
            ours.backward(&upstream).unwrap();
            ours.update(&rule).unwrap();
        }));
        stock_times.push(time(|| stock.step(model.graph(), &images, &upstream).unwrap()));
    }
    // The first round of each side warms caches and the allocator.
    let median = |times: &mut Vec<Duration>| {
        times.remove(0);
        times.sort();
        times[times.len() / 2].as_secs_f64() * 1e3
    };
    let ours = median(&mut our_times);
    let stock = median(&mut stock_times);
    println!(
        "ours {ours:.0} ms, stock candle {stock:.0} ms, ratio {:.1} (medians of {rounds})",
        stock / ours
    );
}

fn time(f: impl FnOnce()) -> Duration {
    let start = Instant::now();
    f();
    start.elapsed()
}

/// The same graph through candle's own layers and autograd.
struct Stock {
    vars: HashMap<String, Var>,
    norms: HashMap<String, BatchNorm>,
    optimiser: SGD,
}

impl Stock {
    fn new(graph: &Graph, weights: &Weights) -> Result<Self> {
        let device = candle_core::Device::Cpu;
        let mut vars = HashMap::new();
        for spec in graph.params() {
            let array = weights.get(&spec.name).unwrap();
            let tensor = Tensor::from_slice(array.data(), array.shape(), &device)?;
            vars.insert(spec.name, Var::from_tensor(&tensor)?);
        }
        let mut norms = HashMap::new();
        for (id, node) in graph.iter() {
            if let Op::BatchNorm { .. } = node.op() {
                let of = |role: ParamRole| {
                    let name = format!("{}.{}", node.name(), role.suffix());
                    vars[&name].as_tensor().clone()
                };
                let config = BatchNormConfig { eps: 1e-3, momentum: 0.03, ..BatchNormConfig::default() };
                let builder = candle_nn::VarBuilder::from_tensors(
                    HashMap::from([
                        ("running_mean".to_owned(), of(ParamRole::BnMean)),
                        ("running_var".to_owned(), of(ParamRole::BnVar)),
                        ("weight".to_owned(), of(ParamRole::BnGamma)),
                        ("bias".to_owned(), of(ParamRole::BnBeta)),
                    ]),
                    candle_core::DType::F32,
                    &device,
                );
                norms.insert(
                    node.name().to_owned(),
                    candle_nn::batch_norm(graph.node(id).channels(), config, builder)?,
                );
            }
        }
        let trained = graph.params().into_iter().filter(|s| s.role.is_trained());
        let optimiser = SGD::new(trained.map(|s| vars[&s.name].clone()).collect(), 1e-6)?;
        Ok(Self { vars, norms, optimiser })
    }

    fn step(&mut self, graph: &Graph, images: &Array, upstream: &[Array]) -> Result<()> {
        let device = candle_core::Device::Cpu;
        let mut values: Vec<Tensor> = Vec::new();
        for node in graph.nodes() {
            let x = |i: usize| &values[node.inputs()[i].index()];
            let param =
                |role: ParamRole| self.vars[&format!("{}.{}", node.name(), role.suffix())].as_tensor();
            let y =
                match *node.op() {
                    Op::Input { .. } => Tensor::from_slice(images.data(), images.shape(), &device)?,
                    Op::Conv2d { stride, padding, bias, out_channels, groups, .. } => {
                        let y = x(0).conv2d(param(ParamRole::ConvWeight), padding, stride, 1, groups)?;
                        if bias {
                            y.broadcast_add(&param(ParamRole::ConvBias).reshape((1, out_channels, 1, 1))?)?
                        } else {
                            y
                        }
                    }
                    Op::BatchNorm { .. } => self.norms[node.name()].forward_train(x(0))?.contiguous()?,
                    Op::Silu => x(0).silu()?,
                    Op::Add => (x(0) + x(1))?,
                    Op::Concat => {
                        let inputs: Vec<_> = (0..node.inputs().len()).map(x).collect();
                        Tensor::cat(&inputs, 1)?
                    }
                    Op::Slice { start, len } => x(0).narrow(1, start, len)?.contiguous()?,
                    Op::MaxPool { kernel, padding, .. } => shifted_max_pool(x(0), kernel, padding)?,
                    Op::Upsample { scale } => {
                        let (n, c, h, w) = x(0).dims4()?;
                        x(0).reshape((n, c, h, 1, w, 1))?
                            .broadcast_as((n, c, h, scale, w, scale))?
                            .reshape((n, c, h * scale, w * scale))?
                    }
                };
            values.push(y);
        }
        let mut loss = Tensor::zeros((), candle_core::DType::F32, &device)?;
        for (id, g) in graph.outputs().iter().zip(upstream) {
            let g = Tensor::from_slice(g.data(), g.shape(), &device)?;
            loss = (loss + (&values[id.index()] * g)?.sum_all()?)?;
        }
        self.optimiser.step(&loss.backward()?)
    }
}

/// Stride-1 pooling that candle can differentiate. Zero padding replaces minus infinity, at the same cost.
fn shifted_max_pool(x: &Tensor, kernel: usize, padding: usize) -> Result<Tensor> {
    let mut y = x.clone();
    for dim in [2, 3] {
        let size = y.dim(dim)?;
        let padded = y.pad_with_zeros(dim, padding, padding)?;
        y = padded.narrow(dim, 0, size)?;
        for i in 1..kernel {
            y = y.maximum(&padded.narrow(dim, i, size)?)?;
        }
    }
    Ok(y)
}
