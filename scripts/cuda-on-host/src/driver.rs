//! [`Driver`]: the state behind all entry points, and what a fault or the end of the process does with it.

use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use crate::context::{CONTEXT, current};
use crate::counts::Counts;
use crate::fault::fault;
use crate::kernels::Kernels;
use crate::memory::Memory;
use crate::streams::Streams;
use crate::{INVALID_CONTEXT, Status};

/// The state of the driver. One lock guards it, so kernels run one at a time.
pub(crate) struct Driver {
    pub(crate) memory: Memory,
    pub(crate) streams: Streams,
    pub(crate) kernels: Kernels,
    pub(crate) counts: Counts,
    /// Name of the kernel that runs.
    pub(crate) running: Option<String>,
}

static DRIVER: OnceLock<Mutex<Driver>> = OnceLock::new();
/// The driver while a thread holds its lock, for the handler of segmentation faults.
static LOCKED: AtomicPtr<Driver> = AtomicPtr::new(std::ptr::null_mut());

/// Locks the driver.
pub(crate) fn driver() -> MutexGuard<'static, Driver> {
    let driver = DRIVER.get_or_init(|| {
        explain_faults();
        // SAFETY: `report` needs nothing that ends before the process does.
        unsafe { libc::atexit(report) };
        Mutex::new(Driver {
            memory: Memory::default(),
            streams: Streams::new(),
            kernels: Kernels::default(),
            counts: Counts::default(),
            running: None,
        })
    });
    let mut locked = driver.lock().unwrap_or_else(PoisonError::into_inner);
    LOCKED.store(&raw mut *locked, Ordering::Relaxed);
    locked
}

/// Calls `f` with the driver, or refuses because the thread has no current context.
pub(crate) fn with_context(f: impl FnOnce(&mut Driver) -> Status) -> Status {
    if current() == CONTEXT { f(&mut driver()) } else { INVALID_CONTEXT }
}

/// Installs the handler that explains accesses outside of live blocks.
fn explain_faults() {
    // SAFETY: `action` is initialised as sigaction(2) expects, and the handler has the type that SA_SIGINFO demands.
    // It runs on a stack of its own where the thread has one, because a fiber's stack is small.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = explain as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK;
        libc::sigaction(libc::SIGSEGV, &raw const action, std::ptr::null_mut());
    }
}

/// Explains an access by a kernel, or in or near a block, and ends the process; any other fault ends it in the usual way.
extern "C" fn explain(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the operating system passes valid information. The thread that faulted holds the driver's lock if it ran
    // a kernel or a copy; otherwise the state is read without the lock, just before the process ends.
    let (address, driver) =
        unsafe { ((*info).si_addr() as u64, LOCKED.load(Ordering::Relaxed).cast_const().as_ref()) };
    if let Some(driver) = driver {
        let place = driver.memory.place_of(address);
        let kernel = driver.running.as_ref().map(|name| format!("kernel `{name}`"));
        if place.is_some() || kernel.is_some() {
            let actor = kernel.unwrap_or_else(|| "the host".to_owned());
            let place = place.unwrap_or_else(|| "in no block".to_owned());
            fault(format_args!("{actor} accessed {address:#x}, {place}"));
        }
    }
    // SAFETY: restores the default, so that the access faults again and ends the process.
    unsafe { libc::signal(libc::SIGSEGV, libc::SIG_DFL) };
}

/// Writes the counts at the end of the process, if a file was named for them.
extern "C" fn report() {
    let Some(path) = std::env::var_os("CUDA_ON_HOST_REPORT") else { return };
    if let Err(error) = std::fs::write(&path, driver().counts.json()) {
        eprintln!("cuda-on-host: cannot write {}: {error}", path.display());
    }
}
