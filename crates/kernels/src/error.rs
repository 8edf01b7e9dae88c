//! Why a kernel refuses its arguments.

use crate::{Nhwc, Window};

/// Arguments that do not fit together; nothing has been written.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum KernelError {
    /// A slice is too short or too long.
    #[error("{kernel}: `{argument}` has {got} values, its shape needs {expected}")]
    Length {
        /// The kernel called.
        kernel: &'static str,
        /// The argument at fault.
        argument: &'static str,
        /// Values that the shape asks for.
        expected: usize,
        /// Values given.
        got: usize,
    },
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
    /// The shape has more values than can be addressed.
    #[error("{what} would hold more values than a machine word can count")]
    TooLarge {
        /// Which tensor.
        what: &'static str,
    },
    /// Statistics of a single value have no variance.
    #[error(
        "batch norm in training needs at least 2 values per channel, {shape:?} has {got}; use a larger batch"
    )]
    TooFewValues {
        /// The shape.
        shape: Nhwc,
        /// Values per channel.
        got: usize,
    },
    /// A range of channels that the tensor does not have.
    #[error("channels {start}..{start}+{len} do not exist in a tensor of {channels} channels")]
    ChannelRange {
        /// First channel.
        start: usize,
        /// Number of channels.
        len: usize,
        /// Channels there are.
        channels: usize,
    },
    /// Enlarging by nothing.
    #[error("upsampling factor must be at least 1, is {factor}")]
    Factor {
        /// The factor.
        factor: usize,
    },
}

/// Refuses a slice of the wrong length.
pub(crate) fn check_len(
    kernel: &'static str,
    argument: &'static str,
    expected: usize,
    got: usize,
) -> Result<(), KernelError> {
    if expected == got { Ok(()) } else { Err(KernelError::Length { kernel, argument, expected, got }) }
}
