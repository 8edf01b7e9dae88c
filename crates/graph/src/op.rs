//! [`Op`]: the nine primitive layers. The enum is closed so that the compiler lists every pass to update for
//! a new layer.

use serde::{Deserialize, Serialize};

/// A primitive layer. All its parameters are explicit; the channels of its inputs are inferred.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Op {
    /// The network's input `[n, channels, h, w]`.
    Input {
        /// Channels of the image.
        channels: usize,
    },
    /// A square 2-d convolution with kernel `[out_channels, in / groups, kernel, kernel]`.
    Conv2d {
        /// Number of output channels.
        out_channels: usize,
        /// Window side.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Zero padding on each side.
        padding: usize,
        /// Whether a bias `[out_channels]` is added.
        bias: bool,
        /// Number of groups of consecutive channels. Outputs of a group read only inputs of the same group.
        /// An ordinary convolution has 1 group, which is not written to files; a depthwise convolution has as
        /// many groups as channels.
        #[serde(default = "one", skip_serializing_if = "is_one")]
        groups: usize,
    },
    /// Batch normalisation over `n, h, w` per channel, with affine gamma and beta.
    BatchNorm {
        /// Added to the variance.
        eps: f32,
        /// Weight of the new batch in the running statistics (PyTorch's convention).
        momentum: f32,
    },
    /// `x * sigmoid(x)`.
    Silu,
    /// The sum of two or more wires of equal shape.
    Add,
    /// The channels of several wires, one wire after another.
    Concat,
    /// Channels `start .. start + len` of a wire.
    Slice {
        /// First channel.
        start: usize,
        /// Number of channels.
        len: usize,
    },
    /// Maximum over a window; padding is minus infinity, as in PyTorch.
    MaxPool {
        /// Window side.
        kernel: usize,
        /// Step in both directions.
        stride: usize,
        /// Padding on each side, at most half of the kernel.
        padding: usize,
    },
    /// Nearest-neighbour upsampling by an integer factor.
    Upsample {
        /// Factor in both directions.
        scale: usize,
    },
}

const fn one() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_one(groups: &usize) -> bool {
    *groups == 1
}

impl Op {
    /// Batch norm as YOLOv8 uses it: eps 1e-3, momentum 0.03.
    pub const fn batch_norm() -> Self {
        Self::BatchNorm { eps: 1e-3, momentum: 0.03 }
    }

    /// Whether this is a convolution of more than one group.
    pub const fn is_grouped(&self) -> bool {
        matches!(self, Self::Conv2d { groups, .. } if *groups > 1)
    }

    /// The keyword of this layer in the text form and in errors.
    pub const fn keyword(&self) -> &'static str {
        match self {
            Self::Input { .. } => "input",
            Self::Conv2d { .. } => "conv2d",
            Self::BatchNorm { .. } => "batch_norm",
            Self::Silu => "silu",
            Self::Add => "add",
            Self::Concat => "concat",
            Self::Slice { .. } => "slice",
            Self::MaxPool { .. } => "max_pool",
            Self::Upsample { .. } => "upsample",
        }
    }
}
