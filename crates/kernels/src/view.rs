//! [`View`]: a rectangle of pixels and channels in a buffer, and how a kernel accesses it.
//!
//! A buffer holds many tensors; a [`View`] locates one of them. A concat needs no copy: its inputs are views
//! side by side with the same row pitch `ld`.
//!
//! The fields of a view are public and unchecked. Arithmetic on them saturates, so that a view that exceeds
//! any memory never looks like one that fits.

/// Number of channels in a segment. Views start and end at multiples of it; channels that pad a segment are
/// zero.
pub const SEGMENT: usize = 16;

/// `channels` rounded up to whole segments.
pub const fn padded(channels: usize) -> usize {
    channels.saturating_add(SEGMENT - 1) / SEGMENT * SEGMENT
}

/// A rectangle in a buffer: `pixels` rows of `channels` values; rows are `ld` values apart.
///
/// The fields may have any values; [`Program::push`](crate::Program::push) rejects views that do not fit into
/// a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Index of the buffer in the list given to [`Program::run`](crate::Program::run).
    pub buffer: usize,
    /// Position of the first channel of the first pixel in the buffer.
    pub offset: usize,
    /// Number of rows: `n * h * w` for an image tensor.
    pub pixels: usize,
    /// Number of channels, including padding.
    pub channels: usize,
    /// Row pitch, at least `channels`.
    pub ld: usize,
}

impl View {
    /// A dense tensor: its row pitch is its number of channels.
    pub const fn dense(buffer: usize, offset: usize, pixels: usize, channels: usize) -> Self {
        Self { buffer, offset, pixels, channels, ld: channels }
    }

    /// One row of `len` values.
    pub const fn vector(buffer: usize, offset: usize, len: usize) -> Self {
        Self::dense(buffer, offset, 1, len)
    }

    /// Channels `start .. start + len` of the same pixels. The offset saturates at [`usize::MAX`]; such a
    /// view fits into no buffer.
    #[must_use]
    pub const fn columns(self, start: usize, len: usize) -> Self {
        Self { offset: self.offset.saturating_add(start), channels: len, ..self }
    }

    /// Position after the last value; saturates at [`usize::MAX`].
    pub const fn end(&self) -> usize {
        match self.pixels {
            0 => self.offset,
            n => self.offset.saturating_add((n - 1).saturating_mul(self.ld)).saturating_add(self.channels),
        }
    }

    /// Whether the rectangle has no value.
    pub const fn is_empty(&self) -> bool {
        self.pixels == 0 || self.channels == 0
    }

    /// Whether the views have a value in common. May return true for interleaved views of different pitch
    /// that have none.
    pub const fn overlaps(&self, other: &Self) -> bool {
        if self.buffer != other.buffer || self.is_empty() || other.is_empty() {
            return false;
        }
        if self.end() <= other.offset || other.end() <= self.offset {
            return false;
        }
        if self.ld != other.ld || self.ld == 0 {
            return true;
        }
        let (first, second) = if self.offset <= other.offset { (self, other) } else { (other, self) };
        let column = (second.offset - first.offset) % self.ld;
        column < first.channels || column.saturating_add(second.channels) > self.ld
    }
}

/// How a kernel accesses a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reads it.
    Read,
    /// Overwrites all of it.
    Write,
    /// Reads and writes it.
    Update,
}

/// A view and how a kernel accesses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Operand {
    /// The view.
    pub view: View,
    /// The kind of access.
    pub access: Access,
}

impl Operand {
    /// Whether the order of the two accesses matters.
    pub(crate) fn conflicts(&self, other: &Self) -> bool {
        (self.access != Access::Read || other.access != Access::Read) && self.view.overlaps(&other.view)
    }
}

/// Constructors of operands for the kernels that declare them.
impl View {
    pub(crate) const fn read(self) -> Operand {
        Operand { view: self, access: Access::Read }
    }

    pub(crate) const fn write(self) -> Operand {
        Operand { view: self, access: Access::Write }
    }

    pub(crate) const fn update(self) -> Operand {
        Operand { view: self, access: Access::Update }
    }

    /// [`View::update`] if the kernel adds to the values of the view, otherwise [`View::write`].
    pub(crate) const fn store(self, accumulate: bool) -> Operand {
        if accumulate { self.update() } else { self.write() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_of_one_tensor_do_not_overlap_and_neighbours_do() {
        let whole = View::dense(0, 32, 10, 48);
        let left = whole.columns(0, 16);
        let right = whole.columns(16, 32);
        assert!(!left.overlaps(&right) && !right.overlaps(&left));
        assert!(whole.overlaps(&left) && whole.columns(0, 32).overlaps(&right));
        assert!(!whole.overlaps(&View { buffer: 1, ..whole }));
        assert!(!whole.overlaps(&View::dense(0, whole.end(), 4, 16)));
        assert!(whole.overlaps(&View::vector(0, whole.end() - 16, 16)));
        // The same pitch, but shifted by one row and 32 channels: the columns do not overlap.
        assert!(!left.overlaps(&View { offset: 32 + 48 + 32, channels: 16, ..whole }));
    }

    #[test]
    fn sizes_that_no_word_can_count_saturate() {
        let far = View { buffer: 0, offset: usize::MAX - 15, pixels: 2, channels: 16, ld: 1 << 40 };
        assert_eq!((far.end(), far.columns(usize::MAX, 16).offset), (usize::MAX, usize::MAX));
        assert_eq!(View { offset: 0, pixels: 3, ld: 1 << 63, ..far }.end(), usize::MAX);
        let flat = View { offset: 0, ld: 0, ..far };
        assert!(flat.overlaps(&flat) && far.overlaps(&far));
        assert_eq!(padded(usize::MAX), usize::MAX - 15);
        assert_eq!([0, 1, 16, 17].map(padded), [0, 16, 16, 32]);
    }
}
