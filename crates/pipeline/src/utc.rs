//! [`now`]: the current time as text. The text is for readers; the program decides nothing by it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The current time in UTC as in RFC 3339: `2026-11-28T04:52:03Z`.
pub(crate) fn now() -> String {
    // A clock set before 1970 is wrong in any case, so 0 will do.
    text(SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()))
}

/// Formats a number of seconds since 1970-01-01T00:00:00Z.
fn text(seconds: u64) -> String {
    let day = seconds / 86_400;
    let second = seconds % 86_400;
    // A year counted from March ends with the leap day. 400 such years have 146,097 days; the first begins in
    // year 0.
    let day = day + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year + 400 * era + u64::from(month <= 2);
    let hour = second / 3_600;
    let minute = second / 60 % 60;
    let second = second % 60;
    format!("{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_become_calendar_dates() {
        for (seconds, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (1_735_689_600, "2025-01-01T00:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(text(seconds), expected);
        }
        assert!(now().starts_with("20"));
    }
}
