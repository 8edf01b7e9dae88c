//! [`rows`]: the table at the end of the original workflow: baseline and pruned network in fp16 and int8.

use bonsai_tensorrt::EnginePrecision;

use crate::headline::milliseconds;
use crate::{Group, Report};

pub(crate) const COLUMNS: [&str; 5] = ["model", "mAP50", "mAP50-95", "size", "latency"];

/// The rows of the table, each cell as text: measured files, then engines for GPUs.
pub(crate) fn rows(report: &Report) -> Vec<[String; 5]> {
    let pruned =
        |network: &str| if network == "fine-tuned" { "pruned".to_owned() } else { network.to_owned() };
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let mut rows = Vec::new();
    for network in ["baseline", "fine-tuned"] {
        for precision in [EnginePrecision::Fp16, EnginePrecision::Int8] {
            let files = report.rows.iter().filter(|row| row.group == Group::Export);
            for row in files.filter(|r| r.network == network && r.precision == precision) {
                let file = if row.is_cpu_engine() {
                    "CPU engine".to_owned()
                } else {
                    format!("ONNX in {}", row.runner)
                };
                rows.push([
                    format!("{}, {precision}, {file}", pruned(network)),
                    format!("{:.3}", row.map50),
                    format!("{:.3}", row.map50_95),
                    megabytes(row.bytes),
                    format!("{} ms", milliseconds(row.latency.p50_ms)),
                ]);
            }
            for made in report.made.iter().filter(|m| m.network == network && m.precision == precision) {
                rows.push([
                    format!("{}, {precision}, {}", pruned(network), made.what),
                    "not measured".to_owned(),
                    "not measured".to_owned(),
                    megabytes(made.bytes),
                    made.latency_ms
                        .map_or_else(|| "not measured".to_owned(), |ms| format!("{} ms", milliseconds(ms))),
                ]);
            }
        }
    }
    rows
}
