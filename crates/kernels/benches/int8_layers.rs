//! Benchmark of every convolution of YOLOv8n, or of a narrower one, on codes: milliseconds and billions of
//! multiply-accumulates per second.
//!
//! `cargo bench -p bonsai-kernels --bench int8_layers -- [imgsz] [batch] [threads] [width in percent]`;
//! `BONSAI_INT8_ISA` selects an instruction set.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a benchmark prints, and stops at its first failure"
)]

mod yolov8n;

use std::time::Instant;

use bonsai_kernels::int8::{Int8Isa, QuantizedConv, QuantizedOutput, Requantization};
use bonsai_kernels::{AlignedBuffer, Isa, Nhwc, Program, Team, View, Window, padded};

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let argument = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let imgsz = argument(0, 640);
    let batch = argument(1, 1);
    let team = Team::new(argument(2, 1)).unwrap();
    let width = argument(3, 100);
    let isa = match std::env::var("BONSAI_INT8_ISA") {
        Ok(name) => name.parse().unwrap(),
        Err(_) => Int8Isa::detect(),
    };
    println!("{isa}, {imgsz} px, batch {batch}, {} threads, {width} % wide", team.threads());
    let mut sum = 0.0;
    for layer in yolov8n::layers() {
        let narrow = |c: usize| if c == 3 { 4 } else { padded(c * width / 100) };
        let input = Nhwc::new(batch, imgsz / layer.scale, imgsz / layer.scale, narrow(layer.inputs));
        let window = Window::square(layer.kernel, layer.stride, layer.kernel / 2);
        let conv = QuantizedConv::new(isa, input, 3, narrow(layer.outputs), window).unwrap();
        let output = conv.output();
        let x = View::dense(0, 0, input.pixels(), input.c / 4);
        let constants = View::vector(0, x.end().next_multiple_of(16), conv.constants_len());
        let y = View::dense(0, constants.end(), output.pixels(), output.c / 4);
        let mut memory = AlignedBuffer::zeroed(y.end());
        let scale = vec![1e-4; output.c];
        let bias = vec![9.0; output.c];
        let requantization = Requantization { scale, bias, table: Some(Box::new([5; 256])) };
        let weights = vec![1; conv.weights_len()];
        let bytes = &mut memory.as_bytes_mut()[4 * constants.offset..4 * constants.end()];
        conv.write_constants(bytes, &weights, &requantization).unwrap();
        let mut program = Program::new(Isa::PORTABLE);
        let codes = QuantizedOutput::Codes { table: true, residual: None };
        conv.push(&mut program, "conv", [x, constants, y], codes).unwrap();
        let mut best = f64::INFINITY;
        let start = Instant::now();
        for round in 0.. {
            let begin = Instant::now();
            program.run(&team, &mut [&mut memory]).unwrap();
            best = best.min(begin.elapsed().as_secs_f64() * 1e3);
            if round > 3 && start.elapsed().as_secs_f64() > 0.1 {
                break;
            }
        }
        sum += best * layer.times as f64;
        let products = (layer.kernel * layer.kernel * input.c * output.c * output.pixels()) as f64;
        println!(
            "{:>4}x{:<4} k{} s{} {:>3} px {:>8.3} ms x{} {:>7.1} G/s",
            input.c,
            output.c,
            layer.kernel,
            layer.stride,
            output.w,
            best,
            layer.times,
            products / best / 1e6
        );
    }
    println!("sum {sum:.2} ms");
}
