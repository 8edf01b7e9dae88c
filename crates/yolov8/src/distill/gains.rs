//! [`DistillGains`]: settings of the distillation of logits, with their ranges.

use serde::{Deserialize, Serialize};

use super::error::DistillError;

/// Largest gain; larger values overflow 32-bit floats within a few steps.
const LARGEST_GAIN: f32 = 1e6;
/// Below the lowest temperature a distribution is a single bin; above the highest it is flat.
const TEMPERATURES: (f32, f32) = (0.1, 100.0);

/// Weights of the three parts, and how each part is computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DistillGains {
    /// Weight of the class cross-entropy with the teacher's probabilities.
    pub cls: f32,
    /// Weight of 1 - CIoU with the teacher's boxes.
    pub bbox: f32,
    /// Weight of the divergence of the side distributions (LD); 0 skips it and saves its time.
    pub dfl: f32,
    /// Divisor of the side logits for LD.
    pub temperature: f32,
    /// Whether the cross-entropy of an anchor and class is multiplied by `|p_t - p_s|` (beta 1) or not (beta
    /// 0).
    ///
    /// With the factor the loss is 0 where both agree, but has a kink there: the gradient changes its sign
    /// abruptly.
    pub modulated: bool,
    /// The factor of an anchor's box parts.
    pub anchor_weight: AnchorWeight,
}

/// The weight m of an anchor in the box parts. It is a constant for the gradient.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnchorWeight {
    /// The largest `|p_t - p_s|` of the classes: the box parts apply where the student's scores still differ
    /// from the teacher's (BCKD).
    #[default]
    Gap,
    /// The largest `p_t` of the classes: the box parts apply to the teacher's detections until the end of
    /// training.
    Confidence,
}

impl Default for DistillGains {
    /// BCKD converted to the gains of YOLOv8: BCKD has weights 1 and 4 with a detection loss of 1 and 2, so
    /// 0.5 and 15 with YOLOv8's 0.5 and 7.5. No LD; its temperature is that of its paper, 10.
    fn default() -> Self {
        Self {
            cls: 0.5,
            bbox: 15.0,
            dfl: 0.0,
            temperature: 10.0,
            modulated: true,
            anchor_weight: AnchorWeight::Gap,
        }
    }
}

impl DistillGains {
    /// Checks the ranges: gains from 0 to 1e6, the temperature from 0.1 to 100.
    ///
    /// # Errors
    /// [`DistillError::Setting`] with the field, its value and the accepted range.
    pub fn check(&self) -> Result<(), DistillError> {
        let gains =
            [("cls", self.cls), ("bbox", self.bbox), ("dfl", self.dfl)].map(|g| (g, 0.0, LARGEST_GAIN));
        let temperature = (("temperature", self.temperature), TEMPERATURES.0, TEMPERATURES.1);
        for ((field, got), least, most) in gains.into_iter().chain([temperature]) {
            // The test is also false for NaN.
            if !(least..=most).contains(&got) {
                return Err(DistillError::Setting { field, got, least, most });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde::de::value::{Error, MapDeserializer};

    use super::*;

    #[test]
    fn numbers_out_of_range_are_named() {
        let good = DistillGains::default();
        good.check().unwrap();
        let message = |gains: DistillGains| gains.check().unwrap_err().to_string();
        let found = message(DistillGains { bbox: -1.0, ..good });
        assert_eq!(found, "the distillation's bbox is -1, but must be from 0 to 1000000");
        let found = message(DistillGains { temperature: 0.0, ..good });
        assert_eq!(found, "the distillation's temperature is 0, but must be from 0.1 to 100");
        for wrong in [f32::NAN, f32::INFINITY, 2e6] {
            assert!(message(DistillGains { cls: wrong, ..good }).contains("cls"));
            assert!(message(DistillGains { dfl: wrong, ..good }).contains("dfl"));
        }
    }

    #[test]
    fn settings_that_are_not_named_are_the_defaults() {
        let read = |name: &'static str| {
            let map = [(name, "confidence")];
            DistillGains::deserialize(MapDeserializer::<_, Error>::new(map.into_iter()))
        };
        let expected = DistillGains { anchor_weight: AnchorWeight::Confidence, ..DistillGains::default() };
        assert_eq!(read("anchor_weight").unwrap(), expected);
        assert!(read("weight").unwrap_err().to_string().contains("unknown field"));
    }
}
