//! Benchmark of every convolution of YOLOv8n, and of a network of half its widths, in its three passes:
//! elements per second are FLOP/s.
//!
//! `cargo bench -p bonsai-kernels --bench convolution [-- FILTER]`; 320 px, batch 8, all cores. The benchmark
//! `layers` prints the same in one table, as fractions of the peak of this machine.

#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark stops at its first failure")]

mod yolov8n;

use std::time::Duration;

use bonsai_kernels::{Conv, Epilogue, KernelError, Program, Team, WinogradMode, padded};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use yolov8n::{Places, isa};

const IMGSZ: usize = 320;
const BATCH: usize = 8;

fn run(
    group: &mut BenchmarkGroup<'_, WallTime>,
    team: &Team,
    id: BenchmarkId,
    places: &Places,
    push: impl FnOnce(&mut Program) -> Result<(), KernelError>,
) {
    let mut program = Program::new(isa());
    push(&mut program).unwrap();
    let mut memory = places.memory();
    group.bench_function(id, |b| b.iter(|| program.run(team, &mut [&mut memory]).unwrap()));
}

fn name(conv: &Conv, kernel: usize, stride: usize) -> String {
    let input = conv.input();
    let output = conv.output();
    format!("{}x{} k{kernel} s{stride} {}px", input.c, output.c, input.w)
}

fn network(criterion: &mut Criterion, network: &str, width: usize) {
    let team = Team::new(0).unwrap();
    let mut group = criterion.benchmark_group(network);
    group
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400))
        .sample_size(10);
    for layer in yolov8n::layers() {
        let conv = layer.conv(IMGSZ, BATCH, width, WinogradMode::Auto);
        let input = conv.input();
        let output = conv.output();
        group.throughput(Throughput::Elements(yolov8n::flop(&conv) as u64));
        let id = |pass| BenchmarkId::new(pass, name(&conv, layer.kernel, layer.stride));
        let mut places = Places::default();
        let x = places.tensor(input.pixels(), input.c);
        let y = places.tensor(output.pixels(), output.c);
        let dx = places.tensor(input.pixels(), padded(input.c));
        let dw = places.vector(conv.weights_len());
        let packed = places.vector(conv.packed_len());
        let partials = places.vector(conv.partials_len());
        let transposed = places.vector(if layer.is_first() { 0 } else { conv.packed_transposed_len() });
        run(&mut group, &team, id("forward"), &places, |p| {
            conv.push_forward(p, "y", x, packed, y, Epilogue::default())
        });
        if !layer.is_first() {
            run(&mut group, &team, id("input gradient"), &places, |p| {
                conv.push_input_gradient(p, "dx", y, transposed, dx, false)
            });
        }
        run(&mut group, &team, id("weight gradient"), &places, |p| {
            conv.push_weight_gradient(p, "dw", x, y, partials, dw)
        });
    }
    group.finish();
}

fn yolov8n(criterion: &mut Criterion) {
    network(criterion, "yolov8n", 100);
}

fn pruned(criterion: &mut Criterion) {
    network(criterion, "pruned to half", 50);
}

criterion_group!(benches, yolov8n, pruned);
criterion_main!(benches);
