//! [`KernelError`]: reasons why a kernel or program rejects its arguments.

use crate::{Nhwc, View, Window};

/// Arguments that do not fit together. When it is returned, nothing was written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// A window with a zero size or stride.
    #[error("{window:?}: kernel and stride must be at least 1")]
    EmptyWindow {
        /// The window.
        window: Window,
    },
    /// The window does not fit into the padded image.
    #[error("{window:?} is larger than the padded image {input:?}: use a larger image or more padding")]
    WindowTooLarge {
        /// The window.
        window: Window,
        /// The image.
        input: Nhwc,
    },
    /// A pooling window could lie completely in the padding, where there is no maximum.
    #[error("{window:?}: the padding of a max-pool must be smaller than its kernel")]
    PoolPadding {
        /// The window.
        window: Window,
    },
    /// A max-pool kernel has too many pixels: the position of the maximum is stored in a byte.
    #[error("{window:?}: a max-pool kernel covers {area} pixels, expected at most 256")]
    PoolArea {
        /// The window.
        window: Window,
        /// Number of pixels that its kernel covers.
        area: usize,
    },
    /// A size that exceeds any memory.
    #[error("{what} would be larger than any memory: use smaller sizes")]
    TooLarge {
        /// The tensor or list that would be too large.
        what: &'static str,
    },
    /// An instruction set that does not exist or that this machine lacks.
    #[error("unknown instruction set `{name}` on this machine; expected one of {available}")]
    Isa {
        /// The requested name.
        name: String,
        /// The instruction sets of this machine.
        available: String,
    },
    /// The system cannot start the requested threads.
    #[error("cannot start {threads} threads: {reason}; use fewer threads")]
    Threads {
        /// The requested number of threads.
        threads: usize,
        /// The reason that the system gives.
        reason: String,
    },
    /// The system cannot allocate the memory.
    #[error("cannot allocate memory for {values} values of 4 bytes: use smaller batches or images")]
    Memory {
        /// The requested number of values.
        values: usize,
    },
    /// A view that no buffer can hold.
    #[error("{label}: {view:?} has an offset, a size or a buffer number that no program supports")]
    Place {
        /// The kernel.
        label: String,
        /// The view.
        view: View,
    },
    /// A convolution was planned for another instruction set than that of the program.
    #[error(
        "{label}: the convolution is for {conv}, the program for {program}; create both for the same instruction set"
    )]
    OtherIsa {
        /// The kernel.
        label: String,
        /// Instruction set of the convolution.
        conv: &'static str,
        /// Instruction set of the program.
        program: &'static str,
    },
    /// A view whose rows overlap.
    #[error("{label}: {view:?} has a row pitch `ld` smaller than its number of channels")]
    View {
        /// The kernel.
        label: String,
        /// The view.
        view: View,
    },
    /// Two operands of a kernel overlap, and the kernel writes at least one of them.
    #[error("{label}: operands overlap: {views:?}")]
    Overlap {
        /// The kernel.
        label: String,
        /// The two views.
        views: Box<[View; 2]>,
    },
    /// An operand has an unexpected size.
    #[error("{label}: {what}: expected {expected}, got {got}")]
    Operand {
        /// The kernel.
        label: String,
        /// The operand and the size in question.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The size that fits.
        expected: usize,
    },
    /// A program received too few buffers.
    #[error("the program needs {needed} buffers, got {got}")]
    Buffers {
        /// Number of buffers given.
        got: usize,
        /// Number of buffers needed.
        needed: usize,
    },
    /// A program received a buffer that is too short.
    #[error("the program needs {needed} values in buffer {index}, got {len}")]
    Buffer {
        /// Number of the buffer.
        index: usize,
        /// Its number of values.
        len: usize,
        /// The number of values needed.
        needed: usize,
    },
    /// A device has no such kernel.
    #[error("{label}: this device has no kernel for {what}; use executor cpu")]
    NoKernel {
        /// The step of the program.
        label: String,
        /// The missing kernel.
        what: &'static str,
    },
    /// An upsampling factor of 0.
    #[error("the upsampling factor is {factor}, expected at least 1")]
    Factor {
        /// The factor.
        factor: usize,
    },
}
