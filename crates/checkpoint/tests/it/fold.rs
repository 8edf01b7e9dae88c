//! Tests of [`Checkpoint::fold_batch_norm`]: the same outputs in evaluation, on random networks and by hand.

use bonsai_checkpoint::{Array, Checkpoint, Weights};
use bonsai_graph::{DetectHead, Graph, ModelSpec};
use bonsai_testkit::{
    RandomGraphConfig, Tolerance, arb_model, assert_arrays_close, random_array, reference_forward,
};
use proptest::prelude::*;

use crate::{assert_names, trained};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_folded_network_computes_the_same(model in arb_model(RandomGraphConfig::default()), seed in 0..99u64) {
        let folded = model.checkpoint.clone().fold_batch_norm().unwrap();
        let images = random_array(seed, &[2, 3, model.h, model.w]);
        let run = |c: &Checkpoint| reference_forward(c.model.graph(), &c.weights, &images, false);
        for (i, (new, old)) in run(&folded).iter().zip(&run(&model.checkpoint)).enumerate() {
            assert_arrays_close(new, old, Tolerance::Close, &format!("output {i}"));
        }
    }
}

/// One channel in, four out, one class: `a` is folded, and its reader `c` is the class output.
fn by_hand(bias: bool) -> Checkpoint {
    let graph: Graph = format!(
        "x = input() channels=1
         a = conv2d(x) out_channels=4 kernel=1 stride=1 padding=0 bias={bias}
         b = batch_norm(a) eps=0.5 momentum=0.03
         c = slice(b) start=0 len=1
         outputs = b, c"
    )
    .parse()
    .unwrap();
    let head = DetectHead {
        num_classes: 1,
        reg_max: 1,
        strides: vec![1],
        box_outputs: vec![0],
        cls_outputs: vec![1],
    };
    let model = ModelSpec::new(graph, head, vec!["cell".to_owned()]).unwrap();
    let mut weights = Weights::new();
    weights.insert("a.weight", Array::new(&[4, 1, 1, 1], vec![1.0, 2.0, 3.0, 4.0]));
    if bias {
        weights.insert("a.bias", Array::new(&[4], vec![5.0, 5.0, 5.0, 5.0]));
    }
    weights.insert("b.weight", Array::new(&[4], vec![2.0, -2.0, 0.0, 6.0]));
    weights.insert("b.bias", Array::new(&[4], vec![0.25, 0.5, 0.75, 1.0]));
    weights.insert("b.running_mean", Array::new(&[4], vec![1.0, 2.0, 3.0, 4.0]));
    weights.insert("b.running_var", Array::new(&[4], vec![3.5, 0.5, 0.5, 8.5]));
    Checkpoint::new(model, weights).unwrap()
}

#[test]
fn weights_and_biases_by_hand() {
    // Scales gamma / sqrt(var + eps) are 2/2, -2/1, 0/1 and 6/3.
    let folded = by_hand(false).fold_batch_norm().unwrap();
    let of = |c: &Checkpoint, name: &str| c.weights.get(name).unwrap().data().to_vec();
    assert_eq!(of(&folded, "a.weight"), [1.0, -4.0, 0.0, 8.0]);
    // beta - mean * scale
    assert_eq!(of(&folded, "a.bias"), [-0.75, 4.5, 0.75, -7.0]);
    assert_eq!(folded.weights.len(), 2);

    // beta + (5 - mean) * scale
    let folded = by_hand(true).fold_batch_norm().unwrap();
    assert_eq!(of(&folded, "a.weight"), [1.0, -4.0, 0.0, 8.0]);
    assert_eq!(of(&folded, "a.bias"), [4.25, -5.5, 0.75, 3.0]);
}

#[test]
fn folding_drops_training_and_keeps_notes() {
    let checkpoint = trained(0);
    let folded = checkpoint.clone().fold_batch_norm().unwrap();
    assert_eq!((folded.train.is_none(), &folded.metadata), (true, &checkpoint.metadata));
    assert_eq!(folded.model.class_names(), checkpoint.model.class_names());
    let again = folded.clone().fold_batch_norm().unwrap();
    assert_eq!(again, folded, "nothing is left to fold");
    assert_eq!(Checkpoint::from_bytes(&folded.to_bytes().unwrap()).unwrap(), folded);
}

#[test]
fn weights_that_do_not_belong_to_the_graph_are_refused() {
    let mut checkpoint = by_hand(false);
    checkpoint.weights.insert("b.running_mean", Array::zeros(&[3]));
    assert_names(&checkpoint.fold_batch_norm().unwrap_err().to_string(), &["`b.running_mean`", "[4]", "[3]"]);
}
