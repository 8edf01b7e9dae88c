//! Batch norm: `y = gamma * (x - mean) / sqrt(variance + eps) + beta`, per channel, and its gradients.

/// Mean and sum of squared deviations of every channel.
pub(crate) fn moments(channels: usize, x: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let count = (x.len() / channels) as f64;
    (0..channels)
        .map(|c| {
            let values = || x.iter().skip(c).step_by(channels);
            let mean = values().sum::<f64>() / count;
            (mean, values().map(|v| (v - mean).powi(2)).sum::<f64>())
        })
        .unzip()
}

/// Gamma, beta and eps, with one gamma and beta per channel.
pub(crate) struct Affine<'a> {
    pub(crate) gamma: &'a [f64],
    pub(crate) beta: &'a [f64],
    pub(crate) eps: f64,
}

/// Normalises by the statistics of the batch.
pub(crate) fn forward(affine: &Affine<'_>, x: &[f64]) -> Vec<f64> {
    let channels = affine.gamma.len();
    let count = (x.len() / channels) as f64;
    let (mean, m2) = moments(channels, x);
    let line = |(i, x): (usize, &f64)| {
        let c = i % channels;
        affine.gamma[c] * (x - mean[c]) / (m2[c] / count + affine.eps).sqrt() + affine.beta[c]
    };
    x.iter().enumerate().map(line).collect()
}

/// Gradients of `x`, gamma and beta.
pub(crate) fn backward(affine: &Affine<'_>, x: &[f64], dy: &[f64]) -> [Vec<f64>; 3] {
    let channels = affine.gamma.len();
    let count = (x.len() / channels) as f64;
    let (mean, m2) = moments(channels, x);
    let inverse: Vec<f64> = m2.iter().map(|m2| 1.0 / (m2 / count + affine.eps).sqrt()).collect();
    let hat: Vec<f64> =
        x.iter().enumerate().map(|(i, x)| (x - mean[i % channels]) * inverse[i % channels]).collect();
    let mut dgamma = vec![0.0; channels];
    let mut dbeta = vec![0.0; channels];
    for (i, dy) in dy.iter().enumerate() {
        dgamma[i % channels] += dy * hat[i];
        dbeta[i % channels] += dy;
    }
    let gradient = |(i, dy): (usize, &f64)| {
        let c = i % channels;
        affine.gamma[c] * inverse[c] * (dy - dbeta[c] / count - hat[i] * dgamma[c] / count)
    };
    [dy.iter().enumerate().map(gradient).collect(), dgamma, dbeta]
}
