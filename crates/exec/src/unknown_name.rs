//! [`UnknownName`]: the error for a name that is not in the list of known names.

/// A name that is not in the list of known names.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown {what} \"{got}\"; expected {expected}")]
pub struct UnknownName {
    /// What the name should select.
    pub what: &'static str,
    /// The name found.
    pub got: String,
    /// The known names, in words.
    pub expected: String,
}

impl UnknownName {
    /// The error for `got`.
    pub fn new(what: &'static str, got: &str, expected: impl Into<String>) -> Self {
        Self { what, got: got.to_owned(), expected: expected.into() }
    }
}
