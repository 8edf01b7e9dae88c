//! Streams, events and waits.

use crate::driver::{driver, with_context};
use crate::job::Job;
use crate::streams::{NON_BLOCKING, PER_THREAD, key_of};
use crate::{Handle, INVALID_HANDLE, NOT_READY, SUCCESS, Status};

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreate(stream: *mut Handle, flags: u32) -> Status {
    with_context(|driver| {
        let handle = driver.streams.handle();
        driver.streams.stream((handle, 0)).non_blocking = flags & NON_BLOCKING != 0;
        // SAFETY: the caller passes a place for the result.
        unsafe { *stream = handle };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamCreateWithPriority(
    stream: *mut Handle,
    flags: u32,
    _priority: i32,
) -> Status {
    // SAFETY: the same contract.
    unsafe { cuStreamCreate(stream, flags) }
}

/// Its work still runs; here it runs at once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamDestroy_v2(stream: Handle) -> Status {
    let mut driver = driver();
    if stream <= PER_THREAD || !driver.streams.is_known(stream) {
        return INVALID_HANDLE;
    }
    driver.run((stream, 0));
    driver.streams.streams.remove(&(stream, 0));
    SUCCESS
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamSynchronize(stream: Handle) -> Status {
    with_context(|driver| driver.wait_for(stream))
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuCtxSynchronize() -> Status {
    with_context(|driver| {
        driver.counts.waited();
        driver.run_all();
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventCreate(event: *mut Handle, _flags: u32) -> Status {
    with_context(|driver| {
        let handle = driver.streams.handle();
        driver.streams.events.insert(handle, None);
        // SAFETY: the caller passes a place for the result.
        unsafe { *event = handle };
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventDestroy_v2(event: Handle) -> Status {
    if driver().streams.events.remove(&event).is_some() { SUCCESS } else { INVALID_HANDLE }
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventRecord(event: Handle, stream: Handle) -> Status {
    with_context(|driver| {
        if !driver.streams.is_known(stream) || !driver.streams.events.contains_key(&event) {
            return INVALID_HANDLE;
        }
        driver.counts.called("event_records");
        let key = key_of(stream);
        if key.0 == 0 {
            driver.run_blocking();
        }
        let submitted = driver.streams.stream(key).submitted;
        driver.streams.events.insert(event, Some((key, submitted)));
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuStreamWaitEvent(stream: Handle, event: Handle, _flags: u32) -> Status {
    with_context(|driver| {
        driver.counts.called("event_waits");
        if !driver.streams.is_known(stream) {
            return INVALID_HANDLE;
        }
        let Some(recorded) = driver.streams.events.get(&event).copied() else { return INVALID_HANDLE };
        // An event that was never recorded is complete.
        recorded.map_or(SUCCESS, |(key, count)| driver.submit(stream, Job::Wait(key, count)))
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventSynchronize(event: Handle) -> Status {
    with_context(|driver| {
        let Some(recorded) = driver.streams.events.get(&event).copied() else { return INVALID_HANDLE };
        // The host waits only for an event that has not passed.
        if let Some((key, count)) = recorded.filter(|(key, count)| driver.is_pending(*key, *count)) {
            driver.counts.waited();
            driver.run_until(key, count);
        }
        SUCCESS
    })
}

#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventQuery(event: Handle) -> Status {
    with_context(|driver| match driver.streams.events.get(&event).copied() {
        None => INVALID_HANDLE,
        Some(Some((key, count))) if driver.is_pending(key, count) => {
            // So that a program that asks again and again gets an answer.
            driver.run_one(key);
            NOT_READY
        }
        Some(_) => SUCCESS,
    })
}

/// Times have no meaning here; the result is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuEventElapsedTime_v2(
    milliseconds: *mut f32,
    _start: Handle,
    _end: Handle,
) -> Status {
    // SAFETY: the caller passes a place for the result.
    unsafe { *milliseconds = 0.0 };
    SUCCESS
}
