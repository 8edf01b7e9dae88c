//! [`TooLarge`]: weights that 16 bits cannot hold.

use std::fmt;

use half::f16;

/// Weights of one tensor that become infinite in 16 bits.
#[derive(Debug, Clone, PartialEq)]
pub struct TooLarge {
    /// Name of the tensor.
    pub tensor: String,
    /// Number of its values that become infinite.
    pub count: usize,
    /// The value of the largest magnitude.
    pub worst: f32,
}

impl TooLarge {
    /// The values of `data` that become infinite, if there are any.
    pub(crate) fn find(tensor: &str, data: &[f32]) -> Option<Self> {
        let beyond = data.iter().copied().filter(|v| f16::from_f32(*v).is_infinite());
        let (count, worst) = beyond.fold((0, 0.0f32), |(count, worst), value| {
            (count + 1, if value.abs() > worst.abs() { value } else { worst })
        });
        (count > 0).then(|| Self { tensor: tensor.to_owned(), count, worst })
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of `{}` (up to {})", self.count, self.tensor, self.worst)
    }
}
