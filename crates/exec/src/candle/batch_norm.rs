//! [`BatchNorm`] over `n, h, w` per channel (Ioffe and Szegedy, ICML 2015), with PyTorch's running
//! statistics.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::host::{host_values, tensor_like};
use super::wire::flat;

/// Values that backward needs.
#[derive(Debug)]
pub(super) struct Normalised {
    /// The input `[c, n * h * w]`.
    x: Tensor,
    /// Batch mean `[c, 1]`.
    mean: Tensor,
    /// `1 / sqrt(var + eps)`, `[c, 1]`.
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
    /// Returns the output, the values for backward, and the new running mean and (unbiased) variance.
    pub(super) fn train(&self, x: &Tensor) -> Result<(Tensor, Normalised, [Tensor; 2])> {
        let rows = flat(x)?.contiguous()?;
        let (c, count) = rows.dims2()?;
        let (mean, var) = moments(&rows)?;
        let inv_std = (&var + self.eps)?.sqrt()?.recip()?;
        let scale = (&inv_std * self.gamma.reshape((c, 1))?)?;
        let shift = (self.beta.reshape((c, 1))? - (&mean * &scale)?)?;
        let y = affine_rows(&rows, &scale, &shift)?;
        let unbiased = (var * (count as f64 / count.saturating_sub(1).max(1) as f64))?;
        let blend = |old: &Tensor, new: &Tensor| {
            (old * (1.0 - self.momentum))? + (new.flatten_all()? * self.momentum)?
        };
        let statistics = [blend(&self.mean, &mean)?, blend(&self.var, &unbiased)?];
        Ok((y.reshape(x.dims())?, Normalised { x: rows, mean, inv_std }, statistics))
    }

    /// Returns the output, computed with the running statistics.
    pub(super) fn eval(&self, x: &Tensor) -> Result<Tensor> {
        let rows = flat(x)?.contiguous()?;
        let c = rows.dim(0)?;
        let scale = (&self.gamma / (&self.var + self.eps)?.sqrt()?)?;
        let shift = (&self.beta - (&self.mean * &scale)?)?;
        affine_rows(&rows, &scale.reshape((c, 1))?, &shift.reshape((c, 1))?)?.reshape(x.dims())
    }
}

impl Normalised {
    /// Returns the gradients of the input, gamma and beta.
    pub(super) fn backward(&self, gamma: &Tensor, dy: &Tensor) -> Result<(Tensor, Tensor, Tensor)> {
        let rows = flat(dy)?.contiguous()?;
        let (c, count) = rows.dims2()?;
        let (d_beta, along) = gradient_sums(&rows, &self.x, &self.mean)?;
        let d_gamma = (along * &self.inv_std)?;
        // dx = gamma * inv_std * (dy - d_beta / m - (x - mean) * inv_std * d_gamma / m)
        let scale = (gamma.reshape((c, 1))? * &self.inv_std)?;
        let slope = ((&scale * &self.inv_std)? * &d_gamma)?.affine(-1.0 / count as f64, 0.0)?;
        let shift = (&scale * &d_beta)?.affine(-1.0 / count as f64, 0.0)?;
        let dx = combine_rows(&rows, &self.x, [&scale, &slope, &shift, &self.mean])?;
        Ok((dx.reshape(dy.dims())?, d_gamma.flatten_all()?, d_beta.flatten_all()?))
    }
}

/// Mean and (biased) variance of each row, `[c, 1]` each.
fn moments(rows: &Tensor) -> Result<(Tensor, Tensor)> {
    let (c, count) = rows.dims2()?;
    let Some(host) = host_values(rows) else {
        let mean = (rows.sum_keepdim(1)? / count as f64)?;
        let var = (rows.broadcast_sub(&mean)?.sqr()?.sum_keepdim(1)? / count as f64)?;
        return Ok((mean, var));
    };
    let pairs: Vec<(f32, f32)> = host
        .par_chunks_exact(count)
        .map(|row| {
            let mean = (sum(row, |v| v) / count as f64) as f32;
            let var = sum(row, |v| (v - mean) * (v - mean)) / count as f64;
            (mean, var as f32)
        })
        .collect();
    let (mean, var) = pairs.into_iter().unzip();
    let column = |values: Vec<f32>| Tensor::from_vec(values, (c, 1), rows.device());
    Ok((column(mean)?, column(var)?))
}

/// Per row, the sums of `dy` and of `dy * (x - mean)`, `[c, 1]` each.
fn gradient_sums(dy: &Tensor, x: &Tensor, mean: &Tensor) -> Result<(Tensor, Tensor)> {
    let (c, count) = dy.dims2()?;
    let (Some(dy_host), Some(x_host), Some(mean_host)) = (host_values(dy), host_values(x), host_values(mean))
    else {
        let along = (dy * x.broadcast_sub(mean)?)?.sum_keepdim(1)?;
        return Ok((dy.sum_keepdim(1)?, along));
    };
    let pairs: Vec<(f32, f32)> = dy_host
        .par_chunks_exact(count)
        .zip(x_host.par_chunks_exact(count))
        .zip(&*mean_host)
        .map(|((dy, x), mean)| (sum(dy, |v| v) as f32, sum_pairs(dy, x, |d, v| d * (v - mean)) as f32))
        .collect();
    let (plain, along) = pairs.into_iter().unzip();
    let column = |values: Vec<f32>| Tensor::from_vec(values, (c, 1), dy.device());
    Ok((column(plain)?, column(along)?))
}

/// `x * scale + shift`, with one scale and shift per row.
fn affine_rows(x: &Tensor, scale: &Tensor, shift: &Tensor) -> Result<Tensor> {
    let count = x.dim(1)?;
    let (Some(x_host), Some(scale_host), Some(shift_host)) =
        (host_values(x), host_values(scale), host_values(shift))
    else {
        return x.broadcast_mul(scale)?.broadcast_add(shift);
    };
    let mut y = vec![0.0f32; x.elem_count()];
    y.par_chunks_exact_mut(count)
        .zip(x_host.par_chunks_exact(count))
        .zip(scale_host.par_iter().zip(&*shift_host))
        .for_each(|((y, x), (scale, shift))| {
            for (y, x) in y.iter_mut().zip(x) {
                *y = x * scale + shift;
            }
        });
    tensor_like(y, x)
}

/// `dy * scale + (x - mean) * slope + shift`, each with one value per row.
fn combine_rows(dy: &Tensor, x: &Tensor, [scale, slope, shift, mean]: [&Tensor; 4]) -> Result<Tensor> {
    let count = dy.dim(1)?;
    let hosts = [scale, slope, shift, mean].map(host_values);
    let (Some(dy_host), Some(x_host), [Some(scale), Some(slope), Some(shift), Some(mean)]) =
        (host_values(dy), host_values(x), &hosts)
    else {
        let along = x.broadcast_sub(mean)?.broadcast_mul(slope)?;
        return (dy.broadcast_mul(scale)? + along)?.broadcast_add(shift);
    };
    let (scale, slope, shift, mean): (&[f32], &[f32], &[f32], &[f32]) = (scale, slope, shift, mean);
    let mut dx = vec![0.0f32; dy.elem_count()];
    dx.par_chunks_exact_mut(count)
        .zip(dy_host.par_chunks_exact(count))
        .zip(x_host.par_chunks_exact(count))
        .enumerate()
        .for_each(|(row, ((dx, dy), x))| {
            let scale = scale[row];
            let slope = slope[row];
            let shift = shift[row];
            let mean = mean[row];
            for ((dx, dy), x) in dx.iter_mut().zip(dy).zip(x) {
                *dx = dy * scale + (x - mean) * slope + shift;
            }
        });
    tensor_like(dx, dy)
}

/// Number of independent partial sums. It is fixed, so that the result does not depend on the machine.
const LANES: usize = 16;
/// Number of values summed in `f32`; the sums of blocks are added in `f64`.
const BLOCK: usize = 1024;

fn sum(values: &[f32], f: impl Fn(f32) -> f32) -> f64 {
    sum_pairs(values, values, |v, _| f(v))
}

/// Sum of `f` over pairs: `f32` lanes within a block, `f64` over blocks.
fn sum_pairs(a: &[f32], b: &[f32], f: impl Fn(f32, f32) -> f32) -> f64 {
    let block = |(a, b): (&[f32], &[f32])| {
        let mut lanes = [0.0f32; LANES];
        let (a_lanes, a_rest) = a.as_chunks::<LANES>();
        let (b_lanes, b_rest) = b.as_chunks::<LANES>();
        for (a, b) in a_lanes.iter().zip(b_lanes) {
            for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
                *lane += f(*a, *b);
            }
        }
        let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| f(*a, *b)).sum();
        lanes.iter().map(|v| f64::from(*v)).sum::<f64>() + f64::from(rest)
    };
    a.chunks(BLOCK).zip(b.chunks(BLOCK)).map(block).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, IndexOp};

    /// Tolerance for long sums in another order.
    const EPS: f32 = 1e-5;

    /// A tensor of the same values that is not contiguous, so that the device path runs.
    fn elsewhere(t: &Tensor) -> Tensor {
        Tensor::stack(&[t, t], 2).unwrap().i((.., .., 0)).unwrap()
    }

    fn near(a: &Tensor, b: &Tensor) {
        let difference = (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        let scale = b.abs().unwrap().max_all().unwrap().to_scalar::<f32>().unwrap();
        assert!(difference <= EPS * scale, "{difference} of {scale}");
    }

    #[test]
    fn host_and_device_passes_agree() {
        let random = |shape: (usize, usize)| Tensor::randn(0.5f32, 2.0, shape, &Device::Cpu).unwrap();
        let dy = random((5, 2311));
        let x = random((5, 2311));
        let (mean, var) = moments(&x).unwrap();
        let (mean_there, var_there) = moments(&elsewhere(&x)).unwrap();
        near(&mean, &mean_there);
        near(&var, &var_there);
        let (plain, along) = gradient_sums(&dy, &x, &mean).unwrap();
        let (plain_there, along_there) = gradient_sums(&elsewhere(&dy), &x, &mean).unwrap();
        near(&plain, &plain_there);
        near(&along, &along_there);
        near(&affine_rows(&x, &mean, &var).unwrap(), &affine_rows(&elsewhere(&x), &mean, &var).unwrap());
        let rows = [&mean, &var, &plain, &mean];
        near(&combine_rows(&dy, &x, rows).unwrap(), &combine_rows(&elsewhere(&dy), &x, rows).unwrap());
    }
}
