//! [`number`]: reads one word of a label row as a number.

use std::str::FromStr;

use crate::WarningKind;
use crate::text::shown;

/// Parses a word as a finite number.
pub(crate) fn number<T: FromStr + Copy>(word: &str, is_finite: fn(T) -> bool) -> Result<T, WarningKind> {
    word.parse::<T>()
        .ok()
        .filter(|value| is_finite(*value))
        .ok_or_else(|| WarningKind::NotANumber { word: shown(word) })
}
