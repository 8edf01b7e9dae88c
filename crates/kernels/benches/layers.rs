//! Every convolution of YOLOv8n, or of a narrower one, in its three passes: milliseconds and share of the machine's peak.
//!
//! `cargo bench -p bonsai-kernels --bench layers -- [imgsz] [batch] [threads] [width in percent]`

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops at its first failure"
)]

use std::time::Instant;

use bonsai_kernels::{
    Algorithm, Buffer, Conv, Epilogue, Isa, KernelError, Nhwc, Program, Team, View, Window, WinogradMode,
    padded,
};

/// Input channels, output channels, kernel, stride, stride of the input map, how often.
const YOLOV8N: [[usize; 6]; 33] = [
    [3, 16, 3, 2, 1, 1],
    [16, 32, 3, 2, 2, 1],
    [32, 32, 1, 1, 4, 1],
    [16, 16, 3, 1, 4, 2],
    [48, 32, 1, 1, 4, 1],
    [32, 64, 3, 2, 4, 1],
    [64, 64, 1, 1, 8, 1],
    [32, 32, 3, 1, 8, 6],
    [128, 64, 1, 1, 8, 1],
    [64, 128, 3, 2, 8, 1],
    [128, 128, 1, 1, 16, 1],
    [64, 64, 3, 1, 16, 8],
    [256, 128, 1, 1, 16, 1],
    [128, 256, 3, 2, 16, 1],
    [256, 256, 1, 1, 32, 1],
    [128, 128, 3, 1, 32, 4],
    [384, 256, 1, 1, 32, 2],
    [256, 128, 1, 1, 32, 1],
    [512, 256, 1, 1, 32, 1],
    [384, 128, 1, 1, 16, 1],
    [192, 128, 1, 1, 16, 2],
    [192, 64, 1, 1, 8, 1],
    [96, 64, 1, 1, 8, 1],
    [64, 64, 3, 2, 8, 1],
    [128, 128, 3, 2, 16, 1],
    [64, 64, 3, 1, 8, 2],
    [64, 80, 3, 1, 8, 1],
    [80, 80, 3, 1, 8, 1],
    [128, 64, 3, 1, 16, 1],
    [128, 80, 3, 1, 16, 1],
    [80, 80, 3, 1, 16, 2],
    [256, 64, 3, 1, 32, 1],
    [256, 80, 3, 1, 32, 1],
];

struct Rig {
    team: Team,
    memory: Buffer,
}

impl Rig {
    /// Best time of a program, ms.
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

fn isa() -> Isa {
    std::env::var("BONSAI_ISA").map_or_else(|_| Isa::detect(), |name| name.parse().unwrap())
}

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let (imgsz, batch, threads, width) = (argument(0, 320), argument(1, 8), argument(2, 2), argument(3, 100));
    let winograd = if std::env::var("BONSAI_WINOGRAD").is_ok_and(|v| v == "off") {
        WinogradMode::Off
    } else {
        WinogradMode::Auto
    };
    let mut rig = Rig { team: Team::new(threads).unwrap(), memory: Buffer::zeroed(96 << 20) };
    for (i, v) in rig.memory.as_mut_slice().iter_mut().enumerate() {
        *v = (i % 1013) as f32 / 1013.0 - 0.5;
    }
    // A pointwise convolution that stays in the cache is as fast as anything gets.
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
    for [ci, co, k, s, stride, times] in YOLOV8N {
        let narrow = |c: usize| if c == 3 { c } else { padded(c * width / 100) };
        let side = imgsz.div_ceil(stride);
        let input = Nhwc::new(batch, side, side, narrow(ci));
        let conv = Conv::new(isa(), input, narrow(co), Window::square(k, s, k / 2), winograd).unwrap();
        let output = conv.output();
        let mut end = 0;
        let mut place = |pixels: usize, channels: usize| {
            let view = View::dense(0, end, pixels, channels);
            end += (pixels * channels).next_multiple_of(16) + 64;
            view
        };
        let x = place(input.pixels(), input.c);
        let y = place(output.pixels(), output.c);
        let dx = place(input.pixels(), padded(input.c));
        let (w, dw) = (place(1, conv.weights_len()), place(1, conv.weights_len()));
        let packed = place(1, conv.packed_len());
        let partials = place(1, conv.partials_len());
        assert!(end <= rig.memory.len(), "the benchmark's memory is too small for this size");
        let forward = rig.time(|p| conv.push_forward(p, "y", x, packed, y, Epilogue::default()));
        let gradient =
            if ci == 3 { 0.0 } else { rig.time(|p| conv.push_input_gradient(p, "dx", y, packed, dx, false)) };
        let weights = rig.time(|p| conv.push_weight_gradient(p, "dw", x, y, partials, dw));
        let _ = w;
        let flop = 2.0 * (conv.weights_len() * output.pixels()) as f64;
        let percent = |ms: f64| if ms > 0.0 { flop / ms / 1e4 / peak } else { 0.0 };
        let algorithm = if conv.algorithm() == Algorithm::Winograd { "winograd" } else { "direct" };
        println!(
            "| {}->{} k{k} s{s} | {side} | {times} | {algorithm} | {forward:.2} | {:.0} | {gradient:.2} | {:.0} | {weights:.2} | {:.0} |",
            input.c,
            output.c,
            percent(forward),
            percent(gradient),
            percent(weights)
        );
        for (sum, ms) in total.iter_mut().zip([forward, gradient, weights, flop / peak / 1e6]) {
            *sum += ms * times as f64;
        }
    }
    println!(
        "forward {:.1} ms, dX {:.1} ms, dW {:.1} ms; one pass at peak {:.1} ms",
        total[0], total[1], total[2], total[3]
    );
}
