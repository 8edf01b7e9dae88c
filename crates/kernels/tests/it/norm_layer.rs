//! [`Layer`]: batch norm, SiLU and a residual in an arena, forward and backward, and its [`Data`].

use bonsai_kernels::{
    BatchNorm, BatchNormGradient, Moments, Pointwise, PointwiseGradient, PointwiseSums, Program, View,
};

use crate::arena::{Arena, Rows};
use crate::numbers::numbers;

pub(crate) const EPS: f32 = 1e-3;

/// One layer `z = silu(batch_norm(y)) + r` and its backward, in an arena.
pub(crate) struct Layer {
    pub(crate) y: View,
    pub(crate) z: View,
    pub(crate) dz: View,
    pub(crate) dy: View,
    pub(crate) dr: View,
    pub(crate) vectors: Vectors,
    pub(crate) partials: View,
    pub(crate) sums: View,
    pub(crate) counts: Vec<usize>,
    pub(crate) residual: View,
}

/// The vectors of the layer, one value per channel.
pub(crate) struct Vectors {
    pub(crate) gamma: View,
    pub(crate) beta: View,
    pub(crate) running_mean: View,
    pub(crate) running_var: View,
    pub(crate) mean: View,
    pub(crate) inv: View,
    pub(crate) scale: View,
    pub(crate) shift: View,
    pub(crate) dgamma: View,
    pub(crate) dbeta: View,
    pub(crate) k1: View,
    pub(crate) k0: View,
}

/// The input data of the layer.
pub(crate) struct Data {
    pub(crate) channels: usize,
    pub(crate) y: Vec<f32>,
    pub(crate) residual: Vec<f32>,
    pub(crate) dz: Vec<f32>,
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
}

impl Data {
    pub(crate) fn new(pixels: usize, channels: usize, seed: u64) -> Self {
        // Means up to three standard deviations away from 0.
        let mean = numbers(seed ^ 5, channels);
        let mut y = numbers(seed, pixels * channels);
        y.iter_mut().enumerate().for_each(|(i, y)| *y += 3.0 * mean[i % channels]);
        let residual = numbers(seed ^ 4, y.len());
        let dz = numbers(seed ^ 1, y.len());
        let mut gamma = numbers(seed ^ 2, channels);
        // Sparse training leaves such gammas.
        gamma[0] = 0.0;
        Self { channels, y, residual, dz, gamma, beta: numbers(seed ^ 3, channels) }
    }

    pub(crate) fn place(&self, arena: &mut Arena, rows: Rows) -> Layer {
        let c = self.channels;
        let pixels = self.y.len() / c;
        let vectors = Vectors {
            gamma: arena.vector(&self.gamma),
            beta: arena.vector(&self.beta),
            running_mean: arena.vector(&vec![0.5; c]),
            running_var: arena.vector(&vec![2.0; c]),
            mean: arena.output(Rows::Dense, 1, c),
            inv: arena.output(Rows::Dense, 1, c),
            scale: arena.output(Rows::Dense, 1, c),
            shift: arena.output(Rows::Dense, 1, c),
            dgamma: arena.vector(&vec![1.0; c]),
            dbeta: arena.vector(&vec![-1.0; c]),
            k1: arena.output(Rows::Dense, 1, c),
            k0: arena.output(Rows::Dense, 1, c),
        };
        Layer {
            y: arena.input(rows, c, &self.y),
            z: arena.output(rows, pixels, c),
            dz: arena.input(rows, c, &self.dz),
            dy: arena.output(rows, pixels, c),
            dr: arena.input(rows, c, &vec![1.0; self.y.len()]),
            vectors,
            partials: arena.output(Rows::Dense, 2 * Moments::parts(pixels), c),
            sums: arena.output(Rows::Dense, 2 * PointwiseSums::parts(pixels), c),
            counts: Moments::counts(pixels),
            residual: arena.input(rows, c, &self.residual),
        }
    }
}

impl Layer {
    pub(crate) fn push_forward(&self, p: &mut Program) {
        let v = &self.vectors;
        p.push("moments", Moments { y: self.y, partials: self.partials }).unwrap();
        let norm = BatchNorm {
            counts: self.counts.clone(),
            partials: self.partials,
            gamma: v.gamma,
            beta: v.beta,
            running_mean: v.running_mean,
            running_var: v.running_var,
            momentum: 0.03,
            eps: EPS,
            mean: v.mean,
            inv: v.inv,
            scale: v.scale,
            shift: v.shift,
        };
        p.push("norm", norm).unwrap();
        let norm = Some((v.scale, v.shift));
        let apply = Pointwise { y: self.y, z: self.z, norm, silu: true, residual: Some(self.residual) };
        p.push("apply", apply).unwrap();
    }

    pub(crate) fn push_backward(&self, p: &mut Program) {
        let v = &self.vectors;
        let sums = PointwiseSums {
            y: self.y,
            dz: self.dz,
            scale: v.scale,
            shift: v.shift,
            mean: v.mean,
            inv: v.inv,
            silu: true,
            partials: self.sums,
            residual: Some((self.dr, true)),
        };
        p.push("sums", sums).unwrap();
        let gradient = BatchNormGradient {
            pixels: self.y.pixels,
            partials: self.sums,
            scale: v.scale,
            mean: v.mean,
            inv: v.inv,
            dgamma: v.dgamma,
            dbeta: v.dbeta,
            k1: v.k1,
            k0: v.k0,
        };
        p.push("norm", gradient).unwrap();
        let norm = Some([v.scale, v.shift, v.k1, v.k0]);
        let apply =
            PointwiseGradient { y: self.y, dz: self.dz, dy: self.dy, norm, silu: true, accumulate: false };
        p.push("apply", apply).unwrap();
    }
}
