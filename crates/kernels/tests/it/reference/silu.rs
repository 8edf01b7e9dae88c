//! SiLU, `x * sigmoid(x)`, and its derivative.

/// For very negative `x` the exponential is infinite and the quotient is 0, which is correct.
fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

pub(crate) fn value(x: f64) -> f64 {
    x * sigmoid(x)
}

pub(crate) fn slope(x: f64) -> f64 {
    let s = sigmoid(x);
    s * (1.0 + x * (1.0 - s))
}

#[test]
fn known_values() {
    for (x, y, dy) in
        [(0.0, 0.0, 0.5), (1.0, 0.731_058_578_6, 0.927_670_511_9), (-800.0, 0.0, 0.0), (800.0, 800.0, 1.0)]
    {
        assert!((value(x) - y).abs() < 1e-9 && (slope(x) - dy).abs() < 1e-9, "{x}");
    }
}
