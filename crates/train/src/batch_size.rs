//! [`serialize`] and [`deserialize`]: a batch size, or -1 for one that fits the memory.

use serde::de::Error as _;
use serde::{Deserialize as _, Deserializer, Serializer};

/// The batch that is written as -1.
pub(crate) const FITTING: usize = 0;

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn serialize<S: Serializer>(batch: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    if *batch == FITTING {
        return serializer.serialize_i64(-1);
    }
    serializer.serialize_u64(*batch as u64)
}

pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<usize, D::Error> {
    let wrong = |given: i64| {
        D::Error::custom(format!(
            "batch is {given}, must be at least 1, or -1 for as many images as fit the memory"
        ))
    };
    match i64::deserialize(deserializer)? {
        -1 => Ok(FITTING),
        given @ ..=0 => Err(wrong(given)),
        given => usize::try_from(given).map_err(|_| wrong(given)),
    }
}
