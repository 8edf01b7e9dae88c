//! [`interpolate`]: piecewise linear interpolation with NumPy's conventions for repeated abscissae.
//!
//! Curves over recall and over confidence repeat an abscissa wherever a detection does not change it, so the
//! convention affects results: of equal abscissae, the last one counts.

/// The value at `x` of the polyline through (`xs[i]`, `ys[i]`), with `xs` ascending.
///
/// Left of the first point the value is `left`; from the last point on it is the last `ys`. An empty polyline
/// is `left` everywhere.
pub(crate) fn interpolate(x: f64, xs: &[f64], ys: &[f64], left: f64) -> f64 {
    let after = xs.partition_point(|&knot| knot <= x);
    let Some(before) = after.checked_sub(1) else { return left };
    if after >= xs.len() || xs[before].total_cmp(&x).is_eq() {
        return ys[before];
    }
    let slope = (ys[after] - ys[before]) / (xs[after] - xs[before]);
    slope * (x - xs[before]) + ys[before]
}

#[cfg(test)]
mod tests {
    use super::interpolate;

    #[test]
    fn follows_the_polyline() {
        let xs = [0.0, 1.0, 1.0, 3.0];
        let ys = [0.0, 2.0, 4.0, 0.0];
        for (x, expected) in
            [(-1.0, 9.0), (0.0, 0.0), (0.5, 1.0), (1.0, 4.0), (2.0, 2.0), (3.0, 0.0), (7.0, 0.0)]
        {
            assert!((interpolate(x, &xs, &ys, 9.0) - expected).abs() < 1e-12, "at {x}");
        }
        assert!((interpolate(0.5, &[], &[], 9.0) - 9.0).abs() < 1e-12);
    }
}
