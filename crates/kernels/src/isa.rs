//! [`Isa`]: the instruction set that kernels run on.

use std::fmt;
use std::str::FromStr;

use crate::KernelError;
use crate::simd::{Avx2, Avx512, Portable, Simd, WithSimd};

/// An instruction set that this machine has. A value exists only after successful detection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Isa(Token);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Portable(Portable),
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such machine here"))]
    Avx2(Avx2),
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such machine here"))]
    Avx512(Avx512),
}

impl Isa {
    /// Plain Rust, which every machine can run.
    pub const PORTABLE: Self = Self(Token::Portable(Portable));

    /// The fastest instruction set of this machine.
    pub fn detect() -> Self {
        Self::available().pop().expect("the portable instruction set is always available")
    }

    /// All instruction sets of this machine, slowest first.
    pub fn available() -> Vec<Self> {
        let avx2 = Avx2::detect().map(|t| Self(Token::Avx2(t)));
        let avx512 = Avx512::detect().map(|t| Self(Token::Avx512(t)));
        [Some(Self::PORTABLE), avx2, avx512].into_iter().flatten().collect()
    }

    /// `portable`, `avx2` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Token::Portable(_) => "portable",
            Token::Avx2(_) => "avx2",
            Token::Avx512(_) => "avx512",
        }
    }

    /// Calls `f`, compiled for this instruction set.
    #[inline]
    pub(crate) fn run<F: WithSimd>(self, f: F) -> F::Output {
        match self.0 {
            Token::Portable(s) => s.vectorize(f),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(s) => s.vectorize(f),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(s) => s.vectorize(f),
            #[cfg(not(target_arch = "x86_64"))]
            Token::Avx2(_) | Token::Avx512(_) => Portable.vectorize(f),
        }
    }

    /// Widest panel of output channels that a convolution tile covers at once, in channels.
    pub(crate) const fn widest_panel(self) -> usize {
        match self.0 {
            Token::Portable(_) | Token::Avx2(_) => 16,
            Token::Avx512(_) => 48,
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Isa {
    type Err = KernelError;

    /// # Errors
    /// [`KernelError::Isa`] if the name is unknown or this machine lacks the instruction set.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        named(name, &Self::available(), Self::name)
    }
}

/// The instruction set with this name among those that are available.
pub(crate) fn named<I: Copy>(
    name: &str,
    available: &[I],
    name_of: fn(I) -> &'static str,
) -> Result<I, KernelError> {
    available.iter().copied().find(|isa| name_of(*isa) == name).ok_or_else(|| KernelError::Isa {
        name: name.to_owned(),
        available: available.iter().map(|isa| name_of(*isa)).collect::<Vec<_>>().join(", "),
    })
}
