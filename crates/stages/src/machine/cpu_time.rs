//! [`cpu_seconds`]: the processor time that this process has used, over all its threads.

/// Seconds of processor time so far, from the clock of the process; `None` on a system without that clock.
pub fn cpu_seconds() -> Option<f64> {
    #[cfg(unix)]
    {
        let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
        Some(time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9)
    }
    #[cfg(not(unix))]
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn work_counts() {
        let before = cpu_seconds().unwrap();
        let start = std::time::Instant::now();
        while cpu_seconds().unwrap() < before + 0.03 {
            assert!(start.elapsed().as_secs() < 60, "the clock of the process stands still");
        }
    }
}
