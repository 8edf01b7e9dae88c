//! How much to remove, and what to leave alone.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Guard, Preset, PruneError, Target};

/// Most channels that a layer of a graph can have.
const MOST_CHANNELS: usize = 65_536;

/// Among which sets the lowest scores are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Among all of the network: unimportant layers lose more (Network Slimming's threshold).
    #[default]
    Global,
    /// Within each group: every layer loses the same share.
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

/// The choice of channels, as configuration.
///
/// `scope`, `min_channels` and `round_to` are for [`Preset::Group`]; the other presets bring their own rules.
/// `protect`, `max_ratio_per_layer`, `target` and `clamp` hold for all.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PrunePolicy {
    /// Share to remove, `0..=1`, of the coupled channel sets that may be pruned, before guards and rounding.
    /// Default 0.5, as in the literature on YOLO pruning.
    pub prune_ratio: f64,
    /// Where the lowest scores are looked for.
    pub scope: Scope,
    /// Sets that each group keeps at least (all of a smaller one). Default 8, as in the usual scripts.
    pub min_channels: usize,
    /// The kept count of each group is rounded **up** to a multiple of this, at most to the whole group.
    /// Default 8: what fp16 tensor cores and wide vector units want. `None` turns rounding off.
    pub round_to: Option<usize>,
    /// Layers that keep all channels: names of convolutions or batch norms, with `*` and `?`.
    pub protect: Vec<String>,
    /// Largest share that any group may lose.
    pub max_ratio_per_layer: Option<f64>,
    /// How channels are chosen.
    pub preset: Preset,
    /// What the result may cost at most. If set, the smallest ratio that reaches it is looked for, and
    /// `prune_ratio` is not used. See [`choose`](crate::choose()).
    pub target: Option<Target>,
    /// Whether a group of which the ratio would take all channels keeps some by the other guards (default),
    /// or makes the choice an error ([`PruneError::EmptyingRatio`]).
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
    /// [`PruneError::Policy`] with the field, the number and what it must be.
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
        self.target.map_or(Ok(()), Target::check)
    }

    /// How many of a group's `size` sets stay when at most `removable` should go, and the guard that made it
    /// more: never none stay, and never less than any guard allows.
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

    /// The policy whose guards a preset with rules of its own obeys.
    pub(crate) fn without_floors(&self) -> Self {
        Self { min_channels: 1, round_to: None, ..self.clone() }
    }

    /// The guards in words, for the error that they cause.
    pub(crate) fn describe_guards(&self) -> String {
        let mut words = vec![format!("preset {}", self.preset)];
        if self.preset == Preset::Group {
            words.push(format!("at least {} channels a group", self.min_channels.max(1)));
            words.extend(self.round_to.filter(|r| *r > 1).map(|r| format!("rounded up to multiples of {r}")));
        }
        let percent = |ratio| format!("at most {:.0} % of a group", 100.0 * ratio);
        words.extend(self.max_ratio_per_layer.map(percent));
        if !self.protect.is_empty() {
            words.push(format!("protected: {}", self.protect.join(", ")));
        }
        if !self.clamp {
            words.push("no group may be emptied by the ratio".to_owned());
        }
        words.join("; ")
    }
}

/// `floor(ratio * count)`, where a product that falls short of a whole number by a rounding error counts as
/// that number (0.29 of 100 is 29).
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
        assert_eq!(kept(0, None, None, 10, 10), 1, "never none");
        assert_eq!(kept(8, None, None, 16, 12), 8);
        assert_eq!(kept(8, None, None, 5, 5), 5, "a small group stays whole");
        assert_eq!(kept(1, Some(8), None, 32, 23), 16, "9 are rounded up");
        assert_eq!(kept(1, Some(8), None, 13, 4), 13, "not beyond the group");
        assert_eq!(kept(1, None, Some(0.25), 16, 12), 12);
        assert_eq!(kept(1, Some(8), Some(0.0), 12, 12), 12);
    }

    #[test]
    fn the_guard_that_decides_is_named() {
        let guard = |min, round, max, size, removable| policy(min, round, max).kept_count(size, removable).1;
        assert_eq!(guard(0, None, None, 10, 9), None);
        assert_eq!(guard(0, None, None, 10, 10), Some(Guard::LastChannel));
        assert_eq!(guard(8, None, None, 16, 12), Some(Guard::MinChannels));
        assert_eq!(guard(8, None, None, 5, 0), None, "nothing was asked for");
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
