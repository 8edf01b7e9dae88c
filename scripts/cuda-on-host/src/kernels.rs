//! [`Kernels`]: the library that `kernels/build.sh` made.

use std::collections::BTreeMap;
use std::ffi::{CStr, CString, c_char, c_void};

use crate::fault::fault;

/// A kernel of the library. Layout of `HostKernel` in `kernels/registry.h`.
#[repr(C)]
#[derive(Debug)]
pub(crate) struct HostKernel {
    name: *const c_char,
    call: extern "C" fn(*mut *mut c_void),
    sizes: *const usize,
    arguments: usize,
}

// SAFETY: the library's kernels and their arrays are written before `dlopen` returns, and only read after that.
unsafe impl Send for HostKernel {}
// SAFETY: as above.
unsafe impl Sync for HostKernel {}

impl HostKernel {
    /// Sizes of its arguments in bytes.
    pub(crate) fn sizes(&self) -> &[usize] {
        // SAFETY: the library has that many sizes there, and is never unloaded.
        unsafe { std::slice::from_raw_parts(self.sizes, self.arguments) }
    }

    pub(crate) fn name(&self) -> String {
        // SAFETY: the library has a string there, and is never unloaded.
        unsafe { CStr::from_ptr(self.name) }.to_string_lossy().into_owned()
    }
}

type Find = unsafe extern "C" fn(*const c_char) -> *const HostKernel;
type Run = unsafe extern "C" fn(*const HostKernel, *const u32, *const u32, *mut *mut c_void);

#[derive(Clone, Copy)]
struct Library {
    find: Find,
    run: Run,
}

/// The kernels that were asked for.
#[derive(Default)]
pub(crate) struct Kernels {
    library: Option<Library>,
    found: BTreeMap<CString, Option<&'static HostKernel>>,
}

impl Kernels {
    /// The kernel of that name, if the library has it.
    pub(crate) fn find(&mut self, name: &CStr) -> Option<&'static HostKernel> {
        let library = *self.library.get_or_insert_with(load);
        let find = || {
            // SAFETY: the name is a string; the result is null or a kernel of the library, which is never unloaded.
            unsafe { (library.find)(name.as_ptr()).as_ref() }
        };
        *self.found.entry(name.to_owned()).or_insert_with(find)
    }

    /// Runs a kernel to its end.
    pub(crate) fn run(
        &self,
        kernel: &HostKernel,
        grid: [u32; 3],
        block: [u32; 3],
        arguments: &mut [*mut c_void],
    ) {
        let Some(library) = self.library else { return };
        // SAFETY: there is one argument of the right size for each size of the kernel. The driver's lock is held, so one
        // kernel runs at a time.
        unsafe { (library.run)(kernel, grid.as_ptr(), block.as_ptr(), arguments.as_mut_ptr()) }
    }
}

/// Loads the library.
fn load() -> Library {
    const VARIABLE: &str = "CUDA_ON_HOST_KERNELS";
    let Ok(path) = std::env::var(VARIABLE) else {
        fault(format_args!("{VARIABLE} is not set: name the library that kernels/build.sh made"));
    };
    let Ok(text) = CString::new(path.clone()) else { fault(format_args!("{VARIABLE} has a NUL byte")) };
    // SAFETY: the library's initialisers only register its kernels, and both functions have these types (fibers.cpp).
    unsafe {
        let library = libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL);
        if library.is_null() {
            fault(format_args!("{path}: {}", CStr::from_ptr(libc::dlerror()).to_string_lossy()));
        }
        let (find, run) =
            (libc::dlsym(library, c"host_kernel".as_ptr()), libc::dlsym(library, c"host_launch".as_ptr()));
        if find.is_null() || run.is_null() {
            fault(format_args!("{path} is not a library that kernels/build.sh made"));
        }
        Library {
            find: std::mem::transmute::<*mut c_void, Find>(find),
            run: std::mem::transmute::<*mut c_void, Run>(run),
        }
    }
}
