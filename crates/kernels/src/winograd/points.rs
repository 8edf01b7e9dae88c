//! The one-dimensional transforms of `F(4, 3)` ([`Expand`], [`taps`], [`outputs`], [`tap_gradients`]) at the
//! points 0, ±3/4, ±3/2 and infinity.
//!
//! `y = A^T ((G g) · (B^T d))` computes four outputs of a three-tap correlation over six inputs with six
//! products; its transpose computes the gradient of the taps. Applied along both axes, the transforms give
//! `F(4x4, 3x3)`.
//!
//! These points make `A` and `B` exact in `f32`; the typical error is half and the worst error a quarter of
//! that of the textbook points 1 and 2. Rows of `B^T` are the coefficients of `prod_{j != i} (x - p_j)`, rows
//! of `G` are `[1, p_i, p_i^2] / prod_{j != i} (p_i - p_j)`, and `A^T` is the Vandermonde matrix; `B` of
//! finite points carries the sign.

use crate::simd::Simd;

const P: f64 = 0.75;
const Q: f64 = 1.5;
const P2: f64 = P * P;
const Q2: f64 = Q * Q;

/// `G` of the point 0, which multiplies only the first tap.
const G_ZERO: f64 = 1.0 / (P2 * Q2);
/// `G` of the points ±p and ±q: the factor of `[1, ±p, p^2]`.
const G_P: f64 = 1.0 / (2.0 * P2 * (P2 - Q2));
const G_Q: f64 = 1.0 / (2.0 * Q2 * (Q2 - P2));

/// A transform of the `IN` pixels of a tile along an axis into six values.
pub(super) trait Expand<const IN: usize> {
    /// Number of pixels of the tile before its first output.
    const BEFORE: usize;

    /// The transform; must be `#[inline(always)]`.
    fn expand<S: Simd>(s: S, d: [S::V; IN]) -> [S::V; 6];
}

/// `B^T d`: the transform of an input tile, which overlaps its neighbours by two pixels.
pub(super) struct Input;

impl Expand<6> for Input {
    const BEFORE: usize = 1;

    #[inline(always)]
    fn expand<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
        let p = s.splat(P as f32);
        let q = s.splat(Q as f32);
        let p2 = s.splat(P2 as f32);
        let q2 = s.splat(Q2 as f32);
        let product = s.splat((P2 * Q2) as f32);
        let sum = s.splat((P2 + Q2) as f32);
        let even_p = s.fnma(q2, d[2], d[4]);
        let odd_p = s.fnma(q2, d[1], d[3]);
        let even_q = s.fnma(p2, d[2], d[4]);
        let odd_q = s.fnma(p2, d[1], d[3]);
        [
            s.fma(product, d[0], s.fnma(sum, d[2], d[4])),
            s.fma(p, odd_p, even_p),
            s.fnma(p, odd_p, even_p),
            s.fma(q, odd_q, even_q),
            s.fnma(q, odd_q, even_q),
            s.fma(product, d[1], s.fnma(sum, d[3], d[5])),
        ]
    }
}

/// `A d`: the transform of a tile of the output gradient.
pub(super) struct Gradient;

impl Expand<4> for Gradient {
    const BEFORE: usize = 0;

    #[inline(always)]
    fn expand<S: Simd>(s: S, d: [S::V; 4]) -> [S::V; 6] {
        let p = s.splat(P as f32);
        let q = s.splat(Q as f32);
        let p2 = s.splat(P2 as f32);
        let q2 = s.splat(Q2 as f32);
        let even_p = s.fma(p2, d[2], d[0]);
        let odd_p = s.fma(p2, d[3], d[1]);
        let even_q = s.fma(q2, d[2], d[0]);
        let odd_q = s.fma(q2, d[3], d[1]);
        [
            d[0],
            s.fma(p, odd_p, even_p),
            s.fnma(p, odd_p, even_p),
            s.fma(q, odd_q, even_q),
            s.fnma(q, odd_q, even_q),
            d[3],
        ]
    }
}

/// `A^T m`: four outputs from six products.
#[inline(always)]
pub(super) fn outputs<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let p = s.splat(P as f32);
    let q = s.splat(Q as f32);
    let p2 = s.splat(P2 as f32);
    let q2 = s.splat(Q2 as f32);
    let p3 = s.splat((P2 * P) as f32);
    let q3 = s.splat((Q2 * Q) as f32);
    let sum_p = s.add(m[1], m[2]);
    let difference_p = s.sub(m[1], m[2]);
    let sum_q = s.add(m[3], m[4]);
    let difference_q = s.sub(m[3], m[4]);
    [
        s.add(m[0], s.add(sum_p, sum_q)),
        s.fma(p, difference_p, s.mul(q, difference_q)),
        s.fma(p2, sum_p, s.mul(q2, sum_q)),
        s.fma(p3, difference_p, s.fma(q3, difference_q, m[5])),
    ]
}

/// `G g`: six values from three taps.
#[inline(always)]
pub(super) fn taps<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let even_p = s.fma(s.splat((G_P * P2) as f32), g[2], s.mul(s.splat(G_P as f32), g[0]));
    let even_q = s.fma(s.splat((G_Q * Q2) as f32), g[2], s.mul(s.splat(G_Q as f32), g[0]));
    let odd_p = s.splat((G_P * P) as f32);
    let odd_q = s.splat((G_Q * Q) as f32);
    [
        s.mul(s.splat(G_ZERO as f32), g[0]),
        s.fma(odd_p, g[1], even_p),
        s.fnma(odd_p, g[1], even_p),
        s.fma(odd_q, g[1], even_q),
        s.fnma(odd_q, g[1], even_q),
        g[2],
    ]
}

/// `G^T m`: gradients of three taps from six sums.
#[inline(always)]
pub(super) fn tap_gradients<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 3] {
    let sum_p = s.add(m[1], m[2]);
    let difference_p = s.sub(m[1], m[2]);
    let sum_q = s.add(m[3], m[4]);
    let difference_q = s.sub(m[3], m[4]);
    let first = s.fma(s.splat(G_P as f32), sum_p, s.mul(s.splat(G_Q as f32), sum_q));
    let middle = s.mul(s.splat((G_Q * Q) as f32), difference_q);
    let last = s.fma(s.splat((G_Q * Q2) as f32), sum_q, m[5]);
    [
        s.fma(s.splat(G_ZERO as f32), m[0], first),
        s.fma(s.splat((G_P * P) as f32), difference_p, middle),
        s.fma(s.splat((G_P * P2) as f32), sum_p, last),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Portable;

    /// Values for which the sums of the tests have little rounding.
    const D: [f32; 6] = [1.0, -2.0, 0.5, 3.0, -1.5, 0.25];
    const G: [f32; 3] = [0.5, -1.0, 2.0];

    fn lanes<const N: usize>(values: [f32; N]) -> [[f32; 8]; N] {
        values.map(|v| [v; 8])
    }

    fn products(a: [[f32; 8]; 6], b: [[f32; 8]; 6]) -> [[f32; 8]; 6] {
        std::array::from_fn(|i| [a[i][0] * b[i][0]; 8])
    }

    #[test]
    fn products_of_transforms_are_a_correlation() {
        let m = products(taps(Portable, lanes(G)), Input::expand(Portable, lanes(D)));
        for (i, y) in outputs(Portable, m).iter().enumerate() {
            let expected: f32 = (0..3).map(|k| G[k] * D[i + k]).sum();
            assert!((y[0] - expected).abs() < 1e-5, "output {i}: {} for {expected}", y[0]);
        }
    }

    #[test]
    fn products_of_transforms_are_the_gradient_of_the_taps() {
        let dy = [0.5, -1.0, 2.0, 1.5];
        let m = products(Gradient::expand(Portable, lanes(dy)), Input::expand(Portable, lanes(D)));
        for (k, g) in tap_gradients(Portable, m).iter().enumerate() {
            let expected: f32 = (0..4).map(|i| dy[i] * D[i + k]).sum();
            assert!((g[0] - expected).abs() < 1e-5, "tap {k}: {} for {expected}", g[0]);
        }
    }
}
