//! Why a kernel refuses its arguments.

use crate::{Nhwc, View, Window};

/// Arguments that do not fit together; nothing has been written.
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
    #[error("{window:?} is larger than the padded image {input:?}; use a larger image or more padding")]
    WindowTooLarge {
        /// The window.
        window: Window,
        /// The image.
        input: Nhwc,
    },
    /// A pooling window could lie wholly in the padding, where there is no maximum.
    #[error("{window:?}: padding of a max-pool must be smaller than its kernel")]
    PoolPadding {
        /// The window.
        window: Window,
    },
    /// The position of a maximum is kept in a byte.
    #[error("{window:?}: a max-pool kernel may cover at most 256 pixels, this one covers {area}")]
    PoolArea {
        /// The window.
        window: Window,
        /// Its kernel's pixels.
        area: usize,
    },
    /// A size beyond what any memory holds.
    #[error("{what} would be larger than any memory")]
    TooLarge {
        /// Which tensor.
        what: &'static str,
    },
    /// An instruction set that does not exist or is not here.
    #[error("no instruction set `{name}` on this machine; it has {available}")]
    Isa {
        /// What was asked for.
        name: String,
        /// What there is.
        available: String,
    },
    /// The system starts no more threads.
    #[error("cannot start {threads} threads: {reason}; ask for fewer")]
    Threads {
        /// How many were asked for.
        threads: usize,
        /// What the system says.
        reason: String,
    },
    /// The system does not give the memory.
    #[error("cannot get memory for {values} values of 4 bytes; use smaller batches or images")]
    Memory {
        /// How many values were asked for.
        values: usize,
    },
    /// A rectangle outside of what any buffer holds.
    #[error("{label}: {view:?} lies where no memory can be, or in a buffer of too high a number")]
    Place {
        /// The kernel.
        label: String,
        /// The rectangle.
        view: View,
    },
    /// A convolution was planned for other instructions than the program has.
    #[error(
        "{label}: the convolution is for {conv}, the program for {program}; make both for one instruction set"
    )]
    OtherIsa {
        /// The kernel.
        label: String,
        /// Instruction set of the convolution.
        conv: &'static str,
        /// Instruction set of the program.
        program: &'static str,
    },
    /// A rectangle whose rows overlap.
    #[error("{label}: {view:?} has a row pitch below its channels")]
    View {
        /// The kernel.
        label: String,
        /// The rectangle.
        view: View,
    },
    /// A kernel would write what it reads or writes elsewhere.
    #[error("{label}: operands overlap: {views:?}")]
    Overlap {
        /// The kernel.
        label: String,
        /// The two rectangles.
        views: Box<[View; 2]>,
    },
    /// Operands of different sizes.
    #[error("{label}: {what} has {got}, needs {expected}")]
    Operand {
        /// The kernel.
        label: String,
        /// Which operand and which of its sizes.
        what: &'static str,
        /// Its size.
        got: usize,
        /// The size that fits.
        expected: usize,
    },
    /// A program was given too few buffers.
    #[error("the program works on {needed} buffers and was given {got}")]
    Buffers {
        /// How many there are.
        got: usize,
        /// How many it needs.
        needed: usize,
    },
    /// A program was given too little memory.
    #[error("buffer {index} has {len} values, the program needs {needed}")]
    Buffer {
        /// Which buffer.
        index: usize,
        /// Values it has.
        len: usize,
        /// Values it must have.
        needed: usize,
    },
    /// Enlarging by nothing.
    #[error("upsampling factor must be at least 1, is {factor}")]
    Factor {
        /// The factor.
        factor: usize,
    },
}
