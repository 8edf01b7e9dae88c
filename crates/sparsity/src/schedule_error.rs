//! [`ScheduleError`]: a number of a schedule or plan that cannot be used.

/// A number of a schedule or plan that is negative, too large or not finite.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("L1 schedule: `{field}` is {got}; it must be a number of 0 or more, at most {most}", most = Self::LARGEST)]
#[non_exhaustive]
pub struct ScheduleError {
    /// Name of the setting.
    pub field: &'static str,
    /// Value found.
    pub got: f64,
}

impl ScheduleError {
    /// The largest strength, travel or fraction; larger values overflow 32-bit floats within a few steps.
    pub const LARGEST: f64 = 1e6;

    pub(crate) fn check(field: &'static str, got: f64) -> Result<(), Self> {
        if (0.0..=Self::LARGEST).contains(&got) { Ok(()) } else { Err(Self { field, got }) }
    }
}
