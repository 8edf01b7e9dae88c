//! [`push_weight_gradient`]: the gradient of the weights, `dw += G^T [sum over tiles of V · Z] G` with
//! `V = B^T d B` and `Z = A dY A^T`.
//!
//! A task is a part of the blocks, a group of input channels and a group of output channels, small enough for
//! its 36 sums to stay in the second-level cache. The task transforms its sums at the end, so that a part
//! stores nine planes instead of 36. [`Reduce`] adds the parts to `dw` in order. A single part adds to `dw`
//! directly.

use std::marker::PhantomData;
use std::ops::Range;

use super::blocks::{Blocks, PLANES, group, piece, plane_pitch, units, widest_group};
use super::input::{STRIP_LEN, Transform};
use super::multiply::Correlate;
use super::points::{Gradient, Input, tap_gradients};
use super::{check_shape, contiguous, tensor, tiles};
use crate::memory::Memory;
use crate::program::{Kernel, Program};
use crate::simd::{Simd, WithSimd};
use crate::view::Operand;
use crate::{ConvShape, KernelError, View};

/// Most channels in a group.
const MOST_CHANNELS: usize = 64;
/// Bytes of `V` and `Z` of a block.
const CACHED: usize = 800_000;
/// Fewest tiles in a part: with fewer, writing and reading its sums takes too long.
const FEWEST_TILES: usize = 50;
/// Number of tasks that keeps several threads busy.
const ENOUGH_TASKS: usize = 8;

/// How the work of a shape is divided.
#[derive(Debug, Clone, Copy)]
struct Plan {
    blocks: Blocks,
    parts: usize,
    /// Number of groups of input channels and of output channels.
    groups: [usize; 2],
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let image = shape.input();
        let channels = [image.c, shape.output().c];
        let groups = channels.map(|c| c.div_ceil(MOST_CHANNELS).min(units(c)));
        let kept = widest_group(channels[0], groups[0]) + widest_group(channels[1], groups[1]);
        let most = CACHED / (PLANES * size_of::<f32>() * kept);
        let blocks = Blocks::new(image, most.clamp(28, 100));
        let wanted = ENOUGH_TASKS.div_ceil(groups[0] * groups[1]).min(tiles(image) / FEWEST_TILES);
        Self { blocks, parts: wanted.clamp(1, blocks.len()), groups }
    }
}

/// Number of partial sums that [`push_weight_gradient`] needs.
pub(crate) fn partials_len(shape: &ConvShape) -> usize {
    match Plan::new(shape).parts {
        1 => 0,
        parts => parts * shape.weights_len(),
    }
}

/// Appends the kernels that add the gradient of the weights `[3][3][in][out]` to `dw`.
///
/// # Errors
/// [`KernelError::Operand`] if a view does not fit or the algorithm does not apply to the shape; errors of
/// [`Program::push`].
pub(crate) fn push_weight_gradient(
    program: &mut Program,
    label: &str,
    shape: &ConvShape,
    x: View,
    dy: View,
    partials: View,
    dw: View,
) -> Result<(), KernelError> {
    check_shape(label, shape)?;
    let pixels = shape.input().pixels();
    tensor(label, ["pixels of x", "channels of x"], &x, [pixels, shape.input().c])?;
    tensor(label, ["pixels of dy", "channels of dy"], &dy, [pixels, shape.output().c])?;
    let dw = contiguous(label, "dw", &dw, shape.weights_len())?;
    let plan = Plan::new(shape);
    if plan.parts == 1 {
        return program.push(label, WeightGradient::new(shape, plan, x, dy, dw));
    }
    let partials = contiguous(label, "partial sums of dw", &partials, partials_len(shape))?;
    program.push(label, WeightGradient::new(shape, plan, x, dy, partials))?;
    program.push(label, Reduce { partials, parts: plan.parts, dw })
}

/// Computes the gradients of parts, or of all tiles.
struct WeightGradient {
    shape: ConvShape,
    plan: Plan,
    x: View,
    dy: View,
    /// The partial sums, or `dw` if there is only one part.
    to: View,
    /// Distances between the planes of `V`, `Z` and their product.
    pitches: [usize; 3],
}

impl WeightGradient {
    fn new(shape: &ConvShape, plan: Plan, x: View, dy: View, to: View) -> Self {
        let tiles = plan.blocks.most_tiles();
        let inputs = widest_group(shape.input().c, plan.groups[0]);
        let outputs = widest_group(shape.output().c, plan.groups[1]);
        let pitches =
            [plane_pitch(tiles * inputs), plane_pitch(tiles * outputs), plane_pitch(inputs * outputs)];
        Self { shape: *shape, plan, x, dy, to, pitches }
    }
}

// SAFETY: a task writes the rows of its input channels and the columns of its output channels in the nine
// planes of its part; `push_weight_gradient` checked that all views fit the shape.
unsafe impl Kernel for WeightGradient {
    fn operands(&self) -> Vec<Operand> {
        vec![self.x.read(), self.dy.read(), self.to.store(self.plan.parts == 1)]
    }

    fn tasks(&self) -> usize {
        self.plan.parts * self.plan.groups[0] * self.plan.groups[1]
    }

    fn scratch_len(&self) -> usize {
        PLANES * self.pitches.iter().sum::<usize>() + STRIP_LEN
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        let (image, [in_groups, out_groups]) = (self.shape.input(), self.plan.groups);
        let all_inputs = image.c;
        let all_outputs = self.shape.output().c;
        let inputs = group(all_inputs, in_groups, task / out_groups % in_groups);
        let outputs = group(all_outputs, out_groups, task % out_groups);
        let part = task / (in_groups * out_groups);
        let [v_pitch, z_pitch, p_pitch] = self.pitches;
        // SAFETY: scratch is as long as these four; the views are operands, and all channels are below their
        // widths.
        unsafe {
            let v = scratch;
            let z = scratch.add(PLANES * v_pitch);
            let p = z.add(PLANES * z_pitch);
            let strip = p.add(PLANES * p_pitch);
            let blocks = piece(self.plan.blocks.len(), self.plan.parts, part);
            for index in blocks.clone() {
                let block = self.plan.blocks.get(index);
                s.vectorize(Transform::<Input, 6> {
                    from: memory.at(&self.x).add(inputs.start),
                    ld: self.x.ld,
                    image,
                    block,
                    channels: inputs.len(),
                    to: v,
                    pitch: v_pitch,
                    tile_pitch: inputs.len(),
                    strip,
                    expand: PhantomData,
                });
                s.vectorize(Transform::<Gradient, 4> {
                    from: memory.at(&self.dy).add(outputs.start),
                    ld: self.dy.ld,
                    image,
                    block,
                    channels: outputs.len(),
                    to: z,
                    pitch: z_pitch,
                    tile_pitch: outputs.len(),
                    strip,
                    expand: PhantomData,
                });
                s.vectorize(Correlate {
                    v,
                    v_pitch,
                    inputs: inputs.len(),
                    z,
                    z_pitch,
                    outputs: outputs.len(),
                    tiles: self.plan.blocks.tiles(&block),
                    p,
                    p_pitch,
                    accumulate: index > blocks.start,
                });
            }
            let tap = all_inputs * all_outputs;
            s.vectorize(Contract {
                p,
                p_pitch,
                inputs: inputs.len(),
                outputs: outputs.len(),
                to: memory.at(&self.to).add(part * 9 * tap + inputs.start * all_outputs + outputs.start),
                ld: all_outputs,
                tap,
                accumulate: self.plan.parts == 1,
            });
        }
    }
}

/// Computes `G^T P G` for a group of channels.
struct Contract {
    /// 36 planes of `[in][out]`.
    p: *const f32,
    /// Distance between the planes.
    p_pitch: usize,
    inputs: usize,
    outputs: usize,
    /// Nine planes of `[in][all outputs]`, `tap` values apart; rows are `ld` values apart.
    to: *mut f32,
    ld: usize,
    tap: usize,
    /// Whether to add to the existing values.
    accumulate: bool,
}

impl WithSimd for Contract {
    type Output = ();

    #[inline(always)]
    fn with<S: Simd>(self, s: S) {
        for row in 0..self.inputs {
            let mut channel = 0;
            while channel < self.outputs {
                // SAFETY: only `WeightGradient` creates it, with planes of these sizes.
                unsafe {
                    let from = self.p.add(row * self.outputs + channel);
                    let to = self.to.add(row * self.ld + channel);
                    let mut half = [[s.splat(0.0); 6]; 3];
                    for j in 0..6 {
                        let mut m = [s.splat(0.0); 6];
                        for i in 0..6 {
                            m[i] = s.load(from.add((i * 6 + j) * self.p_pitch));
                        }
                        let column = tap_gradients(s, m);
                        for ky in 0..3 {
                            half[ky][j] = column[ky];
                        }
                    }
                    for ky in 0..3 {
                        let row = tap_gradients(s, half[ky]);
                        for kx in 0..3 {
                            let to = to.add((ky * 3 + kx) * self.tap);
                            let sum = if self.accumulate { s.add(s.load(to), row[kx]) } else { row[kx] };
                            s.store(to, sum);
                        }
                    }
                }
                channel += S::LANES;
            }
        }
    }
}

/// Number of values that a task of [`Reduce`] sums.
const CHUNK: usize = 4096;

/// Adds the sum of all parts, in their order, to `dw`.
struct Reduce {
    partials: View,
    parts: usize,
    dw: View,
}

impl Reduce {
    fn chunk(&self, task: usize) -> Range<usize> {
        task * CHUNK..((task + 1) * CHUNK).min(self.dw.channels)
    }
}

// SAFETY: a task writes its own chunk of `dw`; each part is as long as `dw`.
unsafe impl Kernel for Reduce {
    fn operands(&self) -> Vec<Operand> {
        vec![self.partials.read(), self.dw.update()]
    }

    fn tasks(&self) -> usize {
        self.dw.channels.div_ceil(CHUNK)
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, _scratch: *mut f32) {
        let chunk = self.chunk(task);
        // SAFETY: both views are operands; a chunk is whole vectors.
        unsafe {
            let partials = memory.at(&self.partials);
            let dw = memory.at(&self.dw);
            let mut i = chunk.start;
            while i < chunk.end {
                let mut sum = s.load(partials.add(i));
                for part in 1..self.parts {
                    sum = s.add(sum, s.load(partials.add(part * self.dw.channels + i)));
                }
                s.store(dw.add(i), s.add(s.load(dw.add(i)), sum));
                i += S::LANES;
            }
        }
    }
}
