//! [`Launch`]: a kernel as work on a stream.

use std::ffi::c_void;

use crate::kernels::{HostKernel, Kernels};

/// One launch of a kernel.
#[derive(Clone)]
pub(crate) struct Launch {
    pub(crate) kernel: &'static HostKernel,
    pub(crate) grid: [u32; 3],
    pub(crate) block: [u32; 3],
    /// The bytes of each argument.
    pub(crate) arguments: Vec<Vec<u8>>,
}

impl Launch {
    pub(crate) fn run(mut self, kernels: &Kernels) {
        let mut pointers: Vec<*mut c_void> =
            self.arguments.iter_mut().map(|a| a.as_mut_ptr().cast()).collect();
        kernels.run(self.kernel, self.grid, self.block, &mut pointers);
    }
}
