//! Benchmark: COCO's metrics over 5,000 images of 100 detections in 80 categories, in seconds, without
//! reading files.
//!
//! `cargo bench -p bonsai-metrics --bench coco`; `scripts/peers/coco_time.py` times pycocotools on the same
//! boxes.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

use std::time::Instant;

use bonsai_metrics::{CocoDetection, CocoEvaluator, CocoTruth};

/// The random generator of `scripts/peers/coco_time.py`.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as f64 / f64::from(1u32 << 31)
    }

    fn category(&mut self) -> u64 {
        (self.next() * 80.0) as u64
    }

    fn bbox(&mut self) -> [f64; 4] {
        let x = self.next() * 500.0;
        let y = self.next() * 500.0;
        let mut side = || 4.0 + self.next() * 190.0;
        [x, y, side(), side()]
    }
}

fn main() {
    let mut draw = Draw(1);
    let images: Vec<(Vec<CocoDetection>, Vec<CocoTruth>)> = (0..5000)
        .map(|_| {
            let mut object = || {
                let bbox = draw.bbox();
                let category_id = draw.category();
                CocoTruth { category_id, bbox, area: bbox[2] * bbox[3], is_crowd: false }
            };
            let truth: Vec<CocoTruth> = (0..7).map(|_| object()).collect();
            let mut detections = Vec::new();
            for i in 0..100 {
                // The first detections are near an object.
                let (bbox, category_id) = match truth.get(i) {
                    Some(t) => (t.bbox.map(|v| v + 8.0 * draw.next()), t.category_id),
                    None => (draw.bbox(), draw.category()),
                };
                detections.push(CocoDetection { category_id, bbox, score: draw.next() });
            }
            (detections, truth)
        })
        .collect();
    let mut seconds = Vec::new();
    let mut ap = None;
    for _ in 0..5 {
        let start = Instant::now();
        let mut evaluator = CocoEvaluator::new();
        for (detections, truth) in &images {
            evaluator.add_image(detections, truth);
        }
        ap = evaluator.finish().ap;
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    println!("AP {:.10}, median {:.3} s", ap.unwrap_or(-1.0), seconds[2]);
}
