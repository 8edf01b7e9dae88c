//! Conversion between PyTorch's layouts and those of the kernels.
//!
//! Weights: OIHW `[out, in, h, w]` and HWIO `[h, w, in, out]`. Images: NCHW and NHWC.
//! Both are permutations of four axes; nothing is rounded.

use crate::error::check_len;
use crate::{KernelError, Nhwc};

/// HWIO weights from OIHW weights of sizes `[out, in, h, w]`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn oihw_to_hwio(sizes: [usize; 4], weights: &[f32]) -> Result<Vec<f32>, KernelError> {
    permute("layout::oihw_to_hwio", sizes, [2, 3, 1, 0], weights)
}

/// OIHW weights from HWIO weights; `sizes` are `[out, in, h, w]` here too.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn hwio_to_oihw(sizes: [usize; 4], weights: &[f32]) -> Result<Vec<f32>, KernelError> {
    let [o, i, h, w] = sizes;
    permute("layout::hwio_to_oihw", [h, w, i, o], [3, 2, 0, 1], weights)
}

/// NHWC images from NCHW images of sizes `shape`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn nchw_to_nhwc(shape: Nhwc, images: &[f32]) -> Result<Vec<f32>, KernelError> {
    permute("layout::nchw_to_nhwc", [shape.n, shape.c, shape.h, shape.w], [0, 2, 3, 1], images)
}

/// NCHW images from NHWC images of sizes `shape`.
///
/// # Errors
///
/// [`KernelError::Length`].
pub fn nhwc_to_nchw(shape: Nhwc, images: &[f32]) -> Result<Vec<f32>, KernelError> {
    permute("layout::nhwc_to_nchw", [shape.n, shape.h, shape.w, shape.c], [0, 3, 1, 2], images)
}

/// Axis `i` of the result is axis `order[i]` of `values`.
fn permute(
    kernel: &'static str,
    sizes: [usize; 4],
    order: [usize; 4],
    values: &[f32],
) -> Result<Vec<f32>, KernelError> {
    let expected = sizes.iter().fold(1usize, |product, &size| product.saturating_mul(size));
    check_len(kernel, "values", expected, values.len())?;
    let strides = [sizes[1] * sizes[2] * sizes[3], sizes[2] * sizes[3], sizes[3], 1];
    let mut result = Vec::with_capacity(values.len());
    for a in 0..sizes[order[0]] {
        for b in 0..sizes[order[1]] {
            for c in 0..sizes[order[2]] {
                let base = a * strides[order[0]] + b * strides[order[1]] + c * strides[order[2]];
                result.extend((0..sizes[order[3]]).map(|d| values[base + d * strides[order[3]]]));
            }
        }
    }
    Ok(result)
}

#[cfg(test)]
#[allow(clippy::float_cmp, reason = "nothing is rounded here")]
mod tests {
    use super::*;

    #[test]
    fn conversions_are_inverse_and_put_values_where_they_belong() {
        let (o, i, h, w) = (2, 3, 4, 5);
        let oihw: Vec<f32> = (0u8..120).map(f32::from).collect();
        let hwio = oihw_to_hwio([o, i, h, w], &oihw).unwrap();
        // out 1, in 2, row 3, column 0.
        assert_eq!(hwio[((3 * w) * i + 2) * o + 1], oihw[((i + 2) * h + 3) * w]);
        assert_eq!(hwio_to_oihw([o, i, h, w], &hwio).unwrap(), oihw);

        let shape = Nhwc::new(2, 4, 5, 3);
        let nhwc = nchw_to_nhwc(shape, &oihw).unwrap();
        assert_eq!(nhwc[shape.pixel(1, 2, 3) + 2], oihw[((3 + 2) * 4 + 2) * 5 + 3]);
        assert_eq!(nhwc_to_nchw(shape, &nhwc).unwrap(), oihw);
        assert!(nchw_to_nhwc(shape, &oihw[1..]).is_err());
    }
}
