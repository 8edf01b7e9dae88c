//! Batch norm: `y = gamma * (x - mean) / sqrt(variance + eps) + beta`, per channel.
//!
//! In training, mean and variance are those of the batch; they are gathered image by image as a mean and a
//! sum of squared deviations ([`Moments`]) and combined, which does not cancel as `E[x^2] - E[x]^2` does.
//! PyTorch's conventions: the batch is normalised with the biased variance, the running variance takes the
//! unbiased one, and `running = (1 - momentum) * running + momentum * batch`.

use crate::error::check_len;
use crate::{KernelError, Nhwc};

/// Count, mean and sum of squared deviations of every channel.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: usize,
    mean: Vec<f64>,
    m2: Vec<f64>,
}

impl Moments {
    /// Moments of no values.
    pub fn empty(channels: usize) -> Self {
        Self { count: 0, mean: vec![0.0; channels], m2: vec![0.0; channels] }
    }

    /// Moments of the batch `x`.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`].
    pub fn of(shape: Nhwc, x: &[f32]) -> Result<Self, KernelError> {
        check_len("batch_norm::Moments::of", "x", shape.len(), x.len())?;
        let mut total = Self::empty(shape.c);
        let image_len = shape.h * shape.w * shape.c;
        if image_len > 0 {
            for image in x.chunks_exact(image_len) {
                total.combine(&Self::of_image(shape.c, image));
            }
        }
        Ok(total)
    }

    fn of_image(channels: usize, image: &[f32]) -> Self {
        let count = image.len() / channels;
        let mut moments = Self { count, ..Self::empty(channels) };
        for pixel in image.chunks_exact(channels) {
            moments.mean.iter_mut().zip(pixel).for_each(|(mean, &x)| *mean += f64::from(x));
        }
        moments.mean.iter_mut().for_each(|mean| *mean /= count as f64);
        for pixel in image.chunks_exact(channels) {
            for ((m2, mean), &x) in moments.m2.iter_mut().zip(&moments.mean).zip(pixel) {
                *m2 += (f64::from(x) - mean).powi(2);
            }
        }
        moments
    }

    /// Takes in the moments of further values of the same channels.
    ///
    /// Method: Chan, Golub and `LeVeque`, "Updating formulae and a pairwise algorithm for computing sample
    /// variances".
    pub fn combine(&mut self, other: &Self) {
        let (a, b) = (self.count as f64, other.count as f64);
        if other.count == 0 {
            return;
        }
        let total = a + b;
        for c in 0..self.mean.len().min(other.mean.len()) {
            let delta = other.mean[c] - self.mean[c];
            self.mean[c] += delta * b / total;
            self.m2[c] += other.m2[c] + delta * delta * a * b / total;
        }
        self.count += other.count;
    }

    /// Values per channel.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Mean per channel.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Biased variance per channel (divided by the count), with which a batch is normalised.
    pub fn variance(&self) -> impl Iterator<Item = f64> {
        let count = self.count.max(1) as f64;
        self.m2.iter().map(move |m2| m2 / count)
    }

    /// Moves running statistics towards this batch; needs the count to be at least 2.
    ///
    /// # Errors
    ///
    /// [`KernelError::Length`] unless both slices have one value per channel.
    pub fn update_running(
        &self,
        momentum: f32,
        running_mean: &mut [f32],
        running_variance: &mut [f32],
    ) -> Result<(), KernelError> {
        const NAME: &str = "batch_norm::Moments::update_running";
        check_len(NAME, "running_mean", self.mean.len(), running_mean.len())?;
        check_len(NAME, "running_variance", self.mean.len(), running_variance.len())?;
        let momentum = f64::from(momentum);
        let unbiased = self.m2.iter().map(|m2| m2 / self.count.saturating_sub(1).max(1) as f64);
        let blend = |running: &mut f32, batch: f64| {
            *running = ((1.0 - momentum) * f64::from(*running) + momentum * batch) as f32;
        };
        running_mean.iter_mut().zip(&self.mean).for_each(|(running, &mean)| blend(running, mean));
        running_variance.iter_mut().zip(unbiased).for_each(|(running, variance)| blend(running, variance));
        Ok(())
    }
}

/// The learnable part, one value per channel, and the constant under the root.
#[derive(Debug, Clone, Copy)]
pub struct Affine<'a> {
    /// Scale.
    pub gamma: &'a [f32],
    /// Shift.
    pub beta: &'a [f32],
    /// Added to the variance; 1e-3 in YOLOv8.
    pub eps: f32,
}

/// Where the gradients of batch norm go; all are overwritten.
#[derive(Debug)]
pub struct Gradients<'a> {
    /// Of the input, the size of the batch.
    pub dx: &'a mut [f32],
    /// Of the scale, one value per channel.
    pub dgamma: &'a mut [f32],
    /// Of the shift, one value per channel.
    pub dbeta: &'a mut [f32],
}

/// Normalises the batch `x` by its own statistics, which are returned for [`backward`] and the running
/// statistics.
///
/// # Errors
///
/// [`KernelError::Length`], or [`KernelError::TooFewValues`] for a single value per channel.
pub fn forward(shape: Nhwc, affine: Affine<'_>, x: &[f32], y: &mut [f32]) -> Result<Moments, KernelError> {
    const NAME: &str = "batch_norm::forward";
    check_affine(NAME, shape, affine)?;
    check_len(NAME, "y", shape.len(), y.len())?;
    let moments = Moments::of(shape, x)?;
    if moments.count < 2 {
        return Err(KernelError::TooFewValues { shape, got: moments.count });
    }
    normalise(affine, moments.mean.iter().copied().zip(moments.variance()), x, y);
    Ok(moments)
}

/// Normalises `x` by given statistics, one value per channel each.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn forward_eval(
    shape: Nhwc,
    affine: Affine<'_>,
    running_mean: &[f32],
    running_variance: &[f32],
    x: &[f32],
    y: &mut [f32],
) -> Result<(), KernelError> {
    const NAME: &str = "batch_norm::forward_eval";
    check_affine(NAME, shape, affine)?;
    check_len(NAME, "running_mean", shape.c, running_mean.len())?;
    check_len(NAME, "running_variance", shape.c, running_variance.len())?;
    check_len(NAME, "x", shape.len(), x.len())?;
    check_len(NAME, "y", shape.len(), y.len())?;
    let statistics = running_mean.iter().zip(running_variance).map(|(&m, &v)| (f64::from(m), f64::from(v)));
    normalise(affine, statistics, x, y);
    Ok(())
}

/// Computes the gradients of [`forward`] from its input `x`, the moments it returned and the gradient `dy` of
/// its output; mean and variance depend on `x` and are differentiated through.
///
/// # Errors
///
/// [`KernelError::Length`], or [`KernelError::TooFewValues`].
pub fn backward(
    shape: Nhwc,
    affine: Affine<'_>,
    moments: &Moments,
    x: &[f32],
    dy: &[f32],
    gradients: Gradients<'_>,
) -> Result<(), KernelError> {
    const NAME: &str = "batch_norm::backward";
    let Gradients { dx, dgamma, dbeta } = gradients;
    check_affine(NAME, shape, affine)?;
    check_len(NAME, "channels of the moments", shape.c, moments.mean.len())?;
    check_len(NAME, "x", shape.len(), x.len())?;
    check_len(NAME, "dy", shape.len(), dy.len())?;
    check_len(NAME, "dx", shape.len(), dx.len())?;
    check_len(NAME, "dgamma", shape.c, dgamma.len())?;
    check_len(NAME, "dbeta", shape.c, dbeta.len())?;
    if moments.count < 2 {
        return Err(KernelError::TooFewValues { shape, got: moments.count });
    }
    let inverse: Vec<f64> = moments.variance().map(|v| inverse_deviation(v, affine.eps)).collect();

    // sum dy and sum dy * x_hat, where x_hat is the normalised input.
    let (mut sum, mut sum_hat) = (vec![0.0f64; shape.c], vec![0.0f64; shape.c]);
    for (x, dy) in x.chunks_exact(shape.c.max(1)).zip(dy.chunks_exact(shape.c.max(1))) {
        for c in 0..shape.c {
            let hat = (f64::from(x[c]) - moments.mean[c]) * inverse[c];
            sum[c] += f64::from(dy[c]);
            sum_hat[c] += f64::from(dy[c]) * hat;
        }
    }
    for c in 0..shape.c {
        dgamma[c] = sum_hat[c] as f32;
        dbeta[c] = sum[c] as f32;
    }

    // dx = gamma / deviation * (dy - mean(dy) - x_hat * mean(dy * x_hat))
    let count = moments.count as f64;
    let pixels = x.chunks_exact(shape.c.max(1)).zip(dy.chunks_exact(shape.c.max(1)));
    for (dx, (x, dy)) in dx.chunks_exact_mut(shape.c.max(1)).zip(pixels) {
        for c in 0..shape.c {
            let hat = (f64::from(x[c]) - moments.mean[c]) * inverse[c];
            let centred = f64::from(dy[c]) - sum[c] / count - hat * sum_hat[c] / count;
            dx[c] = (f64::from(affine.gamma[c]) * inverse[c] * centred) as f32;
        }
    }
    Ok(())
}

fn check_affine(kernel: &'static str, shape: Nhwc, affine: Affine<'_>) -> Result<(), KernelError> {
    check_len(kernel, "gamma", shape.c, affine.gamma.len())?;
    check_len(kernel, "beta", shape.c, affine.beta.len())
}

fn inverse_deviation(variance: f64, eps: f32) -> f64 {
    1.0 / (variance + f64::from(eps)).sqrt()
}

fn normalise(affine: Affine<'_>, statistics: impl Iterator<Item = (f64, f64)>, x: &[f32], y: &mut [f32]) {
    // As one multiplication and one addition per value, per channel.
    let lines: Vec<(f64, f64)> = statistics
        .zip(affine.gamma.iter().zip(affine.beta))
        .map(|((mean, variance), (&gamma, &beta))| {
            let scale = f64::from(gamma) * inverse_deviation(variance, affine.eps);
            (scale, f64::from(beta) - mean * scale)
        })
        .collect();
    let channels = lines.len().max(1);
    for (y, x) in y.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
        for ((y, &x), (scale, shift)) in y.iter_mut().zip(x).zip(&lines) {
            *y = (f64::from(x) * scale + shift) as f32;
        }
    }
}
