//! A trained network for other classes.

use bonsai_checkpoint::{Checkpoint, CheckpointError};
use bonsai_graph::{DetectHead, ModelSpec, Op};

use crate::init;

/// The same network, pruned or not, for these classes: the last convolutions of the class branches get as many outputs as
/// there are names and start anew from `seed`; everything else keeps its weights. With as many classes as before only the
/// names change. Training state is dropped.
///
/// # Errors
/// [`CheckpointError`] if there are no classes or too many, or the weights are not those of the graph.
pub fn with_classes(
    checkpoint: &Checkpoint,
    class_names: &[String],
    seed: u64,
) -> Result<Checkpoint, CheckpointError> {
    let (old, head) = (checkpoint.model.graph(), checkpoint.model.head());
    let is_last = |id| head.cls_outputs.iter().any(|output| old.outputs()[*output] == id);
    let graph = old.map_ops(|id, node| match *node.op() {
        Op::Conv2d { kernel, stride, padding, bias, groups, .. } if is_last(id) => {
            Op::Conv2d { out_channels: class_names.len(), kernel, stride, padding, bias, groups }
        }
        op => op,
    })?;
    let head = DetectHead { num_classes: class_names.len(), ..head.clone() };
    let model = ModelSpec::new(graph, head, class_names.to_vec())?;
    let mut moved = init(&model, seed)?;
    for (name, array) in checkpoint.weights.iter() {
        let fresh = moved.weights.require_mut(name)?;
        if fresh.shape == array.shape {
            *fresh = array.clone();
        }
    }
    moved.metadata.clone_from(&checkpoint.metadata);
    Ok(moved)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Scale, build};

    fn names(n: usize) -> Vec<String> {
        (0..n).map(|i| format!("class{i}")).collect()
    }

    #[test]
    fn only_the_last_class_convolutions_start_anew() {
        let mut trained = init(&build(Scale::N, &names(5)).unwrap(), 1).unwrap();
        trained.metadata.insert("imgsz".to_owned(), "320".to_owned());
        let moved = with_classes(&trained, &names(2), 7).unwrap();
        assert_eq!((moved.model.class_names(), &moved.metadata), (&names(2)[..], &trained.metadata));
        let fresh = init(&moved.model, 7).unwrap();
        for (name, array) in moved.weights.iter() {
            let last = name.starts_with("model.22.cv3.")
                && (name.ends_with(".2.weight") || name.ends_with(".2.bias"));
            let source = if last { &fresh } else { &trained };
            assert!(source.weights.get(name) == Some(array), "{name}");
        }
        let shape = &moved.weights.get("model.22.cv3.1.2.weight").unwrap().shape;
        assert_eq!(shape[0], 2);
    }

    #[test]
    fn as_many_classes_keep_all_weights() {
        let trained = init(&build(Scale::N, &names(2)).unwrap(), 1).unwrap();
        let other = ["leaf".to_owned(), "twig".to_owned()];
        let moved = with_classes(&trained, &other, 7).unwrap();
        assert!(moved.weights == trained.weights);
        assert_eq!(moved.model.class_names(), other);
        assert!(with_classes(&trained, &[], 7).is_err());
    }
}
