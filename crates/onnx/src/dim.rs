//! [`Dim`]: a size of a tensor, which is known, named or unknown.

use std::fmt;

/// One dimension of a tensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dim {
    /// A fixed size.
    Fixed(usize),
    /// A size that is chosen when the model runs, by name.
    Symbolic(String),
    /// The file does not give the size.
    Unknown,
}

impl Dim {
    /// A named size.
    pub(crate) fn named(name: impl Into<String>) -> Self {
        Self::Symbolic(name.into())
    }

    /// The size, if it is known before the model runs.
    pub(crate) const fn fixed(&self) -> Option<usize> {
        match self {
            Self::Fixed(size) => Some(*size),
            Self::Symbolic(_) | Self::Unknown => None,
        }
    }

    /// The size if it is known, or `word`, a placeholder that `Reshape` understands.
    pub(crate) fn or(&self, word: i64) -> i64 {
        self.fixed().map_or(word, |size| size as i64)
    }
}

impl From<usize> for Dim {
    fn from(size: usize) -> Self {
        Self::Fixed(size)
    }
}

impl fmt::Display for Dim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(size) => write!(f, "{size}"),
            Self::Symbolic(name) => f.write_str(name),
            Self::Unknown => f.write_str("?"),
        }
    }
}
