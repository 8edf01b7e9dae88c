//! Benchmark of the kernels that memory bandwidth limits, including depthwise convolutions, on the feature
//! maps of YOLOv8n at 320 px, batch 8: bytes per second, read and written.
//!
//! `cargo bench -p bonsai-kernels --bench elementwise [-- FILTER]`; all cores. Copying is the reference.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops at its first failure")]

mod yolov8n;

use std::time::Duration;

use bonsai_kernels::{
    Conv, Copy, Epilogue, Kernel, KernelError, MaxPool, MaxPoolGradient, Moments, Nhwc, Pointwise,
    PointwiseGradient, PointwiseSums, PoolShape, Program, Team, Upsample, UpsampleGradient, View, Window,
};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yolov8n::{Places, isa};

/// Feature maps of the backbone: side and channels.
const MAPS: [[usize; 2]; 4] = [[160, 16], [80, 32], [40, 64], [20, 128]];
const BATCH: usize = 8;

struct Bench<'a, 'b> {
    group: &'a mut BenchmarkGroup<'b, WallTime>,
    team: &'a Team,
    map: String,
}

impl Bench<'_, '_> {
    /// Measures a kernel that reads and writes `values` values in total.
    fn run(&mut self, name: &str, values: usize, places: &Places, kernel: impl Kernel) {
        self.program(name, values, places, |p| p.push(name, kernel));
    }

    /// Measures several kernels together.
    fn program(
        &mut self,
        name: &str,
        values: usize,
        places: &Places,
        push: impl FnOnce(&mut Program) -> Result<(), KernelError>,
    ) {
        let mut program = Program::new(isa());
        push(&mut program).unwrap();
        let mut memory = places.memory();
        self.group.throughput(Throughput::Bytes((values * size_of::<f32>()) as u64));
        self.group.bench_function(BenchmarkId::new(name, &self.map), |b| {
            b.iter(|| program.run(self.team, &mut [&mut memory]).unwrap());
        });
    }
}

fn elementwise(criterion: &mut Criterion) {
    let team = Team::new(0).unwrap();
    let mut group = criterion.benchmark_group("elementwise");
    group
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(10);
    for [side, channels] in MAPS {
        let pixels = BATCH * side * side;
        let map = format!("{side}px {channels}ch");
        let values = pixels * channels;
        let mut bench = Bench { group: &mut group, team: &team, map };
        let mut places = Places::default();
        let [y, z, dz, dy] = [0; 4].map(|_| places.tensor(pixels, channels));
        let [scale, shift, mean, inv] = [0; 4].map(|_| places.vector(channels));
        let norm = Some((scale, shift));
        let partials = |places: &mut Places, parts: usize| places.tensor(2 * parts, channels);
        bench.run("copy", 2 * values, &places, Copy { from: y, to: z, accumulate: false });
        let forward = Pointwise { y, z, norm, silu: true, residual: None };
        bench.run("batch norm and SiLU", 2 * values, &places, forward);
        let forward = Pointwise { y, z, norm, silu: true, residual: Some(dz) };
        bench.run("batch norm, SiLU and residual", 3 * values, &places, forward);
        let moments = Moments { y, partials: partials(&mut places, Moments::counts(pixels).len()) };
        bench.run("moments", values, &places, moments);
        let partials = partials(&mut places, PointwiseSums::parts(pixels));
        let sums = PointwiseSums { y, dz, scale, shift, mean, inv, silu: true, partials, residual: None };
        bench.run("backward, sums", 2 * values, &places, sums);
        let norm = Some([scale, shift, mean, inv]);
        let gradient = PointwiseGradient { y, dz, dy, norm, silu: true, accumulate: false };
        bench.run("backward, gradient", 3 * values, &places, gradient);
    }
    depthwise(&mut group, &team);
    resampling(&mut group, &team);
    group.finish();
}

/// 3x3 convolutions, as in the class branches of later detectors.
fn depthwise(group: &mut BenchmarkGroup<'_, WallTime>, team: &Team) {
    for [side, channels] in [[80, 64], [40, 128], [20, 256]] {
        let shape = Nhwc::new(BATCH, side, side, channels);
        let conv = Conv::depthwise(isa(), shape, Window::square(3, 1, 1)).unwrap();
        let mut bench = Bench { group, team, map: format!("{side}px {channels}ch") };
        let mut places = Places::default();
        let [x, y] = [0; 2].map(|_| places.tensor(shape.pixels(), channels));
        let [weights, dw] = [0; 2].map(|_| places.vector(conv.weights_len()));
        let bias = places.vector(channels);
        let partials = places.vector(conv.partials_len());
        bench.run("copy", 2 * shape.len(), &places, Copy { from: x, to: y, accumulate: false });
        let epilogue = Epilogue { bias: Some(bias), silu: true, ..Epilogue::default() };
        for (name, epilogue) in [("depthwise", Epilogue::default()), ("depthwise, bias and SiLU", epilogue)] {
            bench.program(name, 2 * shape.len(), &places, |p| {
                conv.push_forward(p, name, x, weights, y, epilogue)
            });
        }
        bench.program("depthwise, input gradient", 2 * shape.len(), &places, |p| {
            conv.push_input_gradient(p, "dx", y, weights, x, false)
        });
        bench.program("depthwise, weight gradient", 2 * shape.len(), &places, |p| {
            conv.push_weight_gradient(p, "dw", x, y, partials, dw)
        });
    }
}

/// The pooling of the SPPF block and the upsampling of the neck.
fn resampling(group: &mut BenchmarkGroup<'_, WallTime>, team: &Team) {
    let small = Nhwc::new(BATCH, 10, 10, 128);
    let tensor = |places: &mut Places, shape: Nhwc| -> View { places.tensor(shape.pixels(), shape.c) };
    let mut bench = Bench { group: &mut *group, team, map: "10px 128ch".to_owned() };
    let shape = PoolShape::new(small, Window::square(5, 1, 2)).unwrap();
    let mut places = Places::default();
    let [x, y] = [0; 2].map(|_| tensor(&mut places, small));
    let argmax = places.vector(MaxPool::argmax_len(&shape));
    bench.run("max pool 5", 2 * small.len(), &places, MaxPool { shape, x, y, argmax: Some(argmax) });
    let gradient = MaxPoolGradient { shape, dy: y, argmax, dx: x, accumulate: false };
    bench.run("max pool 5, gradient", 2 * small.len(), &places, gradient);
    let input = Nhwc::new(BATCH, 20, 20, 128);
    let mut bench = Bench { group, team, map: "20px 128ch".to_owned() };
    let mut places = Places::default();
    let x = tensor(&mut places, input);
    let y = tensor(&mut places, Nhwc::new(BATCH, 40, 40, 128));
    bench.run("upsample 2", 5 * input.len(), &places, Upsample { input, factor: 2, x, y });
    let gradient = UpsampleGradient { input, factor: 2, dy: y, dx: x, accumulate: false };
    bench.run("upsample 2, gradient", 5 * input.len(), &places, gradient);
}

criterion_group!(benches, elementwise);
criterion_main!(benches);
