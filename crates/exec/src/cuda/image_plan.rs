//! [`CudaPlan`]: the programs of one image size on a GPU, with those that convert arrays of the host.

use bonsai_kernels::{KernelError, View};

use super::backend::CudaBackend;
use super::launcher::{Launcher, Loaded, STAGING};
use super::step::{Arg, CudaProgram, int, over, rows};
use crate::ExecError;
use crate::plan::{HostWire, Key, Plan};

/// A plan on a GPU. Arrays of the host pass through the staging buffer: first the images, then the outputs or their
/// gradients, one after another.
pub(super) struct CudaPlan {
    pub(super) key: Key,
    pub(super) forward: Loaded,
    pub(super) backward: Loaded,
    /// From staging to the images.
    pub(super) take_images: Loaded,
    /// From the outputs to staging.
    pub(super) give_outputs: Loaded,
    /// From staging to the gradients of the outputs.
    pub(super) take_gradients: Loaded,
    /// Values of the images.
    pub(super) images_len: usize,
    pub(super) outputs: Vec<HostWire>,
    pub(super) upstream: Vec<HostWire>,
    pub(super) taps: Vec<HostWire>,
    pub(super) input_gradient: Option<HostWire>,
    pub(super) activations_len: usize,
    pub(super) staging_len: usize,
}

impl CudaPlan {
    /// Loads the programs of a plan.
    pub(super) fn new(gpu: &Launcher, plan: Plan<CudaProgram>) -> Result<Self, ExecError> {
        let mut take_images = CudaProgram::default();
        let images_len = values(&plan.images);
        push_take(&mut take_images, &plan.images, 0)?;
        let mut give_outputs = CudaProgram::default();
        let mut take_gradients = CudaProgram::default();
        let mut at = images_len;
        for output in &plan.outputs {
            push_give(&mut give_outputs, output, at)?;
            at += values(output);
        }
        let mut from = images_len;
        for gradient in &plan.upstream {
            push_take(&mut take_gradients, gradient, from)?;
            from += values(gradient);
        }
        Ok(Self {
            key: plan.key,
            forward: gpu.load(plan.forward)?,
            backward: gpu.load(plan.backward)?,
            take_images: gpu.load(take_images)?,
            give_outputs: gpu.load(give_outputs)?,
            take_gradients: gpu.load(take_gradients)?,
            images_len,
            outputs: plan.outputs,
            upstream: plan.upstream,
            taps: plan.taps,
            input_gradient: plan.input_gradient,
            activations_len: plan.activations_len,
            staging_len: at,
        })
    }
}

/// Number of values of the array of a wire.
pub(super) fn values(wire: &HostWire) -> usize {
    wire.shape.iter().product()
}

/// Appends the conversion of an array at this position of staging to a tensor.
fn push_take(p: &mut CudaProgram, wire: &HostWire, at: usize) -> Result<(), KernelError> {
    let [n, c, h, w] = wire.shape;
    let mut logical = vec![-1; wire.view.channels];
    for segment in &wire.segments {
        for i in 0..segment.len {
            logical[segment.physical + i] = int(segment.logical + i)?;
        }
    }
    let table = p.table(logical);
    let mut args = vec![Arg::At(View::vector(STAGING, at, values(wire)))];
    args.extend(rows(&wire.view)?);
    args.push(table);
    for size in [n * h * w, h * w, c, wire.view.channels] {
        args.push(Arg::Int(int(size)?));
    }
    p.launch("input", "bonsai_from_nchw", over(n * h * w * wire.view.channels), args, Vec::new())
}

/// Appends the conversion of a tensor to an array at this position of staging.
pub(super) fn push_give(p: &mut CudaProgram, wire: &HostWire, at: usize) -> Result<(), KernelError> {
    let [n, c, h, w] = wire.shape;
    let mut physical = vec![0; c];
    for segment in &wire.segments {
        for i in 0..segment.len {
            physical[segment.logical + i] = int(segment.physical + i)?;
        }
    }
    let table = p.table(physical);
    let mut args = rows(&wire.view)?.to_vec();
    args.extend([Arg::At(View::vector(STAGING, at, values(wire))), table]);
    for size in [n * h * w, h * w, c] {
        args.push(Arg::Int(int(size)?));
    }
    p.launch("output", "bonsai_to_nchw", over(n * h * w * c), args, Vec::new())
}

/// The plan's backend, for the folded parameters of inference.
pub(super) type Folded = crate::plan::Folded<CudaBackend>;
