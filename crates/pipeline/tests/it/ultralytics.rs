//! Test: the metrics of a network that Ultralytics trained are Ultralytics' own, if both are available.

use bonsai_pipeline::jobs::{Validation, validate};
use bonsai_pipeline::{PipelineConfig, SplitKind};
use bonsai_testkit::shared_data;

/// Largest difference of a metric. On the same pixels the metrics agree to 1e-6; two JPEG decoders differ by
/// up to three levels.
const BOUND: f64 = 0.003;

#[test]
fn metrics_are_those_of_ultralytics() {
    let (Some(folder), Some(data)) =
        (shared_data("weights/bccd-yolov8n"), shared_data("data/bccd/data.yaml"))
    else {
        return;
    };
    let text = std::fs::read_to_string(folder.join("figures.json")).unwrap();
    let figures: serde_json::Value = serde_json::from_str(&text).unwrap();
    let mut config = PipelineConfig { data: Some(data), imgsz: 320, ..PipelineConfig::default() };
    config.baseline.batch = 16;
    let how = Validation { rect: true, ..Validation::default() };
    for (split, name) in [(SplitKind::Val, "val"), (SplitKind::Test, "test")] {
        let validated =
            validate(&config, &folder.join("best.pt"), split, &how, &mut bonsai_pipeline::Quiet).unwrap();
        let metrics = validated.metrics;
        for (what, ours) in [("map50", metrics.map50), ("map50_95", metrics.map50_95)] {
            let theirs = figures[name][what].as_f64().unwrap();
            assert!((ours - theirs).abs() <= BOUND, "{what} on {name}: {ours}, Ultralytics has {theirs}");
        }
    }
}
