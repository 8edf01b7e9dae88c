//! [`CudaPlan`]: the programs of one image size on a GPU, with those that convert arrays of the host.

use bonsai_kernels::View;

use super::backend::CudaBackend;
use super::convert::{push_convert, push_give, push_take, values};
use super::head::Head;
use super::launcher::{BYTES, Launcher, Loaded};
use super::step::CudaProgram;
use crate::ExecError;
use crate::plan::{HostWire, Key, Plan};

/// A plan on a GPU. Arrays of the host pass through the staging buffer: first the images, then the outputs or their
/// gradients, one after another. Images of 8 bits have a buffer of their own, and the summary of a head takes the place of
/// the outputs.
pub(super) struct CudaPlan {
    pub(super) key: Key,
    pub(super) forward: Loaded,
    pub(super) backward: Loaded,
    /// From staging to the images.
    pub(super) take_images: Loaded,
    /// From images of 8 bits to the images.
    pub(super) take_bytes: Loaded,
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
    /// The detection head, if a pass used one.
    pub(super) head: Option<Head>,
}

impl CudaPlan {
    /// Loads the programs of a plan.
    pub(super) fn new(gpu: &Launcher, plan: Plan<CudaProgram>) -> Result<Self, ExecError> {
        let mut take_images = CudaProgram::default();
        let images_len = values(&plan.images);
        push_take(&mut take_images, &plan.images, 0)?;
        let mut take_bytes = CudaProgram::default();
        push_convert(&mut take_bytes, &plan.images, "bonsai_from_bytes", View::vector(BYTES, 0, images_len))?;
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
            take_bytes: gpu.load(take_bytes)?,
            give_outputs: gpu.load(give_outputs)?,
            take_gradients: gpu.load(take_gradients)?,
            images_len,
            outputs: plan.outputs,
            upstream: plan.upstream,
            taps: plan.taps,
            input_gradient: plan.input_gradient,
            activations_len: plan.activations_len,
            staging_len: at,
            head: None,
        })
    }
}

/// The plan's backend, for the folded parameters of inference.
pub(super) type Folded = crate::plan::Folded<CudaBackend>;
