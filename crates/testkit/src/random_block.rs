//! Building blocks of a random network ([`BLOCKS`]): structures that real detectors have, including rare
//! ones.
//!
//! A block reads wires from the pool, adds layers, and returns its result wire. A block with further wires of
//! interest adds them to the pool itself.

use bonsai_graph::Op;
use rand::RngExt;

use crate::random_network::{Net, Wire};

/// All blocks; a frequent block is listed twice.
pub(crate) const BLOCKS: [fn(&mut Net) -> Wire; 13] = [
    Net::plain,
    Net::plain,
    Net::residual,
    Net::split,
    Net::pyramid_pooling,
    Net::join,
    Net::slice_of_concat,
    Net::upsample,
    Net::pool_down,
    Net::pre_activation,
    Net::shared_conv,
    Net::depthwise,
    Net::grouped,
];

impl Net {
    /// A convolution of any kind: usually with batch norm, sometimes without.
    fn plain(&mut self) -> Wire {
        let x = self.pick();
        let kernel = [1, 3, 3, 5][self.below(4)];
        let stride = if x.h.min(x.w) >= 4 && x.stride < 8 { 1 + self.below(2) } else { 1 };
        if !self.one_in(5) {
            return self.conv_bn_silu(x, 1, kernel, stride);
        }
        let channels = self.channels(1);
        let bias = self.rng.random();
        let x = self.conv(x, channels, kernel, stride, bias);
        if self.rng.random() { self.same(Op::Silu, x) } else { x }
    }

    fn bottleneck(&mut self, x: Wire) -> Wire {
        let y = self.conv_bn_silu(x, 1, 3, 1);
        self.conv_bn_silu_to(y, x.channels, 3, 1)
    }

    /// A sum of two or three wires.
    fn residual(&mut self) -> Wire {
        let x = self.pick();
        let x = self.bounded(x);
        let y = self.bottleneck(x);
        match self.below(3) {
            0 => self.add(&[x, y]),
            1 => self.add(&[y, x]),
            _ => {
                let z = self.conv_bn_silu_to(x, x.channels, 1, 1);
                self.add(&[x, y, z])
            }
        }
    }

    /// Splits a wire into two uneven parts, sends one part through bottlenecks, and concatenates all of them.
    fn split(&mut self) -> Wire {
        let x = self.pick();
        let x = self.conv_bn_silu(x, 2, 1, 1);
        let first = self.rng.random_range(1..x.channels);
        let mut parts = vec![self.slice(x, 0, first), self.slice(x, first, x.channels - first)];
        for _ in 0..=self.below(2) {
            let last = parts[parts.len() - 1];
            let y = self.bottleneck(last);
            parts.push(if self.rng.random() { self.add(&[last, y]) } else { y });
        }
        let x = self.concat(&parts);
        self.conv_bn_silu(x, 1, 1, 1)
    }

    /// Concatenates a wire with a chain of poolings of it.
    fn pyramid_pooling(&mut self) -> Wire {
        let x = self.pick();
        let mut last = self.conv_bn_silu(x, 1, 1, 1);
        let mut parts = vec![last];
        for _ in 0..=self.below(3) {
            last = self.max_pool(last, 5, 1);
            parts.push(last);
        }
        let x = self.concat(&parts);
        self.conv_bn_silu(x, 1, 1, 1)
    }

    /// Concats of different wires, of the same wire twice, of other concats, and two concats of the same
    /// wires.
    fn join(&mut self) -> Wire {
        let a = self.pick();
        let b = self.pick_beside(a);
        let joined = self.concat(&[a, b]);
        let x = match self.below(3) {
            0 => joined,
            1 => self.concat(&[joined, a]),
            _ => {
                let other = self.concat(&[b, a]);
                let other = self.bounded(other);
                self.pool.push(other);
                joined
            }
        };
        self.bounded(x)
    }

    /// A slice of a concat that may span both of its inputs; a second slice may overlap the first.
    fn slice_of_concat(&mut self) -> Wire {
        let a = self.pick();
        let b = self.pick_beside(a);
        let x = self.concat(&[a, b]);
        let range = |net: &mut Self| {
            let start = net.below(x.channels);
            let len = 1 + net.below(x.channels - start);
            net.slice(x, start, len)
        };
        let first = range(self);
        if self.rng.random() {
            let second = range(self);
            let second = self.bounded(second);
            self.pool.push(second);
        }
        self.bounded(first)
    }

    /// Upsamples a wire and gives it several readers.
    fn upsample(&mut self) -> Wire {
        let limit = self.config.max_side;
        let fits = |x: &&Wire| x.stride.is_multiple_of(2) && 2 * x.h.max(x.w) <= limit;
        let candidates: Vec<Wire> = self.pool.iter().filter(fits).copied().collect();
        if candidates.is_empty() {
            return self.plain();
        }
        let x = candidates[self.below(candidates.len())];
        let id = self.push(Op::Upsample { scale: 2 }, &[x.id]);
        let up = Wire { id, h: 2 * x.h, w: 2 * x.w, stride: x.stride / 2, ..x };
        let other = self.conv_bn_silu(up, 1, 1, 1);
        self.pool.push(other);
        let beside = self.pick_beside(up);
        let joined = self.concat(&[up, beside]);
        let joined = self.bounded(joined);
        self.pool.push(joined);
        self.conv_bn_silu(up, 1, 3, 1)
    }

    /// A pooling that halves the size.
    fn pool_down(&mut self) -> Wire {
        let x = self.pick();
        if x.h.min(x.w) < 4 || x.stride >= 8 {
            return self.max_pool(x, 3, 1);
        }
        let kernel = 2 + self.below(2);
        self.max_pool(x, kernel, 2)
    }

    /// Batch norm over something other than a convolution: a concat, or a sum of bare convolutions.
    fn pre_activation(&mut self) -> Wire {
        let x = self.pick();
        let x = if self.rng.random() {
            let beside = self.pick_beside(x);
            let joined = self.concat(&[x, beside]);
            self.bounded(joined)
        } else {
            let channels = self.channels(1);
            let a = self.conv(x, channels, 1, 1, true);
            let b = self.conv(x, channels, 3, 1, false);
            self.add(&[a, b])
        };
        let x = self.batch_norm(x);
        let x = self.same(Op::Silu, x);
        self.conv_bn_silu(x, 1, 3, 1)
    }

    /// A depthwise convolution and a pointwise convolution, as in the class branches of later detectors.
    /// Usually there is a batch norm between them. The depthwise convolution may read any wire.
    fn depthwise(&mut self) -> Wire {
        let x = self.pick();
        let kernel = [1, 3, 3, 5][self.below(4)];
        let stride = if x.h.min(x.w) >= 4 && x.stride < 8 { 1 + self.below(2) } else { 1 };
        let form = (self.one_in(4), x.channels);
        let mut x = self.grouped_conv(x, x.channels, kernel, stride, form);
        if !self.one_in(4) {
            x = self.batch_norm(x);
        }
        if self.rng.random() {
            x = self.same(Op::Silu, x);
        }
        self.conv_bn_silu(x, 1, 1, 1)
    }

    /// A convolution of a few groups with any number of channels per group, for example one input and several
    /// outputs.
    fn grouped(&mut self) -> Wire {
        let groups = 2 + self.below(3);
        let most = (self.config.max_channels / groups).max(1);
        let ins = 1 + self.below(most);
        let outs = 1 + self.below(most);
        let x = self.pick();
        let x = self.conv_bn_silu_to(x, groups * ins, 1, 1);
        let form = (self.one_in(4), groups);
        let x = self.grouped_conv(x, groups * outs, 3, 1, form);
        let x = if self.one_in(4) { x } else { self.batch_norm(x) };
        if self.rng.random() { self.same(Op::Silu, x) } else { self.conv_bn_silu(x, 1, 1, 1) }
    }

    /// A convolution with two readers: two batch norms, or a batch norm and another convolution.
    fn shared_conv(&mut self) -> Wire {
        let x = self.pick();
        let channels = self.channels(1);
        let raw = self.conv(x, channels, 3, 1, false);
        let a = self.batch_norm(raw);
        let a = self.same(Op::Silu, a);
        let b =
            if self.rng.random() { self.batch_norm(raw) } else { self.conv_bn_silu_to(raw, channels, 1, 1) };
        if self.rng.random() { self.concat(&[a, b]) } else { self.add(&[a, b]) }
    }
}
