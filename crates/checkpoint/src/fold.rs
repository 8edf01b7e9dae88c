//! Folding batch norm into the convolution in front of it: the arithmetic on weights.
//!
//! `weight' = weight * gamma / sqrt(var + eps)`, `bias' = beta + (bias - mean) * gamma / sqrt(var + eps)`
//! (Ioffe and Szegedy, "Batch Normalization", ICML 2015, section 3.1), computed in `f64`.

use bonsai_graph::ParamRole;

use crate::{Array, Checkpoint, CheckpointError};

impl Checkpoint {
    /// The same detector in evaluation, without the batch norms that could be folded. Training state is dropped.
    ///
    /// # Errors
    /// As [`Weights::check`](crate::Weights::check), if the weights are not those of the graph.
    pub fn fold_batch_norm(&self) -> Result<Self, CheckpointError> {
        let folded = self.model.graph().fold_batch_norm();
        let mut weights = self.weights.clone().check(self.model.graph())?;
        for fold in &folded.folds {
            let of =
                |layer: &str, role: ParamRole| self.weights.require(&format!("{layer}.{}", role.suffix()));
            let gamma = of(&fold.batch_norm, ParamRole::BnGamma)?;
            let beta = of(&fold.batch_norm, ParamRole::BnBeta)?;
            let mean = of(&fold.batch_norm, ParamRole::BnMean)?;
            let var = of(&fold.batch_norm, ParamRole::BnVar)?;
            let mut kernel = of(&fold.conv, ParamRole::ConvWeight)?.clone();
            let old_bias = if fold.had_bias { Some(of(&fold.conv, ParamRole::ConvBias)?) } else { None };
            let channels = gamma.data.len();
            let per_channel = kernel.data.len() / channels;
            let mut bias = Array::zeros(&[channels]);
            for c in 0..channels {
                let scale = f64::from(gamma.data[c]) / (f64::from(var.data[c]) + f64::from(fold.eps)).sqrt();
                for v in &mut kernel.data[c * per_channel..(c + 1) * per_channel] {
                    *v = (f64::from(*v) * scale) as f32;
                }
                let shift = old_bias.map_or(0.0, |b| f64::from(b.data[c])) - f64::from(mean.data[c]);
                bias.data[c] = (f64::from(beta.data[c]) + shift * scale) as f32;
            }
            weights.insert(format!("{}.weight", fold.conv), kernel);
            weights.insert(format!("{}.bias", fold.conv), bias);
        }
        let model = self.model.with_graph(folded.graph)?;
        let kept = model.graph().params().into_iter().filter_map(|s| {
            let array = weights.get(&s.name).cloned();
            array.map(|a| (s.name, a))
        });
        let mut checkpoint = Self::new(model.clone(), kept.collect())?;
        checkpoint.metadata = self.metadata.clone();
        Ok(checkpoint)
    }
}
