//! [`Forward`]: the Winograd convolution, which also computes the gradient of the input.
//!
//! A task is a block of tiles and a group of output channels. It computes `V` of the block. Then, for one
//! range of channels after another, it computes the products of all planes, transforms them into the output
//! and applies the epilogue, while all data is in the cache.

use std::marker::PhantomData;

use super::blocks::{Blocks, PLANES, group, plane_pitch, tile_pitch, units, widest_group};
use super::input::{STRIP_LEN, Transform};
use super::multiply::Multiply;
use super::output::Store;
use super::points::Input;
use super::{check_shape, contiguous, packed_pitch, tensor, tiles};
use crate::epilogue::{Epilogue, finish};
use crate::memory::Memory;
use crate::moments;
use crate::program::Kernel;
use crate::simd::Simd;
use crate::view::Operand;
use crate::{ConvShape, KernelError, View};

/// Bytes of `V` and `M` together; the rest of the second-level cache holds the panel of weights and the
/// image.
const CACHED: usize = 1_150_000;
/// Fewest and most tiles in a block: smaller blocks read the packed weights too often, larger ones are not
/// faster.
const TILES: [usize; 2] = [28, 60];
/// Most output channels whose products are kept at the same time.
const MOST_CHANNELS: usize = 128;
/// Number of tasks that keeps several threads busy.
const ENOUGH_TASKS: usize = 8;

/// How the work of a shape is divided.
#[derive(Debug, Clone, Copy)]
struct Plan {
    blocks: Blocks,
    /// Number of groups of output channels; each is a task.
    groups: usize,
    /// Number of channel ranges in a group, which a task processes one after another.
    passes: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let inputs = shape.input().c;
        let outputs = shape.output().c;
        let image = shape.input();
        let tiles = tiles(image);
        let kept = inputs + outputs.min(MOST_CHANNELS);
        let most = (CACHED / (PLANES * size_of::<f32>() * kept)).min(tiles.div_ceil(ENOUGH_TASKS));
        let blocks = Blocks::new(image, most.clamp(TILES[0], TILES[1]));
        // Every group transforms the input again, so groups should be wide; but a single block needs two
        // groups for two threads.
        let fewest = if blocks.len() == 1 { 1 } else { 4 };
        let mut groups = 1;
        while blocks.len() * groups < ENOUGH_TASKS && units(outputs) >= groups * 2 * fewest {
            groups *= 2;
        }
        Self { blocks, groups, passes: widest_group(outputs, groups).div_ceil(MOST_CHANNELS) }
    }

    /// Output channels of one pass of group `index`.
    fn channels(&self, outputs: usize, index: usize, pass: usize) -> std::ops::Range<usize> {
        let all = group(outputs, self.groups, index);
        let passes = self.passes.min(units(all.len()));
        if pass >= passes {
            return all.end..all.end;
        }
        let part = group(all.len(), passes, pass);
        all.start + part.start..all.start + part.end
    }

    /// Number of channels in the widest pass.
    fn widest(&self, outputs: usize) -> usize {
        let all = (0..self.groups).flat_map(|i| (0..self.passes).map(move |pass| (i, pass)));
        all.map(|(i, pass)| self.channels(outputs, i, pass).len()).max().unwrap_or(0)
    }
}

/// Number of pixels in each part of the moments; a part is a block.
pub(super) fn moment_counts(shape: &ConvShape) -> Vec<usize> {
    let blocks = Plan::new(shape).blocks;
    (0..blocks.len()).map(|i| blocks.pixels(&blocks.get(i)).len()).collect()
}

/// Number of parts of the moments.
pub(super) fn moment_parts(shape: &ConvShape) -> usize {
    Plan::new(shape).blocks.len()
}

/// `y = x * w` or `y += x * w`, followed by the epilogue.
pub(crate) struct Forward {
    shape: ConvShape,
    plan: Plan,
    x: View,
    packed: View,
    y: View,
    epilogue: Epilogue,
    accumulate: bool,
    /// Distances between the planes of `U`, `V` and `M`.
    pitches: [usize; 3],
}

impl Forward {
    /// For the gradient of the input, `shape` is the convolution from `dy` to `dx`.
    ///
    /// # Errors
    /// [`KernelError::Operand`] if a view does not fit or Winograd's algorithm does not apply to the shape.
    pub(crate) fn new(
        label: &str,
        shape: &ConvShape,
        x: View,
        packed: View,
        y: View,
        epilogue: Epilogue,
        accumulate: bool,
    ) -> Result<Self, KernelError> {
        check_shape(label, shape)?;
        let inputs = shape.input().c;
        let outputs = shape.output().c;
        let pixels = shape.input().pixels();
        tensor(label, ["pixels of x", "channels of x"], &x, [pixels, inputs])?;
        tensor(label, ["pixels of y", "channels of y"], &y, [pixels, outputs])?;
        let plan = Plan::new(shape);
        let packed_pitch = packed_pitch(shape);
        let packed = contiguous(label, "packed weights", &packed, PLANES * packed_pitch)?;
        let mut epilogue = epilogue;
        if let Some(bias) = &mut epilogue.bias {
            *bias = contiguous(label, "bias", bias, outputs)?;
        }
        if let Some(residual) = &epilogue.residual {
            let what = ["pixels of the residual", "channels of the residual"];
            tensor(label, what, residual, [pixels, outputs])?;
        }
        if let Some(moments) = &epilogue.moments {
            let what = ["rows of the moments", "channels of the moments"];
            tensor(label, what, moments, [2 * plan.blocks.len(), outputs])?;
        }
        let tiles = plan.blocks.most_tiles();
        let pitches = [
            packed_pitch,
            plane_pitch(tiles * tile_pitch(inputs)),
            plane_pitch(tiles * plan.widest(outputs)),
        ];
        Ok(Self { shape: *shape, plan, x, packed, y, epilogue, accumulate, pitches })
    }
}

// SAFETY: a task writes the pixels of its block and the channels of its group of `y`, and the rows of its
// block and these channels of the moments; `new` checked that all views fit the shape.
unsafe impl Kernel for Forward {
    fn operands(&self) -> Vec<Operand> {
        let mut operands = vec![self.x.read(), self.packed.read(), self.y.store(self.accumulate)];
        operands.extend(self.epilogue.bias.map(View::read));
        operands.extend(self.epilogue.residual.map(View::read));
        operands.extend(self.epilogue.moments.map(View::write));
        operands
    }

    fn tasks(&self) -> usize {
        self.plan.blocks.len() * self.plan.groups
    }

    fn scratch_len(&self) -> usize {
        PLANES * (self.pitches[1] + self.pitches[2]) + STRIP_LEN
    }

    #[inline(always)]
    unsafe fn run<S: Simd>(&self, s: S, memory: Memory<'_>, task: usize, scratch: *mut f32) {
        let index = task / self.plan.groups;
        let group = task % self.plan.groups;
        let block = self.plan.blocks.get(index);
        let image = self.shape.input();
        let inputs = self.shape.input().c;
        let outputs = self.shape.output().c;
        let [u_pitch, v_pitch, m_pitch] = self.pitches;
        // SAFETY: scratch is as long as these three; the views are operands, and all channels are below their
        // widths.
        unsafe {
            let v = scratch;
            let m = scratch.add(PLANES * v_pitch);
            let strip = m.add(PLANES * m_pitch);
            s.vectorize(Transform::<Input, 6> {
                from: memory.at(&self.x),
                ld: self.x.ld,
                image,
                block,
                channels: inputs,
                to: v,
                pitch: v_pitch,
                tile_pitch: tile_pitch(inputs),
                strip,
                expand: PhantomData,
            });
            for pass in 0..self.plan.passes {
                let range = self.plan.channels(outputs, group, pass);
                let channels = range.len();
                let y = memory.at(&self.y).add(range.start);
                let bias = self.epilogue.bias;
                s.vectorize(Multiply {
                    v,
                    v_pitch,
                    tile_pitch: tile_pitch(inputs),
                    tiles: self.plan.blocks.tiles(&block),
                    inputs,
                    u: memory.at(&self.packed),
                    u_pitch,
                    outputs: range.clone(),
                    m,
                    m_pitch,
                });
                s.vectorize(Store {
                    from: m,
                    pitch: m_pitch,
                    channels,
                    to: y,
                    ld: self.y.ld,
                    image,
                    block,
                    bias: bias.map_or(std::ptr::null(), |bias| memory.at(&bias).add(range.start)),
                    accumulate: self.accumulate,
                });
                self.follow(s, memory, index, range);
            }
        }
    }
}

impl Forward {
    /// Applies moments, SiLU and residual to a block and some channels.
    ///
    /// # Safety
    /// As [`Kernel::run`]; in addition, the outputs are already stored.
    #[inline(always)]
    unsafe fn follow<S: Simd>(
        &self,
        s: S,
        memory: Memory<'_>,
        index: usize,
        channels: std::ops::Range<usize>,
    ) {
        let pixels = self.plan.blocks.pixels(&self.plan.blocks.get(index));
        let start = channels.start;
        let count = channels.len();
        // SAFETY: guaranteed by the caller; every block has two rows of moments.
        unsafe {
            if let Some(view) = &self.epilogue.moments {
                let y = memory.at(&self.y).add(pixels.start * self.y.ld + start);
                let mean = memory.at(view).add(2 * index * view.ld + start);
                moments::part(s, y, self.y.ld, pixels.len(), count, mean, mean.add(view.ld));
            }
            if self.epilogue.silu || self.epilogue.residual.is_some() {
                // `y` already includes the bias.
                let rest = Epilogue { bias: None, moments: None, ..self.epilogue };
                finish(s, memory, &rest, &self.y, [pixels.start, pixels.len()], [start, count]);
            }
        }
    }
}
