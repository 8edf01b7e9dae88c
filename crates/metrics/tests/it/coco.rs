//! [`CocoEvaluator`] compared with pycocotools.

use bonsai_metrics::{CocoDetection, CocoEvaluator, CocoMetrics, CocoTruth};
use serde_json::Value;

/// Largest difference of metrics; sums are in another order.
const BOUND: f64 = 1e-9;

fn stats(m: &CocoMetrics) -> [Option<f64>; 12] {
    [
        m.ap,
        m.ap50,
        m.ap75,
        m.ap_small,
        m.ap_medium,
        m.ap_large,
        m.ar1,
        m.ar10,
        m.ar100,
        m.ar_small,
        m.ar_medium,
        m.ar_large,
    ]
}

#[track_caller]
fn assert_stats(metrics: &CocoMetrics, expected: [f64; 12]) {
    for (i, (got, expected)) in stats(metrics).into_iter().zip(expected).enumerate() {
        let got = got.unwrap_or(-1.0);
        assert!((got - expected).abs() < BOUND, "metric {i}: {got}, expected {expected}");
    }
}

/// The generator of `fixtures/metrics/generate_coco.py`.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }

    fn below(&mut self, n: usize) -> usize {
        (self.next() * n as f64) as usize
    }

    fn bbox(&mut self) -> [f64; 4] {
        let x = self.next() * 200.0;
        let y = self.next() * 200.0;
        let mut side = || 4.0 + self.next().powi(3) * 190.0;
        [x, y, side(), side()]
    }
}

#[test]
fn a_made_up_dataset_gives_the_figures_of_pycocotools() {
    let mut draw = Draw(1);
    let mut evaluator = CocoEvaluator::new();
    let mut objects = 0;
    let mut detections = 0;
    for _ in 0..40 {
        let mut truth = Vec::new();
        let mut found = Vec::new();
        for _ in 0..draw.below(9) {
            let bbox = draw.bbox();
            let category_id = draw.below(3) as u64;
            let is_crowd = draw.below(8) == 0;
            let area = bbox[2] * bbox[3] * (0.5 + draw.next() / 2.0);
            truth.push(CocoTruth { category_id, bbox, area, is_crowd });
            for _ in 0..draw.below(4) {
                let mut shifted = bbox;
                for (i, value) in shifted.iter_mut().enumerate() {
                    *value += (draw.next() - 0.5) * 0.4 * bbox[2 + i % 2];
                }
                found.push(CocoDetection { category_id, bbox: shifted, score: draw.below(50) as f64 / 50.0 });
            }
        }
        for _ in 0..draw.below(14) {
            let category_id = draw.below(3) as u64;
            let bbox = draw.bbox();
            found.push(CocoDetection { category_id, bbox, score: draw.below(50) as f64 / 50.0 });
        }
        objects += truth.len();
        detections += found.len();
        evaluator.add_image(&found, &truth);
    }
    assert_eq!((objects, detections), (167, 495), "the dataset must be the same as in Python");
    assert_stats(
        &evaluator.finish(),
        [
            0.116_409_692_734_383_51,
            0.326_673_294_490_129_55,
            0.044_615_916_336_687_14,
            0.118_700_303_264_172_97,
            0.164_426_804_082_977_63,
            0.146_171_617_161_716_14,
            0.103_840_464_137_946_97,
            0.358_011_464_762_036_8,
            0.360_908_859_764_695,
            0.344_964_157_706_093_23,
            0.410_909_090_909_090_95,
            0.216_666_666_666_666_65,
        ],
    );
}

#[test]
fn nothing_to_be_found_is_no_figure() {
    let mut evaluator = CocoEvaluator::new();
    let detection = CocoDetection { category_id: 1, bbox: [0.0, 0.0, 9.0, 9.0], score: 0.5 };
    evaluator.add_image(&[detection], &[]);
    assert_stats(&evaluator.clone().finish(), [-1.0; 12]);
    // A crowd is not an object to detect, and a detection on it is not a false positive.
    let crowd = CocoTruth { category_id: 1, bbox: [0.0, 0.0, 50.0, 50.0], area: 2000.0, is_crowd: true };
    let object = CocoTruth { bbox: [60.0, 60.0, 40.0, 40.0], area: 1600.0, is_crowd: false, ..crowd };
    let mut evaluator = CocoEvaluator::new();
    let hit = CocoDetection { bbox: object.bbox, score: 0.4, ..detection };
    evaluator.add_image(&[detection, hit], &[crowd, object]);
    let metrics = evaluator.finish();
    // COCO adds the machine epsilon to the divisor.
    let one = 1.0 / (1.0 + f64::EPSILON);
    assert_eq!(metrics.ap_small, None);
    for figure in [metrics.ap.unwrap(), metrics.ap_medium.unwrap(), metrics.per_category[&1][0]] {
        assert!((figure - one).abs() < BOUND, "{figure}");
    }
}

/// The folder of shared data, if it exists.
fn shared() -> Option<std::path::PathBuf> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/map-ref");
    folder.exists().then_some(folder)
}

#[test]
fn shared_datasets_give_the_figures_of_pycocotools() {
    let Some(folder) = shared() else { return };
    let read = |name: &str| -> Value {
        serde_json::from_str(&std::fs::read_to_string(folder.join(name)).unwrap()).unwrap()
    };
    for (truth, found, expected) in [
        (
            "instances_val2014_100.json",
            "instances_val2014_fakebbox100_results.json",
            "expected_val2014_fakebbox100.json",
        ),
        ("fce_gt_dataset.json", "fce_dt_dataset.json", "expected_fce_dataset.json"),
    ] {
        let truth = read(truth);
        let found = read(found);
        let expected = read(expected);
        let all = truth["annotations"].as_array().unwrap();
        let found = found.as_array().unwrap();
        let bbox = |v: &Value| -> [f64; 4] { std::array::from_fn(|i| v["bbox"][i].as_f64().unwrap()) };
        let of = |values: &[Value], id: u64| -> Vec<Value> {
            values.iter().filter(|v| v["image_id"].as_u64() == Some(id)).cloned().collect()
        };
        let mut ids: Vec<u64> =
            truth["images"].as_array().unwrap().iter().map(|i| i["id"].as_u64().unwrap()).collect();
        ids.sort_unstable();
        for (key, all_images) in [("stats_all_gt_images", true), ("stats_only_images_with_dets", false)] {
            let mut evaluator = CocoEvaluator::new();
            for id in &ids {
                let detections = of(found, *id);
                if detections.is_empty() && !all_images {
                    continue;
                }
                let detections: Vec<CocoDetection> = detections
                    .iter()
                    .map(|v| CocoDetection {
                        category_id: v["category_id"].as_u64().unwrap(),
                        bbox: bbox(v),
                        score: v["score"].as_f64().unwrap(),
                    })
                    .collect();
                let truth: Vec<CocoTruth> = of(all, *id)
                    .iter()
                    .map(|v| CocoTruth {
                        category_id: v["category_id"].as_u64().unwrap(),
                        bbox: bbox(v),
                        area: v["area"].as_f64().unwrap(),
                        is_crowd: v["iscrowd"].as_u64() == Some(1),
                    })
                    .collect();
                evaluator.add_image(&detections, &truth);
            }
            let keys =
                ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"];
            assert_stats(&evaluator.finish(), keys.map(|name| expected[key][name].as_f64().unwrap()));
        }
    }
}
