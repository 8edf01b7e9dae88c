//! [`PrunePolicy`]: how much to remove, and which layers to leave alone.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{CostTarget, Guard, Preset, PruneError};

/// Largest number of channels that a layer of a graph can have.
const MOST_CHANNELS: usize = 65_536;

/// The range within which the lowest scores are searched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole network: unimportant layers lose more (Network Slimming's threshold).
    #[default]
    Global,
    /// Each group: every layer loses the same fraction.
    PerLayer,
}

impl FromStr for Scope {
    type Err = PruneError;

    fn from_str(text: &str) -> Result<Self, PruneError> {
        match text {
            "global" => Ok(Self::Global),
            "per_layer" | "per-layer" | "local" => Ok(Self::PerLayer),
            _ => {
                let got = text.to_owned();
                let known = "global, per_layer";
                Err(PruneError::UnknownName { what: "scope", got, known })
            }
        }
    }
}

/// The rules for choosing channels.
///
/// `scope`, `min_channels` and `round_to` apply to [`Preset::Group`]; the other presets have their own rules.
/// `protect`, `max_ratio_per_layer`, `target` and `clamp` apply to all presets.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrunePolicy {
    /// Fraction to remove, `0..=1`, of the coupled channel sets that may be pruned, before guards and
    /// rounding. Default 0.5, as in the literature on YOLO pruning.
    pub prune_ratio: f64,
    /// Whether the lowest scores are searched globally or per layer.
    pub scope: Scope,
    /// Minimum number of sets that each group keeps (a smaller group keeps all). Default 8, as in the usual
    /// scripts.
    pub min_channels: usize,
    /// The kept count of each group is rounded **up** to a multiple of this number, at most to the whole
    /// group. Default 8, which suits fp16 tensor cores and wide vector units. `None` turns rounding off.
    pub round_to: Option<usize>,
    /// Layers that keep all channels: names of convolutions or batch norms, with `*` and `?`.
    pub protect: Vec<String>,
    /// Largest fraction that any group may lose.
    pub max_ratio_per_layer: Option<f64>,
    /// The rule by which channels are chosen.
    pub preset: Preset,
    /// Upper limit for the cost of the result. If set, the smallest ratio that reaches the target is
    /// searched, and `prune_ratio` is ignored. See [`choose`](crate::choose()).
    pub target: Option<CostTarget>,
    /// If the ratio would remove all channels of a group: whether the group keeps as many as the guards
    /// require (default), or the choice fails with [`PruneError::EmptyingRatio`].
    pub clamp: bool,
}

impl Default for PrunePolicy {
    fn default() -> Self {
        Self {
            prune_ratio: 0.5,
            scope: Scope::Global,
            min_channels: 8,
            round_to: Some(8),
            protect: Vec::new(),
            max_ratio_per_layer: None,
            preset: Preset::Group,
            target: None,
            clamp: true,
        }
    }
}

impl PrunePolicy {
    /// Checks the numbers.
    ///
    /// # Errors
    /// [`PruneError::Policy`] with the field, its value and the accepted range.
    pub fn check(&self) -> Result<(), PruneError> {
        let share = |field: &'static str, got: f64| {
            if (0.0..=1.0).contains(&got) {
                Ok(())
            } else {
                Err(PruneError::Policy { field, got: got.to_string(), expected: "in 0..=1" })
            }
        };
        share("prune_ratio", self.prune_ratio)?;
        share("max_ratio_per_layer", self.max_ratio_per_layer.unwrap_or(0.0))?;
        let channels = |field: &'static str, got: usize, expected: &'static str| {
            if got <= MOST_CHANNELS {
                Ok(())
            } else {
                Err(PruneError::Policy { field, got: got.to_string(), expected })
            }
        };
        channels("min_channels", self.min_channels, "at most 65536 channels")?;
        channels("round_to", self.round_to.unwrap_or(1), "at most 65536 channels")?;
        if self.round_to == Some(0) {
            let field = "round_to";
            let got = "0".to_owned();
            return Err(PruneError::Policy {
                field,
                got,
                expected: "at least 1; leave it out for no rounding",
            });
        }
        self.target.map_or(Ok(()), CostTarget::check)
    }

    /// Number of a group's `size` sets that stay if up to `removable` should be removed, and the guard that
    /// raised it: at least one set stays, and never fewer than a guard requires.
    pub(crate) fn kept_count(&self, size: usize, removable: usize) -> (usize, Option<Guard>) {
        let largest_loss = self.max_ratio_per_layer.map_or(size, |ratio| share_of(ratio, size));
        let floors = [
            (1, Guard::LastChannel),
            (self.min_channels, Guard::MinChannels),
            (size - largest_loss, Guard::MaxRatio),
        ];
        let asked = size - removable;
        let mut kept = asked;
        let mut guard = None;
        for (floor, of) in floors {
            if kept < floor {
                (kept, guard) = (floor, Some(of));
            }
        }
        let rounded = kept.next_multiple_of(self.round_to.unwrap_or(1));
        if rounded > kept && kept < size {
            guard = Some(Guard::RoundTo);
        }
        let kept = rounded.min(size);
        (kept, guard.filter(|_| kept > asked))
    }

    /// The policy for presets with their own rules: without minimum width and rounding.
    pub(crate) fn without_floors(&self) -> Self {
        Self { min_channels: 1, round_to: None, ..self.clone() }
    }

    /// The active guards in words, for [`PruneError::UnreachableTarget`].
    pub(crate) fn describe_guards(&self) -> String {
        let mut words = vec![format!("preset {}", self.preset)];
        if self.preset == Preset::Group {
            words.push(format!("at least {} channels per group", self.min_channels.max(1)));
            words.extend(self.round_to.filter(|r| *r > 1).map(|r| format!("rounded up to multiples of {r}")));
        }
        let percent = |ratio| format!("at most {:.0} % of a group", 100.0 * ratio);
        words.extend(self.max_ratio_per_layer.map(percent));
        if !self.protect.is_empty() {
            words.push(format!("protected: {}", self.protect.join(", ")));
        }
        if !self.clamp {
            words.push("the ratio may not empty a group".to_owned());
        }
        words.join("; ")
    }
}

/// `floor(ratio * count)`; a product that is below a whole number only by a rounding error counts as that
/// number (0.29 of 100 is 29).
pub(crate) fn share_of(ratio: f64, count: usize) -> usize {
    ((ratio * count as f64 + 1e-9).floor() as usize).min(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(min_channels: usize, round_to: Option<usize>, max: Option<f64>) -> PrunePolicy {
        PrunePolicy { min_channels, round_to, max_ratio_per_layer: max, ..PrunePolicy::default() }
    }

    #[test]
    fn guards_only_ever_keep_more() {
        let kept = |min, round, max, size, removable| policy(min, round, max).kept_count(size, removable).0;
        assert_eq!(kept(0, None, None, 10, 10), 1, "at least one stays");
        assert_eq!(kept(8, None, None, 16, 12), 8);
        assert_eq!(kept(8, None, None, 5, 5), 5, "a group smaller than the minimum stays whole");
        assert_eq!(kept(1, Some(8), None, 32, 23), 16, "9 kept sets are rounded up to 16");
        assert_eq!(kept(1, Some(8), None, 13, 4), 13, "not more than the group has");
        assert_eq!(kept(1, None, Some(0.25), 16, 12), 12);
        assert_eq!(kept(1, Some(8), Some(0.0), 12, 12), 12);
    }

    #[test]
    fn the_guard_that_decides_is_named() {
        let guard = |min, round, max, size, removable| policy(min, round, max).kept_count(size, removable).1;
        assert_eq!(guard(0, None, None, 10, 9), None);
        assert_eq!(guard(0, None, None, 10, 10), Some(Guard::LastChannel));
        assert_eq!(guard(8, None, None, 16, 12), Some(Guard::MinChannels));
        assert_eq!(guard(8, None, None, 5, 0), None, "the ratio removes nothing");
        assert_eq!(guard(8, None, Some(0.25), 16, 12), Some(Guard::MaxRatio));
        assert_eq!(guard(8, Some(8), None, 32, 23), Some(Guard::RoundTo));
        assert_eq!(guard(8, Some(8), None, 32, 24), None);
        assert_eq!(guard(9, Some(8), None, 32, 30), Some(Guard::RoundTo));
    }

    #[test]
    fn shares_do_not_suffer_from_binary_fractions() {
        assert_eq!(
            [share_of(0.29, 100), share_of(0.3, 10), share_of(0.5, 5), share_of(1.0, 7)],
            [29, 3, 2, 7]
        );
    }

    #[test]
    fn numbers_are_checked() {
        for bad in [-0.1, 1.1, f64::NAN] {
            assert!(PrunePolicy { prune_ratio: bad, ..PrunePolicy::default() }.check().is_err());
            assert!(policy(8, None, Some(bad)).check().is_err());
        }
        assert!(policy(8, Some(0), None).check().is_err());
        assert!(serde_json::from_str::<PrunePolicy>(r#"{"prune_ratio": 0.3, "ratio": 1}"#).is_err());
    }
}
