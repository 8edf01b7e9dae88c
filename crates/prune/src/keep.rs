//! [`to_text`] and [`parse`]: lists of kept channels as readable text, such as `0-7,9,12-15`.

use std::fmt::Write;

/// Largest width of a layer, as in `bonsai-graph`; bounds the memory that a foreign plan can allocate.
const MAX_CHANNELS: usize = 1 << 16;

/// The text of an ascending list of channels.
pub(crate) fn to_text(keep: &[usize]) -> String {
    let mut text = String::new();
    for run in keep.chunk_by(|a, b| a + 1 == *b) {
        if !text.is_empty() {
            text.push(',');
        }
        let first = run[0];
        let last = run[run.len() - 1];
        let written = if first == last { write!(text, "{first}") } else { write!(text, "{first}-{last}") };
        written.expect("writing to a string cannot fail");
    }
    text
}

/// Parses such a text for a layer of `channels` channels; the error describes what is wrong.
pub(crate) fn parse(text: &str, channels: usize) -> Result<Vec<usize>, String> {
    if channels > MAX_CHANNELS {
        return Err(format!("a layer has at most {MAX_CHANNELS} channels, not {channels}"));
    }
    let mut keep: Vec<usize> = Vec::new();
    for run in text.split(',').map(str::trim).filter(|run| !run.is_empty()) {
        let (first, last) = run.split_once('-').unwrap_or((run, run));
        let number = |s: &str| {
            s.trim().parse::<usize>().map_err(|_| format!("`{run}` is neither a number nor `first-last`"))
        };
        let first = number(first)?;
        let last = number(last)?;
        if first > last || keep.last().is_some_and(|before| first <= *before) {
            return Err(format!("`{run}` is out of order; channels must ascend"));
        }
        if last >= channels {
            return Err(format!("channel {last} does not exist; the layer has {channels}"));
        }
        keep.extend(first..=last);
    }
    Ok(keep)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        for (keep, text) in
            [(vec![], ""), (vec![3], "3"), (vec![0, 1, 2, 5, 7, 8], "0-2,5,7-8"), ((0..64).collect(), "0-63")]
        {
            assert_eq!(to_text(&keep), text);
            assert_eq!(parse(text, 64), Ok(keep));
        }
        assert_eq!(parse(" 0 - 2, 5 ,", 6), Ok(vec![0, 1, 2, 5]));
    }

    #[test]
    fn wrong_texts_say_why() {
        for (text, channels, reason) in [
            ("0-8", 8, "channel 8 does not exist; the layer has 8"),
            ("3,2", 8, "`2` is out of order; channels must ascend"),
            ("2,2", 8, "`2` is out of order; channels must ascend"),
            ("5-3", 8, "`5-3` is out of order; channels must ascend"),
            ("a", 8, "`a` is neither a number nor `first-last`"),
            ("-1", 8, "`-1` is neither a number nor `first-last`"),
            ("0-18446744073709551615", 8, "channel 18446744073709551615 does not exist; the layer has 8"),
            ("0", usize::MAX, "a layer has at most 65536 channels, not 18446744073709551615"),
        ] {
            assert_eq!(parse(text, channels), Err(reason.to_owned()));
        }
    }
}
