//! [`Memory`]: the blocks of device memory, each with a page behind it that nothing may access.

use std::collections::{BTreeMap, VecDeque};

use crate::Handle;
use crate::fault::fault;

pub(crate) const PAGE: usize = 4096;
/// Alignment of blocks. A GPU gives 256 bytes; with 16, which vector accesses need, the end of nearly every block
/// touches its guard page.
const ALIGNMENT: usize = 16;
/// Freed blocks that stay inaccessible before their addresses can be used again.
const QUARANTINE: usize = 4096;
/// Bytes of new memory. As floats they are NaN.
pub(crate) const POISON: u8 = 0xff;
/// Bytes of the device's memory that the driver reports.
pub(crate) const DEVICE_BYTES: usize = 80 << 30;

#[derive(Debug, Clone, Copy)]
struct Block {
    bytes: usize,
    /// The pages that hold the block, and its guard page.
    pages: u64,
    page_bytes: usize,
}

impl Block {
    fn end(&self) -> u64 {
        self.pages + self.page_bytes as u64
    }
}

/// Makes pages inaccessible.
///
/// # Safety
/// The pages must belong to a block of this module.
unsafe fn protect(pages: *mut libc::c_void, bytes: usize) {
    // SAFETY: the caller promises it.
    if unsafe { libc::mprotect(pages, bytes, libc::PROT_NONE) } != 0 {
        fault("the system cannot protect more pages: the program has too many blocks");
    }
}

/// All blocks of the device, and blocks of pinned host memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    live: BTreeMap<Handle, Block>,
    freed: VecDeque<(Handle, Block)>,
    pinned: BTreeMap<u64, usize>,
    /// Bytes in live blocks.
    bytes: usize,
}

impl Memory {
    /// A new block, or none if the device or the host has no room for it.
    pub(crate) fn allocate(&mut self, bytes: usize) -> Option<Handle> {
        if self.bytes.checked_add(bytes)? > DEVICE_BYTES {
            return None;
        }
        let padded = bytes.next_multiple_of(ALIGNMENT);
        let page_bytes = padded.next_multiple_of(PAGE) + PAGE;
        // SAFETY: asks for new pages, and touches only these.
        let pages = unsafe {
            let kind = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
            let access = libc::PROT_READ | libc::PROT_WRITE;
            let pages = libc::mmap(std::ptr::null_mut(), page_bytes, access, kind, -1, 0);
            if pages == libc::MAP_FAILED {
                return None;
            }
            protect(pages.byte_add(page_bytes - PAGE), PAGE);
            libc::memset(pages, i32::from(POISON), page_bytes - PAGE);
            pages as u64
        };
        let at = pages + (page_bytes - PAGE - padded) as u64;
        self.live.insert(at, Block { bytes, pages, page_bytes });
        self.bytes += bytes;
        Some(at)
    }

    /// Frees a block; from now on every access to it is a fault.
    pub(crate) fn free(&mut self, at: Handle) {
        let Some(block) = self.live.remove(&at) else {
            fault(format_args!("free of {at:#x}, which is not a live block"));
        };
        self.bytes -= block.bytes;
        let pages = block.pages as *mut libc::c_void;
        // SAFETY: these pages belong to this block alone. The bytes between its end and its guard page were poisoned.
        unsafe {
            let padding = block.bytes.next_multiple_of(ALIGNMENT) - block.bytes;
            let after = std::slice::from_raw_parts((at as usize + block.bytes) as *const u8, padding);
            if after.iter().any(|byte| *byte != POISON) {
                fault(format_args!("a kernel wrote after the end of a block of {} bytes", block.bytes));
            }
            // Gives the memory back, and keeps the addresses.
            libc::madvise(pages, block.page_bytes, libc::MADV_DONTNEED);
            protect(pages, block.page_bytes);
        }
        self.freed.push_back((at, block));
        if self.freed.len() > QUARANTINE
            && let Some((_, oldest)) = self.freed.pop_front()
        {
            // SAFETY: as above, and nothing refers to the block any more.
            unsafe { libc::munmap(oldest.pages as *mut libc::c_void, oldest.page_bytes) };
        }
    }

    /// Ends the process unless all of `bytes` bytes from `at` are in one live block.
    pub(crate) fn check(&self, at: Handle, bytes: usize, purpose: &str) {
        if bytes == 0 {
            return;
        }
        let block = self.live.range(..=at).next_back();
        let end = at.checked_add(bytes as u64);
        if block.is_some_and(|(start, block)| end.is_some_and(|end| end <= start + block.bytes as u64)) {
            return;
        }
        let place = self.place_of(at).unwrap_or_else(|| "in no block".to_owned());
        fault(format_args!("{purpose} of {bytes} bytes at {at:#x}, {place}"));
    }

    /// Describes where an address is, in or near a block that lives or was freed.
    pub(crate) fn place_of(&self, address: u64) -> Option<String> {
        let holds = |block: &Block| (block.pages..block.end()).contains(&address);
        if let Some((start, block)) = self.live.iter().find(|(_, block)| holds(block)) {
            let bytes = block.bytes;
            let offset = address.wrapping_sub(*start) as i64;
            return Some(if offset < 0 {
                format!("{} bytes before a block of {bytes} bytes", -offset)
            } else if offset as usize >= bytes {
                format!("{} bytes after the end of a block of {bytes} bytes", offset as usize - bytes)
            } else {
                format!("byte {offset} of a block of {bytes} bytes")
            });
        }
        let freed = self.freed.iter().rev().find(|(_, block)| holds(block));
        freed.map(|(_, block)| format!("in a block of {} bytes that was freed", block.bytes))
    }

    /// Whether `bytes` bytes of host memory from `at` are pinned.
    pub(crate) fn is_pinned(&self, at: u64, bytes: usize) -> bool {
        let block = self.pinned.range(..=at).next_back();
        block.is_some_and(|(start, length)| at + bytes as u64 <= start + *length as u64)
    }

    /// Notes a new block of pinned memory.
    pub(crate) fn pin(&mut self, at: u64, bytes: usize) {
        self.pinned.insert(at, bytes);
    }

    /// Forgets a block of pinned memory, or ends the process if there is none.
    pub(crate) fn unpin(&mut self, at: u64) {
        if self.pinned.remove(&at).is_none() {
            fault(format_args!("free of pinned memory at {at:#x}, which was not allocated"));
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}
