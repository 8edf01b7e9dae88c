//! Device memory, pinned host memory and memory pools.

use crate::driver::{driver, with_context};
use crate::memory::{DEVICE_BYTES, PAGE, POISON};
use crate::{Handle, INVALID_VALUE, OUT_OF_MEMORY, SUCCESS, Status};

fn allocate(at: *mut Handle, bytes: usize) -> Status {
    // So NVIDIA documents `cuMemAlloc`; of `cuMemAllocAsync` it says nothing, so programs must not rely on more.
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

/// Waits for all streams, as the real one does.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFree_v2(at: Handle) -> Status {
    with_context(|driver| {
        driver.run_all();
        driver.memory.free(at);
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemGetInfo_v2(free: *mut usize, total: *mut usize) -> Status {
    let used = driver().memory.bytes();
    // SAFETY: the caller passes places for both results.
    unsafe { (*free, *total) = (DEVICE_BYTES - used, DEVICE_BYTES) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemHostAlloc(at: *mut *mut libc::c_void, bytes: usize, _flags: u32) -> Status {
    let mut driver = driver();
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
}

/// The caller must have waited for all copies to and from this memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeHost(at: *mut libc::c_void) -> Status {
    driver().memory.unpin(at as u64);
    // SAFETY: the block came from `aligned_alloc`, and was freed never before.
    unsafe { libc::free(at) };
    SUCCESS
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
