//! Batch normalisation over `n, h, w` per channel (Ioffe and Szegedy, ICML 2015), with PyTorch's running statistics.

use candle_core::{Result, Tensor};

use super::wire::flat;

/// What backward needs: the centred input and `1 / sqrt(var + eps)`.
#[derive(Debug)]
pub(super) struct Normalised {
    /// `x - mean`, `[c, n * h * w]`.
    centred: Tensor,
    /// `[c, 1]`.
    inv_std: Tensor,
}

/// Affine parameters and running statistics, each `[c]`.
pub(super) struct BatchNorm {
    pub(super) gamma: Tensor,
    pub(super) beta: Tensor,
    pub(super) mean: Tensor,
    pub(super) var: Tensor,
    pub(super) eps: f64,
    pub(super) momentum: f64,
}

impl BatchNorm {
    /// Output, what backward needs, and the new running mean and (unbiased) variance.
    pub(super) fn train(&self, x: &Tensor) -> Result<(Tensor, Normalised, [Tensor; 2])> {
        let rows = flat(x)?;
        let (c, count) = rows.dims2()?;
        let mean = (rows.sum_keepdim(1)? / count as f64)?;
        let centred = rows.broadcast_sub(&mean)?;
        let var = (centred.sqr()?.sum_keepdim(1)? / count as f64)?;
        let inv_std = (&var + self.eps)?.sqrt()?.recip()?;
        let scale = (&inv_std * self.gamma.reshape((c, 1))?)?;
        let y = centred.broadcast_mul(&scale)?.broadcast_add(&self.beta.reshape((c, 1))?)?;
        let unbiased = (var * (count as f64 / count.saturating_sub(1).max(1) as f64))?;
        let blend = |old: &Tensor, new: &Tensor| {
            (old * (1.0 - self.momentum))? + (new.flatten_all()? * self.momentum)?
        };
        let statistics = [blend(&self.mean, &mean)?, blend(&self.var, &unbiased)?];
        Ok((y.reshape(x.dims())?, Normalised { centred, inv_std }, statistics))
    }

    /// Output with the running statistics.
    pub(super) fn eval(&self, x: &Tensor) -> Result<Tensor> {
        let rows = flat(x)?;
        let c = rows.dim(0)?;
        let scale = (&self.gamma / (&self.var + self.eps)?.sqrt()?)?;
        let shift = (&self.beta - (&self.mean * &scale)?)?;
        let y = rows.broadcast_mul(&scale.reshape((c, 1))?)?.broadcast_add(&shift.reshape((c, 1))?)?;
        y.reshape(x.dims())
    }
}

impl Normalised {
    /// Gradients at the input, gamma and beta.
    pub(super) fn backward(&self, gamma: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let rows = flat(dy)?;
        let (c, count) = rows.dims2()?;
        let d_beta = rows.sum_keepdim(1)?;
        let d_gamma = ((&rows * &self.centred)?.sum_keepdim(1)? * &self.inv_std)?;
        // dx = gamma * inv_std * (dy - d_beta / m - centred * inv_std * d_gamma / m)
        let scale = (gamma.reshape((c, 1))? * &self.inv_std)?;
        let slope = ((&scale * &self.inv_std)? * &d_gamma)?.affine(-1.0 / count as f64, 0.0)?;
        let shift = (&scale * &d_beta)?.affine(-1.0 / count as f64, 0.0)?;
        let dx = rows.broadcast_mul(&scale)?;
        let dx = (dx + self.centred.broadcast_mul(&slope)?)?.broadcast_add(&shift)?;
        Ok((dx.reshape(dy.dims())?, d_gamma.flatten_all()?, d_beta.flatten_all()?))
    }
}
