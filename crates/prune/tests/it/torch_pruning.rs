//! Comparison with the channels of a trained `YOLOv8s` that Torch-Pruning 1.6.1 keeps
//! (`fixtures/prune/generate_torch_pruning.py`).

use std::collections::BTreeMap;

use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{
    Coupling, Importance, Normalisation, Per, PrunePlan, PrunePolicy, Reduction, Scope, ScoreConfig, score,
    select,
};
use bonsai_testkit::{fixture, shared_data};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    groups: usize,
    kept: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Fixture {
    l2_local_head_ignored: Case,
    l2_local: Case,
    bn_scale_global: Case,
}

fn torch_pruning() -> Fixture {
    serde_json::from_slice(&fixture("fixtures/prune/torch_pruning.json.gz")).unwrap()
}

fn model() -> Option<Checkpoint> {
    let path = shared_data("weights/fall-yolov8s/best.pt")?;
    Some(Checkpoint::open(&path).unwrap())
}

fn plan(model: &Checkpoint, config: &ScoreConfig, policy: &PrunePolicy) -> PrunePlan {
    let coupling = Coupling::from_graph(model.model.graph());
    select(&coupling, &score(&coupling, &model.weights, config).unwrap(), policy).unwrap()
}

/// Prunes half of the sets, without any guard.
fn half(scope: Scope, protect: &[&str]) -> PrunePolicy {
    PrunePolicy {
        prune_ratio: 0.5,
        scope,
        min_channels: 0,
        round_to: None,
        protect: protect.iter().map(|p| (*p).to_owned()).collect(),
        ..PrunePolicy::default()
    }
}

/// The channels whose bits are set.
fn channels(hexadecimal: &str) -> Vec<usize> {
    let digits = hexadecimal.bytes().rev().map(|b| char::from(b).to_digit(16).unwrap());
    digits
        .enumerate()
        .flat_map(|(i, d)| (0..4).filter(move |b| d >> b & 1 == 1).map(move |b| 4 * i + b))
        .collect()
}

/// The layers that keep different channels, with the channels that only one side keeps.
fn differences(plan: &PrunePlan, case: &Case) -> Vec<String> {
    case.kept
        .iter()
        .filter_map(|(conv, bits)| {
            let ours = plan.keep(conv).unwrap();
            let theirs = channels(bits);
            let only =
                |a: &[usize], b: &[usize]| a.iter().filter(|c| !b.contains(c)).copied().collect::<Vec<_>>();
            (ours != theirs.as_slice()).then(|| {
                let mine = only(ours, &theirs);
                let other = only(&theirs, ours);
                format!("{conv}: only Bonsai keeps {mine:?}, only Torch-Pruning keeps {other:?}")
            })
        })
        .collect()
}

const L2: ScoreConfig = ScoreConfig {
    importance: Importance::L2,
    reduction: Reduction::Mean,
    normalisation: Normalisation::Mean,
    per: Per::Set,
};

#[test]
fn half_of_every_layer_by_l2() {
    let Some(model) = model() else { return };
    let fixture = torch_pruning();
    for (case, protect) in
        [(&fixture.l2_local, &[][..]), (&fixture.l2_local_head_ignored, &["model.22.*"][..])]
    {
        let plan = plan(&model, &L2, &half(Scope::PerLayer, protect));
        assert_eq!(differences(&plan, case), Vec::<String>::new());
    }
}

#[test]
fn half_of_the_network_by_batch_norm_scale() {
    let Some(model) = model() else { return };
    let config = ScoreConfig { normalisation: Normalisation::Mean, ..ScoreConfig::default() };
    let plan = plan(&model, &config, &half(Scope::Global, &[]));
    assert_eq!(differences(&plan, &torch_pruning().bn_scale_global), Vec::<String>::new());
}

#[test]
fn the_same_groups() {
    let fixture = torch_pruning();
    let graph = bonsai_yolov8::build(bonsai_yolov8::Scale::S, &["a".to_owned(), "b".to_owned()]).unwrap();
    let coupling = Coupling::from_graph(graph.graph());
    assert_eq!(coupling.groups().len(), fixture.l2_local.groups);
    let in_head = |group: &&Vec<usize>| {
        let first = coupling.sets()[group[0]].members[0].node;
        graph.graph().node(first).name().starts_with("model.22.")
    };
    let heads = coupling.groups().iter().filter(in_head).count();
    assert_eq!(coupling.groups().len() - heads, fixture.l2_local_head_ignored.groups);
}
