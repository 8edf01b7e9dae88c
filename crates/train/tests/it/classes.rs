//! The order of the classes does not matter: a training step after exchanging two class outputs equals
//! exchanging them after the step.

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Checkpoint;
use bonsai_exec::ExecutorKind;
use bonsai_graph::ClassMap;
use bonsai_testkit::{Tolerance, assert_arrays_close, random_array};
use bonsai_train::{Batch, BatchResult, BatchSource, TrainConfig};
use bonsai_yolov8::{Scale, Target, build, init, with_classes};

use crate::noise::{KINDS, Recorder, no_penalty, run};

const CLASSES: [&str; 4] = ["ant", "bee", "cow", "dog"];

/// One batch of noise with objects of every class, numbered by the order in the class names.
struct Herd<'a>(&'a [String]);

impl BatchSource for Herd<'_> {
    fn batches(&self) -> usize {
        1
    }

    fn epoch(&mut self, _: usize, first: usize) -> Box<dyn Iterator<Item = BatchResult> + '_> {
        let target = |i: usize| {
            let class_id = self.0.iter().position(|name| name == CLASSES[i % 4]).unwrap();
            let bbox = Cxcywh { cx: 0.25 + 0.08 * i as f32, cy: 0.4, w: 0.3, h: 0.25 + 0.05 * i as f32 };
            Target { image: i / 3, class_id, bbox }
        };
        let batch = move |_| {
            Ok(Batch {
                images: random_array(5, &[2, 3, 64, 64]),
                targets: (0..6).map(target).collect(),
                names: Vec::new(),
            })
        };
        Box::new((first..1).map(batch))
    }
}

fn owned(names: [&str; 4]) -> Vec<String> {
    names.map(str::to_owned).to_vec()
}

fn step(kind: ExecutorKind, start: &Checkpoint) -> Checkpoint {
    let config = TrainConfig { epochs: 1, batch: 2, nbs: 2, warmup_epochs: 0.0, ..TrainConfig::default() };
    let mut batches = Herd(start.model.class_names());
    let last = run(kind, start, &config, &mut batches, &no_penalty, &mut Recorder::default()).unwrap().last;
    let state = last.train.unwrap();
    assert_eq!(state.progress.updates, 1);
    Checkpoint { weights: state.raw, train: None, ..last }
}

#[test]
fn a_step_of_exchanged_classes_is_the_exchanged_step() {
    let start = init(&build(Scale::N, &owned(CLASSES)).unwrap(), 3).unwrap();
    for order in [["bee", "ant", "cow", "dog"], ["dog", "cow", "ant", "bee"]] {
        let classes = ClassMap::new(&owned(CLASSES), &owned(order));
        let exchanged = |checkpoint: &Checkpoint| with_classes(checkpoint, &classes, 0).unwrap();
        for kind in KINDS {
            let before = step(kind, &exchanged(&start));
            let after = exchanged(&step(kind, &start));
            assert_eq!(before.model.class_names(), owned(order));
            for ((name, before), (_, after)) in before.weights.iter().zip(after.weights.iter()) {
                // The gradient that reaches earlier layers is a sum over the class outputs, so its rounding
                // depends on their order.
                assert_arrays_close(before, after, Tolerance::Close, &format!("{kind:?}, {order:?}: {name}"));
                assert!(start.weights.get(name).unwrap().shape() == before.shape(), "{name}");
            }
            let last = "model.22.cv3.0.2.weight";
            assert!(before.weights.get(last) != start.weights.get(last), "nothing was trained");
        }
    }
}
