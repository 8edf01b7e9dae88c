//! Tests of the moments of a batch: means far from zero, constant and infinite channels.

use bonsai_kernels::Moments;

use crate::arena::{Arena, Rows};
use crate::numbers::wide;
use crate::reference::batch_norm;

#[test]
fn a_large_mean_does_not_drown_the_variance() {
    // E[x^2] - E[x]^2 in f32 would give 0 or worse. The first values of channel 1 differ from the rest.
    let y: Vec<f32> = (0..4096u16)
        .flat_map(|i| [10_000.0 + f32::from(i % 2) * 0.5, if i < 40 { 1000.0 } else { f32::from(i % 2) }])
        .collect();
    let mut arena = Arena::new();
    let view = arena.input(Rows::Dense, 2, &y);
    let partials = arena.output(Rows::Dense, 2 * Moments::parts(4096), 2);
    for outcome in arena.run(|p| p.push("moments", Moments { y: view, partials }).unwrap()) {
        let rows = outcome.values(&partials, 2);
        let mut start = 0;
        for (part, count) in Moments::counts(4096).into_iter().enumerate() {
            let values = wide(&y[2 * start..2 * (start + count)]);
            let (mean, m2) = batch_norm::moments(2, &values);
            for c in 0..2 {
                let got_mean = f64::from(rows[4 * part + c]);
                let got_m2 = f64::from(rows[4 * part + 2 + c]);
                assert!(
                    (got_mean - mean[c]).abs() <= 1e-7 * mean[c].abs(),
                    "{}: mean {got_mean}",
                    outcome.isa
                );
                assert!((got_m2 - m2[c]).abs() <= 1e-4 * m2[c], "{}: {got_m2} for {}", outcome.isa, m2[c]);
            }
            start += count;
        }
    }
}

#[test]
fn constant_and_infinite_channels() {
    let pixels = 75;
    let y: Vec<f32> = (0..pixels * 3)
        .map(|i| [0.1, 7.0, if i == 30 * 3 + 2 { f32::INFINITY } else { 1.0 }][i % 3])
        .collect();
    let mut arena = Arena::new();
    let view = arena.input(Rows::Apart, 3, &y);
    let partials = arena.output(Rows::Dense, 2 * Moments::parts(pixels), 3);
    for outcome in arena.run(|p| p.push("moments", Moments { y: view, partials }).unwrap()) {
        let rows = outcome.values(&partials, 3);
        for part in rows.chunks_exact(6) {
            assert!((part[0] - 0.1).abs() < 1e-7 && part[1] == 7.0);
            assert!((0.0..1e-12).contains(&part[3]) && part[4] == 0.0, "{}: {part:?}", outcome.isa);
        }
        assert!(!rows[2].is_finite() && !rows[5].is_finite(), "{}: {:?}", outcome.isa, &rows[..6]);
    }
}
