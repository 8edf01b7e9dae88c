//! [`Golden`]: reads `fixtures/yolov8/loss.safetensors.gz`; its generator documents the tensors.

use bonsai_boxes::Cxcywh;
use bonsai_testkit::fixture;
use bonsai_yolov8::{HeadOutput, LevelOutput, Target};
use safetensors::{Dtype, SafeTensors};

/// The content of the fixture file.
pub(crate) struct Golden(Vec<u8>);

/// Box and class logits of three levels.
pub(crate) struct Inputs {
    batch: usize,
    num_classes: usize,
    levels: Vec<(Vec<f32>, Vec<f32>, usize, usize)>,
}

impl Golden {
    pub(crate) fn load() -> Self {
        Self(fixture("fixtures/yolov8/loss.safetensors.gz"))
    }

    fn shaped(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let file = SafeTensors::deserialize(&self.0).unwrap();
        let view = file.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(view.dtype(), Dtype::F32);
        let (chunks, rest) = view.data().as_chunks::<4>();
        assert!(rest.is_empty());
        (view.shape().to_vec(), chunks.iter().map(|&b| f32::from_le_bytes(b)).collect())
    }

    pub(crate) fn values(&self, name: &str) -> Vec<f32> {
        self.shaped(name).1
    }

    pub(crate) fn inputs(&self, box_source: &str, cls_source: &str) -> Inputs {
        let mut batch = 0;
        let mut num_classes = 0;
        let mut levels = Vec::new();
        for level in 0..3 {
            let (_, boxes) = self.shaped(&format!("{box_source}.box.{level}"));
            let (shape, classes) = self.shaped(&format!("{cls_source}.cls.{level}"));
            (batch, num_classes) = (shape[0], shape[1]);
            levels.push((boxes, classes, shape[2], shape[3]));
        }
        Inputs { batch, num_classes, levels }
    }

    pub(crate) fn targets(&self, case: &str) -> Vec<Target> {
        let values = self.values(&format!("{case}.targets"));
        values
            .chunks_exact(6)
            .map(|t| Target {
                image: t[0] as usize,
                class_id: t[1] as usize,
                bbox: Cxcywh { cx: t[2], cy: t[3], w: t[4], h: t[5] },
            })
            .collect()
    }
}

impl Inputs {
    pub(crate) fn head(&self) -> HeadOutput<'_> {
        let levels = self.levels.iter().zip([8, 16, 32]).map(|((boxes, classes, h, w), stride)| {
            LevelOutput { box_logits: boxes, cls_logits: classes, h: *h, w: *w, stride }
        });
        HeadOutput::new(self.batch, self.num_classes, 16, levels.collect()).unwrap()
    }
}

/// Checks that every value is within `relative` times the largest magnitude of the reference, or exact if
/// that is 0.
#[track_caller]
pub(crate) fn assert_close(what: &str, found: &[f32], reference: &[f32], relative: f32) {
    assert_eq!(found.len(), reference.len(), "{what}: number of values");
    let scale = reference.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    for (i, (a, b)) in found.iter().zip(reference).enumerate() {
        let close = (a - b).abs() <= relative * scale;
        assert!(close, "{what}[{i}]: {a}, reference {b}, allowed {relative} of {scale}");
    }
}
