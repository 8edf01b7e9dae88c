//! [`random_model`]: random detectors that are small enough to run a thousand of them in seconds.

use std::fmt;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::ModelSpec;
use proptest::strategy::Strategy;
use rand::RngExt;

use crate::random_block::BLOCKS;
use crate::random_network::Net;
use crate::{RandomGraphConfig, random_weights};

/// A detector with random layers and weights, and an image size that fits it.
#[derive(Clone)]
pub struct RandomModel {
    /// Model and weights.
    pub checkpoint: Checkpoint,
    /// Height of an image that fits, in pixels; odd as often as even.
    pub h: usize,
    /// Width of an image that fits, in pixels.
    pub w: usize,
}

impl fmt::Debug for RandomModel {
    /// Prints the network as text, which is what a reader of a failed test needs; the weights follow from the
    /// seed.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "images {}x{}\n{}", self.h, self.w, self.spec().graph())
    }
}

impl RandomModel {
    /// Network, head and class names.
    pub const fn spec(&self) -> &ModelSpec {
        &self.checkpoint.model
    }
}

/// A random detector; the same seed and configuration give the same bits.
///
/// A few dozen seeds produce every layer kind, residuals of two and three wires, uneven and overlapping
/// slices, slices that span two inputs of a concat, nested concats, the same wire twice in one concat and one
/// wire in two concats, chained poolings, upsampling with several readers, kernels 1, 3 and 5, strides 1 and
/// 2, odd widths and heights, batch norms without activation, batch norms without a convolution, two batch
/// norms after one convolution, convolutions without batch norm, depthwise convolutions, and convolutions of
/// a few groups.
///
/// # Panics
/// If the limits are too small (`max_channels` below 2 or `max_side` below 8).
pub fn random_model(seed: u64, config: &RandomGraphConfig) -> RandomModel {
    assert!(config.max_channels >= 2 && config.max_side >= 8, "limits too small: {config:?}");
    let (spec, h, w) = random_spec(seed, config);
    let weights = random_weights(seed ^ 0x5eed, spec.graph());
    let checkpoint = Checkpoint::new(spec, weights).expect("weights are drawn from the parameter list");
    RandomModel { checkpoint, h, w }
}

/// A model and the height and width of an image that fits it, drawn block by block.
fn random_spec(seed: u64, config: &RandomGraphConfig) -> (ModelSpec, usize, usize) {
    let mut net = Net::new(seed, config);
    let mut side = || {
        let side = net.rng.random_range(8..=config.max_side);
        if net.rng.random() { side } else { (side / 8) * 8 }
    };
    let h = side();
    let w = side();
    net.image(h, w);
    for _ in 0..config.blocks {
        let block = BLOCKS[net.below(BLOCKS.len())];
        let wire = block(&mut net);
        net.pool.push(wire);
    }
    let spec = net.head();
    (spec, h, w)
}

/// [`random_model`] over all seeds, with up to `config.blocks` blocks; shrinks to fewer blocks.
pub fn arb_model(config: RandomGraphConfig) -> impl Strategy<Value = RandomModel> {
    (1..=config.blocks.max(1), proptest::num::u64::ANY)
        .prop_map(move |(blocks, seed)| random_model(seed, &RandomGraphConfig { blocks, ..config }))
}
