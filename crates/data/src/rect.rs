//! [`arrange`]: groups images of similar shape into batches whose canvases are no larger than needed.
//!
//! Images are sorted by height over width. The canvas of a batch is the smallest one that holds its images at
//! full size, plus half a stride, rounded up to multiples of the stride. This is the `rect` mode in which
//! Ultralytics evaluates.

/// Order of the images, and the canvases of the batches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Arrangement {
    /// Image indices in order.
    pub(crate) order: Vec<usize>,
    /// Canvas of every batch, `(width, height)`.
    pub(crate) canvases: Vec<(u32, u32)>,
}

/// Arranges images of these sizes, `(width, height)`.
pub(crate) fn arrange(sizes: &[(u32, u32)], batch: usize, imgsz: usize, stride: usize) -> Arrangement {
    let aspect = |index: usize| f64::from(sizes[index].1.max(1)) / f64::from(sizes[index].0.max(1));
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|a, b| aspect(*a).total_cmp(&aspect(*b)));
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
}
