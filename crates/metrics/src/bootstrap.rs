//! [`ImageOutcomes`] and [`PairedChange`]: whether one detector is better than another beyond chance.
//!
//! Method: the paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 8
//! and 13). Images are drawn with replacement, both detectors are evaluated on the same draw, and the
//! interval is the middle 95 % of the differences. Hard images are hard for both detectors, so most of the
//! noise cancels.
//!
//! Invariant: a draw has exactly the metrics that an [`Evaluator`](crate::Evaluator) computes for the drawn
//! images.

use std::collections::BTreeMap;

use bonsai_boxes::{Detection, GroundTruth};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::average_precision::Envelope;
use crate::matching::{Hits, LEVELS};
use crate::tally::{ClassTally, by_rank, tally_image};
use crate::{ApIntegration, Protocol};

/// Number of draws at which the ends of a 95 % interval are stable to the third decimal.
pub const RESAMPLES: usize = 1000;

/// Fraction of the draws below the interval, and above it.
const TAIL: f64 = 0.025;

/// The results of a detector on each image of a set, in the set's order. They can be serialised, so that a
/// detector need not run again for another comparison.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageOutcomes {
    protocol: Protocol,
    images: Vec<BTreeMap<usize, ClassTally>>,
}

/// A metric of two detectors, as fractions in `0..=1`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Metric of the first detector.
    pub before: f64,
    /// Metric of the second detector.
    pub after: f64,
    /// Lower end of the 95 % interval of `after - before`.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
}

/// The conclusion from a [`Change`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The interval lies above 0.
    Better,
    /// The interval lies below 0.
    Worse,
    /// The interval contains 0.
    WithinNoise,
}

/// The metrics of a second detector compared with a first one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PairedChange {
    /// Number of images in the set.
    pub images: usize,
    /// Mean average precision at `IoU` 0.5.
    pub map50: Change,
    /// Mean average precision, averaged over `IoU` 0.5 to 0.95.
    pub map50_95: Change,
    /// Average precision over `IoU` 0.5 to 0.95 of every class that has labels, by class id.
    pub per_class: BTreeMap<usize, Change>,
}

/// The two sets of outcomes do not belong to the same images.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Unpaired {
    /// The sets have different lengths or fewer than two images.
    #[error("the sets have {before} and {after} images: both need the same images, at least two")]
    Count {
        /// Number of images in the first set.
        before: usize,
        /// Number of images in the second set.
        after: usize,
    },
    /// An image has different labels in the two sets.
    #[error(
        "image {image} has {before} labels of class {class_id} in the first set and {after} in the second: both sets must \
         have the same images in the same order"
    )]
    Labels {
        /// Index of the image, from 0.
        image: usize,
        /// The class.
        class_id: usize,
        /// Number of labels in the first set.
        before: usize,
        /// Number of labels in the second set.
        after: usize,
    },
}

impl Change {
    /// `after - before`.
    pub fn difference(&self) -> f64 {
        self.after - self.before
    }

    /// Whether the difference is significant.
    pub fn verdict(&self) -> Verdict {
        if self.low > 0.0 {
            Verdict::Better
        } else if self.high < 0.0 {
            Verdict::Worse
        } else {
            Verdict::WithinNoise
        }
    }
}

impl ImageOutcomes {
    /// An empty set; `protocol` defines the metrics.
    pub const fn new(protocol: Protocol) -> Self {
        Self { protocol, images: Vec::new() }
    }

    /// Adds an image, like [`Evaluator::add_image`](crate::Evaluator::add_image).
    pub fn add_image(&mut self, detections: &[Detection], labels: &[GroundTruth]) {
        self.images.push(tally_image(self.protocol.matching, detections, labels));
    }

    /// Compares the detector `after` with this one, with 95 % intervals from `resamples` draws ([`RESAMPLES`]
    /// are enough).
    ///
    /// The same seed gives the same intervals. The time is proportional to draws times detections.
    ///
    /// # Errors
    /// [`Unpaired`] unless both sets have the same images in the same order, and at least two.
    pub fn change_to(&self, after: &Self, resamples: usize, seed: u64) -> Result<PairedChange, Unpaired> {
        Self::mean_change(&[(self, after)], resamples, seed)
    }

    /// The mean change over several pairs of detectors on the same images, such as one pair per training
    /// seed, with 95 % intervals. Every draw uses the same images for all pairs. The intervals do not include
    /// the noise of the seeds.
    ///
    /// # Errors
    /// As [`Self::change_to`], and if `pairs` is empty.
    pub fn mean_change(
        pairs: &[(&Self, &Self)],
        resamples: usize,
        seed: u64,
    ) -> Result<PairedChange, Unpaired> {
        let Some((first, _)) = pairs.first() else { return Err(Unpaired::Count { before: 0, after: 0 }) };
        for (before, after) in pairs {
            first.check_pair(before)?;
            first.check_pair(after)?;
        }
        let images = first.images.len();
        let integration = first.protocol.integration;
        let sides: Vec<[_; 2]> =
            pairs.iter().map(|(before, after)| [before, after].map(|side| side.rankings())).collect();
        let scores = |side: usize, counts: &[usize]| {
            Scores::mean(sides.iter().map(|pair| Scores::new(&pair[side], counts, integration)))
        };
        let full = vec![1; images];
        let [before, now] = [0, 1].map(|side| scores(side, &full));

        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut draws = Vec::with_capacity(resamples);
        for _ in 0..resamples {
            let mut counts = vec![0; images];
            for _ in 0..images {
                counts[random.random_range(0..images)] += 1;
            }
            let [a, b] = [0, 1].map(|side| scores(side, &counts));
            draws.push(b.minus(&a));
        }
        let change = |figure: &dyn Fn(&Scores) -> Option<f64>| {
            let mut differences: Vec<f64> = draws.iter().filter_map(figure).collect();
            differences.sort_unstable_by(f64::total_cmp);
            let [before, after] = [&before, &now].map(|scores| figure(scores).unwrap_or(0.0));
            Change {
                before,
                after,
                low: quantile(&differences, TAIL),
                high: quantile(&differences, 1.0 - TAIL),
            }
        };
        let classes = now.per_class.keys();
        Ok(PairedChange {
            images,
            map50: change(&|scores| Some(scores.map50)),
            map50_95: change(&|scores| Some(scores.map50_95)),
            per_class: classes.map(|class| (*class, change(&|s| s.per_class.get(class).copied()))).collect(),
        })
    }

    fn check_pair(&self, other: &Self) -> Result<(), Unpaired> {
        let [before, after] = [self, other].map(|outcomes| outcomes.images.len());
        if before != after || before < 2 {
            return Err(Unpaired::Count { before, after });
        }
        for (image, (a, b)) in self.images.iter().zip(&other.images).enumerate() {
            for &class_id in a.keys().chain(b.keys()) {
                let [before, after] =
                    [a, b].map(|side| side.get(&class_id).map_or(0, |tally| tally.instances));
                if before != after {
                    return Err(Unpaired::Labels { image, class_id, before, after });
                }
            }
        }
        Ok(())
    }

    /// The classes that have labels, each with its detections of all images in order of confidence.
    fn rankings(&self) -> BTreeMap<usize, Ranked> {
        let mut classes: BTreeMap<usize, Ranked> = BTreeMap::new();
        for (image, tallies) in self.images.iter().enumerate() {
            for (class_id, tally) in tallies {
                let ranked = classes.entry(*class_id).or_default();
                ranked.instances.push((image, tally.instances));
                ranked.detections.extend(tally.detections.iter().map(|detection| (*detection, image)));
            }
        }
        classes.retain(|_, ranked| ranked.instances.iter().any(|(_, instances)| *instances > 0));
        for ranked in classes.values_mut() {
            ranked.detections.sort_by(|(a, _), (b, _)| by_rank(*a, *b));
        }
        classes
    }
}

/// The detections of one class, each with its image, by falling confidence; and the number of labels in each
/// image.
#[derive(Default)]
struct Ranked {
    instances: Vec<(usize, usize)>,
    detections: Vec<((f32, Hits), usize)>,
}

impl Ranked {
    /// Average precision at each threshold if image `i` occurs `counts[i]` times; `None` without labels.
    fn average_precision(&self, counts: &[usize], integration: ApIntegration) -> Option<[f64; LEVELS]> {
        let instances: usize = self.instances.iter().map(|(image, n)| n * counts[*image]).sum();
        if instances == 0 {
            return None;
        }
        let drawn = || self.detections.iter().filter(|(_, image)| counts[*image] > 0);
        if drawn().next().is_none() {
            return Some([0.0; LEVELS]);
        }
        Some(std::array::from_fn(|level| {
            let mut right = 0usize;
            let mut seen = 0usize;
            let mut recall = Vec::new();
            let mut precision = Vec::new();
            let mut last_is_wrong = false;
            for ((_, hits), image) in drawn() {
                let count = counts[*image];
                let hit = hits.at(level);
                // Consecutive false positives have the same recall, and the curve keeps only the last of
                // them.
                if !hit && last_is_wrong {
                    recall.pop();
                    precision.pop();
                }
                for _ in 0..if hit { count } else { 1 } {
                    right += usize::from(hit);
                    seen += if hit { 1 } else { count };
                    recall.push(right as f64 / instances as f64);
                    precision.push(right as f64 / seen as f64);
                }
                last_is_wrong = !hit;
            }
            Envelope::new(integration, &recall, &precision).area()
        }))
    }
}

/// The metrics of one draw, or differences of metrics.
#[derive(Debug)]
struct Scores {
    map50: f64,
    map50_95: f64,
    per_class: BTreeMap<usize, f64>,
}

impl Scores {
    fn new(classes: &BTreeMap<usize, Ranked>, counts: &[usize], integration: ApIntegration) -> Self {
        let mut per_class = BTreeMap::new();
        let mut sum50 = 0.0;
        for (class_id, ranked) in classes {
            let Some(ap) = ranked.average_precision(counts, integration) else { continue };
            sum50 += ap[0];
            per_class.insert(*class_id, ap.iter().sum::<f64>() / LEVELS as f64);
        }
        let classes = per_class.len().max(1) as f64;
        Self { map50: sum50 / classes, map50_95: per_class.values().sum::<f64>() / classes, per_class }
    }

    /// All scores belong to the same draw, so they have the same classes.
    fn mean(all: impl ExactSizeIterator<Item = Self>) -> Self {
        let count = all.len().max(1) as f64;
        let mut sum = Self { map50: 0.0, map50_95: 0.0, per_class: BTreeMap::new() };
        for scores in all {
            sum.map50 += scores.map50 / count;
            sum.map50_95 += scores.map50_95 / count;
            for (class, ap) in scores.per_class {
                *sum.per_class.entry(class).or_insert(0.0) += ap / count;
            }
        }
        sum
    }

    /// Both scores belong to the same draw, so they have the same classes.
    fn minus(&self, other: &Self) -> Self {
        let class = |(id, ap): (&usize, &f64)| other.per_class.get(id).map(|before| (*id, ap - before));
        Self {
            map50: self.map50 - other.map50,
            map50_95: self.map50_95 - other.map50_95,
            per_class: self.per_class.iter().filter_map(class).collect(),
        }
    }
}

/// The value below which the fraction `share` of the sorted values lies, interpolated linearly; 0 for an
/// empty slice.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return 0.0 };
    let place = share * last as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn quantiles_lie_between_neighbours() {
        assert_eq!(quantile(&[], 0.5), 0.0);
        assert_eq!(quantile(&[3.0], 0.025), 3.0);
        assert_eq!(quantile(&[0.0, 1.0, 2.0, 3.0], 0.5), 1.5);
        assert_eq!(quantile(&[0.0, 10.0], 0.975), 9.75);
    }
}
