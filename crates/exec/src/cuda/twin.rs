//! Every step of plans on the GPU against the same step on the CPU, buffer by buffer.
//!
//! [`TwinBackend`] writes each step for both. The test runs a step on both, compares what it wrote, and gives the GPU the
//! CPU's values before the next one. So it names the first wrong kernel, and errors do not add up.
#![allow(clippy::unwrap_used, reason = "a test may stop")]

use bonsai_checkpoint::Weights;
use bonsai_graph::Graph;
use bonsai_kernels::{AlignedBuffer, Isa, Team, View, WinogradMode};
use bonsai_testkit::{RandomGraphConfig, random_array, random_model};
use candle_core::cuda_backend::cudarc::driver::CudaSlice;

use super::backend::CudaBackend;
use super::launcher::{Bases, Launcher};
use super::twin_backend::{TwinBackend, TwinProgram};
use crate::cpu::CpuBackend;
use crate::plan::{HostWire, Key, Network, ParamMap, Planner, Steps, buffers};
use crate::{ComputePrecision, Device, Mode};

/// The same buffers on both machines, in the order of [`buffers`].
struct Memory {
    gpu: Launcher,
    team: Team,
    host: Vec<AlignedBuffer>,
    device: Vec<CudaSlice<f32>>,
}

impl Memory {
    fn new(lens: [usize; buffers::COUNT]) -> Self {
        let device: Device = std::env::var("BONSAI_TEST_DEVICE").unwrap().parse().unwrap();
        let gpu = Launcher::open(device).unwrap();
        let host = lens.iter().map(|len| AlignedBuffer::zeroed(*len)).collect();
        let values = |(buffer, len): (usize, &usize)| if buffer == buffers::HALVES { len / 2 } else { *len };
        let device = lens.iter().enumerate().map(|of| gpu.zeros(values(of).max(1)).unwrap()).collect();
        Self { gpu, team: Team::new(1).unwrap(), host, device }
    }

    /// Copies the CPU's values of a buffer to the GPU. Both get what bf16 holds of halves.
    fn copy(&mut self, buffer: usize) {
        let host = self.host[buffer].as_mut_slice();
        if buffer == buffers::HALVES {
            for v in host.iter_mut() {
                *v = from_bf16(to_bf16(*v));
            }
            let pairs: Vec<f32> = host.chunks_exact(2).map(|pair| to_pair([pair[0], pair[1]])).collect();
            self.gpu.upload(&pairs, &mut self.device[buffer], 0).unwrap();
        } else {
            self.gpu.upload(host, &mut self.device[buffer], 0).unwrap();
        }
    }

    /// The GPU's values of a buffer.
    fn fetch(&self, buffer: usize) -> Vec<f32> {
        let device = &self.device[buffer];
        let values = self.gpu.download(device, 0..device.len()).unwrap();
        if buffer == buffers::HALVES { values.into_iter().flat_map(of_pair).collect() } else { values }
    }

    /// Copies all buffers but the folded weights, of which each machine has its own layout.
    fn copy_all(&mut self) {
        (0..buffers::COUNT).filter(|buffer| *buffer != buffers::FOLDED).for_each(|buffer| self.copy(buffer));
    }

    fn run(&mut self, program: TwinProgram, precision: ComputePrecision, what: &str) {
        for step in program.steps {
            let kernels: Vec<_> = step.cuda.steps.iter().map(|launch| launch.kernel).collect();
            let mut written: Vec<View> = [step.cuda.stages().concat(), Steps::stages(&step.cpu).concat()]
                .map(|operands| {
                    operands.into_iter().filter(|o| o.access.writes()).map(|o| o.view).collect::<Vec<_>>()
                })
                .into_iter()
                .reduce(|cuda, cpu| cuda.into_iter().filter(|view| cpu.contains(view)).collect())
                .unwrap();
            written.dedup();
            // Each machine folds into weights of its own layout, so the convolutions that read them are compared.
            let folds = step
                .cuda
                .stages()
                .concat()
                .iter()
                .any(|o| o.access.writes() && o.view.buffer == buffers::FOLDED);
            let mut bases = Bases::default();
            for (base, buffer) in bases.iter_mut().zip(&self.device) {
                *base = self.gpu.address(buffer);
            }
            self.gpu.run(&self.gpu.load(step.cuda).unwrap(), &bases).unwrap();
            let mut host: Vec<&mut AlignedBuffer> = self.host.iter_mut().collect();
            step.cpu.run(&self.team, &mut host).unwrap();
            let reads = Steps::stages(&step.cpu).concat();
            let reads: Vec<View> = reads.into_iter().filter(|o| !o.access.writes()).map(|o| o.view).collect();
            assert!(!written.is_empty() || folds, "{kernels:?} of `{}` share no output", step.label);
            for view in written {
                self.compare(
                    &view,
                    &reads,
                    precision,
                    &format!("{kernels:?} of layer `{}`, {what}", step.label),
                );
            }
            self.copy_all();
        }
    }

    /// Compares a view on both machines, relative to the largest value in it and in what the step read: sums of large
    /// values may cancel.
    fn compare(&self, view: &View, reads: &[View], precision: ComputePrecision, what: &str) {
        // Sums of different order; 10 bits of fraction in the operands of products.
        let tolerance = match precision {
            ComputePrecision::F32 => 2e-5,
            ComputePrecision::Tf32 => 2e-3,
            // 8 bits in what is stored, twice where a gradient is added to another.
            ComputePrecision::Bf16 => 1e-2,
        };
        let device = self.fetch(view.buffer);
        let host = |view: &View| self.host[view.buffer].as_slice();
        let all = reads.iter().chain([view]).flat_map(|view| places(view).map(|at| host(view)[at].abs()));
        let largest = all.fold(0.0f32, f32::max);
        for at in places(view) {
            let (got, expected) = (device[at], host(view)[at]);
            let near = (got - expected).abs() <= tolerance * largest || got.to_bits() == expected.to_bits();
            assert!(
                near,
                "{what}: value {at} of {view:?} is {got}, on the CPU {expected}, largest {largest}"
            );
        }
    }
}

/// The nearest bf16, ties to even.
fn to_bf16(v: f32) -> u16 {
    let bits = v.to_bits();
    if v.is_nan() { 0x7fc0 } else { ((bits + 0x7fff + (bits >> 16 & 1)) >> 16) as u16 }
}

fn from_bf16(v: u16) -> f32 {
    f32::from_bits(u32::from(v) << 16)
}

/// Two neighbouring halves in the memory of one `f32`.
fn to_pair([first, second]: [f32; 2]) -> f32 {
    f32::from_bits(u32::from(to_bf16(first)) | u32::from(to_bf16(second)) << 16)
}

fn of_pair(pair: f32) -> [f32; 2] {
    [from_bf16(pair.to_bits() as u16), from_bf16((pair.to_bits() >> 16) as u16)]
}

/// Positions of the values of a view.
fn places(view: &View) -> impl Iterator<Item = usize> + use<> {
    let View { offset, pixels, channels, ld, .. } = *view;
    (0..pixels).flat_map(move |p| (0..channels).map(move |c| offset + p * ld + c))
}

/// Runs all steps of training and inference of a network on both machines.
fn compare(graph: &Graph, weights: &Weights, size: [usize; 3], precision: ComputePrecision, what: &str) {
    let network = Network::new(graph);
    let map = ParamMap::new(graph, &network.channels);
    let cpu = CpuBackend { isa: Isa::PORTABLE, winograd: WinogradMode::Off };
    let backend = TwinBackend { cuda: CudaBackend { precision }, cpu };
    let planner = Planner { network: &network, params: &map, backend };
    let [n, h, w] = size;
    for mode in [Mode::Eval, Mode::Train] {
        let key = Key { mode, n, h, w, taps: graph.outputs().to_vec() };
        let folded = (mode == Mode::Eval).then(|| planner.fold(&key).unwrap());
        let plan = planner.plan(&key, folded.as_ref()).unwrap();
        let [trained, statistics] = map.lens();
        let folded_len = folded.as_ref().map_or(0, |f| f.len);
        let activations = plan.activations_len;
        let mut memory =
            Memory::new([activations, trained, statistics, trained, folded_len, 2 * activations]);
        for buffer in [buffers::ACTIVATIONS, buffers::HALVES] {
            memory.host[buffer].as_mut_slice().fill(f32::NAN);
        }
        let [params, running] = &mut memory.host[buffers::PARAMS..=buffers::STATISTICS] else {
            unreachable!()
        };
        map.write(weights, params.as_mut_slice(), Some(running.as_mut_slice())).unwrap();
        let fill = |memory: &mut Memory, wire: &HostWire, seed| {
            let array = random_array(seed, &wire.shape);
            let [n, c, h, w] = wire.shape;
            let shape = bonsai_kernels::Nhwc::new(n, h, w, c);
            let host = memory.host[buffers::ACTIVATIONS].as_mut_slice();
            bonsai_kernels::layout::from_nchw(
                &memory.team,
                shape,
                array.data(),
                host,
                &wire.view,
                &wire.segments,
            )
            .unwrap();
        };
        fill(&mut memory, &plan.images, 1);
        (0..buffers::COUNT).for_each(|buffer| memory.copy(buffer));
        if let Some(folded) = folded {
            memory.run(folded.make, precision, what);
        }
        memory.run(plan.forward, precision, what);
        for (seed, wire) in plan.upstream.iter().enumerate() {
            fill(&mut memory, wire, 2 + seed as u64);
        }
        memory.copy_all();
        memory.run(plan.backward, precision, what);
    }
}

/// Networks for each precision; every kernel is in one of them. 40 networks passed too.
const SEEDS: u64 = 10;

fn on_gpu() -> bool {
    std::env::var_os("BONSAI_TEST_DEVICE").is_some()
}

#[test]
fn every_step_equals_the_step_of_the_cpu() {
    if !on_gpu() {
        return;
    }
    for precision in ComputePrecision::ALL {
        for seed in 0..SEEDS {
            let config = RandomGraphConfig { max_channels: 90, ..RandomGraphConfig::default() };
            let model = random_model(seed, &config);
            let graph = model.spec().graph();
            let size = [[2, 3, 5][seed as usize % 3], model.h, model.w];
            compare(graph, &model.checkpoint.weights, size, precision, &format!("{precision}, seed {seed}"));
        }
    }
}

/// Widths around the segments of 16 channels, each with the number of its groups.
const WIDTHS: [(usize, usize); 5] = [(3, 3), (13, 1), (16, 2), (27, 3), (80, 5)];

/// One network with all layers for a width and a stride. Sizes are odd, and height and width differ.
fn of_width((width, groups): (usize, usize), stride: usize) -> Graph {
    let norm = "eps=0.001 momentum=0.03";
    format!(
        "images = input() channels={width}
        a = conv2d(images) out_channels={width} kernel=3 stride={stride} padding=1 bias=false
        a.bn = batch_norm(a) {norm}
        a.act = silu(a.bn)
        b = conv2d(a.act) out_channels={width} kernel=3 stride=1 padding=1 bias=false groups={width}
        b.bn = batch_norm(b) {norm}
        b.act = silu(b.bn)
        c = conv2d(b.act) out_channels={width} kernel=1 stride=1 padding=0 bias=false groups={groups}
        c.bn = batch_norm(c) {norm}
        c.act = silu(c.bn)
        sum = add(a.act, c.act)
        low = slice(sum) start=0 len=1
        high = slice(sum) start=1 len={}
        small = max_pool(high) kernel=5 stride=2 padding=2
        pooled = max_pool(sum) kernel=3 stride=1 padding=1
        d = conv2d(pooled) out_channels=5 kernel=5 stride=2 padding=2 bias=true
        both = concat(small, d)
        e = conv2d(both) out_channels={width} kernel=1 stride=1 padding=0 bias=true
        up = upsample(e) scale=2
        outputs = up, low",
        width - 1
    )
    .parse()
    .unwrap()
}

#[test]
fn every_width_stride_and_batch_equals_the_cpu() {
    if !on_gpu() {
        return;
    }
    for precision in ComputePrecision::ALL {
        for width in WIDTHS {
            for stride in [1, 2] {
                let graph = of_width(width, stride);
                let weights = bonsai_testkit::random_weights(7, &graph);
                for n in [1, 5] {
                    let what = format!("{precision}, width {}, stride {stride}, batch {n}", width.0);
                    compare(&graph, &weights, [n, 13, 9], precision, &what);
                }
            }
        }
    }
}
