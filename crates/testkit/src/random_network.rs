//! [`Net`]: a random network under construction, with layers, wires and a detection head to choose from.
//!
//! Every wire stores its real height and width for the drawn image, so that blocks only join wires of equal
//! size.

use bonsai_graph::{DetectHead, GraphBuilder, ModelSpec, NodeId, Op};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::RandomGraphConfig;

/// A layer's output as later blocks see it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Wire {
    pub(crate) id: NodeId,
    pub(crate) channels: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
    /// Pixels per cell: the product of the strides before this wire.
    pub(crate) stride: usize,
}

/// A network under construction, with its random state.
pub(crate) struct Net {
    builder: GraphBuilder,
    pub(crate) rng: ChaCha8Rng,
    pub(crate) config: RandomGraphConfig,
    /// Wires that later blocks may read.
    pub(crate) pool: Vec<Wire>,
    /// For each layer, whether another layer already reads it.
    read: Vec<bool>,
    layers: usize,
}

impl Net {
    /// An empty network.
    pub(crate) fn new(seed: u64, config: &RandomGraphConfig) -> Self {
        Self {
            builder: GraphBuilder::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
            config: *config,
            pool: Vec::new(),
            read: Vec::new(),
            layers: 0,
        }
    }

    /// The image of `h` x `w` pixels and a first convolution that halves it, which blocks may read.
    pub(crate) fn image(&mut self, h: usize, w: usize) {
        let id = self.push(Op::Input { channels: 3 }, &[]);
        let images = Wire { id, channels: 3, h, w, stride: 1 };
        self.pool.push(images);
        let stem = self.conv_bn_silu(images, 2, 3, 2);
        self.pool.push(stem);
    }

    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.rng.random_range(0..limit)
    }

    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(crate) fn channels(&mut self, at_least: usize) -> usize {
        let most = self.config.max_channels.max(at_least);
        self.rng.random_range(at_least..=most)
    }

    pub(crate) fn push(&mut self, op: Op, inputs: &[NodeId]) -> NodeId {
        for input in inputs {
            self.read[input.index()] = true;
        }
        let name = format!("n{}.{}", self.layers, op.keyword());
        self.layers += 1;
        self.read.push(false);
        self.builder.push(&name, op, inputs).unwrap_or_else(|e| panic!("random network: {e}"))
    }

    /// A wire for a block to read: the newest at least half of the time, the image itself rarely.
    pub(crate) fn pick(&mut self) -> Wire {
        let last = self.pool.len() - 1;
        let i = if self.rng.random() { last } else { self.below(last + 1) };
        let i = if i == 0 && !self.one_in(4) { last } else { i };
        self.pool[i]
    }

    /// Another wire of the same size as `wire`; `wire` itself if there is no other.
    pub(crate) fn pick_beside(&mut self, wire: Wire) -> Wire {
        let fits = |o: &&Wire| (o.h, o.w) == (wire.h, wire.w);
        let others: Vec<Wire> = self.pool.iter().filter(fits).copied().collect();
        if others.is_empty() { wire } else { others[self.below(others.len())] }
    }

    pub(crate) fn conv(
        &mut self,
        x: Wire,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        bias: bool,
    ) -> Wire {
        self.grouped_conv(x, out_channels, kernel, stride, (bias, 1))
    }

    pub(crate) fn grouped_conv(
        &mut self,
        x: Wire,
        out_channels: usize,
        kernel: usize,
        stride: usize,
        (bias, groups): (bool, usize),
    ) -> Wire {
        let padding = kernel / 2;
        let id = self.push(Op::Conv2d { out_channels, kernel, stride, padding, bias, groups }, &[x.id]);
        Wire { id, channels: out_channels, stride: x.stride * stride, ..steps(x, kernel, stride, padding) }
    }

    pub(crate) fn max_pool(&mut self, x: Wire, kernel: usize, stride: usize) -> Wire {
        let padding = kernel / 2;
        let id = self.push(Op::MaxPool { kernel, stride, padding }, &[x.id]);
        Wire { id, stride: x.stride * stride, ..steps(x, kernel, stride, padding) }
    }

    pub(crate) fn same(&mut self, op: Op, x: Wire) -> Wire {
        Wire { id: self.push(op, &[x.id]), ..x }
    }

    pub(crate) fn batch_norm(&mut self, x: Wire) -> Wire {
        self.same(Op::batch_norm(), x)
    }

    pub(crate) fn slice(&mut self, x: Wire, start: usize, len: usize) -> Wire {
        Wire { channels: len, ..self.same(Op::Slice { start, len }, x) }
    }

    pub(crate) fn add(&mut self, parts: &[Wire]) -> Wire {
        Wire { id: self.push(Op::Add, &parts.iter().map(|p| p.id).collect::<Vec<_>>()), ..parts[0] }
    }

    pub(crate) fn concat(&mut self, parts: &[Wire]) -> Wire {
        let id = self.push(Op::Concat, &parts.iter().map(|p| p.id).collect::<Vec<_>>());
        Wire { id, channels: parts.iter().map(|p| p.channels).sum(), ..parts[0] }
    }

    pub(crate) fn conv_bn_silu(&mut self, x: Wire, at_least: usize, kernel: usize, stride: usize) -> Wire {
        let channels = self.channels(at_least);
        self.conv_bn_silu_to(x, channels, kernel, stride)
    }

    pub(crate) fn conv_bn_silu_to(&mut self, x: Wire, channels: usize, kernel: usize, stride: usize) -> Wire {
        let bias = self.one_in(5);
        let x = self.conv(x, channels, kernel, stride, bias);
        let x = self.batch_norm(x);
        if self.one_in(5) { x } else { self.same(Op::Silu, x) }
    }

    /// Narrows a wire that a concat made too wide.
    pub(crate) fn bounded(&mut self, x: Wire) -> Wire {
        if x.channels > 2 * self.config.max_channels { self.conv_bn_silu(x, 2, 1, 1) } else { x }
    }

    /// A head of one or two levels. Each level reads one wire and all unread wires of the same size.
    pub(crate) fn head(mut self) -> ModelSpec {
        let mut levels: Vec<Wire> = Vec::new();
        let newest_first: Vec<Wire> = self.pool[1..].iter().rev().copied().collect();
        for wire in newest_first {
            if levels.len() < 2 && levels.iter().all(|l| l.stride != wire.stride) {
                levels.push(wire);
            }
        }
        levels.sort_by_key(|l| l.stride);
        let reg_max = 1 + self.below(3);
        let num_classes = 1 + self.below(3);
        let mut boxes = Vec::new();
        let mut classes = Vec::new();
        for level in &levels {
            let mut parts = vec![*level];
            let unread = |x: &&Wire| (x.h, x.w) == (level.h, level.w) && !self.read[x.id.index()];
            parts.extend(self.pool.iter().filter(unread).filter(|x| x.id != level.id));
            let x = if parts.len() > 1 { self.concat(&parts) } else { *level };
            for (outputs, channels) in [(&mut boxes, 4 * reg_max), (&mut classes, num_classes)] {
                let y = if self.rng.random() { self.conv_bn_silu(x, 1, 3, 1) } else { x };
                outputs.push(self.conv(y, channels, 1, 1, true).id);
            }
        }
        let n = levels.len();
        // Outputs are ordered by kind or level by level; the head stores the positions.
        let (outputs, box_outputs, cls_outputs) = if self.rng.random() {
            (boxes.iter().chain(&classes).copied().collect(), (0..n).collect(), (n..2 * n).collect())
        } else {
            let pairs: Vec<NodeId> = boxes.iter().zip(&classes).flat_map(|(b, c)| [*b, *c]).collect();
            (pairs, (0..n).map(|l| 2 * l).collect(), (0..n).map(|l| 2 * l + 1).collect())
        };
        let strides = levels.iter().map(|l| l.stride).collect();
        let head = DetectHead { num_classes, reg_max, strides, box_outputs, cls_outputs };
        let class_names = (0..num_classes).map(|i| format!("class{i}")).collect();
        let graph = self.builder.finish(&outputs).unwrap_or_else(|e| panic!("random network: {e}"));
        ModelSpec::new(graph, head, class_names).unwrap_or_else(|e| panic!("random network: {e}"))
    }
}

/// Height and width of the output of a sliding window.
fn steps(x: Wire, kernel: usize, stride: usize, padding: usize) -> Wire {
    let side = |size: usize| (size + 2 * padding - kernel) / stride + 1;
    Wire { h: side(x.h), w: side(x.w), ..x }
}
