//! [`duration`]: a number of seconds as text with at most two units.

/// `3.2 s`, `42 s`, `2 min 5 s` or `2 h 5 min`.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.round() as u64;
    match (whole / 3600, whole / 60 % 60, whole % 60) {
        (0, 0, _) if seconds < 10.0 => format!("{seconds:.1} s"),
        (0, 0, seconds) => format!("{seconds} s"),
        (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
        (hours, minutes, _) => format!("{hours} h {minutes} min"),
    }
}

/// A remaining time, without digits that change with every step: `42 s`, `12 min` or `2 h 5 min`.
pub(crate) fn remaining(seconds: f64) -> String {
    match seconds {
        ..=90.0 => format!("{} s", seconds.ceil()),
        ..=5400.0 => format!("{} min", (seconds / 60.0).ceil()),
        _ => duration((seconds / 60.0).ceil() * 60.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_at_most_two_units() {
        assert_eq!([3.21, 42.0, 125.0, 7_500.0].map(duration), ["3.2 s", "42 s", "2 min 5 s", "2 h 5 min"]);
        assert_eq!(
            [0.0, 3.21, 90.5, 3_541.0, 7_490.0].map(remaining),
            ["0 s", "4 s", "2 min", "60 min", "2 h 5 min"]
        );
    }
}
