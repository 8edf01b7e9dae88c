//! [`random_weights`] and [`random_array`]: seeded values that keep the activations of a deep network near 1.

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, ParamRole};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Uniform values in `-1..1`; the same seed gives the same bits.
pub fn random_array(seed: u64, shape: &[usize]) -> Array {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let len = shape.iter().product();
    Array::new(shape, (0..len).map(|_| rng.random_range(-1.0f32..1.0)).collect())
}

/// Random weights for every parameter: gammas of both signs with a magnitude of at least 0.4 (so that none is
/// pruned by accident), nonzero betas and means, variances in 0.5..1.5.
pub fn random_weights(seed: u64, graph: &Graph) -> Weights {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut weights = Weights::new();
    for spec in graph.params() {
        let fan_in: usize = spec.shape[1..].iter().product();
        // A uniform distribution over ±sqrt(3 / fan_in) has variance 1 / fan_in: a convolution keeps the
        // scale of its input.
        let bound = (3.0 / fan_in as f32).sqrt();
        let mut draw = || match spec.role {
            ParamRole::ConvWeight => rng.random_range(-bound..bound),
            ParamRole::ConvBias | ParamRole::BnBeta => rng.random_range(-0.5..0.5),
            ParamRole::BnGamma => rng.random_range(0.4f32..1.6) * if rng.random() { 1.0 } else { -1.0 },
            ParamRole::BnMean => rng.random_range(-0.3..0.3),
            ParamRole::BnVar => rng.random_range(0.5..1.5),
        };
        let data = (0..spec.shape.iter().product()).map(|_| draw()).collect();
        weights.insert(spec.name, Array::new(&spec.shape, data));
    }
    weights
}
