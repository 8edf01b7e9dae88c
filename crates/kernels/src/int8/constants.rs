//! [`Requantization`] and [`Constants`]: everything that a convolution on codes reads besides its inputs.

use crate::fit::equal;
use crate::{KernelError, SEGMENT};

/// Number of words of a table of 256 codes.
const TABLE: usize = 64;

/// How the sums of a convolution become values: `sum * scale + bias`, per output channel.
///
/// For codes, scale and bias are in units of one code and include the zero point of the output.
#[derive(Debug, Clone, PartialEq)]
pub struct Requantization {
    /// Factor of every output channel, including padding.
    pub scale: Vec<f32>,
    /// Summand of every output channel, including padding.
    pub bias: Vec<f32>,
    /// The code that replaces each code, for an activation function.
    pub table: Option<Box<[u8; 256]>>,
}

impl Requantization {
    pub(crate) fn check(&self, label: &str, channels: usize) -> Result<(), KernelError> {
        equal(label, "scales", self.scale.len(), channels)?;
        equal(label, "biases", self.bias.len(), channels)
    }
}

/// Positions in the constants of a convolution, in words: weights, first sums, scales, biases and the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Constants {
    /// Number of words of the weights, whole segments.
    pub(crate) weights: usize,
    /// Number of output channels, whole segments.
    pub(crate) channels: usize,
}

impl Constants {
    pub(crate) const fn sums(&self) -> usize {
        self.weights
    }

    pub(crate) const fn scale(&self) -> usize {
        self.weights + self.channels
    }

    pub(crate) const fn bias(&self) -> usize {
        self.weights + 2 * self.channels
    }

    pub(crate) const fn table(&self) -> usize {
        self.weights + 3 * self.channels
    }

    /// Number of words.
    pub(crate) const fn len(&self) -> usize {
        self.table() + TABLE
    }

    /// Writes everything but the weights.
    pub(crate) fn write(&self, to: &mut [u8], sums: &[i32], requantization: &Requantization) {
        debug_assert!(self.channels.is_multiple_of(SEGMENT));
        let mut put = |word: usize, bytes: &mut dyn Iterator<Item = [u8; 4]>| {
            for (to, from) in to[4 * word..].chunks_exact_mut(4).zip(bytes) {
                to.copy_from_slice(&from);
            }
        };
        put(self.sums(), &mut sums.iter().map(|v| v.to_ne_bytes()));
        put(self.scale(), &mut requantization.scale.iter().map(|v| v.to_ne_bytes()));
        put(self.bias(), &mut requantization.bias.iter().map(|v| v.to_ne_bytes()));
        if let Some(table) = &requantization.table {
            to[4 * self.table()..4 * self.len()].copy_from_slice(&table[..]);
        }
    }
}
