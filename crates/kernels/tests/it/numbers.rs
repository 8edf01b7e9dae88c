//! [`numbers`]: reproducible numbers, and [`assert_close`]: the comparison of numbers.

/// `len` numbers in -1..1 that depend on the seed alone (a 64-bit linear congruential generator, Knuth's
/// constants).
pub(crate) fn numbers(seed: u64, len: usize) -> Vec<f32> {
    let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
    (0..len)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
        })
        .collect()
}

/// Panics unless all numbers agree within `tolerance`, relative to the larger of 1 and the expected number.
#[track_caller]
pub(crate) fn assert_close(what: &str, got: &[f32], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "{what}: lengths");
    for (index, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs() / expected.abs().max(1.0);
        assert!(error <= tolerance, "{what}[{index}]: got {got}, expected {expected}");
    }
}

/// Central differences of `loss` at `x`, in `f64`: exact to about 1e-9 for smooth losses of size 1.
pub(crate) fn finite_differences(x: &[f64], loss: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    const STEP: f64 = 1e-5;
    (0..x.len())
        .map(|i| {
            let at = |offset: f64| {
                let mut moved = x.to_vec();
                moved[i] += offset;
                loss(&moved)
            };
            (at(STEP) - at(-STEP)) / (2.0 * STEP)
        })
        .collect()
}

/// Converts numbers to `f64`.
pub(crate) fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&v| f64::from(v)).collect()
}
