//! Tests of direct and Winograd convolution against the definition, on every instruction set.

use std::ops::Range;

use bonsai_kernels::{
    Algorithm, Conv, ConvShape, Epilogue, FoldBatchNorm, Isa, Nhwc, View, Window, WinogradMode,
};
use proptest::prelude::*;

use crate::numbers::numbers;
use crate::reference::conv as reference;
use crate::tensors::{Tensors, bits};

/// Integers of magnitude up to 8, so that sums of a few hundred thousand products are exact.
fn whole(seed: u64, len: usize) -> Vec<f32> {
    numbers(seed, len).iter().map(|v| (v * 8.0).round()).collect()
}

fn exact(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&v| v as f32).collect()
}

#[derive(Clone)]
struct Case {
    isa: Isa,
    shape: ConvShape,
    /// Number of values by which rows are longer than the tensors in them.
    extra: usize,
    threads: usize,
    winograd: WinogradMode,
    /// Channels of input and output that are not padding, if the convolution is told.
    live: Option<[Vec<Range<usize>>; 2]>,
}

/// `y`, and `dx` and `dw` added to `base`.
struct Outcome {
    y: Vec<f32>,
    dx: Option<Vec<f32>>,
    dw: Vec<f32>,
}

impl Case {
    fn conv(&self) -> Conv {
        let shape = self.shape;
        let conv =
            Conv::new(self.isa, shape.input(), shape.output().c, shape.window(), self.winograd).unwrap();
        match &self.live {
            Some([input, output]) => conv.with_live(input, output).unwrap(),
            None => conv,
        }
    }

    fn run(&self, x: &[f32], w: &[f32], dy: &[f32], base: Option<[&[f32]; 2]>) -> Outcome {
        let conv = self.conv();
        let extra = self.extra;
        let input = conv.input();
        let output = conv.output();
        let mut t = Tensors::new();
        let x = t.image(input, if input.c.is_multiple_of(16) { extra } else { 0 }, x);
        let weights = t.filled(1, w.len(), 0, w);
        let dy = t.image(output, 2 * extra, dy);
        let packed = t.room(1, conv.packed_len(), 0);
        let transposed = t.room(1, conv.packed_transposed_len(), 0);
        let y = t.room(output.pixels(), output.c, extra);
        let dx = match base {
            Some([dx, _]) => t.image(input, extra, dx),
            None => t.room(input.pixels(), input.c, extra),
        };
        let zero = vec![0.0; w.len()];
        let dw = t.filled(1, w.len(), 0, base.map_or(&zero, |[_, dw]| dw));
        let partials = t.room(1, conv.partials_len(), 0);
        let padded = input.c.is_multiple_of(16);
        t.run(self.isa, self.threads, |p| {
            conv.push_pack(p, "pack", weights, packed)?;
            conv.push_forward(p, "forward", x, packed, y, Epilogue::default())?;
            if padded {
                conv.push_pack_transposed(p, "transpose", weights, transposed)?;
                conv.push_input_gradient(p, "dx", dy, transposed, dx, base.is_some())?;
            }
            conv.push_weight_gradient(p, "dw", x, dy, partials, dw)
        });
        Outcome { y: t.read(&y), dx: padded.then(|| t.read(&dx)), dw: t.read(&dw) }
    }
}

fn arb_shape() -> impl Strategy<Value = ConvShape> {
    let size = || prop::sample::select(vec![1usize, 2, 3, 4, 5, 7, 10, 13, 20]);
    let window = prop_oneof![
        4 => (prop::sample::select(vec![1usize, 3, 5]), 1usize..3)
            .prop_map(|(k, s)| Window::square(k, s, k / 2)),
        1 => (prop::array::uniform2(1usize..5), prop::array::uniform2(1usize..4), prop::array::uniform2(0usize..3))
            .prop_map(|(kernel, stride, padding)| Window { kernel, stride, padding }),
    ];
    let channels = || prop::sample::select(vec![16usize, 32, 48, 80]);
    let input = prop_oneof![4 => channels(), 1 => Just(3usize), 1 => Just(1)];
    (1usize..4, size(), size(), input, channels(), window)
        .prop_filter_map("the kernel must fit", |(n, h, w, c, out, window)| {
            ConvShape::new(Nhwc::new(n, h, w, c), out, window).ok()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn whole_numbers_come_out_exactly(shape in arb_shape(), extra in prop::sample::select(vec![0usize, 16, 48]),
                                      seed in any::<u64>(), accumulate in any::<bool>()) {
        let x = whole(seed, shape.input().len());
        let w = whole(seed ^ 1, shape.weights_len());
        let dy = whole(seed ^ 2, shape.output().len());
        let base = [whole(seed ^ 3, x.len()), whole(seed ^ 4, w.len())];
        let plus = |values: Vec<f64>, base: &[f32]| -> Vec<f32> {
            let add = if accumulate { 1.0 } else { 0.0 };
            values.iter().zip(base).map(|(v, b)| (v + add * f64::from(*b)) as f32).collect()
        };
        let y = exact(&reference::forward(&shape, &x, &w));
        let dx = plus(reference::input_gradient(&shape, &dy, &w), &base[0]);
        let dw = plus(reference::weight_gradient(&shape, &x, &dy), &base[1]);
        for isa in Isa::available() {
            let case = Case { isa, shape, extra, threads: 2, winograd: WinogradMode::Off, live: None };
            let got = case.run(&x, &w, &dy, accumulate.then_some([&base[0], &base[1]]));
            prop_assert_eq!(&got.y, &y, "y on {}", isa);
            if let Some(got) = &got.dx {
                prop_assert_eq!(got, &dx, "dx on {}", isa);
            }
            prop_assert_eq!(&got.dw, &dw, "dw on {}", isa);
        }
    }
}

/// Values in rows of `channels`; channels outside `live` are zero.
fn padded(seed: u64, len: usize, channels: usize, live: &[Range<usize>]) -> Vec<f32> {
    let keep = |i: usize| live.iter().any(|range| range.contains(&(i % channels)));
    numbers(seed, len).iter().enumerate().map(|(i, v)| if keep(i) { *v } else { 0.0 }).collect()
}

#[test]
fn leaving_padding_out_changes_no_bit() {
    for (ci, co, k, s) in [(32, 48, 1, 1), (16, 16, 3, 1), (48, 32, 3, 2), (32, 16, 5, 3), (64, 16, 1, 2)] {
        let shape = ConvShape::new(Nhwc::new(2, 9, 11, ci), co, Window::square(k, s, k / 2)).unwrap();
        // Each segment is pruned to another length; the fourth segment is pruned completely.
        let live = |channels: usize| -> Vec<Range<usize>> {
            (0..channels / 16).map(|i| 16 * i..16 * i + [8, 13, 16, 0][i]).collect()
        };
        let live_in = live(ci);
        let live_out = live(co);
        let x = padded(1, shape.input().len(), ci, &live_in);
        let weights = numbers(2, shape.weights_len());
        let dy = padded(3, shape.output().len(), co, &live_out);
        for isa in Isa::available() {
            let plain = Case { isa, shape, extra: 16, threads: 2, winograd: WinogradMode::Off, live: None };
            let aware = Case { live: Some([live_in.clone(), live_out.clone()]), ..plain.clone() };
            let [plain, aware] = [plain, aware].map(|case| case.run(&x, &weights, &dy, None));
            assert_eq!(bits(&aware.y), bits(&plain.y), "y of {ci} {co} {k} on {isa}");
            assert_eq!(
                aware.dx.map(|v| bits(&v)),
                plain.dx.map(|v| bits(&v)),
                "dx of {ci} {co} {k} on {isa}"
            );
            assert_eq!(bits(&aware.dw), bits(&plain.dw), "dw of {ci} {co} {k} on {isa}");
        }
    }
}

/// Largest error of Winograd in units of the root mean square: about five times the error measured at 64
/// channels.
const WINOGRAD_BOUND: f64 = 2e-5;

#[test]
fn winograd_stays_within_its_bound_and_keeps_its_bits() {
    for (n, h, w, ci, co) in [(8, 20, 20, 32, 48), (3, 13, 21, 64, 32), (1, 40, 40, 32, 32)] {
        let shape = ConvShape::new(Nhwc::new(n, h, w, ci), co, Window::square(3, 1, 1)).unwrap();
        let x = numbers(1, shape.input().len());
        let weights = numbers(2, shape.weights_len());
        let dy = numbers(3, shape.output().len());
        let expected = [
            reference::forward(&shape, &x, &weights),
            reference::input_gradient(&shape, &dy, &weights),
            reference::weight_gradient(&shape, &x, &dy),
        ];
        for isa in Isa::available() {
            let case =
                |threads| Case { isa, shape, extra: 16, threads, winograd: WinogradMode::Auto, live: None };
            assert_eq!(case(1).conv().algorithm(), Algorithm::Winograd);
            let got = case(1).run(&x, &weights, &dy, None);
            let again = case(3).run(&x, &weights, &dy, None);
            let got = [got.y, got.dx.unwrap(), got.dw];
            let again = [again.y, again.dx.unwrap(), again.dw];
            for (what, ((got, again), expected)) in
                ["y", "dx", "dw"].iter().zip(got.iter().zip(&again).zip(&expected))
            {
                assert_eq!(bits(got), bits(again), "{what} on {isa}: 1 and 3 threads");
                let rms = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
                let worst =
                    got.iter().zip(expected).map(|(g, e)| (f64::from(*g) - e).abs()).fold(0.0, f64::max);
                assert!(worst <= WINOGRAD_BOUND * rms, "{what} on {isa}: {:.1e} of the rms", worst / rms);
            }
        }
    }
}

#[test]
fn the_direct_gradients_keep_their_bits_with_any_number_of_threads() {
    for (n, h, w, ci, co, k, s) in
        [(8, 20, 20, 32, 64, 3, 2), (2, 40, 40, 3, 16, 3, 2), (8, 10, 10, 256, 256, 1, 1)]
    {
        let shape = ConvShape::new(Nhwc::new(n, h, w, ci), co, Window::square(k, s, k / 2)).unwrap();
        let x = numbers(1, shape.input().len());
        let weights = numbers(2, shape.weights_len());
        let dy = numbers(3, shape.output().len());
        for isa in Isa::available() {
            let run = |threads| {
                let case = Case { isa, shape, extra: 0, threads, winograd: WinogradMode::Off, live: None };
                let got = case.run(&x, &weights, &dy, None);
                [bits(&got.y), bits(&got.dx.unwrap_or_default()), bits(&got.dw)]
            };
            let one = run(1);
            for threads in [1, 2, 3, 7] {
                assert_eq!(run(threads), one, "{threads} threads on {isa}");
            }
        }
    }
}

#[test]
fn the_epilogue_comes_in_its_order() {
    for (ci, co, k) in [(16, 48, 1), (3, 16, 3), (32, 80, 3), (64, 64, 3)] {
        let shape = ConvShape::new(Nhwc::new(2, 12, 12, ci), co, Window::square(k, 1, k / 2)).unwrap();
        let output = shape.output();
        let x = numbers(1, shape.input().len());
        let weights: Vec<f32> = numbers(2, shape.weights_len()).iter().map(|w| w / 8.0).collect();
        let bias = numbers(3, co);
        let residual = numbers(4, output.len());
        let plain = reference::forward(&shape, &x, &weights);
        let biased: Vec<f64> = plain.iter().enumerate().map(|(i, v)| v + f64::from(bias[i % co])).collect();
        let finished: Vec<f64> =
            biased.iter().zip(&residual).map(|(v, r)| v / (1.0 + (-v).exp()) + f64::from(*r)).collect();
        for isa in Isa::available() {
            let conv = Conv::new(isa, shape.input(), co, shape.window(), WinogradMode::Auto).unwrap();
            let counts = conv.moment_counts();
            let mut t = Tensors::new();
            let x = t.image(shape.input(), 0, &x);
            let w = t.filled(1, weights.len(), 0, &weights);
            let packed = t.room(1, conv.packed_len(), 0);
            let b = t.filled(1, co, 0, &bias);
            let r = t.image(output, 32, &residual);
            let y = t.room(output.pixels(), co, 16);
            let moments = t.room(2 * counts.len(), co, 0);
            t.run(isa, 2, |p| {
                conv.push_pack(p, "pack", w, packed)?;
                let epilogue =
                    Epilogue { bias: Some(b), silu: true, residual: Some(r), moments: Some(moments) };
                conv.push_forward(p, "conv", x, packed, y, epilogue)
            });
            crate::numbers::assert_close("y", &t.read(&y), &finished, 2e-5);
            // The combined parts must equal the mean and the sum of squared deviations of all values.
            let parts = t.read(&moments);
            for c in 0..co {
                let values: Vec<f64> = biased.iter().skip(c).step_by(co).copied().collect();
                let mut n = 0.0;
                let mut mean = 0.0;
                let mut m2 = 0.0;
                for (part, &count) in counts.iter().enumerate() {
                    let at = |row: usize| f64::from(parts[row * co + c]);
                    let count = count as f64;
                    let delta = at(2 * part) - mean;
                    m2 += at(2 * part + 1) + delta * delta * n * count / (n + count);
                    mean += delta * count / (n + count);
                    n += count;
                }
                let expected = values.iter().sum::<f64>() / values.len() as f64;
                assert_eq!(n as usize, values.len());
                assert!((mean - expected).abs() < 1e-5, "mean of {c} on {isa}: {mean}, expected {expected}");
                let expected: f64 = values.iter().map(|v| (v - expected).powi(2)).sum();
                assert!((m2 / expected - 1.0).abs() < 1e-5, "M2 of {c} on {isa}: {m2}, expected {expected}");
            }
        }
    }
}

#[test]
fn panels_serve_both_algorithms_and_take_batch_norm_in() {
    for (h, ci, co, k, winograd) in [
        (9, 3, 80, 3, WinogradMode::Auto),
        (20, 32, 80, 3, WinogradMode::Auto),
        (20, 48, 48, 3, WinogradMode::Off),
    ] {
        let shape = ConvShape::new(Nhwc::new(1, h, h, ci), co, Window::square(k, 1, k / 2)).unwrap();
        let weights = numbers(1, shape.weights_len());
        let vectors: [Vec<f32>; 5] = std::array::from_fn(|i| numbers(2 + i as u64, co));
        for isa in Isa::available() {
            let conv = Conv::new(isa, shape.input(), co, shape.window(), winograd).unwrap();
            assert_eq!(conv.reads_panels(), conv.algorithm() == Algorithm::Direct);
            assert!(conv.reads_panels() || conv.most_packed_len() == conv.packed_len());
            let mut t = Tensors::new();
            let w = t.filled(1, weights.len(), 0, &weights);
            let [gamma, beta, mean, deviation, bias] =
                std::array::from_fn(|i| t.filled(1, co, 0, &vectors[i]));
            let var = deviation;
            let folded_bias = t.room(1, co, 0);
            let bias_of_panels = t.room(1, co, 0);
            let [folded, panels] = [0; 2].map(|_| t.room(1, weights.len(), 0));
            let [packed, from_panels] = [0; 2].map(|_| t.room(1, conv.packed_len(), 0));
            let rows = |view: View| View::dense(view.buffer, view.offset, weights.len() / co, co);
            let fold = FoldBatchNorm {
                weights: w,
                folded: panels,
                gamma,
                beta,
                mean,
                var,
                eps: 1.5,
                bias: Some(bias),
                folded_bias: bias_of_panels,
            };
            let plain = FoldBatchNorm { weights: rows(w), folded: rows(folded), folded_bias, ..fold.clone() };
            t.run(isa, 2, |p| {
                p.push("fold", plain)?;
                conv.push_pack(p, "pack", folded, packed)?;
                conv.push_folded_panels(p, "panels", &fold)?;
                if !conv.reads_panels() {
                    conv.push_pack_panels(p, "pack panels", panels, from_panels)?;
                }
                Ok(())
            });
            let got = t.read(if conv.reads_panels() { &panels } else { &from_panels });
            assert_eq!(bits(&got), bits(&t.read(&packed)), "{ci} to {co} on {isa}");
            assert_eq!(bits(&t.read(&bias_of_panels)), bits(&t.read(&folded_bias)));
        }
    }
}
