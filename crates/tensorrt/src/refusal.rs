//! [`Refusal`]: reasons why a library did not build.

use crate::BuildError;

/// Reasons why a builder gave no engine.
pub(crate) enum Refusal {
    /// The builder is not installed; another one may be.
    Absent(String),
    /// The user named this builder, and it does not work here.
    NotHere(String),
    /// The build failed.
    Failed(BuildError),
}
