//! [`average`]: one step of an exponential moving average.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::host::{host_values, tensor_like};
use crate::step::CHUNK;

/// `decay * average + (1 - decay) * values`.
pub(super) fn average(decay: f32, average: &Tensor, values: &Tensor) -> Result<Tensor> {
    let (Some(old), Some(new)) = (host_values(average), host_values(values)) else {
        return (average * f64::from(decay))? + (values * f64::from(1.0 - decay))?;
    };
    let mut result = vec![0.0f32; old.len()];
    let chunks = result.par_chunks_mut(CHUNK).zip(old.par_chunks(CHUNK)).zip(new.par_chunks(CHUNK));
    chunks.for_each(|((result, old), new)| {
        for ((r, o), n) in result.iter_mut().zip(old).zip(new) {
            *r = o * decay + n * (1.0 - decay);
        }
    });
    tensor_like(result, average)
}
