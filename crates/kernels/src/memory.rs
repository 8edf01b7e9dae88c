//! [`AlignedBuffer`]: zeroed memory at a cache line, and [`Memory`], the buffers of a running program.
//!
//! Kernels never hold a slice of a buffer, because two tasks may write different channels of the same pixels.
//! Each task uses raw pointers inside the views that its kernel declared as operands and that
//! [`Program::push`](crate::Program::push) checked.

use std::alloc::{self, Layout};
use std::{fmt, ptr, slice};

use crate::{KernelError, SEGMENT, View};

/// Most values that a buffer can hold or a shape can have: more than any machine can address, and few enough
/// that products with the sizes of a window do not overflow.
pub(crate) const MOST_VALUES: usize = {
    let addressable = isize::MAX as u64 / size_of::<f32>() as u64;
    if addressable < 1 << 45 { addressable as usize } else { (1u64 << 45) as usize }
};

/// Zeroed `f32` memory that starts at a cache line.
///
/// The system provides zeroed pages on first access, so unused parts of a large buffer take no memory.
pub struct AlignedBuffer {
    /// The values, with spare room before and after them so that they can start at a cache line.
    values: Box<[f32]>,
    start: usize,
    len: usize,
}

/// Number of bytes in a cache line.
const CACHE_LINE: usize = SEGMENT * size_of::<f32>();

impl AlignedBuffer {
    /// A buffer of `len` zeros.
    ///
    /// # Panics
    /// If the system cannot allocate the memory; [`AlignedBuffer::try_zeroed`] returns an error instead.
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

    /// The bytes of the values.
    pub fn as_bytes(&self) -> &[u8] {
        let values = self.as_slice();
        // SAFETY: the values are initialised memory without padding, borrowed as long as the bytes.
        unsafe { slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
    }

    /// The bytes of the values, writable.
    pub fn as_bytes_mut(&mut self) -> &mut [u8] {
        let values = self.as_mut_slice();
        // SAFETY: as in `as_bytes`; any bytes are valid values.
        unsafe { slice::from_raw_parts_mut(values.as_mut_ptr().cast(), size_of_val(values)) }
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

impl Clone for AlignedBuffer {
    /// The copy has its own allocation, which also starts at a cache line.
    fn clone(&self) -> Self {
        let mut copy = Self::zeroed(self.len);
        copy.as_mut_slice().copy_from_slice(self.as_slice());
        copy
    }
}

impl fmt::Debug for AlignedBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AlignedBuffer({} values)", self.len)
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
    pub(crate) fn from_buffer(buffer: &mut AlignedBuffer) -> Self {
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
    fn memory_starts_at_a_cache_line() {
        for len in [1, 16, 33] {
            let mut buffer = AlignedBuffer::zeroed(len);
            assert_eq!(buffer.as_slice(), vec![0.0; len]);
            buffer.as_mut_slice().fill(len as f32);
            for buffer in [&buffer, &buffer.clone()] {
                assert_eq!(buffer.as_slice().as_ptr() as usize % CACHE_LINE, 0);
                assert_eq!(buffer.as_slice(), vec![len as f32; len]);
            }
        }
        assert!(AlignedBuffer::zeroed(0).clone().is_empty());
    }

    #[test]
    fn memory_that_nobody_has_is_refused() {
        for len in [usize::MAX, usize::MAX - 14, isize::MAX as usize, MOST_VALUES] {
            assert_eq!(AlignedBuffer::try_zeroed(len).unwrap_err(), KernelError::Memory { values: len });
        }
    }
}
