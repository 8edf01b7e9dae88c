//! Rounding to codes in training against its definition.

use bonsai_kernels::{Isa, Nhwc, RoundCodes, RoundGradient, RoundWeights};

use crate::numbers::numbers;
use crate::tensors::{Tensors, bits};

/// The code of a value and whether it is in the range.
fn code(value: f32, scale: f32, zero_point: u8) -> (f32, bool) {
    let exact = (f64::from(value) / f64::from(scale) + f64::from(zero_point)).round_ties_even();
    (exact.clamp(0.0, 255.0) as f32, (0.0..=255.0).contains(&exact))
}

#[test]
fn values_become_numbers_of_codes_and_gradients_pass_inside() {
    let shape = Nhwc::new(2, 5, 7, 32);
    for (scale, zero_point) in [(0.03125, 20), (0.0625, 0), (0.5, 255), (0.015_625, 128)] {
        let mut x = numbers(3, shape.len());
        x[..6].copy_from_slice(&[0.0, 1e9, -1e9, 0.015_625, f32::MAX, f32::MIN]);
        let dx = numbers(4, shape.len());
        for isa in Isa::available() {
            let mut tensors = Tensors::new();
            let view = tensors.image(shape, 16, &x);
            let gradient = tensors.image(shape, 0, &dx);
            let mask = tensors.room(1, RoundCodes::mask_len(&view), 0);
            tensors.run(isa, 2, |p| {
                p.push("round", RoundCodes { x: view, mask, scale, zero_point })?;
                p.push("gradient", RoundGradient { dx: gradient, mask })
            });
            let rounded = tensors.read(&view);
            let passed = tensors.read(&gradient);
            for i in 0..x.len() {
                let (code, inside) = code(x[i], scale, zero_point);
                assert_eq!(rounded[i], scale * (code - f32::from(zero_point)), "{} on {isa}", x[i]);
                assert_eq!(passed[i], if inside { dx[i] } else { 0.0 }, "{} on {isa}", x[i]);
            }
        }
    }
}

#[test]
fn a_diverged_value_stays_visible() {
    for isa in Isa::available() {
        let mut tensors = Tensors::new();
        let mut x = vec![1.0; 16];
        x[3] = f32::NAN;
        x[5] = f32::INFINITY;
        let view = tensors.image(Nhwc::new(1, 1, 1, 16), 0, &x);
        let mask = tensors.room(1, RoundCodes::mask_len(&view), 0);
        tensors.run(isa, 1, |p| p.push("round", RoundCodes { x: view, mask, scale: 0.1, zero_point: 7 }));
        let rounded = tensors.read(&view);
        assert!(rounded[3].is_nan() && rounded[5].is_nan() && rounded[4].is_finite(), "{rounded:?}");
    }
}

#[test]
fn the_largest_weight_of_a_channel_keeps_its_size() {
    let channels = 32;
    let rows = 27;
    let mut weights = numbers(5, rows * channels);
    for row in 0..rows {
        weights[row * channels + 7] = 0.0;
        weights[row * channels + 8] = 1e-42;
        weights[row * channels + 9] *= 1e20;
    }
    for isa in Isa::available() {
        let round = |weights: &[f32]| {
            let mut tensors = Tensors::new();
            let from = tensors.filled(1, rows * channels, 0, weights);
            let to = tensors.room(1, rows * channels, 0);
            tensors.run(isa, 2, |p| p.push("round", RoundWeights { from, to, channels }));
            tensors.read(&to)
        };
        let rounded = round(&weights);
        for c in 0..channels {
            let column = |of: &[f32]| (0..rows).map(|row| of[row * channels + c]).collect::<Vec<_>>();
            let largest = column(&weights).iter().fold(0.0f32, |most, w| w.abs().max(most));
            let scale = if (largest / 127.0).is_normal() { largest / 127.0 } else { 1.0 };
            for (weight, rounded) in column(&weights).iter().zip(column(&rounded)) {
                let expected = scale * (weight / scale).round_ties_even();
                // The scale may differ from the quotient in its last bits.
                assert!((rounded - expected).abs() <= 1e-6 * largest, "{weight} became {rounded}");
            }
        }
        assert_eq!(bits(&round(&rounded)), bits(&rounded), "rounded weights change on {isa}");
    }
}

#[test]
fn operands_are_checked() {
    let x = bonsai_kernels::View::dense(0, 0, 4, 16);
    let mask = bonsai_kernels::View::vector(0, 64, 16);
    let mut program = bonsai_kernels::Program::new(Isa::detect());
    let refused = |error: bonsai_kernels::KernelError| error.to_string();
    let short = bonsai_kernels::View { channels: 8, ..mask };
    let error = program.push("r", RoundCodes { x, mask: short, scale: 1.0, zero_point: 0 }).unwrap_err();
    assert!(refused(error).contains("the mask"));
    let error = program.push("r", RoundGradient { dx: x, mask: short }).unwrap_err();
    assert!(refused(error).contains("the mask"));
    let from = bonsai_kernels::View::vector(0, 0, 40);
    let error = program.push("r", RoundWeights { from, to: from, channels: 16 }).unwrap_err();
    assert!(refused(error).contains("the weights"));
    assert!(program.is_empty());
}
