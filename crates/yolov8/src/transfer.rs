//! [`with_classes`]: a trained network for other classes.

use std::collections::BTreeMap;

use bonsai_checkpoint::{Array, Checkpoint, CheckpointError};
use bonsai_graph::{ClassMap, DetectHead, GraphError, ModelSpec, NodeId, Op};

use crate::init;

/// Returns the same network, pruned or not, for the dataset's classes in the dataset's order. In the last
/// convolutions of the class branches, outputs of common classes move to the dataset's positions with their
/// weights, outputs of new classes are initialised from `seed`, and outputs of other classes are removed.
/// Everything else keeps its weights. Training state is dropped.
///
/// # Errors
/// [`CheckpointError`] if `classes` belongs to another network, the dataset has no classes or too many, a
/// class branch does not end in a convolution without further readers, or the weights do not belong to the
/// graph.
pub fn with_classes(
    checkpoint: &Checkpoint,
    classes: &ClassMap,
    seed: u64,
) -> Result<Checkpoint, CheckpointError> {
    let old = checkpoint.model.graph();
    let head = checkpoint.model.head();
    let wrong =
        |what: &str, expected, got| Err(GraphError::Head { what: what.to_owned(), expected, got }.into());
    if classes.network() != checkpoint.model.class_names() {
        return wrong("classes matched for this network", head.num_classes, classes.network().len());
    }
    let names = classes.dataset();
    if classes.keeps_numbers() {
        let model = ModelSpec::new(old.clone(), head.clone(), names.to_vec())?;
        return Ok(Checkpoint { model, ..checkpoint.deployed() });
    }
    let last: Vec<NodeId> = head.cls_outputs.iter().map(|output| old.outputs()[*output]).collect();
    let consumers = old.consumers();
    let own =
        |id: &NodeId| matches!(old.node(*id).op(), Op::Conv2d { .. }) && consumers[id.index()].is_empty();
    let movable = last.iter().filter(|id| own(id)).count();
    if movable != last.len() {
        return wrong("class outputs of a convolution that nothing else reads", last.len(), movable);
    }
    checkpoint.weights.verify(&old.params())?;
    let graph = old.map_ops(|id, node| {
        let mut op = *node.op();
        if let Op::Conv2d { out_channels, .. } = &mut op
            && last.contains(&id)
        {
            *out_channels = names.len();
        }
        op
    })?;
    let head = DetectHead { num_classes: names.len(), ..head.clone() };
    let mut moved = init(&ModelSpec::new(graph, head, names.to_vec())?, seed)?;
    let nodes: BTreeMap<String, NodeId> = old.params().into_iter().map(|p| (p.name, p.node)).collect();
    for (name, array) in checkpoint.weights.iter() {
        let fresh = moved.weights.require_mut(name)?;
        if nodes.get(name).is_some_and(|node| last.contains(node)) {
            move_outputs(array, fresh, classes);
        } else {
            *fresh = array.clone();
        }
    }
    moved.metadata.clone_from(&checkpoint.metadata);
    Ok(moved)
}

/// Copies the rows of a kernel or bias `[classes, ...]`, output by output.
fn move_outputs(from: &Array, to: &mut Array, classes: &ClassMap) {
    let length = from.data().len() / classes.network().len().max(1);
    for (class, values) in to.data_mut().chunks_exact_mut(length.max(1)).enumerate() {
        if let Some(of) = classes.network_class(class) {
            values.copy_from_slice(&from.data()[of * length..][..length]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scale, build};

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn trained(of: &[&str]) -> Checkpoint {
        let mut trained = init(&build(Scale::N, &names(of)).unwrap(), 1).unwrap();
        trained.metadata.insert("imgsz".to_owned(), "320".to_owned());
        trained
    }

    fn moved(trained: &Checkpoint, to: &[&str]) -> Checkpoint {
        with_classes(trained, &ClassMap::new(trained.model.class_names(), &names(to)), 7).unwrap()
    }

    /// The weights of one class in the last class convolutions.
    fn output(of: &Checkpoint, class: usize) -> Vec<Vec<f32>> {
        let last = of.weights.iter().filter(|(name, _)| is_last(name));
        last.map(|(_, array)| {
            array.data().chunks_exact(array.data().len() / array.shape()[0]).nth(class).unwrap().to_vec()
        })
        .collect()
    }

    fn is_last(name: &str) -> bool {
        name.starts_with("model.22.cv3.") && (name.ends_with(".2.weight") || name.ends_with(".2.bias"))
    }

    #[test]
    fn classes_that_both_have_keep_their_outputs_wherever_they_go() {
        let trained = trained(&["a", "b", "c"]);
        let moved = moved(&trained, &["c", "new", "A"]);
        assert_eq!(
            (moved.model.class_names(), &moved.metadata),
            (&names(&["c", "new", "A"])[..], &trained.metadata)
        );
        assert_eq!(output(&moved, 0), output(&trained, 2));
        assert_eq!(output(&moved, 2), output(&trained, 0));
        assert_eq!(
            output(&moved, 1),
            output(&init(&moved.model, 7).unwrap(), 1),
            "new classes must be initialised from the seed"
        );
        for (name, array) in moved.weights.iter().filter(|(name, _)| !is_last(name)) {
            assert!(trained.weights.get(name) == Some(array), "{name}");
        }
    }

    #[test]
    fn without_a_common_class_all_outputs_start_anew() {
        for to in [&["x", "y", "z"][..], &["x", "y"]] {
            let trained = trained(&["a", "b", "c"]);
            let moved = moved(&trained, to);
            let fresh = init(&build(Scale::N, &names(to)).unwrap(), 7).unwrap();
            for class in 0..to.len() {
                assert_eq!(output(&moved, class), output(&fresh, class));
            }
        }
    }

    #[test]
    fn names_that_are_numbers_keep_all_weights() {
        let trained = trained(&["class0", "class1"]);
        let moved = moved(&trained, &["leaf", "twig"]);
        assert!(moved.weights == trained.weights);
        assert_eq!(moved.model.class_names(), names(&["leaf", "twig"]));
    }

    #[test]
    fn a_map_of_another_network_and_no_classes_are_refused() {
        let trained = trained(&["a", "b"]);
        let of = |network: &[&str], dataset: &[&str]| ClassMap::new(&names(network), &names(dataset));
        assert!(with_classes(&trained, &of(&["b", "a"], &["a", "b"]), 7).is_err());
        assert!(with_classes(&trained, &of(&["a", "b"], &[]), 7).is_err());
    }
}
