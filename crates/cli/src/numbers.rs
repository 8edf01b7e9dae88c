//! [`count`], [`seed`] and [`side`]: parsers for numbers on the command line.

/// Largest count.
const MOST: usize = 1_000_000;

/// Parses a number of things, at least 1.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("expected a whole number from 1 to {MOST}")),
    }
}

/// Parses a seed. The largest is that of TOML's integers, because seeds are stored in TOML.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    let number: Option<i64> = text.parse().ok();
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| format!("expected a whole number from 0 to {}", i64::MAX))
}

/// Parses the side of an image in pixels.
pub(crate) fn side(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "expected a number of pixels, such as 640".to_owned())?;
    bonsai_pipeline::check_imgsz(number).map_err(|error| error.to_string())?;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_limits() {
        assert_eq!((count("1"), count("1000000")), (Ok(1), Ok(MOST)));
        assert!(
            ["0", "-1", "1.5", "nan", "", "1000001", "99999999999999999999"]
                .iter()
                .all(|n| count(n).is_err())
        );
        assert_eq!((seed("0"), seed("9223372036854775807")), (Ok(0), Ok(u64::MAX >> 1)));
        assert!(["-1", "9223372036854775808", "x"].iter().all(|n| seed(n).is_err()));
        assert_eq!(side("640"), Ok(640));
        assert!(["0", "33", "-32", "16416", "x"].iter().all(|n| side(n).is_err()));
    }
}
