//! [`Buffer`], and [`View`]: a rectangle of pixels and channels in a buffer that a kernel reads or writes.
//!
//! A buffer holds many tensors; a [`View`] locates one of them. A concat needs no copy: its inputs are views
//! side by side with the same row pitch `ld`. Kernels never hold a slice of a buffer, because two tasks may
//! write different channels of the same pixels. Each task uses raw pointers inside the views that its kernel
//! declared as [`Operand`]s and that [`Program::push`](crate::Program::push) checked.
//!
//! The fields of a view are public and unchecked. Arithmetic on them saturates, so that a view that exceeds
//! any memory never looks like one that fits.

use std::alloc::{self, Layout};
use std::{fmt, ptr};

use crate::KernelError;

/// Number of channels in a segment. Views start and end at multiples of it; channels that pad a segment are
/// zero.
pub const SEGMENT: usize = 16;

/// Most values that a buffer can hold or a shape can have: more than any machine can address, and few enough
/// that products with the sizes of a window do not overflow.
pub(crate) const MOST_VALUES: usize = {
    let addressable = isize::MAX as u64 / size_of::<f32>() as u64;
    if addressable < 1 << 45 { addressable as usize } else { (1u64 << 45) as usize }
};

/// `channels` rounded up to whole segments.
pub const fn padded(channels: usize) -> usize {
    channels.saturating_add(SEGMENT - 1) / SEGMENT * SEGMENT
}

/// Zeroed `f32` memory that starts at a cache line.
///
/// The system provides zeroed pages on first access, so unused parts of a large buffer take no memory.
pub struct Buffer {
    /// The values, with spare room before and after them so that they can start at a cache line.
    values: Box<[f32]>,
    start: usize,
    len: usize,
}

/// Number of bytes in a cache line.
const CACHE_LINE: usize = SEGMENT * size_of::<f32>();

impl Buffer {
    /// A buffer of `len` zeros.
    ///
    /// # Panics
    /// If the system cannot allocate the memory; [`Buffer::try_zeroed`] returns an error instead.
    pub fn zeroed(len: usize) -> Self {
        Self::try_zeroed(len).expect("memory for a buffer")
    }

    /// A buffer of `len` zeros.
    ///
    /// # Errors
    /// [`KernelError::Memory`] if the system cannot allocate the memory.
    pub fn try_zeroed(len: usize) -> Result<Self, KernelError> {
        if len == 0 {
            return Ok(Self { values: Box::default(), start: 0, len });
        }
        let values = zeros(len.saturating_add(SEGMENT - 1)).ok_or(KernelError::Memory { values: len })?;
        let start = values.as_ptr().align_offset(CACHE_LINE);
        assert!(start < SEGMENT, "values are aligned to their own size");
        Ok(Self { values, start, len })
    }

    /// Number of values.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether the buffer has no values.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values.
    pub fn as_slice(&self) -> &[f32] {
        &self.values[self.start..self.start + self.len]
    }

    /// The values, writable.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        &mut self.values[self.start..self.start + self.len]
    }
}

/// `len` zeros (`len` is at least 1), or `None` if the system cannot allocate them. The system creates the
/// pages on first access; filling a vector after [`Vec::try_reserve`] would access all of them.
fn zeros(len: usize) -> Option<Box<[f32]>> {
    if len > MOST_VALUES {
        return None;
    }
    let layout = Layout::array::<f32>(len).ok()?;
    // SAFETY: `len` is not 0, so the size of the layout is not 0 either.
    let values = unsafe { alloc::alloc_zeroed(layout) };
    // SAFETY: the global allocator returned it for this layout, that of a slice of `len` values, which are
    // all zero.
    (!values.is_null()).then(|| unsafe { Box::from_raw(ptr::slice_from_raw_parts_mut(values.cast(), len)) })
}

impl Clone for Buffer {
    /// The copy has its own allocation, which also starts at a cache line.
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Buffer({} values)", self.len)
    }
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

/// The buffers of a running program, shared by its threads.
#[derive(Clone, Copy)]
pub struct Memory<'a> {
    bases: &'a [Base],
}

/// Start of a buffer.
#[derive(Clone, Copy)]
pub(crate) struct Base(*mut f32);

// SAFETY: a pointer may be sent; every task that reads or writes through it stays inside its task's views.
unsafe impl Send for Base {}
// SAFETY: as above.
unsafe impl Sync for Base {}

impl<'a> Memory<'a> {
    pub(crate) fn new(bases: &'a [Base]) -> Self {
        Self { bases }
    }

    /// Pointer to the first value of a view.
    ///
    /// # Safety
    /// A kernel of the running program declared the view, so it was checked to lie inside its buffer.
    #[inline(always)]
    pub(crate) unsafe fn at(self, view: &View) -> *mut f32 {
        debug_assert!(view.buffer < self.bases.len());
        // SAFETY: `Program::run` verified that there is one base for every buffer of a checked operand.
        unsafe { self.bases.get_unchecked(view.buffer).0.add(view.offset) }
    }
}

impl Base {
    pub(crate) fn from_buffer(buffer: &mut Buffer) -> Self {
        Self(buffer.as_mut_slice().as_mut_ptr())
    }

    pub(crate) fn start(self) -> *mut f32 {
        self.0
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
    fn memory_starts_at_a_cache_line() {
        for len in [1, 16, 33] {
            let mut buffer = Buffer::zeroed(len);
            assert_eq!(buffer.as_slice(), vec![0.0; len]);
            buffer.as_mut_slice().fill(len as f32);
            for buffer in [&buffer, &buffer.clone()] {
                assert_eq!(buffer.as_slice().as_ptr() as usize % CACHE_LINE, 0);
                assert_eq!(buffer.as_slice(), vec![len as f32; len]);
            }
        }
        assert!(Buffer::zeroed(0).clone().is_empty());
    }

    #[test]
    fn memory_that_nobody_has_is_refused() {
        for len in [usize::MAX, usize::MAX - 14, isize::MAX as usize, MOST_VALUES] {
            assert_eq!(Buffer::try_zeroed(len).unwrap_err(), KernelError::Memory { values: len });
        }
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
