//! Importances against plain loops that follow the definitions, and errors for invalid input.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::Graph;
use bonsai_prune::{
    Coupling, Importance, Member, Normalisation, PruneError, Reduction, Scope, ScoreConfig, score,
    score_with_gradients,
};
use bonsai_testkit::random_weights;

use crate::small_model::{conv_bn, small_model};

/// A residual stream that a concat and a convolution read.
fn residual() -> Checkpoint {
    small_model(
        &(conv_bn("a", "x", 4)
            + &conv_bn("b", "a", 4)
            + "sum = add(a, b)\n"
            + "cat = concat(sum, b)\n"
            + &conv_bn("y", "cat", 6)),
    )
}

fn set(coupling: &Coupling, layer: &str, channel: usize) -> usize {
    coupling.set_of(Member { node: coupling.graph().find(layer).unwrap(), channel })
}

/// Sum of `size` over a row (`axis` 0) or column (`axis` 1) of a parameter `[out, in, ..]` or a vector.
fn sum(weights: &Weights, name: &str, axis: usize, at: usize, size: &dyn Fn(&str, usize, f64) -> f64) -> f64 {
    let array = weights.get(name).unwrap();
    let columns = array.shape().get(1).copied().unwrap_or(1);
    let area = array.data().len() / (array.shape()[0] * columns);
    let mut total = 0.0;
    for (i, value) in array.data().iter().enumerate() {
        let place = [i / (columns * area), i / area % columns];
        if place[axis] == at {
            total += size(name, i, f64::from(*value));
        }
    }
    total
}

/// The terms of channel `c` of the residual stream, in topological order.
fn terms(model: &Checkpoint, c: usize, size: &dyn Fn(&str, usize, f64) -> f64) -> Vec<f64> {
    let sum = |name: &str, axis, at| sum(&model.weights, name, axis, at, size);
    vec![
        sum("a.conv.weight", 0, c),
        sum("a.weight", 0, c),
        sum("b.conv.weight", 0, c),
        sum("b.conv.weight", 1, c),
        sum("b.weight", 0, c),
        // Once as part of the sum, once as `b` alone.
        sum("y.conv.weight", 1, c),
        sum("y.conv.weight", 1, c + 4),
    ]
}

fn close(actual: f64, expected: f64) {
    assert!((actual - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{actual}, expected {expected}");
}

#[test]
fn magnitudes_are_sums_over_rows_columns_and_scales() {
    let model = residual();
    let coupling = Coupling::from_graph(model.model.graph());
    let power = |p: i32| move |_: &str, _: usize, w: f64| w.abs().powi(p);
    for (importance, p) in [(Importance::L1, 1), (Importance::L2, 2)] {
        for reduction in [Reduction::Mean, Reduction::Max, Reduction::Sum, Reduction::First] {
            let normalisation = Normalisation::None;
            let config = ScoreConfig { importance, reduction, normalisation, ..ScoreConfig::default() };
            let scores = score(&coupling, &model.weights, &config).unwrap();
            for c in 0..4 {
                let terms = terms(&model, c, &power(p));
                let expected = match reduction {
                    Reduction::Mean => terms.iter().sum::<f64>() / 7.0,
                    Reduction::Max => terms.iter().copied().fold(0.0, f64::max),
                    Reduction::Sum => terms.iter().sum(),
                    Reduction::First => terms[0],
                };
                close(scores.get(set(&coupling, "a", c)).unwrap(), expected);
            }
        }
    }
}

#[test]
fn taylor_multiplies_with_gradients_and_counts_scales() {
    let model = residual();
    let coupling = Coupling::from_graph(model.model.graph());
    let gradients = random_weights(9, model.model.graph());
    let normalisation = Normalisation::None;
    let config = ScoreConfig { importance: Importance::Taylor, normalisation, ..ScoreConfig::default() };
    let mut asked = 0;
    let mut source = || {
        asked += 1;
        Ok(gradients.clone())
    };
    let scores = score_with_gradients(&coupling, &model.weights, &config, &mut source).unwrap();
    let product =
        |name: &str, i: usize, w: f64| (w * f64::from(gradients.get(name).unwrap().data()[i])).abs();
    for c in 0..4 {
        let terms = terms(&model, c, &product);
        close(scores.get(set(&coupling, "a", c)).unwrap(), terms.iter().sum::<f64>() / 7.0);
    }
    // Importances without gradients do not call the closure.
    score_with_gradients(&coupling, &model.weights, &ScoreConfig::default(), &mut source).unwrap();
    assert_eq!(asked, 1);
    let refused = score(&coupling, &model.weights, &config).unwrap_err().to_string();
    assert_eq!(
        refused,
        "importance taylor needs gradients: pass a closure that computes them to `score_with_gradients`"
    );
    let failed = score_with_gradients(&coupling, &model.weights, &config, &mut || Err("no images".into()))
        .unwrap_err();
    assert_eq!(failed.to_string(), "computing gradients failed");
}

#[test]
fn normalisations_and_lamp_by_hand() {
    let mut model = small_model(&(conv_bn("a", "x", 4) + &conv_bn("y", "a", 2)));
    model.weights.get_mut("a.weight").unwrap().data_mut().copy_from_slice(&[0.1, -0.4, 0.2, 0.3]);
    let coupling = Coupling::from_graph(model.model.graph());
    let of = |normalisation| {
        let config = ScoreConfig { normalisation, ..ScoreConfig::default() };
        let scores = score(&coupling, &model.weights, &config).unwrap();
        [0, 1, 2, 3].map(|c| scores.get(set(&coupling, "a", c)).unwrap())
    };
    let check = |actual: [f64; 4], expected: [f64; 4]| {
        // Gammas are f32.
        assert!(
            actual.iter().zip(expected).all(|(a, e)| (a - e).abs() < 1e-6),
            "{actual:?}, expected {expected:?}"
        );
    };
    check(of(Normalisation::None), [0.1, 0.4, 0.2, 0.3]);
    check(of(Normalisation::Mean), [0.4, 1.6, 0.8, 1.2]);
    check(of(Normalisation::Max), [0.25, 1.0, 0.5, 0.75]);
    check(of(Normalisation::Sum), [0.1, 0.4, 0.2, 0.3]);
    // All weights but the gammas of `a` are zero, so the scores before LAMP are proportional to 1, 16, 4, 9.
    for name in ["a.conv.weight", "y.conv.weight"] {
        model.weights.get_mut(name).unwrap().data_mut().fill(0.0);
    }
    let config = ScoreConfig { importance: Importance::Lamp, ..ScoreConfig::default() };
    let scores = score(&coupling, &model.weights, &config).unwrap();
    let lamp = [0, 1, 2, 3].map(|c| scores.get(set(&coupling, "a", c)).unwrap());
    check(lamp, [1.0 / 30.0, 1.0, 4.0 / 29.0, 9.0 / 25.0]);
}

#[test]
fn random_depends_on_the_seed_alone() {
    let model = residual();
    let other = residual();
    let coupling = Coupling::from_graph(model.model.graph());
    let of = |weights: &Weights, seed| {
        let config = ScoreConfig { importance: Importance::Random { seed }, ..ScoreConfig::default() };
        score(&coupling, weights, &config).unwrap()
    };
    let zeros = Weights::zeros(other.model.graph());
    assert_eq!(of(&model.weights, 1), of(&zeros, 1));
    assert_ne!(of(&model.weights, 1), of(&model.weights, 2));
}

#[test]
fn names_are_read_and_wrong_ones_answered() {
    for name in ["gamma", "l1", "l2", "lamp", "taylor", "best", "random"] {
        assert_eq!(name.parse::<Importance>().unwrap().to_string(), name);
    }
    assert_eq!(
        "magnitude".parse::<Importance>().unwrap_err().to_string(),
        "unknown importance \"magnitude\"; expected one of gamma, l1, l2, lamp, taylor, best, random"
    );
    assert!("median".parse::<Reduction>().unwrap_err().to_string().contains("mean, max, sum, first"));
    assert!("zscore".parse::<Normalisation>().unwrap_err().to_string().contains("none, mean, max, sum"));
    assert!("layer".parse::<Scope>().unwrap_err().to_string().contains("global, per_layer"));
    assert_eq!("per-layer".parse::<Scope>().unwrap(), Scope::PerLayer);
    let config: ScoreConfig = serde_json::from_str(r#"{"importance": {"random": {"seed": 3}}}"#).unwrap();
    assert_eq!(config.importance, Importance::Random { seed: 3 });
}

#[test]
fn a_folded_network_is_refused() {
    let fused: Graph = "
        x = input() channels=3
        y = conv2d(x) out_channels=4 kernel=3 stride=1 padding=1 bias=true
        z = conv2d(y) out_channels=4 kernel=1 stride=1 padding=0 bias=true
        outputs = z"
        .parse()
        .unwrap();
    let weights = random_weights(1, &fused);
    let coupling = Coupling::from_graph(&fused);
    for importance in [Importance::Gamma, Importance::L1, Importance::Random { seed: 0 }] {
        let config = ScoreConfig { importance, ..ScoreConfig::default() };
        let error = score(&coupling, &weights, &config).unwrap_err();
        assert!(matches!(error, PruneError::NoBatchNorm));
        assert!(
            error.to_string().contains("was it folded? use the checkpoint from before export"),
            "{error}"
        );
    }
}
