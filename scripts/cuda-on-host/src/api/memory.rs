//! Device memory, pinned host memory and memory pools.

use crate::driver::with_context;
use crate::memory::{DEVICE_BYTES, PAGE, POISON};
use crate::{Handle, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, Status};

fn allocate(at: *mut Handle, bytes: usize) -> Status {
    // NVIDIA documents this for `cuMemAlloc`, and nothing for `cuMemAllocAsync`; programs must not rely on more.
    if bytes == 0 {
        return INVALID_VALUE;
    }
    with_context(|driver| {
        let Some(block) = driver.memory.allocate(bytes) else { return OUT_OF_MEMORY };
        driver.counts.allocated(bytes, driver.memory.bytes());
        // SAFETY: the caller passes a place for the result.
        unsafe { *at = block };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAlloc_v2(at: *mut Handle, bytes: usize) -> Status {
    allocate(at, bytes)
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemAllocAsync(at: *mut Handle, bytes: usize, _stream: Handle) -> Status {
    allocate(at, bytes)
}

/// Frees the block at once. NVIDIA's driver may wait for the streams first, but does not promise it, so work that
/// still needs the block is a fault.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(at: Handle) -> Status {
    with_context(|driver| {
        driver.memory.free(at);
        driver.counts.freed();
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    with_context(|driver| {
        // SAFETY: the caller passes places for both results.
        unsafe { (*free, *total) = (DEVICE_BYTES - driver.memory.bytes(), DEVICE_BYTES) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(at: *mut *mut libc::c_void, bytes: usize, _flags: u32) -> Status {
    with_context(|driver| {
        // SAFETY: the size is not zero and a multiple of the alignment; the caller passes a place for the result.
        unsafe {
            let block = libc::aligned_alloc(PAGE, bytes.max(1).next_multiple_of(PAGE));
            if block.is_null() {
                return OUT_OF_MEMORY;
            }
            libc::memset(block, i32::from(POISON), bytes);
            *at = block;
            driver.memory.pin(block as u64, bytes);
        }
        SUCCESS
    })
}

/// The caller must have waited for all copies to and from this memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(at: *mut libc::c_void) -> Status {
    with_context(|driver| {
        driver.memory.unpin(at as u64);
        // SAFETY: the block came from `aligned_alloc`, and was never freed before.
        unsafe { libc::free(at) };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetDefaultMemPool(pool: *mut Handle, _device: i32) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *pool = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemPoolSetAttribute(
    _pool: Handle,
    _attribute: i32,
    _value: *mut libc::c_void,
) -> Status {
    SUCCESS
}
