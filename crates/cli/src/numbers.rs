//! Numbers of the command line that are no settings: how often, how many.

/// Most of anything that is counted.
const MOST: usize = 1_000_000;

/// A number of things of which there is at least one.
pub(crate) fn count(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if (1..=MOST).contains(&number) => Ok(number),
        _ => Err(format!("a whole number from 1 to {MOST} is needed")),
    }
}

/// Where randomness starts from: as large as the whole numbers of TOML, in which it is kept.
pub(crate) fn seed(text: &str) -> Result<u64, String> {
    let number: Option<i64> = text.parse().ok();
    number
        .and_then(|number| u64::try_from(number).ok())
        .ok_or_else(|| format!("a whole number from 0 to {} is needed", i64::MAX))
}

/// A side of images in pixels.
pub(crate) fn side(text: &str) -> Result<usize, String> {
    let number = text.parse().map_err(|_| "a number of pixels is needed, such as 640".to_owned())?;
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
