//! Decoding compared with Ultralytics, and checks of invalid head outputs.

use bonsai_boxes::Cxcywh;
use bonsai_yolov8::{HeadError, HeadOutput, LevelOutput, Predictions, decode};

use crate::golden::{Golden, assert_close};

/// Compared per kind of plane, because boxes reach hundreds of pixels and scores at most 1: 1e-5 of the
/// largest.
#[test]
fn decodes_as_ultralytics() {
    let golden = Golden::load();
    for source in ["square", "wide", "extreme"] {
        let inputs = golden.inputs(source, source);
        let head = inputs.head();
        let found = decode(&head);
        let reference = Predictions::new(
            head.batch(),
            head.num_classes(),
            head.anchors(),
            golden.values(&format!("{source}.decoded")),
        )
        .unwrap();
        for (found, reference) in found.images().zip(reference.images()) {
            for anchor in 0..head.anchors() {
                let a = found.bbox(anchor);
                let b = reference.bbox(anchor);
                let values = |b: Cxcywh| [b.cx, b.cy, b.w, b.h];
                assert_close(source, &values(a), &values(b), 1e-5);
            }
            for (found, reference) in found.class_planes().zip(reference.class_planes()) {
                assert_close(source, found, reference, 1e-6);
            }
        }
    }
}

/// One cell of 8 px whose side distributions are certain: 0, 1, 2 and 3 cells; class logits 0 and ln 3.
#[test]
fn decodes_a_cell_by_hand() {
    let mut box_logits = vec![-50.0f32; 4 * 4];
    for side in 0..4 {
        box_logits[side * 4 + side] = 50.0;
    }
    let cls_logits = [0.0, 3f32.ln()];
    let level = LevelOutput { box_logits: &box_logits, cls_logits: &cls_logits, h: 1, w: 1, stride: 8 };
    let found = decode(&HeadOutput::new(1, 2, 4, vec![level]).unwrap());
    // x from 0.5 - 0 to 0.5 + 2 cells, y from 0.5 - 1 to 0.5 + 3 cells.
    assert_close("by hand", found.as_slice(), &[12.0, 12.0, 16.0, 32.0, 0.5, 0.75], 1e-6);
    let best: Vec<_> = found.images().next().unwrap().best().collect();
    assert_eq!(best.len(), 1);
    assert_eq!(best[0].0, 1);
}

#[test]
fn wrong_shapes_are_named() {
    let zeros = vec![0.0; 64 * 16];
    let level = |h, w, stride| LevelOutput {
        box_logits: &zeros[..64 * h * w],
        cls_logits: &zeros[..3 * h * w],
        h,
        w,
        stride,
    };
    assert!(HeadOutput::new(1, 3, 16, vec![level(4, 4, 8), level(2, 2, 16)]).is_ok());
    let message = |r: Result<HeadOutput, HeadError>| r.unwrap_err().to_string();
    assert_eq!(
        message(HeadOutput::new(1, 4, 16, vec![level(4, 4, 8)])),
        "level 0: cls_logits has 48 values, but [1, 4, 4, 4] needs 64; pass the whole NCHW output"
    );
    assert_eq!(
        message(HeadOutput::new(1, 3, 16, vec![level(4, 4, 8), level(2, 1, 16)])),
        "level 1 covers 32 x 16 px, but level 0 covers 32 x 32 px; use an image size that every stride divides"
    );
    assert!(message(HeadOutput::new(1, 3, 16, vec![])).contains("0 levels"));
    assert!(message(HeadOutput::new(1, 3, 1, vec![level(4, 4, 8)])).contains("at least 2 bins"));
    assert!(message(HeadOutput::new(1, 3, 16, vec![level(0, 4, 8)])).contains("level 0 is 0 x 4"));
    let message = Predictions::new(2, 3, 5, vec![0.0; 69]).unwrap_err().to_string();
    assert_eq!(message, "predictions have 69 values, but [2, 4 + 3, 5] needs 70");
}
