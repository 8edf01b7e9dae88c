//! Tests against a plain convolution in `f64`, on every instruction set and with several numbers of threads.

mod case;
mod plain;

use super::{Forward, Pack, Source, moment_counts, packed_len, pays};
use crate::{ConvShape, Epilogue, Isa, KernelError, Nhwc, Program, Team, View, Window};
use case::{Case, inside, poisoned};
use plain::{assert_close, reference, shape, values};

#[test]
fn all_directions_agree_with_a_plain_convolution_at_every_size() {
    for h in [1, 2, 3, 4, 5, 7, 10, 13] {
        for w in [1, 2, 3, 4, 5, 7, 10, 13] {
            let (ci, co) = [(16, 32), (32, 16), (48, 32), (16, 80)][(h + w) % 4];
            Case::new(1 + 2 * (h % 2), h, w, ci, co, 16 * (w % 3)).check((h + w) % 3 == 0);
        }
    }
}

#[test]
fn all_directions_agree_with_a_plain_convolution_at_every_width() {
    for ci in [16, 32, 48, 80] {
        for co in [16, 32, 48, 80, 112] {
            Case::new(1, 5, 9, ci, co, 16).check(co == 48);
        }
    }
}

#[test]
fn blocks_groups_parts_and_passes_fit_together() {
    for (n, h, w, ci, co) in [
        (3, 20, 20, 32, 48),
        (9, 20, 23, 32, 32),
        (8, 10, 10, 144, 112),
        (2, 40, 41, 64, 64),
        (1, 3, 300, 16, 16),
        (5, 9, 9, 32, 304),
    ] {
        Case::new(n, h, w, ci, co, 16).check(n == 3);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = |results: [Vec<f32>; 3]| results.map(|r| r.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    for (n, h, w, ci, co) in [(3, 13, 20, 48, 80), (16, 20, 20, 32, 32)] {
        let case = Case::new(n, h, w, ci, co, 16);
        for isa in Isa::available() {
            let one = bits(case.run(isa, 1, false));
            for threads in [2, 3] {
                assert!(one == bits(case.run(isa, threads, false)), "{threads} threads on {isa}");
            }
        }
    }
}

#[test]
fn epilogue_and_moments_see_every_pixel_once() {
    let n = 5;
    let h = 20;
    let w = 18;
    let ci = 32;
    let co = 80;
    let shape = shape(n, h, w, ci, co);
    let counts = moment_counts(&shape);
    let pixels = n * h * w;
    assert_eq!(counts.iter().sum::<usize>(), pixels);
    let x = View::dense(0, 0, pixels, ci);
    let weights = View::vector(1, 0, 9 * ci * co);
    let packed = View::vector(2, 0, packed_len(&shape));
    let y = View { buffer: 3, offset: 16, pixels, channels: co, ld: co + 32 };
    let bias = View::vector(4, 0, co);
    let residual = View::dense(5, 0, pixels, co);
    let moments = View { buffer: 6, offset: 16, pixels: 2 * counts.len(), channels: co, ld: co + 16 };
    let data = [(pixels * ci, 1), (9 * ci * co, 2), (co, 3), (pixels * co, 4)].map(|(len, i)| values(len, i));
    let [x_values, w_values, bias_values, residual_values] = &data;
    let [sums, ..] = reference(&shape, x_values, &vec![0.0; pixels * co], w_values);
    let biased: Vec<f64> = sums.iter().enumerate().map(|(i, s)| s + f64::from(bias_values[i % co])).collect();
    for isa in Isa::available() {
        let mut program = Program::new(isa);
        program.push("pack", Pack::new("pack", &shape, weights, packed, Source::Rows).unwrap()).unwrap();
        let epilogue =
            Epilogue { bias: Some(bias), silu: true, residual: Some(residual), moments: Some(moments) };
        let forward = Forward::new("y", &shape, x, packed, y, epilogue, false).unwrap();
        program.push("y", forward).unwrap();
        let mut buffers = [
            poisoned(&x, x_values),
            poisoned(&weights, w_values),
            poisoned(&packed, &[]),
            poisoned(&y, &[]),
            poisoned(&bias, bias_values),
            poisoned(&residual, residual_values),
            poisoned(&moments, &[]),
        ];
        program.run(&Team::new(2).unwrap(), &mut buffers.each_mut()).unwrap();
        let silu = |v: f64| v / (1.0 + (-v).exp());
        let expected: Vec<f64> =
            biased.iter().zip(residual_values).map(|(&v, &r)| silu(v) + f64::from(r)).collect();
        assert_close("y", &inside(&buffers[3], &y), &expected);

        let got = inside(&buffers[6], &moments);
        let mut first = 0;
        for (part, &count) in counts.iter().enumerate() {
            let channel = |c: usize| (first..first + count).map(move |pixel| pixel * co + c);
            let mean: Vec<f64> =
                (0..co).map(|c| channel(c).map(|i| biased[i]).sum::<f64>() / count as f64).collect();
            let m2: Vec<f64> =
                (0..co).map(|c| channel(c).map(|i| (biased[i] - mean[c]).powi(2)).sum()).collect();
            assert_close("means", &got[2 * part * co..][..co], &mean);
            assert_close("squares", &got[(2 * part + 1) * co..][..co], &m2);
            first += count;
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused_with_both_sizes() {
    let shape = shape(1, 8, 8, 32, 48);
    let x = View::dense(0, 0, 64, 32);
    let y = View::dense(1, 0, 64, 48);
    let packed = View::vector(2, 0, packed_len(&shape));
    let none = || Epilogue { bias: None, silu: false, residual: None, moments: None };
    let forward = |x, packed, y, epilogue| Forward::new("conv7", &shape, x, packed, y, epilogue, false).err();
    assert_eq!(forward(x, packed, y, none()), None);
    for error in [
        forward(View { pixels: 63, ..x }, packed, y, none()),
        forward(x, packed, View { channels: 32, ..y }, none()),
        forward(x, packed.columns(0, packed.channels - 16), y, none()),
        forward(x, packed, y, Epilogue { bias: Some(View::vector(3, 0, 32)), ..none() }),
        forward(x, packed, y, Epilogue { moments: Some(View::dense(3, 0, 1, 48)), ..none() }),
        Pack::new("conv7", &shape, View::vector(3, 0, 9), packed, Source::Rows).err(),
    ] {
        assert!(
            matches!(error, Some(KernelError::Operand { ref label, .. }) if label == "conv7"),
            "{error:?}"
        );
    }
    let strided = ConvShape::new(Nhwc::new(1, 8, 8, 32), 48, Window::square(3, 2, 1)).unwrap();
    assert!(
        !pays(&strided)
            && Pack::new("", &strided, View::vector(3, 0, 9 * 32 * 48), packed, Source::Rows).is_err()
    );
}

#[test]
fn it_pays_on_maps_large_enough_for_the_depth() {
    for (n, size, ci, co) in
        [(8, 80, 16, 16), (8, 80, 32, 32), (8, 10, 256, 256), (1, 20, 128, 128), (1, 40, 64, 64)]
    {
        assert!(pays(&shape(n, size, size, ci, co)), "{n} images of {size}, {ci} to {co}");
    }
    for (n, size, ci, co) in [(1, 10, 256, 256), (64, 5, 64, 64), (64, 1, 64, 64)] {
        assert!(!pays(&shape(n, size, size, ci, co)), "{n} images of {size}, {ci} to {co}");
    }
}
