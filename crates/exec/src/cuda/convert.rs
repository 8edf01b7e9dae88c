//! Conversions between NCHW arrays of the host and padded NHWC tensors.

use bonsai_kernels::{KernelError, View};

use super::launcher::STAGING;
use super::step::{Arg, CudaProgram, int, over};
use crate::plan::HostWire;

/// Number of values of the array of a wire.
pub(super) fn values(wire: &HostWire) -> usize {
    wire.shape.iter().product()
}

/// The channel of the array for each channel of the tensor; -1 for padding.
pub(super) fn logical(wire: &HostWire) -> Result<Vec<i32>, KernelError> {
    let mut logical = vec![-1; wire.view.channels];
    for segment in &wire.segments {
        for i in 0..segment.len {
            logical[segment.physical + i] = int(segment.logical + i)?;
        }
    }
    Ok(logical)
}

/// The channel of the tensor for each channel of the array.
pub(super) fn physical(wire: &HostWire) -> Result<Vec<i32>, KernelError> {
    let mut physical = vec![0; wire.shape[1]];
    for segment in &wire.segments {
        for i in 0..segment.len {
            physical[segment.logical + i] = int(segment.physical + i)?;
        }
    }
    Ok(physical)
}

/// Appends the conversion of an array at this position of staging to a tensor.
pub(super) fn push_take(p: &mut CudaProgram, wire: &HostWire, at: usize) -> Result<(), KernelError> {
    push_convert(p, wire, "bonsai_from_nchw", View::vector(STAGING, at, values(wire)))
}

/// Appends the conversion of an array in any format to a tensor.
pub(super) fn push_convert(
    p: &mut CudaProgram,
    wire: &HostWire,
    kernel: &'static str,
    from: View,
) -> Result<(), KernelError> {
    let [n, c, h, w] = wire.shape;
    let table = p.table(logical(wire)?);
    let mut args = vec![Arg::At(from), Arg::Rows(wire.view), table];
    for size in [n * h * w, h * w, c, wire.view.channels] {
        args.push(Arg::Int(int(size)?));
    }
    p.launch("input", kernel, over(n * h * w * wire.view.channels), args, Vec::new())
}

/// Appends the conversion of a tensor to an array at this position of staging.
pub(super) fn push_give(p: &mut CudaProgram, wire: &HostWire, at: usize) -> Result<(), KernelError> {
    let [n, c, h, w] = wire.shape;
    let table = p.table(physical(wire)?);
    let mut args = vec![Arg::Rows(wire.view), Arg::At(View::vector(STAGING, at, values(wire))), table];
    for size in [n * h * w, h * w, c] {
        args.push(Arg::Int(int(size)?));
    }
    p.launch("output", "bonsai_to_nchw", over(n * h * w * c), args, Vec::new())
}
