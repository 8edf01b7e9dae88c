//! [`check_range`]: refuses a number that is out of its range.

use std::fmt::Display;
use std::ops::RangeInclusive;

use anyhow::Result;

use crate::ensure_usage;

/// Allowed numbers of batches, images or steps.
pub const COUNTS: RangeInclusive<usize> = 1..=1_000_000;

/// Refuses a value that is out of `range`.
///
/// # Errors
/// [`Misuse`](crate::Misuse) with the setting, its value and the range.
pub fn check_range<T: PartialOrd + Display>(key: &str, value: &T, range: RangeInclusive<T>) -> Result<()> {
    ensure_usage!(range.contains(value), "{key} is {value}; expected {} to {}", range.start(), range.end());
    Ok(())
}
