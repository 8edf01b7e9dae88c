//! [`Transfer`]: copies and fills, as work on a stream.
//!
//! Pageable host memory is copied at once on the way to the device, and waited for on the way back. Pinned host memory
//! is accessed only when the stream runs, so a program that changes it too early, or reads it too early, is found out.

use crate::Handle;
use crate::fault::fault;
use crate::memory::Memory;

/// A copy or a fill of device memory.
pub(crate) enum Transfer {
    Upload {
        to: Handle,
        bytes: Vec<u8>,
    },
    /// From pinned memory.
    UploadLate {
        to: Handle,
        from: u64,
        bytes: usize,
    },
    Download {
        to: u64,
        from: Handle,
        bytes: usize,
    },
    Copy {
        to: Handle,
        from: Handle,
        bytes: usize,
    },
    Fill {
        at: Handle,
        value: u8,
        bytes: usize,
    },
}

impl Transfer {
    /// Ends the process if a range of device memory is not in one live block.
    pub(crate) fn check(&self, memory: &Memory) {
        match self {
            Self::Upload { to, bytes } => memory.check(*to, bytes.len(), "upload"),
            Self::UploadLate { to, bytes, .. } => memory.check(*to, *bytes, "upload"),
            Self::Download { from, bytes, .. } => memory.check(*from, *bytes, "download"),
            Self::Copy { to, from, bytes } => {
                memory.check(*from, *bytes, "copy from the device");
                memory.check(*to, *bytes, "copy to the device");
                if to.abs_diff(*from) < *bytes as u64 {
                    fault(format_args!("copy of {bytes} bytes from {from:#x} to {to:#x}, which overlap"));
                }
            }
            Self::Fill { at, bytes, .. } => memory.check(*at, *bytes, "fill"),
        }
    }

    pub(crate) fn run(self, memory: &Memory) {
        // The stream may have freed a block since this was submitted.
        self.check(memory);
        // SAFETY: ranges of device memory were checked just now. The caller of the entry point promises that its range
        // of host memory is valid until the stream has run.
        unsafe {
            match self {
                Self::Upload { to, bytes } => {
                    std::ptr::copy_nonoverlapping(bytes.as_ptr(), to as *mut u8, bytes.len());
                }
                Self::UploadLate { to, from, bytes } => {
                    std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes);
                }
                Self::Download { to, from, bytes } => {
                    std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes);
                }
                Self::Copy { to, from, bytes } => {
                    std::ptr::copy_nonoverlapping(from as *const u8, to as *mut u8, bytes);
                }
                Self::Fill { at, value, bytes } => std::ptr::write_bytes(at as *mut u8, value, bytes),
            }
        }
    }
}
