//! [`Int8Isa`]: the instruction set on which kernels on codes run.

use std::fmt;
use std::str::FromStr;

use super::dot::{Avx2Pairs, Avx512Vnni, AvxVnni, Dot, PortablePairs, WithDot};
use crate::isa::named;
use crate::{Isa, KernelError};

/// An instruction set for codes that this machine has. A value exists only after successful detection.
///
/// Results do not depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Int8Isa(Token);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    Portable(PortablePairs),
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such machine here"))]
    Avx2(Avx2Pairs),
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such machine here"))]
    AvxVnni(AvxVnni),
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "no such machine here"))]
    Avx512(Avx512Vnni),
}

impl Int8Isa {
    /// Plain Rust, which every machine can run.
    pub const PORTABLE: Self = Self(Token::Portable(PortablePairs));

    /// The fastest instruction set of this machine.
    pub fn detect() -> Self {
        Self::available().pop().expect("the portable instruction set is always available")
    }

    /// The fastest instruction set of this machine for codes if `isa` is the fastest for `f32`. Otherwise the
    /// one of the same age, so that choosing an older instruction set for `f32` also chooses one for codes.
    pub fn within(isa: Isa) -> Self {
        if isa == Isa::detect() {
            return Self::detect();
        }
        Self::available().into_iter().find(|own| own.name() == isa.name()).unwrap_or(Self::PORTABLE)
    }

    /// All instruction sets of this machine, slowest first.
    pub fn available() -> Vec<Self> {
        let avx2 = Avx2Pairs::detect().map(|t| Self(Token::Avx2(t)));
        let avx_vnni = AvxVnni::detect().map(|t| Self(Token::AvxVnni(t)));
        let avx512 = Avx512Vnni::detect().map(|t| Self(Token::Avx512(t)));
        [Some(Self::PORTABLE), avx2, avx_vnni, avx512].into_iter().flatten().collect()
    }

    /// `portable`, `avx2`, `avx-vnni` or `avx512-vnni`.
    pub const fn name(self) -> &'static str {
        match self.0 {
            Token::Portable(_) => "portable",
            Token::Avx2(_) => "avx2",
            Token::AvxVnni(_) => "avx-vnni",
            Token::Avx512(_) => "avx512-vnni",
        }
    }

    /// Calls `f`, compiled for this instruction set.
    #[inline]
    pub(crate) fn run<F: WithDot>(self, f: F) {
        match self.0 {
            Token::Portable(d) => d.enter(f),
            #[cfg(target_arch = "x86_64")]
            Token::Avx2(d) => d.enter(f),
            #[cfg(target_arch = "x86_64")]
            Token::AvxVnni(d) => d.enter(f),
            #[cfg(target_arch = "x86_64")]
            Token::Avx512(d) => d.enter(f),
            #[cfg(not(target_arch = "x86_64"))]
            Token::Avx2(_) | Token::AvxVnni(_) | Token::Avx512(_) => PortablePairs.enter(f),
        }
    }

    /// Bytes of an input channel in a strip: 1, or 2 if codes are widened.
    pub(crate) const fn input_bytes(self) -> usize {
        match self.0 {
            Token::Portable(_) | Token::Avx2(_) => 2,
            Token::AvxVnni(_) | Token::Avx512(_) => 1,
        }
    }

    /// Widest panel of output channels that a convolution tile covers at once, in channels.
    pub(crate) const fn widest_panel(self) -> usize {
        match self.0 {
            Token::Portable(_) | Token::Avx2(_) | Token::AvxVnni(_) => 16,
            Token::Avx512(_) => 64,
        }
    }
}

impl fmt::Display for Int8Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Int8Isa {
    type Err = KernelError;

    /// # Errors
    /// [`KernelError::Isa`] if the name is unknown or this machine lacks the instruction set.
    fn from_str(name: &str) -> Result<Self, KernelError> {
        named(name, &Self::available(), Self::name)
    }
}
