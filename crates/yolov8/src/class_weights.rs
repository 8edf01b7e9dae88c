//! [`ClassWeights`]: factors on the class part of the loss that make rare classes count more.

/// One factor per class on its binary cross-entropy; their mean is 1.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassWeights(Vec<f32>);

impl ClassWeights {
    /// Inverse frequencies to a power: `(1 / n)^power` for a class of `n` objects, divided by the mean over the
    /// classes. Power 0 gives equal weights, power 1 the inverse frequency. A class without objects counts as one
    /// with a single object.
    ///
    /// Ultralytics documents this as `cls_pw`.
    pub fn inverse_frequency(objects: &[usize], power: f64) -> Self {
        // Relative to the largest class, so that no power underflows.
        let most = objects.iter().copied().max().unwrap_or(1).max(1) as f64;
        let raw: Vec<f64> = objects.iter().map(|n| (most / (*n).max(1) as f64).powf(power)).collect();
        let mean = raw.iter().sum::<f64>() / raw.len().max(1) as f64;
        Self(raw.into_iter().map(|weight| (weight / mean) as f32).collect())
    }

    /// The weights, by class.
    pub fn as_slice(&self) -> &[f32] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand, for 100, 25 and 4 objects and a class without any. Power 1: 0.01, 0.04, 0.25 and 1, mean 0.325.
    /// Power 0.5: 0.1, 0.2, 0.5 and 1, mean 0.45.
    #[test]
    fn weights_by_hand() {
        let counts = [100, 25, 4, 0];
        for (power, raw, mean) in [
            (0.0, [1.0, 1.0, 1.0, 1.0], 1.0),
            (0.5, [0.1, 0.2, 0.5, 1.0], 0.45),
            (1.0, [0.01, 0.04, 0.25, 1.0], 0.325),
        ] {
            let found = ClassWeights::inverse_frequency(&counts, power);
            for (found, raw) in found.as_slice().iter().zip(raw) {
                assert!((f64::from(*found) - raw / mean).abs() < 1e-6, "power {power}: {found}, {raw}");
            }
            assert!((found.as_slice().iter().sum::<f32>() - 4.0).abs() < 1e-6);
        }
    }

    #[test]
    fn counts_of_any_size_give_finite_weights() {
        for counts in [&[][..], &[0, 0], &[7], &[usize::MAX, 1, 0]] {
            let found = ClassWeights::inverse_frequency(counts, 1.0);
            assert_eq!(found.as_slice().len(), counts.len());
            assert!(found.as_slice().iter().all(|w| w.is_finite() && *w > 0.0), "{counts:?}: {found:?}");
        }
    }
}
