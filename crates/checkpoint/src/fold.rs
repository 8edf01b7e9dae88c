//! [`Checkpoint::fold_batch_norm`]: folds each batch norm into the convolution before it.
//!
//! `weight' = weight * gamma / sqrt(var + eps)`, `bias' = beta + (bias - mean) * gamma / sqrt(var + eps)`
//! (Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3.1), computed in `f64`.

use std::collections::BTreeSet;

use bonsai_graph::ParamRole;

use crate::{Array, Checkpoint, CheckpointError};

impl Checkpoint {
    /// The same detector for evaluation, without the batch norms that can be folded. Drops the training state
    /// and changes the weights in place.
    ///
    /// # Errors
    /// As [`Weights::check`](crate::Weights::check), if the weights do not fit the graph.
    pub fn fold_batch_norm(self) -> Result<Self, CheckpointError> {
        let Self { model, mut weights, metadata, train, quantization } = self;
        drop(train);
        weights.verify(&model.graph().params())?;
        let folded = model.graph().fold_batch_norm();
        for fold in &folded.folds {
            let of = |layer: &str, role: ParamRole| weights.require(&format!("{layer}.{}", role.suffix()));
            let gamma = of(&fold.batch_norm, ParamRole::BnGamma)?;
            let beta = of(&fold.batch_norm, ParamRole::BnBeta)?;
            let mean = of(&fold.batch_norm, ParamRole::BnMean)?;
            let var = of(&fold.batch_norm, ParamRole::BnVar)?;
            let old_bias = if fold.had_bias { Some(of(&fold.conv, ParamRole::ConvBias)?) } else { None };
            let channels = gamma.data().len();
            let mut scales = Vec::with_capacity(channels);
            let mut bias = Array::zeros(&[channels]);
            for c in 0..channels {
                let scale =
                    f64::from(gamma.data()[c]) / (f64::from(var.data()[c]) + f64::from(fold.eps)).sqrt();
                let shift = old_bias.map_or(0.0, |b| f64::from(b.data()[c])) - f64::from(mean.data()[c]);
                bias.data_mut()[c] = (f64::from(beta.data()[c]) + shift * scale) as f32;
                scales.push(scale);
            }
            weights.insert(format!("{}.{}", fold.conv, ParamRole::ConvBias.suffix()), bias);
            // In place, because devices with little memory fold before anything else.
            let kernel = weights.require_mut(&format!("{}.{}", fold.conv, ParamRole::ConvWeight.suffix()))?;
            let per_channel = kernel.data().len() / channels;
            for (values, scale) in kernel.data_mut().chunks_exact_mut(per_channel).zip(scales) {
                for v in values {
                    *v = (f64::from(*v) * scale) as f32;
                }
            }
        }
        let model = model.with_graph(folded.graph)?;
        let kept: BTreeSet<String> = model.graph().params().into_iter().map(|s| s.name).collect();
        let weights = weights.into_iter().filter(|(name, _)| kept.contains(name)).collect();
        Ok(Self { metadata, quantization, ..Self::new(model, weights)? })
    }
}
