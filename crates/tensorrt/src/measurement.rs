//! [`Measurement`]: the metrics that `trtexec` prints during a build, read line by line.
//!
//! Metrics of different TensorRT versions are not comparable. Up to version 10 the latency includes copies to
//! and from the GPU and launches without a CUDA graph; from version 11 on it includes neither.

use serde::{Deserialize, Serialize};

/// Latencies of one inference, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Latency {
    /// Fastest.
    pub min_ms: f64,
    /// Slowest.
    pub max_ms: f64,
    /// Arithmetic mean.
    pub mean_ms: f64,
    /// Median.
    pub median_ms: f64,
    /// 90th percentile, if printed.
    pub p90_ms: Option<f64>,
    /// 99th percentile, if printed.
    pub p99_ms: Option<f64>,
}

/// Metrics found in the output of `trtexec`; `None` if it did not print them.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Measurement {
    /// Seconds that the builder took.
    pub build_seconds: Option<f64>,
    /// Inferences per second.
    pub throughput_qps: Option<f64>,
    /// Latency from input on the host to output on the host (up to TensorRT 10).
    pub latency: Option<Latency>,
    /// Latency on the GPU alone.
    pub gpu_compute: Option<Latency>,
}

impl Measurement {
    /// Reads the metric of a line of output, if there is one.
    ///
    /// Lines carry a prefix like `[01/31/2026-10:00:00] [I] `. Later lines replace earlier ones.
    pub(crate) fn read_line(&mut self, line: &str) {
        // The message follows the last bracket. Latency lines contain no bracket in their message.
        let message = line.rsplit_once("] ").map_or(line, |(_, message)| message).trim();
        if let Some(rest) = message.strip_prefix("Engine built in ") {
            self.build_seconds = first_number(rest).or(self.build_seconds);
        } else if let Some(rest) = message.strip_prefix("Throughput: ") {
            self.throughput_qps = first_number(rest).or(self.throughput_qps);
        } else if let Some(rest) = message.strip_prefix("Latency: ") {
            self.latency = read_latency(rest).or(self.latency);
        } else if let Some(rest) = message.strip_prefix("GPU Compute Time: ") {
            self.gpu_compute = read_latency(rest).or(self.gpu_compute);
        }
    }
}

fn first_number(text: &str) -> Option<f64> {
    text.split_whitespace().next()?.parse().ok().filter(|number: &f64| number.is_finite())
}

/// Reads `min = 0.5 ms, max = 0.9 ms, mean = 0.6 ms, median = 0.6 ms, percentile(90%) = 0.7 ms, ...`.
fn read_latency(text: &str) -> Option<Latency> {
    let field = |name: &str| {
        text.split(',').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            (key.trim() == name).then(|| first_number(value))?
        })
    };
    Some(Latency {
        min_ms: field("min")?,
        max_ms: field("max")?,
        mean_ms: field("mean")?,
        median_ms: field("median")?,
        p90_ms: field("percentile(90%)"),
        p99_ms: field("percentile(99%)"),
    })
}

#[cfg(test)]
mod tests {
    use super::{Latency, Measurement};

    #[test]
    fn metrics_are_read_from_prefixed_lines() {
        let mut found = Measurement::default();
        for line in [
            "[01/31/2026-10:00:00] [I] Engine built in 31.4 sec.",
            "[01/31/2026-10:00:09] [I] Throughput: 978.25 qps",
            "[01/31/2026-10:00:09] [I] Latency: min = 1.1 ms, max = 3.5 ms, mean = 1.3 ms, median = 1.2 ms, \
             percentile(90%) = 1.5 ms, percentile(95%) = 1.6 ms, percentile(99%) = 2.0 ms",
            "[01/31/2026] [I] H2D Latency: min = 0.1 ms, max = 0.1 ms, mean = 0.1 ms, median = 1 ms",
            "GPU Compute Time: min = 0.9 ms, max = 1 ms, mean = 0.95 ms, median = 0.94 ms",
            "[I] Latency: min = soon",
            "[I] Throughput: many qps",
        ] {
            found.read_line(line);
        }
        let latency = Latency {
            min_ms: 1.1,
            max_ms: 3.5,
            mean_ms: 1.3,
            median_ms: 1.2,
            p90_ms: Some(1.5),
            p99_ms: Some(2.0),
        };
        assert_eq!(found.build_seconds, Some(31.4));
        assert_eq!(found.throughput_qps, Some(978.25));
        assert_eq!(found.latency, Some(latency));
        assert_eq!(found.gpu_compute.map(|t| (t.median_ms, t.p90_ms)), Some((0.94, None)));
    }
}
