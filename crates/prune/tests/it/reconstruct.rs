//! Kernels that read removed channels are refitted, so that the kept channels replace what they can.

use std::collections::BTreeSet;

use bonsai_checkpoint::{Array, CheckpointError, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole, ParamSpec};
use bonsai_prune::{
    BoxError, Coupling, Member, PruneError, PrunePlan, Reconstruction, apply_compensated_to_graph,
    apply_to_graph, reconstruct,
};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, assert_arrays_close, random_array, random_model, random_weights,
    reference_forward,
};

use crate::zeroing::{kept_by_walking, random_plan};

const BATCHES: usize = 4;

fn images(batch: usize) -> Array {
    random_array(100 + batch as u64, &[8, 3, 12, 12])
}

/// Outputs of `layers` on a batch, by plain loops.
fn activations(graph: &Graph, weights: &Weights, layers: &[NodeId], images: &Array) -> Vec<Array> {
    let more = graph.with_more_outputs(layers).unwrap();
    let outputs = reference_forward(&more, weights, images, false);
    outputs[graph.outputs().len()..].to_vec()
}

fn reconstructed(graph: &Graph, weights: &Weights, plan: &PrunePlan) -> (Graph, Weights, Reconstruction) {
    let (pruned, mut remaining) = apply_to_graph(plan, graph, weights).unwrap();
    let mut source = |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
        Ok(activations(graph, weights, layers, &images(batch)))
    };
    let result = reconstruct(plan, graph, weights, &mut remaining, BATCHES, &mut source).unwrap();
    (pruned, remaining, result)
}

/// Two convolutions with 3x3 kernels; `b` reads `a`, and the head, with a bias, reads `b`.
fn chain() -> (Graph, Weights) {
    let text = "x = input() channels=3
        a = conv2d(x) out_channels=8 kernel=3 stride=1 padding=1 bias=false
        a.bn = batch_norm(a) eps=0.001 momentum=0.03
        a.act = silu(a.bn)
        b = conv2d(a.act) out_channels=6 kernel=3 stride=2 padding=1 bias=false
        b.bn = batch_norm(b) eps=0.001 momentum=0.03
        b.act = silu(b.bn)
        y = conv2d(b.act) out_channels=5 kernel=1 stride=1 padding=0 bias=true
        outputs = y";
    let graph: Graph = text.parse().unwrap();
    let weights = random_weights(3, &graph);
    (graph, weights)
}

fn without(graph: &Graph, channels: &[(&str, usize)]) -> PrunePlan {
    let coupling = Coupling::from_graph(graph);
    let set = |(layer, channel): &(&str, usize)| {
        coupling.set_of(Member { node: graph.find(layer).unwrap(), channel: *channel })
    };
    PrunePlan::removing(&coupling, channels.iter().map(set)).unwrap()
}

/// Copies channel `from` to channel `to` in all parameters of a convolution and its batch norm.
fn duplicate(graph: &Graph, weights: &mut Weights, layer: &str, from: usize, to: usize) {
    for name in [layer.to_owned(), format!("{layer}.bn")] {
        for spec in graph.node_params(graph.find(&name).unwrap()) {
            let array = weights.require_mut(&spec.name).unwrap();
            let row = array.data().len() / array.shape()[0];
            array.data_mut().copy_within(from * row..(from + 1) * row, to * row);
        }
    }
}

#[test]
fn a_removed_copy_of_a_kept_channel_is_replaced_exactly() {
    let (graph, mut weights) = chain();
    duplicate(&graph, &mut weights, "a", 1, 6);
    duplicate(&graph, &mut weights, "b", 0, 5);
    let plan = without(&graph, &[("a", 6), ("b", 5)]);
    let (pruned, remaining, result) = reconstructed(&graph, &weights, &plan);
    assert_eq!(result.convs, 2);
    assert!(result.explained > 0.999, "{}", result.explained);
    // Other images than those of the fit.
    let test = random_array(7, &[2, 3, 12, 12]);
    let expected = reference_forward(&graph, &weights, &test, false);
    let actual = reference_forward(&pruned, &remaining, &test, false);
    assert_arrays_close(&actual[0], &expected[0], Tolerance::Approx, "reconstructed");
}

/// The sum of squared differences from the original network's outputs.
fn error(graph: &Graph, weights: &Weights, test: &Array, expected: &[Array]) -> f64 {
    let actual = reference_forward(graph, weights, test, false);
    let pairs = actual.iter().zip(expected).flat_map(|(a, e)| a.data().iter().zip(e.data()));
    pairs.map(|(a, e)| f64::from(a - e).powi(2)).sum()
}

#[test]
fn the_outputs_are_nearer_to_the_original_than_with_constants_alone() {
    let (graph, weights) = chain();
    let plan = without(&graph, &[("a", 2), ("a", 6), ("b", 1), ("b", 5)]);
    let test = random_array(7, &[4, 3, 12, 12]);
    let expected = reference_forward(&graph, &weights, &test, false);
    let (pruned, remaining, result) = reconstructed(&graph, &weights, &plan);
    let (_, compensated, _) = apply_compensated_to_graph(&plan, &graph, &weights).unwrap();
    let errors = [&remaining, &compensated].map(|weights| error(&pruned, weights, &test, &expected));
    assert!(errors[0] < 0.9 * errors[1], "{errors:?}");
    assert!((0.0..=1.0).contains(&result.explained), "{}", result.explained);
}

/// Residuals, concats, slices, groups and layers without batch norm. Only kernels of convolutions that lose
/// inputs, their biases, and the running mean of the batch norm after them may change.
#[test]
fn any_network_is_reconstructed() {
    let mut convs = 0;
    for seed in 0..40 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let weights = &model.checkpoint.weights;
        let plan = random_plan(&Coupling::from_graph(graph), seed);
        let (_, plain) = apply_to_graph(&plan, graph, weights).unwrap();
        let mut remaining = plain.clone();
        let mut source = |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
            let images = random_array(batch as u64, &[2, 3, model.h, model.w]);
            Ok(activations(graph, weights, layers, &images))
        };
        let result = reconstruct(&plan, graph, weights, &mut remaining, 2, &mut source).unwrap();
        convs += result.convs;
        let refitted = may_change(graph, &plan);
        for spec in graph.params() {
            let array = remaining.require(&spec.name).unwrap();
            assert!(array.data().iter().all(|value| value.is_finite()), "{seed}: {}", spec.name);
            let same = plain.get(&spec.name) == Some(array);
            assert!(same || refitted.contains(&spec.name), "{seed}: {}", spec.name);
        }
    }
    assert!(convs > 40, "{convs}");
}

/// Names of the parameters of readers of removed channels that reconstruction may change.
fn may_change(graph: &Graph, plan: &PrunePlan) -> BTreeSet<String> {
    let kept = kept_by_walking(plan, graph);
    let consumers = graph.consumers();
    let mut names = BTreeSet::new();
    for (id, node) in graph.iter() {
        let Op::Conv2d { groups: 1, .. } = node.op() else { continue };
        let input = node.inputs()[0];
        if kept[input.index()].len() == graph.node(input).channels() {
            continue;
        }
        let after = consumers[id.index()].iter().copied();
        let params = after.chain([id]).flat_map(|node| graph.node_params(node));
        let roles = [ParamRole::ConvWeight, ParamRole::ConvBias, ParamRole::BnMean];
        let of_reader =
            |spec: &ParamSpec| spec.role != ParamRole::ConvWeight || spec.name.starts_with(node.name());
        names.extend(
            params.filter(|spec| roles.contains(&spec.role) && of_reader(spec)).map(|spec| spec.name),
        );
    }
    names
}

/// Removed channels that contribute nothing leave every parameter as it is, whatever lies between them and
/// their readers: a wrong map of channels would find something to replace.
#[test]
fn channels_without_contribution_change_nothing() {
    let mut convs = 0;
    for seed in 0..40 {
        let model = random_model(seed, &RandomGraphConfig::default());
        let graph = model.spec().graph();
        let mut weights = model.checkpoint.weights.clone();
        let plan = random_plan(&Coupling::from_graph(graph), seed);
        silence(graph, &mut weights, &kept_by_walking(&plan, graph));
        let (_, plain) = apply_to_graph(&plan, graph, &weights).unwrap();
        let mut remaining = plain.clone();
        let mut source = |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
            let images = random_array(batch as u64, &[2, 3, model.h, model.w]);
            Ok(activations(graph, &weights, layers, &images))
        };
        convs += reconstruct(&plan, graph, &weights, &mut remaining, 2, &mut source).unwrap().convs;
        assert_eq!(remaining, plain, "{seed}");
    }
    assert!(convs > 40, "{convs}");
}

/// Sets the kernels, biases, gammas and betas of removed channels to 0.
fn silence(graph: &Graph, weights: &mut Weights, kept: &[Vec<usize>]) {
    let roles = [ParamRole::ConvWeight, ParamRole::ConvBias, ParamRole::BnGamma, ParamRole::BnBeta];
    for (id, node) in graph.iter() {
        for spec in graph.node_params(id).into_iter().filter(|spec| roles.contains(&spec.role)) {
            let array = weights.require_mut(&spec.name).unwrap();
            let row = array.data().len() / node.channels();
            for (channel, values) in array.data_mut().chunks_exact_mut(row).enumerate() {
                if kept[id.index()].binary_search(&channel).is_err() {
                    values.fill(0.0);
                }
            }
        }
    }
}

#[test]
fn a_mean_that_no_parameter_can_take_is_reported() {
    let text = "x = input() channels=3
        a = conv2d(x) out_channels=8 kernel=3 stride=1 padding=1 bias=false
        a.bn = batch_norm(a) eps=0.001 momentum=0.03
        b = conv2d(a.bn) out_channels=4 kernel=1 stride=1 padding=0 bias=false
        c = conv2d(x) out_channels=4 kernel=3 stride=1 padding=1 bias=true
        y = add(b, c)
        outputs = y";
    let graph: Graph = text.parse().unwrap();
    let weights = random_weights(3, &graph);
    let (_, _, result) = reconstructed(&graph, &weights, &without(&graph, &[("a", 2)]));
    assert_eq!(result.lost, ["b"]);
    assert!(result.to_string().ends_with("could not be restored for b"), "{result}");
}

#[test]
fn weights_of_another_plan_are_refused() {
    let (graph, weights) = chain();
    let plan = without(&graph, &[("a", 2)]);
    let mut source = |layers: &[NodeId], batch: usize| -> Result<Vec<Array>, BoxError> {
        Ok(activations(&graph, &weights, layers, &images(batch)))
    };
    let mut unpruned = weights.clone();
    let error = reconstruct(&plan, &graph, &weights, &mut unpruned, 2, &mut source).unwrap_err();
    let PruneError::Checkpoint(source) = &error else { panic!("{error:?}") };
    assert!(matches!(&**source, CheckpointError::Shape { name, .. } if name == "b.weight"), "{source}");
}

#[test]
fn the_same_images_give_the_same_bits() {
    let (graph, weights) = chain();
    let plan = without(&graph, &[("a", 2), ("b", 5)]);
    let first = reconstructed(&graph, &weights, &plan);
    let again = reconstructed(&graph, &weights, &plan);
    assert_eq!((first.1, first.2), (again.1, again.2));
}

#[test]
fn unusable_activations_are_refused() {
    let (graph, weights) = chain();
    let plan = without(&graph, &[("a", 2)]);
    let (_, remaining) = apply_to_graph(&plan, &graph, &weights).unwrap();
    let attempt = |batches: usize, result: &dyn Fn() -> Result<Vec<Array>, BoxError>| {
        let mut source = |_: &[NodeId], _: usize| result();
        reconstruct(&plan, &graph, &weights, &mut remaining.clone(), batches, &mut source).unwrap_err()
    };
    let zeros = |shape: &[usize]| Ok(vec![Array::zeros(shape)]);
    assert!(matches!(attempt(1, &|| zeros(&[1, 8, 4, 4])), PruneError::Policy { .. }));
    for (result, part) in [
        (&(|| zeros(&[1, 8, 4])) as &dyn Fn() -> _, "expected 4 axes"),
        (&|| zeros(&[1, 7, 4, 4]), "expected 8"),
        (&|| zeros(&[0, 8, 4, 4]), "no window"),
        (&|| Ok(Vec::new()), "too few"),
        (&|| Err("broken".into()), "broken"),
        (
            &|| Ok(vec![Array::new(&[1, 8, 4, 4], vec![f32::NAN; 128])]),
            "the inputs of `b` have the value NaN",
        ),
    ] {
        let error = attempt(2, result);
        let PruneError::Service { source, .. } = &error else { panic!("{error}") };
        assert!(source.to_string().contains(part), "{source}");
    }
}
