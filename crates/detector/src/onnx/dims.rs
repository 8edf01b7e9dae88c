//! [`Dims`]: dimensions of an input or output, as far as a file fixes them.

use bonsai_onnx::{Dim, TensorInfo};

/// Dimensions; `None` if a dimension is chosen at run time.
pub(super) type Dims = Vec<Option<usize>>;

/// The dimensions in a file's description of an input or output.
pub(super) fn sizes(tensor: &TensorInfo) -> Dims {
    let size = |dim: &Dim| match dim {
        Dim::Fixed(size) => Some(*size),
        Dim::Symbolic(_) | Dim::Unknown => None,
    };
    tensor.dims.iter().map(size).collect()
}
