//! Tests of the ranges for 8-bit integers: every wire that needs a range gets one from the images, and the
//! same one again.

use std::path::PathBuf;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::{Op, Size};
use bonsai_onnx::{ExportOptions, OnnxInfo, Placement, Quantization, quantized_wires};
use bonsai_pipeline::{PipelineConfig, Quiet, jobs};
use bonsai_stages::{
    Calibration, Range, RunContext, calibrate_stage, draw_dataset, open_dataset, start_checkpoint,
};
use tempfile::TempDir;

use crate::tiny_run::tiny_config;

/// A drawn dataset and an untrained network for it.
struct Drawn {
    folder: TempDir,
    config: PipelineConfig,
    checkpoint: Checkpoint,
}

impl Drawn {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = tiny_config();
        let yaml = draw_dataset(&config.shapes, &folder.path().join("shapes")).unwrap();
        let names = open_dataset(&yaml, &mut Quiet).unwrap().class_names;
        config.data = Some(yaml);
        let checkpoint = start_checkpoint("yolov8n", &names, 1, &mut Quiet).unwrap();
        Self { folder, config, checkpoint }
    }

    fn calibrate(&self, range: Range, images: usize, seed: u64) -> Quantization {
        let config = &self.config;
        let data = open_dataset(config.data.as_ref().unwrap(), &mut Quiet).unwrap();
        let executor = config.executor_options().unwrap();
        let context = RunContext {
            imgsz: config.imgsz,
            seed,
            executor,
            loader: config.loader,
            rect: false,
            ranks: None,
        };
        let calibration = Calibration { range, images, ..Calibration::default() };
        calibrate_stage(&self.checkpoint, &calibration, &data.train, &context).unwrap()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

#[test]
fn every_wire_has_the_range_of_its_values() {
    let drawn = Drawn::new();
    let all = drawn.calibrate(Range::MinMax, 8, 1);
    let folded = drawn.checkpoint.clone().fold_batch_norm().unwrap();
    let graph = folded.model.graph();
    let wires = quantized_wires(graph, Placement::InputsAndOutputs);
    assert_eq!(all.ranges.len(), wires.len());
    let (low, high) = all.ranges[graph.node(graph.input()).name()];
    assert!(low >= 0.0 && high <= 1.0 && high > 0.5, "images: {low} to {high}");
    for (wire, (low, high)) in &all.ranges {
        assert!(low <= high && high.is_finite(), "{wire}: {low} to {high}");
        if matches!(graph.node(graph.find(wire).unwrap()).op(), Op::Silu) {
            // The minimum of x * sigmoid(x).
            assert!(*low >= -0.2785, "{wire} goes down to {low}");
        }
    }
    // A percentile only narrows a range.
    let most = drawn.calibrate(Range::Percentile(99.0), 8, 1);
    let mut narrower = 0;
    for (wire, (low, high)) in &most.ranges {
        let (lowest, highest) = all.ranges[wire];
        assert!(lowest <= *low && *high <= highest, "{wire}: {low} to {high} in {lowest} to {highest}");
        narrower += usize::from(*high < highest || lowest < *low);
    }
    assert!(narrower * 2 > most.ranges.len(), "{narrower} of {}", most.ranges.len());
    // The seed selects the images, and nothing else has an influence.
    assert_eq!(all, drawn.calibrate(Range::MinMax, 8, 1));
    assert_ne!(all, drawn.calibrate(Range::MinMax, 8, 2));
}

#[test]
fn a_file_of_integers_comes_out_and_needs_images() {
    let mut drawn = Drawn::new();
    let weights = drawn.file("start.safetensors");
    let out = drawn.file("int8.onnx");
    drawn.checkpoint.save(&weights).unwrap();
    let calibration = Calibration { images: 4, ..Calibration::default() };
    let options = ExportOptions::new(Size { height: 64, width: 96 });
    jobs::export(&drawn.config, &weights, &out, &options, Some(&calibration), &mut Quiet).unwrap();
    let info = OnnxInfo::open(&out).unwrap();
    assert_eq!(info.op_counts["QuantizeLinear"], 114);
    assert_eq!(info.imgsz, Some(Size { height: 64, width: 96 }));

    let old = ExportOptions { opset: 12, ..options.clone() };
    let error =
        jobs::export(&drawn.config, &weights, &out, &old, Some(&calibration), &mut Quiet).unwrap_err();
    assert!(error.to_string().contains("opset below 13"), "{error}");
    drawn.config.data = None;
    let error =
        jobs::export(&drawn.config, &weights, &out, &options, Some(&calibration), &mut Quiet).unwrap_err();
    assert!(format!("{error:#}").contains("--data"), "{error:#}");
}

#[test]
fn ranges_are_parsed_from_their_names() {
    assert_eq!("minmax".parse(), Ok(Range::MinMax));
    assert_eq!("percentile".parse(), Ok(Range::Percentile(99.99)));
    assert_eq!("percentile:99.5".parse(), Ok(Range::Percentile(99.5)));
    for text in ["", "max", "percentile:", "percentile:30", "percentile:NaN", "minmax:3"] {
        assert!(text.parse::<Range>().is_err(), "{text}");
    }
    assert_eq!(Range::Percentile(99.5).to_string().parse(), Ok(Range::Percentile(99.5)));
}
