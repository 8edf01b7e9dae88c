//! [`cpu_seconds`]: the processor time that this process has used, over all its threads.

/// Ticks in a second: Linux reports processor time to programs in hundredths of a second on every
/// architecture.
const TICKS: f64 = 100.0;
/// Positions of the ticks in user and kernel mode after the process name in `/proc/self/stat`.
const USER: usize = 11;
const SYSTEM: usize = 12;

/// Seconds of processor time so far; `None` if the system does not report it (Linux does).
pub fn cpu_seconds() -> Option<f64> {
    parse(&std::fs::read_to_string("/proc/self/stat").ok()?)
}

/// The process name is in brackets and may contain any character, even brackets.
fn parse(stat: &str) -> Option<f64> {
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let user: f64 = fields.nth(USER)?.parse().ok()?;
    let system: f64 = fields.nth(SYSTEM - USER - 1)?.parse().ok()?;
    Some((user + system) / TICKS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_and_kernel_mode_are_added_up() {
        let stat = "77 (a (odd) name) R 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 5";
        assert_eq!(parse(stat), Some(3.0));
        assert_eq!(parse("77 (short) R 1 2"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn work_counts() {
        let before = cpu_seconds().unwrap();
        let start = std::time::Instant::now();
        while start.elapsed().as_secs_f64() < 0.1 {
            std::hint::black_box(start);
        }
        assert!(cpu_seconds().unwrap() > before);
    }
}
