//! The counts, for tests.

use std::ffi::{CStr, c_char};

use crate::driver::driver;

/// One count of the calls, by its name in the report; 0 if there were none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn cuda_on_host_count(name: *const c_char) -> u64 {
    // SAFETY: the caller passes a string.
    let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
    driver().counts.of(&name)
}
