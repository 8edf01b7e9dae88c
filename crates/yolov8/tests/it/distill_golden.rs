//! Distillation losses and their gradients compared with PyTorch's autograd in f64.
//!
//! Reads `fixtures/yolov8/distill.safetensors.gz`; its generator documents the tensors.

use bonsai_testkit::Golden;
use bonsai_yolov8::{
    AnchorWeight, DistillGains, FeatureMap, HeadOutput, ImitationConfig, LevelOutput, distillation_loss,
    imitate_features,
};

use crate::golden::assert_close;

/// Tolerance relative to the largest magnitude in a tensor, because logits and exponentials are f32.
const RELATIVE: f32 = 1e-5;
/// Tolerance for LD at temperature 10: the loss is the square of a small difference between two
/// distributions, whose f32 probabilities have an error of 3e-7.
const RELATIVE_TEMPERED: f32 = 1e-4;

fn load() -> Golden {
    Golden::load("fixtures/yolov8/distill.safetensors.gz")
}

fn head<'a>(golden: &'a Golden, who: &str) -> HeadOutput<'a> {
    let level = |(level, stride): (usize, usize)| {
        let boxes = golden.get(&format!("{who}.box.{level}"));
        let classes = golden.get(&format!("{who}.cls.{level}"));
        let h = boxes.shape()[2];
        let w = boxes.shape()[3];
        LevelOutput { box_logits: boxes.data(), cls_logits: classes.data(), h, w, stride }
    };
    HeadOutput::new(2, 3, 16, [8, 16].into_iter().enumerate().map(level).collect()).unwrap()
}

fn check(case: &str, relative: f32) {
    let golden = load();
    let of = |what: &str| golden.get(&format!("{case}.{what}")).data();
    let &[cls, bbox, dfl, temperature, modulated, gap, score_sum, wild] = of("settings") else {
        panic!("{case}.settings has {:?}", of("settings"));
    };
    let anchor_weight = if gap == 1.0 { AnchorWeight::Gap } else { AnchorWeight::Confidence };
    let gains = DistillGains { cls, bbox, dfl, temperature, modulated: modulated == 1.0, anchor_weight };
    let [student, teacher] =
        if wild == 1.0 { ["wild_student", "wild_teacher"] } else { ["student", "teacher"] };
    let heads = [student, teacher].map(|who| head(&golden, who));
    let found = distillation_loss(&heads[0], &heads[1], f64::from(score_sum), gains).unwrap();
    let items = [found.items.cls, found.items.bbox, found.items.dfl];
    for ((item, reference), what) in items.into_iter().zip(of("items")).zip(["cls", "bbox", "dfl"]) {
        assert_close(&format!("{case}, {what}"), &[item], &[*reference], relative);
    }
    assert_close(&format!("{case}, total"), &[found.total], of("total"), relative);
    for (level, gradient) in found.gradients.iter().enumerate() {
        for (kind, values) in [("box", &gradient.box_logits), ("cls", &gradient.cls_logits)] {
            let name = format!("grad_{kind}.{level}");
            assert_close(&format!("{case}.{name}"), values, of(&name), relative);
        }
    }
    // The defaults are the settings of the paper's case.
    assert_eq!(case == "paper", gains == DistillGains::default());
}

#[test]
fn paper() {
    check("paper", RELATIVE);
}

#[test]
fn plain_cross_entropy_and_confident_anchors() {
    check("trial", RELATIVE);
}

#[test]
fn distributions_at_a_high_temperature() {
    check("tempered", RELATIVE_TEMPERED);
}

#[test]
fn extreme_logits() {
    check("extreme", RELATIVE);
}

fn check_features(case: &str) {
    let golden = load();
    let map = |who: &str| {
        let array = golden.get(&format!("features.{who}"));
        let [n, channels, h, w] = array.shape()[..] else { panic!("{:?}", array.shape()) };
        FeatureMap { values: array.data(), n, channels, h, w }
    };
    let matching: Vec<usize> = golden.get("features.matching").data().iter().map(|&m| m as usize).collect();
    let of = |what: &str| golden.get(&format!("{case}.{what}")).data();
    let settings = ImitationConfig { tau: of("settings")[0], weight: of("settings")[1] };
    let found = imitate_features(&map("student"), &map("teacher"), &matching, settings).unwrap();
    assert_close(&format!("{case}, total"), &[found.total], of("total"), RELATIVE);
    assert_close(&format!("{case}, gradient"), &found.gradient, of("gradient"), RELATIVE);
}

#[test]
fn features() {
    check_features("features_1");
}

#[test]
fn features_at_a_high_temperature() {
    check_features("features_4");
}
