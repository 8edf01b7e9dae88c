//! Tests of a network on a dataset that has its classes in another order, only some of them, more, or others.

use std::path::Path;
use std::sync::Arc;

use bonsai_boxes::{Cxcywh, Detection};
use bonsai_checkpoint::Checkpoint;
use bonsai_data::{Label, Split};
use bonsai_detector::Detector;
use bonsai_exec::ExecutorOptions;
use bonsai_graph::ClassMap;
use bonsai_pipeline::{
    EvalOptions, Evaluation, ForeignClasses, Importance, LoadingConfig, PipelineConfig, Progress, Quiet,
    evaluate, is_misuse,
};
use bonsai_stages::{
    Data, Objective, draw_dataset, open_dataset, prune_stage, train_stage, validation_loader,
};
use bonsai_testkit::random_weights;
use bonsai_yolov8::{NmsOptions, Scale, build, with_classes};

const CLASSES: [&str; 4] = ["circle", "square", "triangle", "star"];
const SIDE: usize = 64;
/// Above the number of anchors of an image, so that no detection is dropped.
const ALL: usize = 1000;

fn owned(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn drawn(folder: &Path) -> Data {
    let mut shapes = PipelineConfig::drawn().shapes;
    (shapes.train, shapes.val, shapes.test, shapes.imgsz) = (4, 4, 0, SIDE);
    open_dataset(&draw_dataset(&shapes, &folder.join("shapes")).unwrap(), &mut Quiet).unwrap()
}

fn network(seed: u64) -> Checkpoint {
    let model = build(Scale::N, &owned(&CLASSES)).unwrap();
    let mut weights = random_weights(seed, model.graph());
    for level in 0..3 {
        // Boxes of some 10 to 40 pixels, which fit into the image: near distances are the likely ones.
        let bias = weights.get_mut(&format!("model.22.cv2.{level}.2.bias")).unwrap();
        bias.data_mut().iter_mut().enumerate().for_each(|(i, value)| *value -= (i % 16) as f32);
    }
    Checkpoint::new(model, weights).unwrap()
}

fn evaluation(network: &Checkpoint, split: &Split, most: usize) -> (Evaluation, Vec<Vec<Detection>>) {
    let mut detector = Detector::from_checkpoint(network.clone(), ExecutorOptions::default()).unwrap();
    let loader = validation_loader(&Arc::new(split.clone()), SIDE, 4, &LoadingConfig::default()).unwrap();
    let suppression = NmsOptions { max_detections: most, ..NmsOptions::VALIDATION };
    let mut seen = Vec::new();
    let mut watch = |_, _: &bonsai_data::Batch, found: &[Vec<Detection>]| seen.extend(found.to_vec());
    let evaluation =
        evaluate(&mut detector, &loader, &EvalOptions { suppression, ..EvalOptions::default() }, &mut watch)
            .unwrap();
    (evaluation, seen)
}

/// A split on which this network is partly right: the labels are some of its own detections, slightly
/// shifted.
fn labelled(network: &Checkpoint, split: &Split) -> Split {
    let mut split = split.clone();
    let found = evaluation(network, &split, ALL).1;
    for (sample, found) in split.samples.iter_mut().zip(found) {
        assert_eq!(sample.size, (SIDE as u32, SIDE as u32));
        let label = |(i, d): (usize, Detection)| {
            let scale = SIDE as f32;
            let w = (d.bbox.x2 - d.bbox.x1) / scale;
            let h = (d.bbox.y2 - d.bbox.y1) / scale;
            let cx = f32::midpoint(d.bbox.x1, d.bbox.x2) / scale;
            let cy = f32::midpoint(d.bbox.y1, d.bbox.y2) / scale;
            // Every fourth label has another class than the detection.
            let class_id = if i % 4 == 3 { (d.class_id + 1) % 4 } else { d.class_id };
            Label { class_id, bbox: Cxcywh { cx: cx + 0.04 * w * (i % 3) as f32, cy, w, h } }
        };
        let inside = |d: &Detection| d.bbox.clip(SIDE as f32, SIDE as f32) == d.bbox;
        sample.labels = found.into_iter().filter(inside).step_by(7).take(12).enumerate().map(label).collect();
    }
    split
}

/// The same objects with other class numbers; objects of classes that `names` lacks are removed.
fn renumbered(split: &Split, names: &[&str]) -> Split {
    let mut other = Split { class_names: owned(names), ..split.clone() };
    for sample in &mut other.samples {
        sample.labels.retain_mut(|label| {
            let place = names.iter().position(|name| *name == CLASSES[label.class_id]);
            label.class_id = place.unwrap_or_default();
            place.is_some()
        });
    }
    other
}

fn close(a: f64, b: f64, bound: f64) {
    assert!((a - b).abs() <= bound, "{a} and {b}");
}

#[test]
fn metrics_do_not_depend_on_the_order_of_the_datasets_classes() {
    let folder = tempfile::tempdir().unwrap();
    let data = drawn(folder.path());
    for (seed, order) in [(1, [1, 0, 2, 3]), (2, [3, 2, 1, 0]), (3, [1, 2, 3, 0]), (4, [2, 0, 3, 1])] {
        let network = network(seed);
        let split = labelled(&network, &data.val);
        let names = order.map(|class| CLASSES[class]);
        let ((straight, found), (mapped, other)) =
            (evaluation(&network, &split, ALL), evaluation(&network, &renumbered(&split, &names), ALL));
        let figures = straight.metrics;
        assert!(figures.map50 > 0.01 && figures.map50 < 0.99, "a metric that can change: {}", figures.map50);
        assert!(straight.classes.is_plain() && !mapped.classes.is_plain());
        // The mean sums the classes in another order.
        close(mapped.metrics.map50, figures.map50, 1e-12);
        close(mapped.metrics.map50_95, figures.map50_95, 1e-12);
        for (place, class) in order.into_iter().enumerate() {
            let ours = &mapped.metrics.per_class[place];
            let theirs = &figures.per_class[class];
            assert_eq!(
                (ours.class_id, ours.instances, ours.ap50, ours.ap50_95),
                (place, theirs.instances, theirs.ap50, theirs.ap50_95)
            );
            for (beside, other) in order.into_iter().enumerate() {
                assert_eq!(mapped.confusion.count(place, beside), straight.confusion.count(class, other));
            }
        }
        for (a, b) in found.iter().flatten().zip(other.iter().flatten()) {
            assert_eq!(
                (a.bbox, a.class_id),
                (b.bbox, order[b.class_id]),
                "detections have the class numbers of the dataset"
            );
        }
        // The metrics are also the same for a network whose outputs are put into the order of the dataset, as
        // trainings do.
        let moved = with_classes(&network, &ClassMap::new(&owned(&CLASSES), &owned(&names)), 0).unwrap();
        let (moved, _) = evaluation(&moved, &renumbered(&split, &names), ALL);
        assert!(moved.classes.is_plain());
        // Suppression shifts boxes by the number of their class, which rounds their corners. So a box more or
        // less may remain.
        close(moved.metrics.map50, figures.map50, 0.02);
    }
}

#[test]
fn classes_of_one_side_alone_take_no_part() {
    let folder = tempfile::tempdir().unwrap();
    let data = drawn(folder.path());
    let network = network(7);
    let split = labelled(&network, &data.val);
    let all = evaluation(&network, &split, ALL).0.metrics;
    assert!(all.map50 > 0.01, "{}", all.map50);
    let fewer = renumbered(&split, &["star", "square"]);
    let two = evaluation(&network, &fewer, ALL).0;
    assert_eq!(two.metrics.per_class.len(), 2);
    assert_eq!(two.metrics.per_class[0].ap50, all.per_class[3].ap50);
    assert_eq!(two.metrics.per_class[1].ap50, all.per_class[1].ap50);
    // Detections of other classes take no place: if few detections are kept, all are of the wanted classes.
    let narrowed = with_classes(&network, &ClassMap::new(&owned(&CLASSES), &fewer.class_names), 0).unwrap();
    let few = [&network, &narrowed].map(|of| evaluation(of, &fewer, 10).0.metrics);
    close(few[0].map50, few[1].map50, 0.02);
    assert_eq!(few[0].instances, few[1].instances);
    // Objects of a class that the network lacks do not count as missed.
    let mut more = split.clone();
    more.class_names = owned(&["circle", "square", "hexagon", "star"]);
    let known = evaluation(&network, &more, ALL).0;
    assert_eq!(
        (known.metrics.per_class[2].instances, known.classes.missing().collect::<Vec<_>>()),
        (0, vec![2])
    );
    assert_eq!(known.metrics.per_class[0].ap50, all.per_class[0].ap50);
    let mean = [0, 1, 3].map(|class| all.per_class[class].ap50).iter().sum::<f64>() / 3.0;
    close(known.metrics.map50, mean, 1e-12);
}

#[test]
fn without_a_common_class_there_are_no_metrics() {
    let folder = tempfile::tempdir().unwrap();
    let data = drawn(folder.path());
    for (names, part) in [
        (&["dog", "cat", "cow", "elk", "owl"][..], "`dog`, `cat`"),
        (&["star", "star", "square", "cat"], "more than once: `star`"),
    ] {
        let split = Split { class_names: owned(names), ..(*data.val).clone() };
        let mut detector = Detector::from_checkpoint(network(1), ExecutorOptions::default()).unwrap();
        let loader = validation_loader(&Arc::new(split), SIDE, 4, &LoadingConfig::default()).unwrap();
        let error = evaluate(&mut detector, &loader, &EvalOptions::default(), &mut |_, _, _| {}).unwrap_err();
        assert!(error.is::<ForeignClasses>() && is_misuse(&error), "{error:#}");
        assert!(error.to_string().contains(part), "{error:#}");
    }
}

#[test]
fn gradients_for_pruning_are_those_of_the_right_classes() {
    let folder = tempfile::tempdir().unwrap();
    let data = drawn(folder.path());
    let config = PipelineConfig { imgsz: SIDE, ..PipelineConfig::default() };
    let context = config.run_context().unwrap();
    let mut settings = config.prune_settings();
    settings.score.importance = Importance::Taylor;
    (settings.policy.prune_ratio, settings.policy.target) = (0.3, None);
    settings.extras.gradient_batches = 1;
    let network = network(2);
    let plan = |data: &Data| {
        prune_stage(&network, &settings, &context, Some(data), &mut |_| ()).map(|pruned| pruned.plan)
    };
    let other = |names: &[&str]| Data {
        train: Arc::new(renumbered(&data.train, names)),
        class_names: owned(names),
        ..data.clone()
    };
    let straight = plan(&data).unwrap();
    assert!(plan(&other(&["star", "circle", "square", "triangle"])).unwrap() == straight);
    assert!(is_misuse(&plan(&other(&["a", "b", "c", "d", "e"])).unwrap_err()));
}

#[test]
fn nothing_is_trained_on_another_classs_output() {
    let folder = tempfile::tempdir().unwrap();
    let data = drawn(folder.path());
    let config = PipelineConfig { imgsz: SIDE, ..PipelineConfig::default() };
    let context = config.run_context().unwrap();
    let names = owned(&["square", "circle", "triangle", "star"]);
    let other = Data { class_names: names.clone(), ..data };
    let mut quiet = Quiet;
    let mut progress: &mut dyn Progress = &mut quiet;
    let error =
        train_stage(&network(1), &other, &config.finetune, Objective::Detection, &context, &mut progress)
            .unwrap_err();
    assert!(error.to_string().contains("same order"), "{error:#}");
}
