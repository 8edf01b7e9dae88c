//! Tests of L1 with every method, before and after clipping, on some channels and in groups, against a plain
//! loop in `f64`.

use bonsai_checkpoint::Array;
use bonsai_exec::{Buffer, ExecError, Executor, L1Method, L1Placement, Method, Mode, PenaltyMap, UpdateRule};
use bonsai_graph::Graph;
use bonsai_testkit::{random_array, random_weights};

use crate::engines::Engine;
use crate::penalty_oracle::{Arrays, State};

const NETWORK: &str = "
    x = input() channels=3
    a.conv = conv2d(x) out_channels=13 kernel=3 stride=1 padding=1 bias=false
    a.bn = batch_norm(a.conv) eps=0.001 momentum=0.03
    a.act = silu(a.bn)
    b.conv = conv2d(a.act) out_channels=20 kernel=1 stride=1 padding=0 bias=true
    b.bn = batch_norm(b.conv) eps=0.001 momentum=0.03
    outputs = b.bn";

const METHODS: [L1Method; 3] = [L1Method::Subgradient, L1Method::Proximal, L1Method::GroupLasso];

fn start(engine: Engine) -> Box<dyn Executor> {
    let graph: Graph = NETWORK.parse().unwrap();
    engine.start(&graph, &random_weights(3, &graph))
}

fn rule(l1_method: L1Method, l1_placement: L1Placement) -> UpdateRule {
    let mut rule = UpdateRule {
        momentum: 0.75,
        nesterov: true,
        clip_norm: Some(1.0),
        ema_decay: 0.9,
        l1_method,
        l1_placement,
        ..UpdateRule::sgd(0.05)
    };
    rule.conv_weight.weight_decay = 0.1;
    rule.bn_gamma.l1 = 0.3;
    rule.bn_beta.l1 = 0.2;
    rule.bn_beta.lr = 0.1;
    rule
}

/// Excluded channels, groups within and across layers, and a parameter that the map does not name
/// (`b.bn.bias`).
fn map() -> PenaltyMap {
    let mut map = PenaltyMap::default();
    map.insert("a.bn.weight", (0..13).map(|c| (c % 4 != 1).then_some(c % 3)).collect());
    map.insert(
        "b.bn.weight",
        (0..20).map(|c| (c != 7).then_some(100 + c / 5 * usize::from(c > 4))).collect(),
    );
    map.insert("a.bn.bias", (0..13).map(|c| (c % 4 != 1).then_some(0)).collect());
    map
}

/// As [`map`], but the gammas of `b` are in the groups of `a`.
fn across() -> PenaltyMap {
    let mut map = map();
    map.insert("b.bn.weight", (0..20).map(|c| Some(c % 5)).collect());
    map
}

fn gradients(executor: &mut dyn Executor, seed: u64) {
    executor.forward(Mode::Train, &random_array(seed, &[2, 3, 6, 5])).unwrap();
    executor.backward(&[random_array(seed + 100, &[2, 20, 6, 5])]).unwrap();
}

fn assert_near(actual: &Arrays, expected: &Arrays, what: &str) {
    for (name, values) in actual {
        if name.contains("running") {
            continue;
        }
        for (i, (a, e)) in values.iter().zip(&expected[name]).enumerate() {
            // Tolerance for the `f32` rounding errors of three steps.
            assert!((a - e).abs() < 3e-6 * e.abs().max(1.0), "{what}, {name}[{i}]: {a}, expected {e}");
        }
    }
}

/// Compares three steps of the executor with those of the loop.
fn compare(engine: Engine, rule: &UpdateRule, map: &PenaltyMap, frozen: &[&str]) {
    let what = format!("{engine:?}, {:?} {:?} {:?}", rule.method, rule.l1_method, rule.l1_placement);
    let mut executor = start(engine);
    executor.penalise(map).unwrap();
    executor.freeze(&frozen.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()).unwrap();
    let mut rule = *rule;
    for seed in 0..3 {
        if let Method::AdamW { step, .. } | Method::Adam { step, .. } = &mut rule.method {
            *step = seed + 1;
        }
        gradients(&mut *executor, seed);
        let mut expected = State::from_executor(&*executor);
        let norm = expected.step(&*executor, &rule, map, frozen);
        let report = executor.update(&rule).unwrap();
        assert!((f64::from(report.gradient_norm) - norm).abs() < 1e-5 * norm, "{what}: {report:?}, {norm}");
        assert!(norm > 1.5, "the gradient is too small to be clipped: {norm}");
        let now = State::from_executor(&*executor);
        assert_near(&now.params, &expected.params, &what);
        assert_near(&now.momentum, &expected.momentum, &what);
        assert_near(&now.second, &expected.second, &what);
        for name in frozen {
            assert_eq!(now.params[*name], expected.params[*name]);
        }
        let mut averages = now.ema;
        averages.retain(|name, _| !frozen.contains(&name.as_str()));
        assert_near(&averages, &expected.ema, &what);
    }
}

#[test]
fn every_method_is_what_its_definition_says() {
    let adamw = Method::AdamW { beta2: 0.99, eps: 1e-3, step: 1 };
    let adam = Method::Adam { beta2: 0.99, eps: 1e-3, step: 1 };
    let rmsprop = Method::RmsProp { alpha: 0.9, eps: 1e-3 };
    for engine in Engine::all() {
        for l1_method in METHODS {
            for placement in [L1Placement::BeforeClip, L1Placement::AfterClip] {
                for method in [Method::Sgd, adamw, adam, rmsprop] {
                    // The CUDA executor has no others.
                    #[cfg(feature = "cuda")]
                    if matches!(engine, Engine::Cuda(_)) && method != Method::Sgd && method != adamw {
                        continue;
                    }
                    let rule = UpdateRule { method, ..rule(l1_method, placement) };
                    for map in [PenaltyMap::default(), map(), across()] {
                        compare(engine, &rule, &map, &[]);
                    }
                }
                compare(engine, &rule(l1_method, placement), &across(), &["a.bn.weight", "b.bn.bias"]);
            }
        }
    }
}

#[test]
fn the_threshold_makes_true_zeros_and_the_subgradient_does_not() {
    for engine in Engine::all() {
        let zeros = |method| {
            let mut executor = start(engine);
            let rule = rule(method, L1Placement::AfterClip);
            for seed in 0..60 {
                gradients(&mut *executor, seed % 3);
                executor.update(&rule).unwrap();
            }
            let params = executor.read(Buffer::Params).unwrap();
            let gammas = [
                params.require("a.bn.weight").unwrap().data(),
                params.require("b.bn.weight").unwrap().data(),
            ];
            gammas.into_iter().flatten().filter(|gamma| **gamma == 0.0).count()
        };
        let proximal = zeros(L1Method::Proximal);
        let subgradient = zeros(L1Method::Subgradient);
        assert!(proximal > 3, "{engine:?}: {proximal} zeros");
        assert_eq!(subgradient, 0, "{engine:?}");
    }
}

/// Without a gradient from a loss, each method moves a gamma by the predicted distance.
#[test]
fn a_strength_moves_as_far_by_every_method() {
    for engine in Engine::all() {
        for method in METHODS {
            let mut executor = start(engine);
            let mut weights = executor.read(Buffer::Params).unwrap();
            weights.get_mut("a.bn.weight").unwrap().data_mut().fill(-2.0);
            executor.write(Buffer::Params, &weights).unwrap();
            executor.penalise(&across()).unwrap();
            let mut rule = rule(method, L1Placement::AfterClip);
            // The step is 0.0002 * 0.3 / (1 - 0.75).
            rule.bn_gamma.lr = 2e-4;
            for _ in 0..1000 {
                executor.update(&rule).unwrap();
            }
            let params = executor.read(Buffer::Params).unwrap();
            for (channel, gamma) in params.require("a.bn.weight").unwrap().data().iter().enumerate() {
                let moved = if channel % 4 == 1 { 0.0 } else { 1000.0 * 2.4e-4 };
                // Groups span both layers, and the gammas of `b` have other values, so only ungrouped gammas
                // are compared. Their tolerance covers the start of the momentum.
                if method != L1Method::GroupLasso || channel % 4 == 1 {
                    let gone = gamma + 2.0;
                    assert!(
                        (gone - moved).abs() < 2e-3,
                        "{engine:?}, {method:?}, {channel}: {gone}, expected {moved}"
                    );
                }
            }
        }
    }
}

#[test]
fn equal_gammas_of_a_group_are_pulled_as_by_their_sign() {
    for engine in Engine::all() {
        let step = |method| {
            let mut executor = start(engine);
            let mut weights = executor.read(Buffer::Params).unwrap();
            for (name, channels) in [("a.bn.weight", 13), ("b.bn.weight", 20)] {
                let signs = (0..channels).map(|c| if c % 3 == 0 { -0.7 } else { 0.7 });
                weights.insert(name, Array::new(&[channels], signs.collect()));
            }
            executor.write(Buffer::Params, &weights).unwrap();
            executor.penalise(&across()).unwrap();
            gradients(&mut *executor, 0);
            executor.update(&rule(method, L1Placement::BeforeClip)).unwrap();
            executor.read(Buffer::Params).unwrap()
        };
        assert!(step(L1Method::GroupLasso) == step(L1Method::Subgradient), "{engine:?}");
    }
}

#[test]
fn a_map_that_says_nothing_changes_no_bit_and_can_be_taken_back() {
    for engine in Engine::all() {
        let train = |maps: &[PenaltyMap]| {
            let mut executor = start(engine);
            for map in maps {
                executor.penalise(map).unwrap();
            }
            for seed in 0..2 {
                gradients(&mut *executor, seed);
                executor.update(&rule(L1Method::Subgradient, L1Placement::AfterClip)).unwrap();
            }
            executor.read(Buffer::Params).unwrap()
        };
        let mut whole = PenaltyMap::default();
        whole.insert("a.bn.weight", (0..13).map(Some).collect());
        whole.insert("a.bn.bias", (0..13).map(Some).collect());
        let plain = train(&[]);
        assert!(train(&[whole]) == plain && train(&[map(), PenaltyMap::default()]) == plain, "{engine:?}");
        assert!(train(&[map()]) != plain, "{engine:?}");
    }
}

#[test]
fn maps_for_other_networks_are_refused() {
    for engine in Engine::all() {
        let mut executor = start(engine);
        let mut refused = |name: &str, channels| {
            let mut wrong = map();
            wrong.insert(name, vec![None; channels]);
            executor.penalise(&wrong).unwrap_err()
        };
        for name in ["c.bn.weight", "a.conv.weight", "a.bn.running_mean", "b.conv.bias"] {
            let error = refused(name, 20);
            assert!(matches!(error, ExecError::Penalised { .. }), "{error}");
            assert!(error.to_string().contains(&format!("`{name}`")), "{error}");
        }
        let error = refused("a.bn.weight", 16).to_string();
        assert!(["`a.bn.weight`", "13 channels", "16"].iter().all(|part| error.contains(part)), "{error}");
    }
}
