//! [`median_latency_ms`]: the time that a detector takes for one image.

use std::time::Instant;

use anyhow::Result;
use bonsai_checkpoint::Array;
use bonsai_detector::Detector;

/// Median milliseconds for one image of `imgsz` pixels, decode included, for each detector.
///
/// The detectors take turns, so that other load on the machine affects all of them equally. The first round
/// only warms up.
///
/// # Errors
/// If a network cannot run.
pub fn median_latency_ms(detectors: &mut [&mut Detector], imgsz: usize, runs: usize) -> Result<Vec<f64>> {
    let image = Array::new(&[1, 3, imgsz, imgsz], vec![0.5; 3 * imgsz * imgsz]);
    let mut times = vec![Vec::with_capacity(runs); detectors.len()];
    for round in 0..=runs.max(1) {
        for (detector, times) in detectors.iter_mut().zip(&mut times) {
            let start = Instant::now();
            detector.predict(&image)?;
            if round > 0 {
                times.push(start.elapsed().as_secs_f64() * 1e3);
            }
        }
    }
    Ok(times
        .into_iter()
        .map(|mut t| {
            t.sort_by(f64::total_cmp);
            t[t.len() / 2]
        })
        .collect())
}
