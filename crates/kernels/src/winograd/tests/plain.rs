//! [`reference`]: a plain convolution in `f64`, its data, and how far a result may be from it.

use crate::{ConvShape, Nhwc, Window};

/// Largest error as a fraction of the root mean square of the result.
const BOUND: f64 = 2e-5;

/// Small pseudo-random values; the same seed gives the same values.
pub(super) fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

pub(super) fn shape(n: usize, h: usize, w: usize, ci: usize, co: usize) -> ConvShape {
    ConvShape::new(Nhwc::new(n, h, w, ci), co, Window::square(3, 1, 1)).unwrap()
}

/// Calls `f(output pixel, input pixel, tap)` for all combinations that the convolution multiplies.
pub(super) fn taps(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let Nhwc { n, h, w, .. } = shape.input();
    for (image, y, x) in (0..n * h * w).map(|i| (i / (h * w), i / w % h, i % w)) {
        for (ky, kx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
            let iy = y + ky;
            let ix = x + kx;
            if (1..=h).contains(&iy) && (1..=w).contains(&ix) {
                f((image * h + y) * w + x, (image * h + iy - 1) * w + ix - 1, ky * 3 + kx);
            }
        }
    }
}

/// Computes `y`, `dx` and `dw` in `f64`.
pub(super) fn reference(shape: &ConvShape, x: &[f32], dy: &[f32], w: &[f32]) -> [Vec<f64>; 3] {
    let ci = shape.input().c;
    let co = shape.output().c;
    let x = wide(x);
    let dy = wide(dy);
    let w = wide(w);
    let mut y = vec![0.0; dy.len()];
    let mut dx = vec![0.0; x.len()];
    let mut dw = vec![0.0; w.len()];
    taps(shape, |out, input, tap| {
        let y = &mut y[out * co..][..co];
        let dy = &dy[out * co..][..co];
        for c in 0..ci {
            let v = x[input * ci + c];
            let row = (tap * ci + c) * co;
            let w = &w[row..][..co];
            let dw = &mut dw[row..][..co];
            let mut sum = 0.0;
            for o in 0..co {
                y[o] += v * w[o];
                sum += dy[o] * w[o];
                dw[o] += v * dy[o];
            }
            dx[input * ci + c] += sum;
        }
    });
    [y, dx, dw]
}

pub(super) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

pub(super) fn assert_close(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    let rms = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        assert!(error <= BOUND * rms, "{what}: value {i} is {got} for {expected}, rms {rms}");
    }
}
