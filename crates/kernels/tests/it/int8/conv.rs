//! Convolutions of codes against plain integer loops.

use std::ops::Range;

use bonsai_kernels::int8::{QuantizedConv, QuantizedOutput, Requantization};
use bonsai_kernels::{Nhwc, Window, padded};

use super::{Codes, Numbers, machines};

/// A convolution with all that it reads.
struct Case {
    input: Nhwc,
    /// Channels of the input that are not padding.
    live: Vec<Range<usize>>,
    outputs: usize,
    window: Window,
    depthwise: bool,
    zero_point: u8,
    x: Vec<u8>,
    weights: Vec<i8>,
    requantization: Requantization,
    residual: Option<(Vec<u8>, [f32; 3])>,
    values: bool,
}

impl Case {
    fn random(seed: u64) -> Self {
        let mut numbers = Numbers::new(seed);
        let depthwise = numbers.below(4) == 0;
        let channels = [1, 3, 13, 16, 27, 40, 64, 80][numbers.below(8)];
        let outputs = if depthwise { channels } else { [3, 16, 27, 48, 64, 80, 130][numbers.below(7)] };
        let width = if channels <= 4 && !depthwise { 4 } else { padded(channels) };
        let kernel: usize = [1, 1, 3, 3, 2, 5][numbers.below(6)];
        let padding = numbers.below(kernel.div_ceil(2) + 1).min(kernel - 1);
        let window = Window::square(kernel, 1 + numbers.below(2), padding);
        let n = [1, 1, 5][numbers.below(3)];
        let input = Nhwc::new(n, 5 + numbers.below(9), 5 + numbers.below(28), width);
        let out = padded(outputs);
        let taps = kernel * kernel;
        let weight = |numbers: &mut Numbers, input: usize, output: usize| {
            let live = (depthwise || input < channels) && output < outputs;
            if live { (numbers.below(255) as i32 - 127) as i8 } else { 0 }
        };
        let mut weights = Vec::new();
        for _ in 0..taps {
            for i in 0..if depthwise { 1 } else { width } {
                for o in 0..out {
                    weights.push(weight(&mut numbers, i, o));
                }
            }
        }
        let x = numbers.codes(input.len());
        // The sums of random products have about this size, so that all codes occur.
        let spread = 9000.0 * ((taps * if depthwise { 1 } else { channels }) as f32).sqrt();
        let scale = (0..out).map(|_| 120.0 / spread * (0.5 + numbers.unit())).collect();
        let bias = (0..out).map(|_| numbers.unit() * 200.0).collect();
        let table = (numbers.below(2) == 0).then(|| Box::new(std::array::from_fn(|_| numbers.next() as u8)));
        let values = numbers.below(4) == 0;
        let mut case = Self {
            input,
            live: std::iter::once(0..channels).collect(),
            outputs: out,
            window,
            depthwise,
            zero_point: numbers.next() as u8,
            x,
            weights,
            requantization: Requantization { scale, bias, table },
            residual: None,
            values,
        };
        if !values && numbers.below(3) == 0 {
            let len = case.conv(bonsai_kernels::int8::Int8Isa::PORTABLE).output().len();
            case.residual = Some((numbers.codes(len), [0.7, 0.4, 5.25 - 30.0 * numbers.unit()]));
        }
        case
    }

    fn conv(&self, isa: bonsai_kernels::int8::Int8Isa) -> QuantizedConv {
        let conv = if self.depthwise {
            QuantizedConv::depthwise(isa, self.input, self.zero_point, self.window)
        } else {
            QuantizedConv::new(isa, self.input, self.zero_point, self.outputs, self.window)
        };
        conv.unwrap().with_live(&self.live).unwrap()
    }

    /// The bytes of the output by plain loops.
    fn expected(&self) -> Vec<u8> {
        let output = self.conv(bonsai_kernels::int8::Int8Isa::PORTABLE).output();
        let input = self.input;
        let mut bytes = Vec::new();
        for pixel in 0..output.pixels() {
            let image = pixel / (output.h * output.w);
            let row = pixel / output.w % output.h;
            let column = pixel % output.w;
            for o in 0..output.c {
                let mut sum = 0i64;
                for ky in 0..self.window.kernel[0] {
                    for kx in 0..self.window.kernel[1] {
                        let y = self.window.input_of(0, row, ky, input.h);
                        let x = self.window.input_of(1, column, kx, input.w);
                        // Padding stands for zero, so its product is zero.
                        let (Some(y), Some(x)) = (y, x) else { continue };
                        let at = ((image * input.h + y) * input.w + x) * input.c;
                        let tap = ky * self.window.kernel[1] + kx;
                        let product = |i: usize, weight: i8| {
                            (i64::from(self.x[at + i]) - i64::from(self.zero_point)) * i64::from(weight)
                        };
                        if self.depthwise {
                            sum += product(o, self.weights[tap * output.c + o]);
                        } else {
                            for i in 0..input.c {
                                sum += product(i, self.weights[(tap * input.c + i) * output.c + o]);
                            }
                        }
                    }
                }
                let value = (sum as f32).mul_add(self.requantization.scale[o], self.requantization.bias[o]);
                if self.values {
                    bytes.extend(value.to_ne_bytes());
                    continue;
                }
                let mut code = value.clamp(0.0, 255.0).round_ties_even() as u8;
                if let Some(table) = &self.requantization.table {
                    code = table[usize::from(code)];
                }
                if let Some((residual, [own, other, shift])) = &self.residual {
                    let other = f32::from(residual[pixel * output.c + o]) * *other;
                    let sum = f32::from(code) * *own + other + *shift;
                    code = sum.clamp(0.0, 255.0).round_ties_even() as u8;
                }
                bytes.push(code);
            }
        }
        bytes
    }

    fn check(&self, name: &str) {
        let expected = self.expected();
        for (isa, threads) in machines() {
            let conv = self.conv(isa);
            let output = conv.output();
            let mut constants = vec![0; 4 * conv.constants_len()];
            conv.write_constants(&mut constants, &self.weights, &self.requantization).unwrap();
            let mut codes = Codes::default();
            let x = codes.filled(self.input, 4, &self.x);
            let constants = codes.bytes(&constants);
            let words = if self.values { output.c } else { output.c / 4 };
            let y = codes.room(output.pixels(), words, 8);
            let residual = self.residual.as_ref().map(|(r, factors)| (codes.filled(output, 4, r), *factors));
            let to = if self.values {
                QuantizedOutput::Values
            } else {
                QuantizedOutput::Codes { table: self.requantization.table.is_some(), residual }
            };
            let got = codes.run(threads, &y, |p| conv.push(p, "conv", [x, constants, y], to));
            let wrong = got.iter().zip(&expected).position(|(a, b)| a != b);
            assert!(
                wrong.is_none() && got.len() == expected.len(),
                "{name} on {isa}, {threads} threads: byte {wrong:?}; {:?} {:?} depthwise {} values {} residual {}",
                self.input,
                self.window,
                self.depthwise,
                self.values,
                self.residual.is_some()
            );
        }
    }
}

#[test]
fn all_instruction_sets_give_the_bytes_of_plain_loops() {
    for seed in 0..60 {
        Case::random(seed).check(&format!("seed {seed}"));
    }
}

#[test]
fn the_largest_products_do_not_overflow() {
    // Two products of 255 and -127 or 127 exceed 16 bits, at which `vpmaddubsw` would saturate.
    for (code, zero_point, weight) in [(255, 0, 127), (255, 0, -127), (0, 255, 127), (0, 255, -127)] {
        let mut case = Case::random(1);
        case.depthwise = false;
        case.input = Nhwc::new(1, 4, 7, 128);
        case.live = std::iter::once(0..128).collect();
        case.outputs = 16;
        case.window = Window::square(3, 1, 1);
        case.zero_point = zero_point;
        case.x = vec![code; case.input.len()];
        case.weights = vec![weight; 9 * 128 * 16];
        case.residual = None;
        case.values = true;
        case.requantization =
            Requantization { scale: vec![1.0; 16], bias: (0..16).map(|i| i as f32).collect(), table: None };
        case.check(&format!("{code} {zero_point} {weight}"));
    }
}

#[test]
fn codes_saturate_and_halves_round_to_even() {
    let mut case = Case::random(2);
    case.depthwise = false;
    case.input = Nhwc::new(1, 1, 6, 4);
    case.live = std::iter::once(0..1).collect();
    case.outputs = 16;
    case.window = Window::square(1, 1, 0);
    case.zero_point = 0;
    case.x = [0, 1, 3, 5, 200, 255].iter().flat_map(|code| [*code, 0, 0, 0]).collect();
    case.weights = vec![0; 4 * 16];
    case.weights[0] = 1;
    case.weights[1] = 2;
    case.weights[2] = -1;
    case.residual = None;
    case.values = false;
    let scale = (0..16).map(|i| if i == 3 { 1e30 } else { 0.5 }).collect();
    case.requantization = Requantization { scale, bias: vec![0.0; 16], table: None };
    case.requantization.bias[4] = f32::MAX;
    case.requantization.bias[5] = f32::MIN;
    let expected = case.expected();
    assert_eq!(expected[16..18], [0, 1], "0.5 is 0, 1.0 is 1");
    assert_eq!(expected[32..34], [2, 3], "1.5 is 2");
    assert_eq!(expected[5 * 16..5 * 16 + 6], [128, 255, 0, 0, 255, 0]);
    case.check("corners");
}
