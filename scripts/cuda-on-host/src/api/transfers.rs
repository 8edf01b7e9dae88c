//! Copies, fills, and frees in the order of a stream.

use libc::c_void;

use crate::driver::{Driver, with_context};
use crate::job::Job;
use crate::transfer::Transfer;
use crate::{Handle, SUCCESS, Status};

fn submit(driver: &mut Driver, stream: Handle, transfer: Transfer) -> Status {
    transfer.check(&driver.memory);
    driver.submit(stream, Job::Transfer(transfer))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyHtoDAsync_v2(
    to: Handle,
    from: *const c_void,
    bytes: usize,
    stream: Handle,
) -> Status {
    with_context(|driver| {
        driver.counts.transferred("uploads", bytes);
        let transfer = if bytes == 0 || driver.memory.is_pinned(from as u64, bytes) {
            Transfer::UploadLate { to, from: from as u64, bytes }
        } else {
            // SAFETY: the caller passes a valid range.
            let staged = unsafe { std::slice::from_raw_parts(from.cast::<u8>(), bytes) };
            Transfer::Upload { to, bytes: staged.to_vec() }
        };
        submit(driver, stream, transfer)
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoHAsync_v2(
    to: *mut c_void,
    from: Handle,
    bytes: usize,
    stream: Handle,
) -> Status {
    with_context(|driver| {
        driver.counts.transferred("downloads", bytes);
        let pinned = driver.memory.is_pinned(to as u64, bytes);
        let status = submit(driver, stream, Transfer::Download { to: to as u64, from, bytes });
        if status == SUCCESS && !pinned { driver.wait_for(stream) } else { status }
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemcpyDtoDAsync_v2(
    to: Handle,
    from: Handle,
    bytes: usize,
    stream: Handle,
) -> Status {
    with_context(|driver| {
        driver.counts.transferred("copies", bytes);
        submit(driver, stream, Transfer::Copy { to, from, bytes })
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemsetD8Async(at: Handle, value: u8, bytes: usize, stream: Handle) -> Status {
    with_context(|driver| {
        driver.counts.transferred("fills", bytes);
        submit(driver, stream, Transfer::Fill { at, value, bytes })
    })
}

/// In the order of the stream.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuMemFreeAsync(at: Handle, stream: Handle) -> Status {
    with_context(|driver| driver.submit(stream, Job::Free(at)))
}
