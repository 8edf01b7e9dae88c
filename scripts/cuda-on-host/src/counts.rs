//! [`Counts`]: what the program asked of the driver.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Numbers of calls and bytes since the start.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    /// By name: launches, uploads, upload bytes and the like.
    calls: BTreeMap<String, u64>,
    /// Launches by kernel.
    kernels: BTreeMap<String, u64>,
    /// The most bytes in live blocks.
    peak: u64,
}

impl Counts {
    pub(crate) fn called(&mut self, name: &str) {
        self.add(name, 1);
    }

    pub(crate) fn launched(&mut self, kernel: &str) {
        self.add("launches", 1);
        *self.kernels.entry(kernel.to_owned()).or_default() += 1;
    }

    pub(crate) fn transferred(&mut self, name: &str, bytes: usize) {
        self.add(name, 1);
        self.add(&format!("{name}_bytes"), bytes as u64);
    }

    pub(crate) fn allocated(&mut self, bytes: usize, live: usize) {
        self.transferred("allocations", bytes);
        self.peak = self.peak.max(live as u64);
    }

    pub(crate) fn freed(&mut self) {
        self.add("frees", 1);
    }

    pub(crate) fn waited(&mut self) {
        self.add("waits", 1);
    }

    /// One count, by its name in the report.
    pub(crate) fn of(&self, name: &str) -> u64 {
        self.calls.get(name).copied().unwrap_or(0)
    }

    fn add(&mut self, name: &str, count: u64) {
        *self.calls.entry(name.to_owned()).or_default() += count;
    }

    /// All counts. Names are identifiers, so nothing needs an escape.
    pub(crate) fn json(&self) -> String {
        let object = |counts: &BTreeMap<String, u64>| {
            let entries: Vec<String> =
                counts.iter().map(|(name, count)| format!("\"{name}\": {count}")).collect();
            format!("{{{}}}", entries.join(", "))
        };
        let mut text = String::new();
        let _ = writeln!(
            text,
            "{{\"calls\": {}, \"kernels\": {}, \"peak_bytes\": {}}}",
            object(&self.calls),
            object(&self.kernels),
            self.peak
        );
        text
    }
}
