//! [`Array`]: a dense `f32` array in row-major order.

use crate::CheckpointError;

/// Values with their dimensions; the length always equals the product of the dimensions.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    shape: Vec<usize>,
    data: Vec<f32>,
}

impl Array {
    /// Combines dimensions and values.
    ///
    /// # Panics
    /// If the number of values differs from the product of the dimensions: that is a bug of the caller, not
    /// of the data.
    pub fn new(shape: &[usize], data: Vec<f32>) -> Self {
        assert_eq!(shape.iter().product::<usize>(), data.len(), "array of shape {shape:?}");
        Self { shape: shape.to_vec(), data }
    }

    /// As [`Array::new`], for data of others.
    ///
    /// # Errors
    /// [`CheckpointError::Length`] if the number of values differs from the product of the dimensions.
    pub fn try_new(shape: &[usize], data: Vec<f32>) -> Result<Self, CheckpointError> {
        let expected = shape.iter().try_fold(1, |product: usize, axis| product.checked_mul(*axis));
        if expected == Some(data.len()) {
            return Ok(Self { shape: shape.to_vec(), data });
        }
        Err(CheckpointError::Length { shape: shape.to_vec(), got: data.len() })
    }

    /// Dimensions, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Values, row-major.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Values, row-major, writable.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values without their dimensions.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// An array of zeros.
    pub fn zeros(shape: &[usize]) -> Self {
        Self { shape: shape.to_vec(), data: vec![0.0; shape.iter().product()] }
    }

    /// The chosen positions along one axis, in the given order.
    ///
    /// # Panics
    /// If an index lies outside the axis.
    #[must_use]
    pub fn select(&self, axis: usize, indices: &[usize]) -> Self {
        let inner: usize = self.shape[axis + 1..].iter().product();
        let outer: usize = self.shape[..axis].iter().product();
        let size = self.shape[axis];
        let mut data = Vec::with_capacity(outer * indices.len() * inner);
        for o in 0..outer {
            for i in indices {
                assert!(*i < size, "index {i} on an axis of {size}");
                let start = (o * size + i) * inner;
                data.extend_from_slice(&self.data[start..start + inner]);
            }
        }
        let mut shape = self.shape.clone();
        shape[axis] = indices.len();
        Self { shape, data }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn select_takes_rows_and_columns() {
        let a = Array::new(&[2, 3, 2], (0..12u8).map(f32::from).collect());
        assert_eq!(a.select(1, &[2, 0]).data, [4.0, 5.0, 0.0, 1.0, 10.0, 11.0, 6.0, 7.0]);
        assert_eq!(a.select(0, &[1]).data, [6.0, 7.0, 8.0, 9.0, 10.0, 11.0]);
        assert_eq!(a.select(2, &[1]).shape, [2, 3, 1]);
    }
}
