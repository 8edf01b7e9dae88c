//! [`arrange`]: groups images of similar shape into batches whose canvases are no larger than needed.
//!
//! Images are sorted by height over width. In training, the canvas of a batch is the smallest one in multiples of the
//! stride that holds its images at their size; in evaluation, half a stride is added before rounding up. This is the
//! `rect` mode of Ultralytics.

use crate::Letterbox;

/// Order of the images, and the canvases of the batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// Image indices in order.
    pub(crate) order: Vec<usize>,
    /// Canvas of every batch, `(width, height)`.
    pub(crate) canvases: Vec<(u32, u32)>,
}

/// Arranges images of these sizes, `(width, height)`, for evaluation.
pub(crate) fn arrange(sizes: &[(u32, u32)], batch: usize, imgsz: usize, stride: usize) -> Arrangement {
    let aspect = |index: usize| aspect(sizes[index]);
    let order = by_aspect(sizes);
    let canvas = |batch: &[usize]| {
        let flattest = aspect(batch[0]);
        let tallest = aspect(batch[batch.len() - 1]);
        let (h, w) = match () {
            () if tallest < 1.0 => (tallest, 1.0),
            () if flattest > 1.0 => (1.0, 1.0 / flattest),
            () => (1.0, 1.0),
        };
        let side = |share: f64| {
            let strides = (share * imgsz as f64 / stride as f64 + 0.5).ceil();
            strides as u32 * stride as u32
        };
        (side(w), side(h))
    };
    let canvases = order.chunks(batch).map(canvas).collect();
    Arrangement { order, canvases }
}

/// Arranges images of these sizes for training: the canvas of a batch holds its images as the letterbox scales them.
pub(crate) fn arrange_tight(
    sizes: &[(u32, u32)],
    batch: usize,
    letterbox: Letterbox,
    stride: usize,
) -> Arrangement {
    let order = by_aspect(sizes);
    let canvas = |batch: &[usize]| {
        let resized = batch.iter().map(|index| letterbox.plan(sizes[*index]).resized);
        let (w, h) = resized.fold((1, 1), |most, size| (size.0.max(most.0), size.1.max(most.1)));
        let side = |side: u32| side.next_multiple_of(stride as u32);
        (side(w), side(h))
    };
    let canvases = order.chunks(batch).map(canvas).collect();
    Arrangement { order, canvases }
}

/// Height over width.
fn aspect((width, height): (u32, u32)) -> f64 {
    f64::from(height.max(1)) / f64::from(width.max(1))
}

/// The images in ascending order of height over width.
fn by_aspect(sizes: &[(u32, u32)]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| aspect(sizes[*a]).total_cmp(&aspect(sizes[*b])));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_images_come_first_in_flat_canvases() {
        // Ultralytics' arithmetic by hand: 0.5 * 320 / 32 + 0.5 = 5.5, so 6; 320 / 32 + 0.5 = 10.5, so 11.
        let Arrangement { order, canvases } =
            arrange(&[(100, 100), (200, 100), (100, 200), (400, 100)], 2, 320, 32);
        assert_eq!(order, [3, 1, 0, 2]);
        assert_eq!(canvases, [(352, 192), (352, 352)]);
        let tall = arrange(&[(100, 200), (100, 400)], 2, 320, 32);
        assert_eq!(tall.canvases, [(192, 352)]);
        assert!(arrange(&[], 2, 320, 32).canvases.is_empty());
    }

    /// Scaled to 320: 320 x 80 and 320 x 160; 320 x 320 and 160 x 320; 112 x 320 in a last batch of one.
    #[test]
    fn canvases_of_training_have_no_room_to_spare() {
        let letterbox = Letterbox { round_up: true, ..Letterbox::square(320) };
        let sizes = [(100, 100), (200, 100), (100, 200), (400, 100), (100, 286)];
        let Arrangement { order, canvases } = arrange_tight(&sizes, 2, letterbox, 32);
        assert_eq!(order, [3, 1, 0, 2, 4]);
        assert_eq!(canvases, [(320, 160), (320, 320), (128, 320)]);
        let tight = arrange_tight(&[(640, 480)], 2, letterbox, 32);
        assert_eq!(tight.canvases, [(320, 256)]);
    }
}
