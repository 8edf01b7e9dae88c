//! The device and its context.

use std::ffi::c_char;

use crate::context::{CONTEXT, current, set_current};
use crate::memory::DEVICE_BYTES;
use crate::{Handle, INVALID_CONTEXT, INVALID_DEVICE, INVALID_VALUE, SUCCESS, Status};

/// The version that the driver reports, CUDA 13.0.
const VERSION: i32 = 13000;
const NAME: &[u8] = b"CUDA on the host\0";

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuInit(_flags: u32) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDriverGetVersion(version: *mut i32) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *version = VERSION };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGet(device: *mut i32, index: i32) -> Status {
    if index != 0 {
        return INVALID_DEVICE;
    }
    // SAFETY: the caller passes a place for the result.
    unsafe { *device = 0 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetCount(count: *mut i32) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *count = 1 };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetName(name: *mut c_char, bytes: i32, _device: i32) -> Status {
    if (bytes as usize) < NAME.len() {
        return INVALID_VALUE;
    }
    // SAFETY: the caller passes room for `bytes` bytes.
    unsafe { std::ptr::copy_nonoverlapping(NAME.as_ptr().cast(), name, NAME.len()) };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceTotalMem_v2(bytes: *mut usize, _device: i32) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *bytes = DEVICE_BYTES };
    SUCCESS
}

/// The attributes that candle asks for, by the numbers of `CUdevice_attribute`; all others are 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDeviceGetAttribute(value: *mut i32, attribute: i32, _device: i32) -> Status {
    let known = match attribute {
        1 => 1024,  // MAX_THREADS_PER_BLOCK
        8 => 49152, // MAX_SHARED_MEMORY_PER_BLOCK
        10 => 32,   // WARP_SIZE
        16 => 132,  // MULTIPROCESSOR_COUNT
        75 => 9,    // COMPUTE_CAPABILITY_MAJOR
        76 => 0,    // COMPUTE_CAPABILITY_MINOR
        115 => 1,   // MEMORY_POOLS_SUPPORTED
        _ => 0,
    };
    // SAFETY: the caller passes a place for the result.
    unsafe { *value = known };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRetain(context: *mut Handle, _device: i32) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *context = CONTEXT };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuDevicePrimaryCtxRelease_v2(_device: i32) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSetCurrent(context: Handle) -> Status {
    if context != 0 && context != CONTEXT {
        return INVALID_CONTEXT;
    }
    set_current(context);
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxGetCurrent(context: *mut Handle) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *context = current() };
    SUCCESS
}

/// The names of the errors that this driver returns.
fn name_of(status: Status) -> &'static [u8] {
    match status {
        crate::INVALID_VALUE => b"CUDA_ERROR_INVALID_VALUE\0",
        crate::OUT_OF_MEMORY => b"CUDA_ERROR_OUT_OF_MEMORY\0",
        INVALID_DEVICE => b"CUDA_ERROR_INVALID_DEVICE\0",
        INVALID_CONTEXT => b"CUDA_ERROR_INVALID_CONTEXT\0",
        crate::INVALID_HANDLE => b"CUDA_ERROR_INVALID_HANDLE\0",
        crate::NOT_FOUND => b"CUDA_ERROR_NOT_FOUND\0",
        crate::NOT_READY => b"CUDA_ERROR_NOT_READY\0",
        _ => b"CUDA_ERROR_UNKNOWN\0",
    }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorName(status: Status, name: *mut *const c_char) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *name = name_of(status).as_ptr().cast() };
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGetErrorString(status: Status, text: *mut *const c_char) -> Status {
    // SAFETY: the same contract.
    unsafe { cuGetErrorName(status, text) }
}
