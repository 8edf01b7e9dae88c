//! [`apply`]: single cases, and the error for every kind of invalid plan.

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_graph::Op;
use bonsai_prune::{Coupling, Member, PruneError, PrunePlan, apply};

use crate::small_model::{conv_bn, small_model};

/// A convolution of four channels whose halves have different readers.
fn halves() -> Checkpoint {
    let layers = conv_bn("c", "x", 4)
        + "a = slice(c) start=0 len=2\nb = slice(c) start=2 len=2\n"
        + &conv_bn("d", "b", 2)
        + "e = add(b, d)\ny = concat(a, e)\n";
    small_model(&layers)
}

/// Removes the sets of the given channels and compares layers of the pruned graph.
fn check_plan(model: &Checkpoint, remove: &[(&str, usize)], expected: &[&str]) {
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let set = |(name, channel): &(&str, usize)| {
        coupling.set_of(Member { node: graph.find(name).unwrap(), channel: *channel })
    };
    let plan = PrunePlan::removing(&coupling, remove.iter().map(set)).unwrap();
    let pruned = apply(&plan, model).unwrap();
    let text = pruned.model.graph().to_string();
    for line in expected {
        assert!(text.lines().any(|l| l.starts_with(line)), "no `{line}` in\n{text}");
    }
}

#[test]
fn split_halves_prune_independently() {
    let model = halves();
    let first =
        ["c.conv = conv2d(x) out_channels=3", "a = slice(c) start=0 len=1", "b = slice(c) start=1 len=2"];
    check_plan(
        &model,
        &[("c.conv", 0)],
        &[first[0], first[1], first[2], "d.conv = conv2d(b) out_channels=2"],
    );
    // The second half is coupled to the residual.
    let second =
        ["c.conv = conv2d(x) out_channels=3", "a = slice(c) start=0 len=2", "b = slice(c) start=2 len=1"];
    check_plan(&model, &[("d", 1)], &[second[0], second[1], second[2], "d.conv = conv2d(b) out_channels=1"]);
}

#[test]
fn rows_columns_and_vectors_follow() {
    let mut model = halves();
    model.metadata.insert("imgsz".to_owned(), "64".to_owned());
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let set = coupling.set_of(Member { node: graph.find("c.conv").unwrap(), channel: 2 });
    let pruned = apply(&PrunePlan::removing(&coupling, [set]).unwrap(), &model).unwrap();
    let (of, was) = (|n| pruned.weights.get(n).unwrap(), |n| model.weights.get(n).unwrap());
    assert_eq!(*of("c.conv.weight"), was("c.conv.weight").select(0, &[0, 1, 3]));
    assert_eq!(*of("c.running_var"), was("c.running_var").select(0, &[0, 1, 3]));
    assert_eq!(*of("d.conv.weight"), was("d.conv.weight").select(0, &[1]).select(1, &[1]));
    assert_eq!(*of("boxes.weight"), was("boxes.weight").select(1, &[0, 1, 3]));
    assert_eq!(of("boxes.bias"), was("boxes.bias"));
    assert_eq!(pruned.metadata, model.metadata);
    assert_eq!(pruned.model.class_names(), model.model.class_names());
}

/// Replaces one text in a plan's JSON and applies the plan; returns the error message.
fn refusal(model: &Checkpoint, from: &str, to: &str) -> String {
    let json = PrunePlan::identity(model.model.graph()).to_json().unwrap();
    assert!(json.contains(from), "no `{from}` in {json}");
    let edited = json.replace(from, to);
    match PrunePlan::from_json(&edited).and_then(|plan| apply(&plan, model)) {
        Ok(_) => "applied".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn broken_plans_are_refused_with_names_and_numbers() {
    let model = halves();
    let c = r#""channels": 4,
      "keep": "0-3""#;
    let line = |channels: usize, keep: &str| format!("\"channels\": {channels},\n      \"keep\": \"{keep}\"");
    assert_eq!(refusal(&model, c, c), "applied");
    // `c.conv` and `boxes` both have four channels; the error names the first in the network's order.
    let c = format!("\"conv\": \"c.conv\",\n      {c}");
    let of_c = |channels, keep| format!("\"conv\": \"c.conv\",\n      {}", line(channels, keep));
    assert_eq!(refusal(&model, &c, &of_c(4, "1-3")), "applied");
    assert_eq!(
        refusal(&model, &c, &of_c(4, "0-2")),
        "`d.conv` keeps channel 1 but `c.conv` removes channel 3, and these two channels are coupled: keep \
         both or remove both"
    );
    assert_eq!(
        refusal(&model, &c, &of_c(5, "0-4")),
        "the plan is for `c.conv` with 5 channels, this network's has 4: create the plan again"
    );
    assert_eq!(
        refusal(&model, &c, &of_c(4, "2-3")),
        "the plan removes all 2 channels of `a`: keep at least one"
    );
    assert_eq!(
        refusal(&model, &c, &of_c(4, "")),
        "the plan removes all 4 channels of `c.conv`: keep at least one"
    );
    assert_eq!(
        refusal(&model, &c, &of_c(4, "0-4")),
        "`c.conv`: cannot read the kept channels \"0-4\": channel 4 does not exist; the layer has 4"
    );
    assert_eq!(
        refusal(&model, &line(1, "0"), &line(2, "0-1")),
        "the plan is for `classes` with 2 channels, this network's has 1: create the plan again"
    );
    assert_eq!(
        refusal(&model, "\"conv\": \"d.conv\"", "\"conv\": \"z.conv\""),
        "the plan names `z.conv`, which is no convolution of this network: is it the plan of another model?"
    );
    assert_eq!(
        refusal(&model, "\"conv\": \"d.conv\"", "\"conv\": \"c.conv\""),
        "the plan names `c.conv` twice: keep one line"
    );
    assert_eq!(
        refusal(&model, "\"version\": 1", "\"version\": 2"),
        "the plan has version 2; this program reads version 1: update the program"
    );
    assert_eq!(
        refusal(&model, "\"version\": 1", "\"version\": 1, \"ratio\": 0.5"),
        "the text is not a prune plan"
    );
}

#[test]
fn outputs_of_the_network_stay() {
    let model = halves();
    let boxes = |keep: &str| format!("\"boxes\",\n      \"channels\": 4,\n      \"keep\": \"{keep}\"");
    assert_eq!(
        refusal(&model, &boxes("0-3"), &boxes("1-3")),
        "the plan removes channel 0 of `boxes`, which must stay: it belongs to the network's output `boxes`"
    );
    let coupling = Coupling::from_graph(model.model.graph());
    assert!(matches!(PrunePlan::removing(&coupling, [0]), Err(PruneError::Pinned { .. })), "the image");
    let sets = coupling.sets().len();
    assert!(matches!(PrunePlan::removing(&coupling, [sets]), Err(PruneError::UnknownSet { .. })));
    let all: Vec<usize> = coupling.prunable().collect();
    assert!(matches!(PrunePlan::removing(&coupling, all), Err(PruneError::EmptiedLayer { .. })));
}

#[test]
fn a_plan_for_other_wiring_is_refused() {
    let model = halves();
    let graph = model.model.graph();
    let other = graph
        .map_ops(|_, node| match node.op() {
            Op::BatchNorm { momentum, .. } => Op::BatchNorm { eps: 0.5, momentum: *momentum },
            op => *op,
        })
        .unwrap();
    assert!(matches!(apply(&PrunePlan::identity(&other), &model), Err(PruneError::OtherNetwork { .. })));
}

#[test]
fn weights_of_another_network_are_refused() {
    let mut model = halves();
    model.weights.insert("d.weight", Array::zeros(&[1]));
    let error = apply(&PrunePlan::identity(model.model.graph()), &model).unwrap_err();
    assert!(matches!(error, PruneError::Checkpoint(_)), "{error}");
}

/// Scripts that rebuild the network from its configuration fail to notice this mismatch.
#[test]
fn a_pruned_checkpoint_does_not_go_into_the_whole_network() {
    let model = halves();
    let coupling = Coupling::from_graph(model.model.graph());
    let set = coupling.set_of(Member { node: model.model.graph().find("c.conv").unwrap(), channel: 0 });
    let pruned = apply(&PrunePlan::removing(&coupling, [set]).unwrap(), &model).unwrap();
    let error = Checkpoint::new(model.model.clone(), pruned.weights).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor `c.conv.weight` has shape [3, 3, 3, 3], the network needs [4, 3, 3, 3]"
    );
}

#[test]
fn plans_are_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("plan.json");
    let plan = PrunePlan::identity(halves().model.graph());
    plan.save(&path).unwrap();
    assert_eq!(PrunePlan::load(&path).unwrap(), plan);
    std::fs::write(&path, "{").unwrap();
    let error = PrunePlan::load(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot load {}", path.display()));
    assert!(PrunePlan::load(folder.path().join("none.json")).is_err());
}

#[test]
fn plans_that_do_not_follow_each_other_do_not_compose() {
    let plan = PrunePlan::identity(halves().model.graph());
    let other = PrunePlan::identity(small_model(&conv_bn("y", "x", 4)).model.graph());
    assert!(matches!(plan.then(&other), Err(PruneError::UnknownLayer { .. })));
    assert!(matches!(other.then(&plan), Err(PruneError::UnknownLayer { .. })));
    let wider = PrunePlan::identity(small_model(&conv_bn("y", "x", 5)).model.graph());
    assert!(matches!(other.then(&wider), Err(PruneError::Channels { expected: 5, got: 4, .. })));
}
