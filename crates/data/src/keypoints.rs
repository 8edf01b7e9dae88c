//! [`Keypoints`]: number and dimensions of the keypoints after the boxes of a pose dataset.

use serde_yaml_ng::Value;

/// `kpt_shape` of `data.yaml`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keypoints {
    /// Keypoints per object.
    pub count: usize,
    /// 2 for `x y`, 3 for `x y visibility`.
    pub dims: usize,
}

impl Keypoints {
    /// Number of values of all keypoints of an object.
    pub const fn columns(self) -> usize {
        self.count.saturating_mul(self.dims)
    }

    /// Reads `[count, dims]`.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        let sequence = value.as_sequence().map_or(&[][..], Vec::as_slice);
        let numbers: Vec<Option<u64>> = sequence.iter().map(Value::as_u64).collect();
        let &[Some(count), Some(dims @ 2..=3)] = numbers.as_slice() else {
            return Err(
                "`kpt_shape` must be `[keypoints, 2]` or `[keypoints, 3]`; leave it out where there are no \
                        keypoints"
                    .to_owned(),
            );
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        Ok(Self { count, dims: dims as usize })
    }
}
