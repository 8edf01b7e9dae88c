//! [`imitate_features`]: imitation of a teacher's features channel by channel, value and gradient together.
//!
//! A channel of a feature map shows where something is. The loss takes the softmax of its values over the
//! cells of an image and pulls it towards that of the teacher's channel (CWD: Shu et al., "Channel-wise
//! Knowledge Distillation for Dense Prediction", 2021, arXiv 2011.13256). For n images and C student
//! channels, with features F of student s and teacher t:
//!
//! `L = weight tau² / (n C) * sum over images and channels of KL(softmax(F_t / tau) || softmax(F_s / tau))`.
//!
//! Before that, each channel of both sides is normalised to mean 0 and variance 1 over the batch and its
//! cells, so that tau has the same effect for every channel. There is no projector: if the student is the
//! pruned teacher, the plan gives the teacher's channel for each student channel, and equal channels are
//! compared.
//!
//! Definition of the gradient: mean and deviation of the batch are constants. The gradient with respect to a
//! raw feature is therefore `weight tau / (n C) * (softmax_s - softmax_t) / deviation_s`: the chain rule of a
//! fixed affine map, without the terms of the statistics. The total and its gradient have the batch size n as
//! a factor, like those of the detection loss.
//!
//! Invariant: planes are independent except for the statistics of their channel, and are combined in order,
//! so the result has the same bits for any number of threads.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

mod deviation;
mod error;
mod plane;

use deviation::deviation;
pub use error::ImitationError;
use plane::{Sharpened, imitate};

/// Valid ranges of temperature and weight.
const TAUS: (f32, f32) = (0.1, 100.0);
const WEIGHTS: (f32, f32) = (0.0, 1e6);

/// Features of one level, NCHW.
#[derive(Debug, Clone, Copy)]
pub struct FeatureMap<'a> {
    /// `[n, channels, h, w]`.
    pub values: &'a [f32],
    /// Number of images.
    pub n: usize,
    /// Number of channels.
    pub channels: usize,
    /// Number of rows of cells.
    pub h: usize,
    /// Number of columns of cells.
    pub w: usize,
}

impl<'a> FeatureMap<'a> {
    /// The values of a channel of an image.
    fn plane(&self, image: usize, channel: usize) -> &'a [f32] {
        let cells = self.h * self.w;
        &self.values[(image * self.channels + channel) * cells..][..cells]
    }

    fn sharpened(&self, image: usize, channel: usize, factor: f64) -> Sharpened<'a> {
        Sharpened { values: self.plane(image, channel), factor: factor as f32 }
    }

    /// Checks that there are values, and as many as the shape says.
    fn check(&self, whose: &'static str) -> Result<(), ImitationError> {
        let shape = [self.n, self.channels, self.h, self.w];
        let expected = shape.iter().fold(1usize, |product, &size| product.saturating_mul(size));
        let found = self.values.len();
        if expected == 0 || expected != found {
            return Err(ImitationError::Length { whose, shape, expected, found });
        }
        Ok(())
    }
}

/// Temperature and weight. Defaults: 1 and 1.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ImitationConfig {
    /// Temperature: the divisor of normalised features. With a higher one, more cells contribute.
    pub tau: f32,
    /// Weight of the loss.
    pub weight: f32,
}

impl Default for ImitationConfig {
    fn default() -> Self {
        Self { tau: 1.0, weight: 1.0 }
    }
}

impl ImitationConfig {
    /// Checks the ranges: tau from 0.1 to 100, the weight from 0 to 1e6.
    ///
    /// # Errors
    /// [`ImitationError::Setting`] with the field, its value and the accepted range.
    pub fn check(&self) -> Result<(), ImitationError> {
        for (field, got, (least, most)) in [("tau", self.tau, TAUS), ("weight", self.weight, WEIGHTS)] {
            // The test is also false for NaN.
            if !(least..=most).contains(&got) {
                return Err(ImitationError::Setting { field, got, least, most });
            }
        }
        Ok(())
    }
}

/// Value and gradient of the imitation loss.
#[derive(Debug, Clone, PartialEq)]
pub struct ImitationOutput {
    /// The value of the formula: a mean over images and channels, including the weight.
    pub item: f32,
    /// `item` times the batch size; the caller adds it to the total of the detection loss, which has the same
    /// factor.
    pub total: f32,
    /// Gradient of `total` with respect to the student's features, `[n, channels, h, w]`.
    pub gradient: Vec<f32>,
}

/// The loss of a student's features against a teacher's at one level, and its gradient with respect to the
/// student's.
///
/// `matching` has the teacher's channel for each student channel; a teacher channel may occur several times
/// or never. NaN in the features of matched channels makes the loss NaN; it is not an error.
///
/// # Errors
/// A setting is out of range; features are empty or do not have the length of their shape; student and
/// teacher have different images, rows or columns; `matching` does not have one entry per student channel, or
/// contains a channel that the teacher does not have.
pub fn imitate_features(
    student: &FeatureMap,
    teacher: &FeatureMap,
    matching: &[usize],
    settings: ImitationConfig,
) -> Result<ImitationOutput, ImitationError> {
    settings.check()?;
    compare(student, teacher, matching)?;
    let factors: Vec<Factors> = matching
        .par_iter()
        .enumerate()
        .map(|(channel, &matched)| Factors {
            student: 1.0 / deviation(student, channel),
            teacher: 1.0 / deviation(teacher, matched),
        })
        .collect();

    let tau = f64::from(settings.tau);
    let channels = student.channels;
    let cells = student.h * student.w;
    let weight = f64::from(settings.weight) / channels as f64;
    let mut gradient = vec![0.0f32; student.values.len()];
    let divergences: Vec<f64> = gradient
        .par_chunks_exact_mut(cells)
        .enumerate()
        .map_init(
            || vec![0.0; cells],
            |scratch, (index, gradient)| {
                let image = index / channels;
                let channel = index % channels;
                let factors = factors[channel];
                let student = student.sharpened(image, channel, factors.student / tau);
                let teacher = teacher.sharpened(image, matching[channel], factors.teacher / tau);
                imitate(student, teacher, weight * tau * factors.student, scratch, gradient)
            },
        )
        .collect();
    let total = weight * tau * tau * divergences.iter().sum::<f64>();
    Ok(ImitationOutput { item: (total / student.n as f64) as f32, total: total as f32, gradient })
}

/// 1 / deviation of a student channel and of its matched teacher channel.
#[derive(Debug, Clone, Copy)]
struct Factors {
    student: f64,
    teacher: f64,
}

/// Checks that the student's channels can be compared with the matched channels of the teacher.
fn compare(student: &FeatureMap, teacher: &FeatureMap, matching: &[usize]) -> Result<(), ImitationError> {
    student.check("student's")?;
    teacher.check("teacher's")?;
    let places =
        [("images", student.n, teacher.n), ("rows", student.h, teacher.h), ("columns", student.w, teacher.w)];
    for (what, student, teacher) in places {
        if student != teacher {
            return Err(ImitationError::Places { what, student, teacher });
        }
    }
    let channels = student.channels;
    if matching.len() != channels {
        return Err(ImitationError::Matching { channels, found: matching.len() });
    }
    let channels = teacher.channels;
    match matching.iter().position(|&matched| matched >= channels) {
        Some(channel) => Err(ImitationError::Channel { channel, matched: matching[channel], channels }),
        None => Ok(()),
    }
}
