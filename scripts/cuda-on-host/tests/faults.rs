//! Tests that the driver finds each mistake that it is made for: a missing barrier, addresses outside of a block, a
//! race between streams, a use after free, a missing context. The right program passes beside it.
//!
//! A fault ends the process, so such a test runs itself again as a child process.

use std::ffi::{CString, c_void};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;
use std::sync::OnceLock;

use cuda_on_host::api::context::cuCtxSetCurrent;
use cuda_on_host::api::counts::cuda_on_host_count;
use cuda_on_host::api::launch::{cuLaunchKernel, cuModuleGetFunction};
use cuda_on_host::api::memory::{cuMemAllocAsync, cuMemHostAlloc};
use cuda_on_host::api::streams::{
    cuEventCreate, cuEventRecord, cuStreamCreate, cuStreamSynchronize, cuStreamWaitEvent,
};
use cuda_on_host::api::transfers::{cuMemFreeAsync, cuMemcpyDtoHAsync_v2, cuMemcpyHtoDAsync_v2};
use cuda_on_host::{Handle, INVALID_CONTEXT, INVALID_VALUE, SUCCESS};

const NON_BLOCKING: u32 = 1;
/// Set in the child process of a test.
const CHILD: &str = "CUDA_ON_HOST_TEST_CHILD";
const FLOAT: usize = size_of::<f32>();

/// The library of the kernels of these tests.
fn kernels() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let library = Path::new(env!("CARGO_TARGET_TMPDIR")).join("faults.so");
        let mut build = Command::new(folder.join("kernels/build.sh"));
        let status = build.arg(&library).arg(folder.join("tests/faults.cu")).status();
        assert!(status.unwrap().success());
        library
    })
}

/// Runs one test of this file in a process of its own, with streams that run late.
fn child(name: &str) -> (bool, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "yes")
        .env("CUDA_ON_HOST_KERNELS", kernels())
        .env("CUDA_ON_HOST_STREAMS", "late")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Whether this process is a child of a test.
fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs `program` in a child and expects that it succeeds.
fn passes(name: &str, program: impl FnOnce()) {
    if is_child() {
        return program();
    }
    let (success, text) = child(name);
    assert!(success, "{text}");
}

/// Runs `program` in a child and expects that the driver ends it with all of these words.
fn is_caught(name: &str, program: impl FnOnce(), words: &[&str]) {
    if is_child() {
        return program();
    }
    let (success, text) = child(name);
    assert!(!success, "nothing was found: {text}");
    for word in words {
        assert!(text.contains(word), "{word:?} is not in {text}");
    }
}

fn ok(status: i32) {
    assert_eq!(status, SUCCESS);
}

fn stream() -> Handle {
    let mut stream = 0;
    unsafe {
        ok(cuCtxSetCurrent(0x1000));
        ok(cuStreamCreate(&raw mut stream, NON_BLOCKING));
    }
    stream
}

fn block(floats: usize, stream: Handle) -> Handle {
    let mut block = 0;
    ok(unsafe { cuMemAllocAsync(&raw mut block, floats * FLOAT, stream) });
    block
}

fn upload(to: Handle, values: &[f32], stream: Handle) {
    ok(unsafe { cuMemcpyHtoDAsync_v2(to, values.as_ptr().cast(), size_of_val(values), stream) });
}

fn download(from: Handle, floats: usize, stream: Handle) -> Vec<f32> {
    let mut values = vec![0.0f32; floats];
    ok(unsafe { cuMemcpyDtoHAsync_v2(values.as_mut_ptr().cast(), from, floats * FLOAT, stream) });
    values
}

fn launch(name: &str, blocks: u32, threads: u32, arguments: &mut [*mut c_void], stream: Handle) -> i32 {
    let name = CString::new(name).unwrap();
    let mut function = 0;
    unsafe {
        ok(cuModuleGetFunction(&raw mut function, 1, name.as_ptr()));
        cuLaunchKernel(
            function,
            blocks,
            1,
            1,
            threads,
            1,
            1,
            0,
            stream,
            arguments.as_mut_ptr(),
            ptr::null_mut(),
        )
    }
}

fn pointer<T>(value: &mut T) -> *mut c_void {
    ptr::from_mut(value).cast()
}

/// Sums of three blocks of 256 values by a kernel, and the right sums.
fn sums(kernel: &str) -> (Vec<f32>, Vec<f32>) {
    let values: Vec<f32> = (0..768).map(|i| (i % 7) as f32).collect();
    let right = values.chunks(256).map(|values| values.iter().sum()).collect();
    let stream = stream();
    let (mut from, mut to) = (block(768, stream), block(3, stream));
    upload(from, &values, stream);
    ok(launch(kernel, 3, 256, &mut [pointer(&mut from), pointer(&mut to)], stream));
    (download(to, 3, stream), right)
}

fn count(name: &str) -> u64 {
    let name = CString::new(name).unwrap();
    unsafe { cuda_on_host_count(name.as_ptr()) }
}

#[test]
fn right_kernels_give_right_results() {
    passes("right_kernels_give_right_results", || {
        let (result, right) = sums("right_sum");
        assert_eq!(result, right);
        let stream = stream();
        let (mut from, mut to) = (block(32, stream), block(1, stream));
        upload(from, &[0.5; 32], stream);
        ok(launch("warp_sum", 1, 32, &mut [pointer(&mut from), pointer(&mut to)], stream));
        assert_eq!(download(to, 1, stream), [16.0]);
        assert_eq!(["launches", "uploads", "downloads", "allocations"].map(count), [2, 2, 2, 4]);
        assert_eq!(count("uploads_bytes"), (768 + 32) * FLOAT as u64);
    });
}

#[test]
fn a_missing_barrier_gives_a_wrong_result() {
    passes("a_missing_barrier_gives_a_wrong_result", || {
        let (result, right) = sums("sum_without_barrier");
        // Warps run in both orders by turns, so all blocks show it.
        assert!(result.iter().zip(&right).all(|(result, right)| result != right), "{result:?}");
    });
}

#[test]
fn shared_memory_starts_as_poison() {
    passes("shared_memory_starts_as_poison", || {
        let stream = stream();
        let mut result = block(1, stream);
        let mut with = |threads| {
            ok(launch("stale_shared", 1, threads, &mut [pointer(&mut result)], stream));
            download(result, 1, stream)[0]
        };
        assert_eq!(with(2), 1.0);
        assert!(with(1).is_nan());
    });
}

#[test]
fn new_memory_is_poison() {
    passes("new_memory_is_poison", || {
        let stream = stream();
        assert!(download(block(5, stream), 5, stream).iter().all(|value| value.is_nan()));
    });
}

#[test]
fn a_copy_out_of_range_is_caught() {
    is_caught(
        "a_copy_out_of_range_is_caught",
        || {
            let stream = stream();
            upload(block(4, stream), &[1.0; 5], stream);
        },
        &["upload of 20 bytes", "byte 0 of a block of 16 bytes"],
    );
}

#[test]
fn a_kernel_out_of_range_is_caught() {
    is_caught(
        "a_kernel_out_of_range_is_caught",
        || {
            let stream = stream();
            let (mut values, mut five) = (block(4, stream), 5u32);
            upload(values, &[1.0; 4], stream);
            ok(launch("twice", 1, 32, &mut [pointer(&mut values), pointer(&mut five)], stream));
            download(values, 4, stream);
        },
        &["kernel `twice`", "0 bytes after the end of a block of 16 bytes"],
    );
}

#[test]
fn a_use_after_free_is_caught() {
    is_caught(
        "a_use_after_free_is_caught",
        || {
            let stream = stream();
            let (mut values, mut four) = (block(4, stream), 4u32);
            upload(values, &[1.0; 4], stream);
            ok(unsafe { cuMemFreeAsync(values, stream) });
            ok(launch("twice", 1, 4, &mut [pointer(&mut values), pointer(&mut four)], stream));
            ok(unsafe { cuStreamSynchronize(stream) });
        },
        &["kernel `twice`", "in a block of 16 bytes that was freed"],
    );
}

#[test]
fn memory_that_was_freed_twice_is_caught() {
    is_caught(
        "memory_that_was_freed_twice_is_caught",
        || {
            let stream = stream();
            let values = block(4, stream);
            for _ in 0..2 {
                ok(unsafe { cuMemFreeAsync(values, stream) });
            }
            ok(unsafe { cuStreamSynchronize(stream) });
        },
        &["not a live block"],
    );
}

/// Uploads on one stream, doubles on another, and reads there.
fn doubled(waits: bool) -> Vec<f32> {
    let (copies, computes) = (stream(), stream());
    let (mut values, mut four) = (block(4, copies), 4u32);
    upload(values, &[1.0; 4], copies);
    if waits {
        let mut event = 0;
        unsafe {
            ok(cuEventCreate(&raw mut event, 0));
            ok(cuEventRecord(event, copies));
            ok(cuStreamWaitEvent(computes, event, 0));
        }
    }
    ok(launch("twice", 1, 4, &mut [pointer(&mut values), pointer(&mut four)], computes));
    download(values, 4, computes)
}

#[test]
fn a_race_between_streams_gives_poison() {
    passes("a_race_between_streams_gives_poison", || {
        assert_eq!(doubled(true), [2.0; 4]);
        assert!(doubled(false).iter().all(|value| value.is_nan()));
    });
}

#[test]
fn pinned_memory_is_read_and_written_late() {
    passes("pinned_memory_is_read_and_written_late", || {
        let stream = stream();
        let values = block(1, stream);
        let mut pinned = ptr::null_mut();
        ok(unsafe { cuMemHostAlloc(&raw mut pinned, FLOAT, 0) });
        let pinned = pinned.cast::<f32>();
        unsafe {
            *pinned = 1.0;
            ok(cuMemcpyHtoDAsync_v2(values, pinned.cast(), FLOAT, stream));
            // Too early: the stream has not read the value yet.
            *pinned = 2.0;
            ok(cuMemcpyDtoHAsync_v2(pinned.cast(), values, FLOAT, stream));
            *pinned = 3.0;
            ok(cuStreamSynchronize(stream));
            // The upload took 3, and the download brought it back.
            assert_eq!(*pinned, 3.0);
        }
    });
}

#[test]
fn a_thread_without_context_is_refused() {
    passes("a_thread_without_context_is_refused", || {
        let mut block = 0;
        assert_eq!(unsafe { cuMemAllocAsync(&raw mut block, FLOAT, 0) }, INVALID_CONTEXT);
    });
}

#[test]
fn a_block_that_is_too_large_is_refused() {
    passes("a_block_that_is_too_large_is_refused", || {
        let stream = stream();
        let (mut values, mut four) = (block(4, stream), 4u32);
        let mut launch =
            |threads| launch("twice", 1, threads, &mut [pointer(&mut values), pointer(&mut four)], stream);
        assert_eq!([launch(1025), launch(0), launch(1024)], [INVALID_VALUE, INVALID_VALUE, SUCCESS]);
    });
}
