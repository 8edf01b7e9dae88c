//! [`peak_rss_mb`] and [`reset_peak`]: the peak memory of this process, since its start or since a reset.

/// Resets the peak, if the system supports it (Linux).
pub fn reset_peak() {
    // Without permission the old peak stays: a value that is too high is better than none.
    let _ = std::fs::write("/proc/self/clear_refs", "5");
}

/// Peak resident memory of the process so far, in MiB; `None` if the system does not report it (Linux does).
pub fn peak_rss_mb() -> Option<f64> {
    parse(&std::fs::read_to_string("/proc/self/status").ok()?)
}

/// The peak in the text of `/proc/self/status`, which is in KiB.
fn parse(status: &str) -> Option<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib / 1024.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_high_water_mark_is_found_among_the_lines() {
        assert_eq!(
            parse("Name:\txtask\nVmPeak:\t  999 kB\nVmHWM:\t   2048 kB\nVmRSS:\t 1024 kB\n"),
            Some(2.0)
        );
        assert_eq!(parse("Name:\txtask\nVmRSS:\t 1024 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_was_touched_counts() {
        let block = std::hint::black_box(vec![1u8; 64 << 20]);
        assert_eq!(block[block.len() - 1], 1);
        assert!(peak_rss_mb().unwrap() >= 64.0);
    }
}
