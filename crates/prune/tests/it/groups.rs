//! Grouped convolutions: coupled channels, pruned kernels, compensated constants and scores.

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_prune::{
    Coupling, Importance, Member, Normalisation, PrunePlan, Reduction, ScoreConfig, apply, apply_compensated,
    score,
};

use crate::small_model::{conv_bn, small_model};

/// The text line of a grouped 3x3 convolution `name`.
fn grouped(name: &str, input: &str, [out_channels, groups]: [usize; 2], bias: bool) -> String {
    format!(
        "{name} = conv2d({input}) out_channels={out_channels} kernel=3 stride=1 padding=1 bias={bias} groups={groups}\n"
    )
}

fn batch_norm(name: &str, input: &str) -> String {
    format!("{name} = batch_norm({input}) eps=0.001 momentum=0.03\n")
}

/// Layers and channels in the set of `layer`'s channel, and why the set must stay.
fn set_of(model: &Checkpoint, layer: &str, channel: usize) -> (Vec<(String, usize)>, Option<String>) {
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let set = &coupling.sets()[coupling.set_of(Member { node: graph.find(layer).unwrap(), channel })];
    let members = set.members.iter().map(|m| (graph.node(m.node).name().to_owned(), m.channel)).collect();
    (members, set.pin.map(|pin| pin.describe(graph)))
}

fn without(model: &Checkpoint, layer: &str, channel: usize) -> PrunePlan {
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let set = coupling.set_of(Member { node: graph.find(layer).unwrap(), channel });
    PrunePlan::removing(&coupling, [set]).unwrap()
}

/// A class branch of Ultralytics 8.3: a depthwise, then a pointwise convolution.
fn branch() -> Checkpoint {
    let layers = conv_bn("a", "x", 4)
        + "s = silu(a)\n"
        + &grouped("d", "s", [4, 4], false)
        + &batch_norm("n", "d")
        + "t = silu(n)\n"
        + &conv_bn("y", "t", 3);
    small_model(&layers)
}

#[test]
fn a_depthwise_channel_goes_with_its_input() {
    let model = branch();
    let expected = ["a.conv", "a", "s", "d", "n", "t"].map(|layer| (layer.to_owned(), 1));
    assert_eq!(set_of(&model, "d", 1), (expected.to_vec(), None));
    let pruned = apply(&without(&model, "d", 1), &model).unwrap();
    let text = pruned.model.graph().to_string();
    assert!(text.contains("d = conv2d(s) out_channels=3 kernel=3 stride=1 padding=1 bias=false groups=3"));
    let weight =
        |model: &Checkpoint, layer: &str| model.weights.get(&format!("{layer}.weight")).unwrap().clone();
    assert_eq!(weight(&pruned, "d"), weight(&model, "d").select(0, &[0, 2, 3]));
    assert_eq!(weight(&pruned, "y.conv"), weight(&model, "y.conv").select(1, &[0, 2, 3]));
    // Its weights and MACs shrink in proportion to its own width, not to the product of two widths.
    let macs = |model: &Checkpoint| {
        let graph = model.model.graph();
        graph.node_macs(Size::square(4)).unwrap()[graph.find("d").unwrap().index()]
    };
    assert_eq!((macs(&model), macs(&pruned)), (4 * 9 * 16, 3 * 9 * 16));
}

#[test]
fn a_group_goes_whole() {
    let model =
        small_model(&(conv_bn("a", "x", 4) + &grouped("g", "a", [6, 2], true) + &batch_norm("y", "g")));
    let (members, pin) = set_of(&model, "g", 4);
    let of = |layer: &str| -> Vec<usize> {
        members.iter().filter(|(name, _)| name == layer).map(|(_, channel)| *channel).collect()
    };
    assert_eq!((of("a"), of("g"), of("y"), pin), (vec![2, 3], vec![3, 4, 5], vec![3, 4, 5], None));
    let pruned = apply(&without(&model, "a", 3), &model).unwrap();
    let text = pruned.model.graph().to_string();
    assert!(text.contains("g = conv2d(a) out_channels=3 kernel=3 stride=1 padding=1 bias=true\n"), "{text}");
    let weight = |model: &Checkpoint| model.weights.get("g.weight").unwrap().clone();
    assert_eq!(weight(&pruned), weight(&model).select(0, &[0, 1, 2]));
    assert_eq!(weight(&pruned).shape(), [3, 2, 3, 3]);
}

#[test]
fn only_a_bias_keeps_a_silenced_channel_from_silence() {
    let layers = |bias| conv_bn("a", "x", 4) + &grouped("y", "a", [4, 4], bias);
    assert_eq!(set_of(&small_model(&layers(false)), "y", 0).1, None);
    let pinned = "`boxes` reads `y`, which no batch norm brings to zero".to_owned();
    assert_eq!(set_of(&small_model(&layers(true)), "y", 0).1, Some(pinned));
    // The image cannot lose a channel, even if only a depthwise convolution reads it.
    let image = grouped("d", "x", [3, 3], false) + &batch_norm("y", "d");
    assert_eq!(set_of(&small_model(&image), "y", 2).1, Some("it belongs to the image".to_owned()));
}

#[test]
fn constants_pass_through_a_depthwise_convolution() {
    let mut model =
        small_model(&(conv_bn("a", "x", 4) + &grouped("d", "a", [4, 4], false) + &conv_bn("y", "d", 3)));
    model.weights.get_mut("a.weight").unwrap().data_mut()[1] = 0.0;
    let (pruned, compensation) = apply_compensated(&without(&model, "a", 1), &model).unwrap();
    let data = |name: &str| {
        model.weights.get(name).unwrap().data().iter().map(|v| f64::from(*v)).collect::<Vec<_>>()
    };
    let emitted = data("a.bias")[1] * data("d.weight")[9..18].iter().sum::<f64>();
    let kernel = data("y.conv.weight");
    let before = data("y.running_mean");
    let mut largest = 0.0f64;
    for o in 0..3 {
        let shift = emitted * kernel[(4 * o + 1) * 9..][..9].iter().sum::<f64>();
        let after = f64::from(pruned.weights.get("y.running_mean").unwrap().data()[o]);
        assert!((after - (before[o] - shift)).abs() < 1e-6, "{o}: {after}, missing {shift}");
        largest = largest.max(shift.abs());
    }
    assert!((compensation.largest_shift - largest).abs() < 1e-12, "{compensation:?} {largest}");
    // One set and one reader: the depthwise convolution itself loses the channel.
    assert_eq!((compensation.sets, compensation.convs), (1, 1));
}

#[test]
fn depthwise_weights_count_once() {
    let model = branch();
    let graph = model.model.graph();
    let coupling = Coupling::from_graph(graph);
    let config = ScoreConfig {
        importance: Importance::L1,
        reduction: Reduction::Sum,
        normalisation: Normalisation::None,
        ..ScoreConfig::default()
    };
    let scores = score(&coupling, &model.weights, &config).unwrap();
    let set = coupling.set_of(Member { node: graph.find("d").unwrap(), channel: 2 });
    let size = |name: &str, axis: usize| {
        let array = model.weights.get(name).unwrap().select(axis, &[2]);
        array.data().iter().map(|v| f64::from(v.abs())).sum::<f64>()
    };
    let rows = ["a.conv.weight", "a.weight", "d.weight", "n.weight"].map(|name| size(name, 0));
    let expected = rows.iter().sum::<f64>() + size("y.conv.weight", 1);
    assert!((scores.get(set).unwrap() - expected).abs() < 1e-9);
}
