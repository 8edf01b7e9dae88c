//! CUDA graphs: launches that a stream records instead of running them, and runs later in one call. Only kernels can be
//! recorded; anything else that needs the stream is refused, as NVIDIA's driver refuses copies of pageable memory and
//! waits.

use crate::driver::with_context;
use crate::job::Job;
use crate::streams::key_of;
use crate::{Handle, INVALID_HANDLE, INVALID_VALUE, SUCCESS, Status};

/// `CU_STREAM_CAPTURE_STATUS_NONE` and `CU_STREAM_CAPTURE_STATUS_ACTIVE`.
const STATUS: [i32; 2] = [0, 1];

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamBeginCapture_v2(stream: Handle, _mode: i32) -> Status {
    with_context(|driver| {
        if !driver.streams.is_known(stream) {
            return INVALID_HANDLE;
        }
        // The legacy stream cannot be captured.
        let key = key_of(stream);
        if key.0 == 0 || driver.streams.stream(key).captured.is_some() {
            return INVALID_VALUE;
        }
        driver.streams.stream(key).captured = Some(Vec::new());
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamEndCapture(stream: Handle, graph: *mut Handle) -> Status {
    with_context(|driver| {
        let Some(launches) = driver.streams.stream(key_of(stream)).captured.take() else {
            return INVALID_VALUE;
        };
        let handle = driver.streams.handle();
        driver.streams.graphs.insert(handle, launches);
        // SAFETY: the caller passes a place for the result.
        unsafe { *graph = handle };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamIsCapturing(stream: Handle, status: *mut i32) -> Status {
    with_context(|driver| {
        let active =
            driver.streams.is_known(stream) && driver.streams.stream(key_of(stream)).captured.is_some();
        // SAFETY: the caller passes a place for the result.
        unsafe { *status = STATUS[usize::from(active)] };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphInstantiateWithFlags(
    executable: *mut Handle,
    graph: Handle,
    _flags: u64,
) -> Status {
    with_context(|driver| {
        let Some(launches) = driver.streams.graphs.get(&graph).cloned() else { return INVALID_VALUE };
        let handle = driver.streams.handle();
        driver.streams.graphs.insert(handle, launches);
        // SAFETY: the caller passes a place for the result.
        unsafe { *executable = handle };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphLaunch(executable: Handle, stream: Handle) -> Status {
    with_context(|driver| {
        let Some(launches) = driver.streams.graphs.get(&executable).cloned() else { return INVALID_VALUE };
        driver.counts.called("graph_launches");
        for launch in launches {
            let status = driver.submit(stream, Job::Launch(launch));
            if status != SUCCESS {
                return status;
            }
        }
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphDestroy(graph: Handle) -> Status {
    with_context(
        |driver| {
            if driver.streams.graphs.remove(&graph).is_some() { SUCCESS } else { INVALID_VALUE }
        },
    )
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuGraphExecDestroy(executable: Handle) -> Status {
    // SAFETY: the same contract.
    unsafe { cuGraphDestroy(executable) }
}
