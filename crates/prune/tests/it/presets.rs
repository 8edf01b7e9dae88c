//! The two presets that follow existing scripts, compared with reimplementations of those scripts.

use std::collections::BTreeMap;
use std::ops::Range;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{Op, ParamRole, Size};
use bonsai_prune::{
    Candidates, CostTarget, Coupling, Guard, Preset, PruneError, PrunePolicy, ScoreConfig, Selection, apply,
    choose, score,
};
use bonsai_testkit::{RandomGraphConfig, fixture, random_model, random_weights};
use bonsai_yolov8::{Scale, build};

use crate::small_model::{conv_bn, small_model};

/// FNV-1a of 32 bits.
fn fnv(text: &str) -> u32 {
    text.bytes().fold(0x811c_9dc5, |value, byte| (value ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

/// The same numbers as in `fixtures/prune/generate_seed.py`.
fn gamma(norm: &str, channel: usize) -> f32 {
    let unit = (fnv(&format!("{norm}:{channel}")) >> 8) as f32 / (1 << 24) as f32;
    unit / (1 << (fnv(norm) % 4)) as f32
}

fn yolov8(scale: Scale) -> Checkpoint {
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let spec = build(scale, &names).unwrap();
    let mut weights = random_weights(3, spec.graph());
    for param in spec.graph().params().into_iter().filter(|p| p.role == ParamRole::BnGamma) {
        let norm = spec.graph().node(param.node).name();
        let data = weights.get_mut(&param.name).unwrap().data_mut();
        // Half of the gammas are negative, because only |gamma| matters.
        let sign = |channel: usize| if channel.is_multiple_of(2) { 1.0 } else { -1.0 };
        data.iter_mut().enumerate().for_each(|(c, g)| *g = sign(c) * gamma(norm, c));
    }
    Checkpoint::new(spec, weights).unwrap()
}

pub(crate) fn chosen(model: &Checkpoint, policy: &PrunePolicy) -> Result<Selection, PruneError> {
    let coupling = Coupling::from_graph(model.model.graph());
    let scores = score(&coupling, &model.weights, &ScoreConfig::default())?;
    choose(
        &Candidates { coupling: &coupling, scores: &scores, weights: &model.weights },
        policy,
        Size::square(64),
    )
}

fn preset(preset: Preset, prune_ratio: f64) -> PrunePolicy {
    PrunePolicy { preset, prune_ratio, ..PrunePolicy::default() }
}

#[test]
fn seed_leaves_the_widths_of_the_script() {
    let golden: serde_json::Value = serde_json::from_slice(&fixture("fixtures/prune/seed.json.gz")).unwrap();
    let mut halved = 0;
    for (name, scale) in [("n", Scale::N), ("s", Scale::S), ("m", Scale::M)] {
        let model = yolov8(scale);
        for keep in ["0.5", "0.7"] {
            let expected: BTreeMap<String, usize> =
                serde_json::from_value(golden[name][keep].clone()).unwrap();
            assert_eq!(expected.len(), if name == "m" { 39 } else { 29 });
            let ratio = 1.0 - keep.parse::<f64>().unwrap();
            let selection = chosen(&model, &preset(Preset::Original, ratio)).unwrap();
            for layer in selection.plan.layers() {
                let module = layer.conv().strip_suffix(".conv").unwrap_or(layer.conv());
                let expected = expected.get(module).copied().unwrap_or(layer.channels());
                assert_eq!(layer.keep().len(), expected, "{name} {keep} {module}");
            }
            halved += selection.summary.clamped.iter().filter(|c| c.guard == Guard::SeedFloor).count();
            apply(&selection.plan, &model).unwrap();
        }
    }
    assert!(halved > 2, "only {halved} layers reach the minimum width");
}

#[test]
fn seed_keeps_small_layers_and_says_what_it_misses() {
    let model = small_model(&conv_bn("y", "x", 4));
    assert_eq!(
        chosen(&model, &preset(Preset::Original, 0.5)).unwrap_err().to_string(),
        "preset original needs a stock YOLOv8: there is no batch norm `model.2.m.*.cv1.bn` (or use preset group, \
         which works for any network)"
    );
    let model = yolov8(Scale::N);
    let all = chosen(&model, &preset(Preset::Original, 0.0)).unwrap();
    assert!(all.plan.is_identity());
    let most = chosen(&model, &preset(Preset::Original, 1.0)).unwrap();
    assert!(most.plan.layers().iter().all(|l| l.keep().len() >= 8));
    let limit = most.summary.safe_limit.unwrap();
    let strict = PrunePolicy { clamp: false, ..preset(Preset::Original, limit.ratio) };
    assert!(chosen(&model, &strict).is_ok());
    let beyond = PrunePolicy { prune_ratio: limit.ratio + 2e-4, ..strict };
    assert!(
        matches!(chosen(&model, &beyond), Err(PruneError::EmptyingRatio { layer, .. }) if layer == limit.conv)
    );
}

#[test]
fn protected_layers_and_the_largest_share_hold_for_all_presets() {
    let model = yolov8(Scale::N);
    for preset in Preset::ALL {
        let policy = PrunePolicy {
            preset,
            prune_ratio: 0.9,
            protect: vec!["model.22.*".to_owned()],
            max_ratio_per_layer: Some(0.25),
            ..PrunePolicy::default()
        };
        let plan = chosen(&model, &policy).unwrap().plan;
        assert!(!plan.is_identity());
        for layer in plan.layers() {
            let lost = layer.channels() - layer.keep().len();
            assert!(4 * lost <= layer.channels(), "{preset} {}", layer.conv());
            assert!(lost == 0 || !layer.conv().starts_with("model.22."), "{preset} {}", layer.conv());
        }
    }
}

/// The ignore list and the even counts of the scripts for YOLOv8, written with their layer numbers.
#[test]
fn slim_leaves_the_widths_of_the_masked_rebuild() {
    let model = yolov8(Scale::S);
    let graph = model.model.graph();
    let backbone = |name: &str| ["2", "4", "6", "8"].iter().any(|i| name.starts_with(&format!("model.{i}.")));
    let ignored = |name: &str| {
        backbone(name)
            && ((name.contains(".m.") && name.ends_with(".cv2.bn")) || {
                name.ends_with(".cv1.bn") && !name.contains(".m.")
            })
    };
    let even = |name: &str| ["12", "15", "18", "21"].iter().any(|i| name == format!("model.{i}.cv1.bn"));
    let norms: Vec<(&str, usize)> = graph
        .iter()
        .filter(|(_, n)| matches!(n.op(), Op::BatchNorm { .. }))
        .map(|(_, n)| (n.name(), n.channels()))
        .collect();
    let mut all: Vec<f32> = Vec::new();
    for (name, channels) in norms.iter().filter(|(name, _)| !ignored(name)) {
        all.extend((0..*channels).map(|c| gamma(name, c)));
    }
    all.sort_by(f32::total_cmp);
    for ratio in [0.2, 0.5, 0.7] {
        let threshold = all[(all.len() as f64 * ratio) as usize];
        let plan = chosen(&model, &preset(Preset::Slim, ratio)).unwrap().plan;
        for (name, channels) in &norms {
            let above = |range: Range<usize>| range.filter(|c| gamma(name, *c) > threshold).count().max(1);
            let expected = match channels / 2 {
                _ if ignored(name) => *channels,
                half if even(name) => (above(0..half) + above(half..*channels)).next_multiple_of(2),
                _ => above(0..*channels),
            };
            let conv = name.replace(".bn", ".conv");
            assert_eq!(plan.keep(&conv).unwrap().len(), expected, "{ratio} {conv}");
        }
    }
}

#[test]
fn slim_never_empties_a_layer_and_knows_from_where_on_it_would() {
    for model in (0..60).map(|seed| random_model(seed, &RandomGraphConfig::default()).checkpoint) {
        let graph = model.model.graph();
        for ratio in [0.0, 0.3, 1.0] {
            let selection = chosen(&model, &preset(Preset::Slim, ratio)).unwrap();
            apply(&selection.plan, &model).unwrap();
            assert!(ratio > 0.0 || selection.plan.is_identity());
            let Some(limit) = selection.summary.safe_limit else { continue };
            let emptied = selection.summary.clamped.iter().any(|c| c.asked == c.channels);
            assert!(emptied || ratio < 1.0, "{limit:?}\n{graph}");
            let strict = PrunePolicy { clamp: false, ..preset(Preset::Slim, limit.ratio) };
            let strict = chosen(&model, &strict);
            assert!(limit.ratio == 0.0 || strict.is_ok(), "{limit:?} {strict:?}\n{graph}");
        }
    }
}

#[test]
fn the_safe_limit_of_slim_by_hand() {
    let mut model = small_model(&(conv_bn("a", "x", 4) + &conv_bn("y", "a", 4)));
    model.weights.get_mut("a.weight").unwrap().data_mut().copy_from_slice(&[0.1, 0.2, 0.3, -0.4]);
    model.weights.get_mut("y.weight").unwrap().data_mut().copy_from_slice(&[0.15, 0.5, 0.6, 0.7]);
    let at = |prune_ratio| chosen(&model, &PrunePolicy { clamp: false, ..preset(Preset::Slim, prune_ratio) });
    // In ascending order, 0.4 has index 4; at ratio 3 / 8, 0.3 and everything below it is removed.
    let selection = at(0.375).unwrap();
    let limit = selection.summary.safe_limit.unwrap();
    assert_eq!((limit.ratio, limit.conv.as_str()), (0.375, "a.conv"));
    assert_eq!(selection.plan.keep("a.conv"), Some(&[3][..]));
    assert_eq!(selection.plan.keep("y.conv"), Some(&[1, 2, 3][..]));
    assert!(matches!(at(0.5), Err(PruneError::EmptyingRatio { channels: 4, .. })));
}

#[test]
fn presets_have_names() {
    for preset in Preset::ALL {
        assert_eq!(preset.to_string().parse::<Preset>().unwrap(), preset);
    }
    assert_eq!(
        "seeds".parse::<Preset>().unwrap_err().to_string(),
        "prune policy: preset is \"seeds\", must be \"group\", \"slim\" or \"original\""
    );
    let text = r#"{"preset": "slim", "target": {"macs": 0.25}, "clamp": false}"#;
    let policy: PrunePolicy = serde_json::from_str(text).unwrap();
    assert_eq!(
        (policy.preset, policy.target, policy.clamp),
        (Preset::Slim, Some(CostTarget::Macs(0.25)), false)
    );
}
