//! [`images`] and [`targets`]: random input, the same for every run with the same sizes.

use bonsai_boxes::Cxcywh;
use bonsai_checkpoint::Array;
use bonsai_yolov8::Target;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Number of objects in each image.
const OBJECTS: usize = 12;

/// Noise of 8 bits, as fractions of 255, of shape `[batch, channels, imgsz, imgsz]`.
pub(super) fn images(batch: usize, channels: usize, imgsz: usize) -> Array {
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let data = (0..batch * channels * imgsz * imgsz).map(|_| f32::from(rng.random::<u8>()) / 255.0).collect();
    Array::new(&[batch, channels, imgsz, imgsz], data)
}

/// Twelve objects in each image: centres in 0.2..0.8 and sides in 0.05..0.35, as fractions of the image; any
/// class.
pub(super) fn targets(batch: usize, classes: usize) -> Vec<Target> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut target = |image| {
        let class_id = rng.random_range(0..classes);
        let mut within = |low: f32, high: f32| rng.random_range(low..high);
        let cx = within(0.2, 0.8);
        let cy = within(0.2, 0.8);
        let bbox = Cxcywh { cx, cy, w: within(0.05, 0.35), h: within(0.05, 0.35) };
        Target { image, class_id, bbox }
    };
    (0..batch * OBJECTS).map(|i| target(i / OBJECTS)).collect()
}
