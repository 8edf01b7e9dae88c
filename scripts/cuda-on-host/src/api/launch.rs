//! Modules, functions and launches. PTX is ignored; a kernel is found by its name.

use std::ffi::{CStr, c_char, c_void};

use crate::driver::with_context;
use crate::job::Job;
use crate::kernels::HostKernel;
use crate::launch::Launch;
use crate::streams::key_of;
use crate::{Handle, INVALID_HANDLE, INVALID_VALUE, NOT_FOUND, SUCCESS, Status};

/// Limits of compute capability 9.0 (CUDA C++ programming guide, "Technical specifications").
const MOST_THREADS: u64 = 1024;
const MOST_BLOCK: [u32; 3] = [1024, 1024, 64];
const MOST_GRID: [u32; 3] = [0x7fff_ffff, 65535, 65535];
/// Bytes of shared memory per block, without an attribute that asks for more.
const MOST_SHARED: u32 = 48 << 10;
/// A handle of every module.
const MODULE: Handle = 0x5000;

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadData(module: *mut Handle, _image: *const c_void) -> Status {
    with_context(|driver| {
        driver.counts.called("modules");
        // SAFETY: the caller passes a place for the result.
        unsafe { *module = MODULE };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleLoadDataEx(
    module: *mut Handle,
    image: *const c_void,
    _options: u32,
    _names: *mut c_void,
    _values: *mut c_void,
) -> Status {
    // SAFETY: the same contract.
    unsafe { cuModuleLoadData(module, image) }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleUnload(_module: Handle) -> Status {
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuModuleGetFunction(
    function: *mut Handle,
    _module: Handle,
    name: *const c_char,
) -> Status {
    with_context(|driver| {
        // SAFETY: the caller passes a string.
        let name = unsafe { CStr::from_ptr(name) };
        let Some(kernel) = driver.kernels.find(name) else {
            eprintln!("cuda-on-host: the library of kernels has no kernel {name:?}");
            return NOT_FOUND;
        };
        // SAFETY: the caller passes a place for the result.
        unsafe { *function = std::ptr::from_ref(kernel) as Handle };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuFuncSetAttribute(_function: Handle, _attribute: i32, _value: i32) -> Status {
    SUCCESS
}

#[allow(clippy::too_many_arguments, reason = "the entry point has these arguments")]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuLaunchKernel(
    function: Handle,
    grid_x: u32,
    grid_y: u32,
    grid_z: u32,
    block_x: u32,
    block_y: u32,
    block_z: u32,
    shared_bytes: u32,
    stream: Handle,
    arguments: *mut *mut c_void,
    _extra: *mut *mut c_void,
) -> Status {
    with_context(|driver| {
        if function == 0 {
            return INVALID_HANDLE;
        }
        // SAFETY: the handle came from `cuModuleGetFunction`.
        let kernel: &'static HostKernel = unsafe { &*(function as *const HostKernel) };
        let (grid, block) = ([grid_x, grid_y, grid_z], [block_x, block_y, block_z]);
        let fits = |sizes: [u32; 3], most: [u32; 3]| {
            sizes.iter().zip(most).all(|(size, most)| (1..=most).contains(size))
        };
        let threads = block.iter().map(|size| u64::from(*size)).product::<u64>();
        if shared_bytes > MOST_SHARED
            || !fits(grid, MOST_GRID)
            || !fits(block, MOST_BLOCK)
            || threads > MOST_THREADS
        {
            eprintln!(
                "cuda-on-host: kernel `{}` was launched with a grid of {grid:?} blocks of {block:?}",
                kernel.name()
            );
            return INVALID_VALUE;
        }
        // A launch that a stream records is no launch yet.
        if driver.streams.stream(key_of(stream)).captured.is_none() {
            driver.counts.launched(&kernel.name());
        }
        let copy = |(i, size): (usize, &usize)| {
            // SAFETY: the caller passes one pointer for each argument, to a value of its size.
            unsafe { std::slice::from_raw_parts((*arguments.add(i)).cast::<u8>(), *size) }.to_vec()
        };
        let arguments = kernel.sizes().iter().enumerate().map(copy).collect();
        driver.submit(stream, Job::Launch(Launch { kernel, grid, block, arguments }))
    })
}
