//! [`rows`]: the CPU engines of baseline and fine-tuned network in 32-bit floats and in 8-bit codes.

use crate::headline::{milliseconds, signed, times};
use crate::{Report, Row};

pub(crate) const COLUMNS: [&str; 7] =
    ["CPU engine", "mAP50-95", "change", "size", "latency", "images/s", "speed"];

/// One row per engine, each cell as text; change and speed are relative to the baseline's engine in `f32`.
/// Empty without engines in both precisions, because the other tables then have the same rows.
pub(crate) fn rows(report: &Report) -> Vec<[String; 7]> {
    let engines: Vec<&Row> = report.rows.iter().filter(|row| row.is_cpu_engine()).collect();
    let Some(reference) =
        engines.first().filter(|first| engines.iter().any(|e| e.precision != first.precision))
    else {
        return Vec::new();
    };
    let mut rows = Vec::new();
    for network in ["baseline", "fine-tuned"] {
        for engine in engines.iter().filter(|engine| engine.network == network) {
            rows.push([
                format!("{network}, {}", engine.precision),
                format!("{:.3}", engine.map50_95),
                if std::ptr::eq(*engine, *reference) {
                    "ref.".to_owned()
                } else {
                    signed(engine.map50_95 - reference.map50_95)
                },
                format!("{:.1} MB", engine.bytes as f64 / 1e6),
                format!("{} ms", milliseconds(engine.latency.p50_ms)),
                format!("{:.0}", 1e3 / engine.latency.p50_ms),
                times(&engine.speed),
            ]);
        }
    }
    rows
}
