//! [`Augment`]: kind, probability and size of the random changes to training images.
//!
//! The order is that of Ultralytics: mosaic or letterbox, perspective, mixup, cutmix, colours, flips, exchange of red
//! and blue. Each change has
//! a module of its own.
//! Invariant: all randomness of a sample comes from one generator, seeded by the run's seed, the epoch and
//! the sample.

use serde::{Deserialize, Serialize};

use crate::DataError;

/// Probabilities and sizes of the random changes; names and defaults are those of Ultralytics.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Augment {
    /// Probability of combining four images into a mosaic.
    pub mosaic: f64,
    /// Probability of blending two images.
    pub mixup: f64,
    /// Probability of replacing a rectangle by that of another image.
    pub cutmix: f64,
    /// Largest rotation, in degrees.
    pub degrees: f64,
    /// Largest shift, as a fraction of the image.
    pub translate: f64,
    /// Largest relative change of size.
    pub scale: f64,
    /// Largest shear, in degrees.
    pub shear: f64,
    /// Largest perspective, in 1 / px.
    pub perspective: f64,
    /// Largest relative change of hue.
    pub hsv_h: f64,
    /// Largest relative change of saturation.
    pub hsv_s: f64,
    /// Largest relative change of value (brightness).
    pub hsv_v: f64,
    /// Probability of mirroring top and bottom.
    pub flipud: f64,
    /// Probability of mirroring left and right.
    pub fliplr: f64,
    /// Probability of exchanging red and blue.
    pub bgr: f64,
}

impl Default for Augment {
    fn default() -> Self {
        Self {
            mosaic: 1.0,
            mixup: 0.0,
            cutmix: 0.0,
            degrees: 0.0,
            translate: 0.1,
            scale: 0.5,
            shear: 0.0,
            perspective: 0.0,
            hsv_h: 0.015,
            hsv_s: 0.7,
            hsv_v: 0.4,
            flipud: 0.0,
            fliplr: 0.5,
            bgr: 0.0,
        }
    }
}

impl Augment {
    /// No change at all.
    pub const NONE: Self = Self {
        mosaic: 0.0,
        mixup: 0.0,
        cutmix: 0.0,
        degrees: 0.0,
        translate: 0.0,
        scale: 0.0,
        shear: 0.0,
        perspective: 0.0,
        hsv_h: 0.0,
        hsv_s: 0.0,
        hsv_v: 0.0,
        flipud: 0.0,
        fliplr: 0.0,
        bgr: 0.0,
    };

    /// Colours and mirroring only: every image stays whole and at its own scale.
    pub fn colours_and_flips() -> Self {
        Self { mosaic: 0.0, translate: 0.0, scale: 0.0, ..Self::default() }
    }

    /// The same changes without mosaic, mixup and cutmix, for the last epochs of a training run.
    #[must_use]
    pub const fn without_mosaic(self) -> Self {
        Self { mosaic: 0.0, mixup: 0.0, cutmix: 0.0, ..self }
    }

    /// Whether an image may be moved, scaled or bent.
    pub(crate) fn moves(&self) -> bool {
        [self.degrees, self.translate, self.scale, self.shear, self.perspective].iter().any(|v| *v != 0.0)
    }

    /// Whether samples are combined.
    pub fn combines(&self) -> bool {
        self.mosaic > 0.0 || self.mixup > 0.0 || self.cutmix > 0.0
    }

    /// Checks that every value lies in its range.
    ///
    /// # Errors
    /// [`DataError::Config`] with the first field that lies outside its range.
    pub fn check(&self) -> Result<(), DataError> {
        let probability = (0.0..=1.0, "a probability between 0 and 1");
        let share = (0.0..=1.0, "between 0 and 1");
        let rules = [
            ("mosaic", self.mosaic, &probability),
            ("mixup", self.mixup, &probability),
            ("cutmix", self.cutmix, &probability),
            ("flipud", self.flipud, &probability),
            ("fliplr", self.fliplr, &probability),
            ("bgr", self.bgr, &probability),
            ("translate", self.translate, &share),
            ("hsv_h", self.hsv_h, &share),
            ("hsv_s", self.hsv_s, &share),
            ("hsv_v", self.hsv_v, &share),
            ("scale", self.scale, &(0.0..=0.99, "between 0 and 0.99, or images would vanish")),
            ("degrees", self.degrees, &(0.0..=180.0, "between 0 and 180 degrees")),
            ("shear", self.shear, &(0.0..=80.0, "between 0 and 80 degrees")),
            ("perspective", self.perspective, &(0.0..=0.001, "between 0 and 0.001")),
        ];
        for (field, value, (range, expected)) in rules {
            if !range.contains(&value) {
                return Err(DataError::Config { field, value: value.to_string(), expected });
            }
        }
        Ok(())
    }
}
