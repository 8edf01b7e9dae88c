//! [`checked`]: the position and order of a tensor's numbers in its storage.

use std::rc::Rc;

use super::globals::Dtype;
use super::value::{Storage, Tensor};

/// Makes a tensor if all its numbers lie inside the storage and none of them is used twice; otherwise returns
/// the problem.
pub(super) fn checked(
    storage: Rc<Storage>,
    offset: i64,
    shape: &[i64],
    strides: &[i64],
) -> Result<Tensor, String> {
    let size = |value: &i64| usize::try_from(*value).ok();
    let sizes = |values: &[i64]| values.iter().map(size).collect::<Option<Vec<usize>>>();
    let (Some(offset), Some(shape), Some(strides)) = (size(&offset), sizes(shape), sizes(strides)) else {
        return Err(format!(
            "a tensor of sizes {shape:?} with strides {strides:?} from {offset} on: none may be negative"
        ));
    };
    if shape.len() != strides.len() {
        return Err(format!("a tensor of sizes {shape:?} with {} strides", strides.len()));
    }
    let overflow = || format!("a tensor of sizes {shape:?} with strides {strides:?} is larger than memory");
    let len = shape.iter().try_fold(1usize, |len, size| len.checked_mul(*size)).ok_or_else(overflow)?;
    let mut last = offset;
    for (size, stride) in shape.iter().zip(&strides).filter(|_| len > 0) {
        let span = (size - 1).checked_mul(*stride).ok_or_else(overflow)?;
        last = last.checked_add(span).ok_or_else(overflow)?;
    }
    if len > 0 && last >= storage.len {
        return Err(format!(
            "a tensor of sizes {shape:?} ends at {last} in a storage of {} numbers",
            storage.len
        ));
    }
    // In the order of the strides, each must step over everything that the smaller ones reach.
    let mut steps: Vec<(usize, usize)> =
        strides.iter().copied().zip(shape.iter().copied()).filter(|(_, size)| len > 0 && *size > 1).collect();
    steps.sort_unstable();
    let mut reach = 0;
    for (stride, size) in steps {
        if stride <= reach {
            return Err(format!("a tensor of sizes {shape:?} with strides {strides:?} overlaps itself"));
        }
        reach += (size - 1) * stride;
    }
    Ok(Tensor { storage, offset, shape, strides })
}

impl Tensor {
    /// Number of values. They all lie in the storage, so there are no more than it has.
    pub(in crate::pt) fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Its values in row-major order, from the bytes of the whole storage; `None` if the storage holds no
    /// floating-point numbers.
    ///
    /// # Panics
    /// If `bytes` is shorter than the storage.
    pub(in crate::pt) fn values(&self, bytes: &[u8]) -> Option<Vec<f32>> {
        match self.storage.dtype {
            Dtype::F32 => Some(self.gather(bytes, f32::from_le_bytes)),
            Dtype::F64 => Some(self.gather(bytes, |b| f64::from_le_bytes(b) as f32)),
            Dtype::F16 => Some(self.gather(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
            Dtype::Bf16 => Some(self.gather(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
            Dtype::Whole(_) => None,
        }
    }

    fn gather<const N: usize>(&self, bytes: &[u8], number: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        let (numbers, _) = bytes.as_chunks::<N>();
        let len = self.len();
        if len > 0 && self.is_contiguous() {
            return numbers[self.offset..self.offset + len].iter().map(|b| number(*b)).collect();
        }
        let mut index = vec![0; self.shape.len()];
        let mut values = Vec::with_capacity(len);
        for _ in 0..len {
            let at: usize = index.iter().zip(&self.strides).map(|(i, stride)| i * stride).sum();
            values.push(number(numbers[self.offset + at]));
            for (i, size) in index.iter_mut().zip(&self.shape).rev() {
                *i += 1;
                if *i < *size {
                    break;
                }
                *i = 0;
            }
        }
        values
    }

    fn is_contiguous(&self) -> bool {
        let mut expected = 1;
        self.shape.iter().zip(&self.strides).rev().all(|(size, stride)| {
            let fits = *size == 1 || *stride == expected;
            expected *= size;
            fits
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn storage(len: usize) -> Rc<Storage> {
        Rc::new(Storage { key: "0".into(), dtype: Dtype::F32, len })
    }

    fn check(len: usize, offset: i64, shape: &[i64], strides: &[i64]) -> Result<Tensor, String> {
        checked(storage(len), offset, shape, strides)
    }

    #[test]
    fn views_of_any_order_are_read_row_by_row() {
        let bytes: Vec<u8> = (0..12).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let values = |offset, shape: &[i64], strides: &[i64]| {
            check(12, offset, shape, strides).unwrap().values(&bytes).unwrap()
        };
        assert_eq!(values(2, &[2, 2], &[2, 1]), [2.0, 3.0, 4.0, 5.0]);
        assert_eq!(values(0, &[2, 3], &[1, 4]), [0.0, 4.0, 8.0, 1.0, 5.0, 9.0]);
        assert_eq!(values(11, &[], &[]), [11.0]);
        assert_eq!(values(12, &[0, 3], &[3, 1]), [] as [f32; 0]);
        assert_eq!(values(0, &[i64::MAX, 0], &[i64::MAX, i64::MAX]), [] as [f32; 0]);
        // A dimension of one may have any stride.
        assert_eq!(values(1, &[1, 2], &[0, 1]), [1.0, 2.0]);
    }

    #[test]
    fn what_does_not_lie_in_the_storage_once_is_refused() {
        for (offset, shape, strides, says) in [
            (0, &[13][..], &[1][..], "ends at 12"),
            (-1, &[2], &[1], "negative"),
            (0, &[2], &[-1], "negative"),
            (0, &[-2], &[1], "negative"),
            (0, &[3, 2], &[1, 1], "overlaps"),
            (0, &[4], &[0], "overlaps"),
            (0, &[2, 2], &[1], "strides"),
            (0, &[i64::MAX, 4], &[1, 1], "larger than memory"),
            (0, &[2, 2], &[i64::MAX, i64::MAX], "ends at"),
            (i64::MAX, &[3], &[i64::MAX], "larger than memory"),
            (0, &[i64::MAX, i64::MAX, 0], &[1, 1, 1], "larger than memory"),
        ] {
            let error = check(12, offset, shape, strides).unwrap_err();
            assert!(error.contains(says), "{shape:?}: {error}");
        }
    }
}
