//! Benchmark of every convolution of YOLOv8n, or of a narrower one, in its three passes: milliseconds and
//! fraction of the peak of the machine.
//!
//! `cargo bench -p bonsai-kernels --bench layers -- [imgsz] [batch] [threads] [width in percent]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops at its first failure"
)]

use std::time::Instant;

use bonsai_kernels::{
    Algorithm, AlignedBuffer, Conv, Epilogue, KernelError, Nhwc, Program, Team, View, Window, WinogradMode,
    padded,
};
use yolov8n::{Places, isa};

mod yolov8n;

struct Rig {
    team: Team,
    memory: AlignedBuffer,
}

impl Rig {
    /// Best time of a program in ms.
    fn time(&mut self, push: impl FnOnce(&mut Program) -> Result<(), KernelError>) -> f64 {
        let mut program = Program::new(isa());
        push(&mut program).unwrap();
        let mut best = f64::INFINITY;
        let start = Instant::now();
        for round in 0.. {
            let begin = Instant::now();
            program.run(&self.team, &mut [&mut self.memory]).unwrap();
            best = best.min(begin.elapsed().as_secs_f64() * 1e3);
            if round > 3 && start.elapsed().as_secs_f64() > 0.15 {
                break;
            }
        }
        best
    }
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let imgsz = argument(0, 320);
    let batch = argument(1, 8);
    let threads = argument(2, 2);
    let width = argument(3, 100);
    let winograd = if std::env::var("BONSAI_WINOGRAD").is_ok_and(|v| v == "off") {
        WinogradMode::Off
    } else {
        WinogradMode::Auto
    };
    let mut rig = Rig { team: Team::new(threads).unwrap(), memory: AlignedBuffer::zeroed(4 << 20) };
    // A pointwise convolution whose data stays in the cache gives the peak.
    let peak = {
        let conv =
            Conv::new(isa(), Nhwc::new(1, 56, 32, 128), 128, Window::square(1, 1, 0), winograd).unwrap();
        let [x, w, y] = [(0, 1792, 128), (1 << 20, 1, conv.packed_len()), (2 << 20, 1792, 128)]
            .map(|(o, p, c)| View::dense(0, o, p, c));
        let ms = rig.time(|p| conv.push_forward(p, "peak", x, w, y, Epilogue::default()));
        2.0 * (conv.weights_len() * 1792) as f64 / ms / 1e6
    };
    println!("{} imgsz {imgsz} batch {batch} threads {threads} width {width} %: peak {peak:.0} GF/s", isa());
    println!("| layer | map | times | algorithm | forward ms | % | dX ms | % | dW ms | % |");
    println!("|---|---|---:|---|---:|---:|---:|---:|---:|---:|");
    let mut total = [0.0f64; 4];
    for layer in yolov8n::layers() {
        let conv = layer.conv(imgsz, batch, width, winograd);
        let input = conv.input();
        let output = conv.output();
        let mut places = Places::default();
        let x = places.tensor(input.pixels(), input.c);
        let y = places.tensor(output.pixels(), output.c);
        let dx = places.tensor(input.pixels(), padded(input.c));
        let dw = places.vector(conv.weights_len());
        let packed = places.vector(conv.packed_len());
        let partials = places.vector(conv.partials_len());
        rig.memory = places.memory();
        let forward = rig.time(|p| conv.push_forward(p, "y", x, packed, y, Epilogue::default()));
        let gradient = if layer.is_first() {
            0.0
        } else {
            let transposed = places.vector(conv.packed_transposed_len());
            rig.memory = places.memory();
            rig.time(|p| conv.push_input_gradient(p, "dx", y, transposed, dx, false))
        };
        let weights = rig.time(|p| conv.push_weight_gradient(p, "dw", x, y, partials, dw));
        let flop = yolov8n::flop(&conv);
        let percent = |ms: f64| if ms > 0.0 { flop / ms / 1e4 / peak } else { 0.0 };
        let algorithm = if conv.algorithm() == Algorithm::Winograd { "winograd" } else { "direct" };
        println!(
            "| {}->{} k{} s{} | {} | {} | {algorithm} | {forward:.2} | {:.0} | {gradient:.2} | {:.0} | {weights:.2} | {:.0} |",
            input.c,
            output.c,
            layer.kernel,
            layer.stride,
            input.w,
            layer.times,
            percent(forward),
            percent(gradient),
            percent(weights)
        );
        for (sum, ms) in total.iter_mut().zip([forward, gradient, weights, flop / peak / 1e6]) {
            *sum += ms * layer.times as f64;
        }
    }
    println!(
        "forward {:.1} ms, dX {:.1} ms, dW {:.1} ms; one pass at peak {:.1} ms",
        total[0], total[1], total[2], total[3]
    );
}
