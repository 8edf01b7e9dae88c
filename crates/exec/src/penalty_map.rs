//! [`PenaltyMap`]: which batch-norm channels L1 penalises, and which of them form a group.

use std::collections::BTreeMap;
use std::ops::Range;

use bonsai_graph::ParamRole;

use crate::ExecError;

/// For batch-norm scales and shifts by name: each channel is excluded from L1 (`None`) or penalised in a
/// group (`Some`).
///
/// Parameters that the map does not name are penalised completely, each channel separately.
/// [`L1Method::GroupLasso`](crate::L1Method::GroupLasso) penalises all gammas with the same group number
/// together, also across layers. Betas and other methods ignore the number.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PenaltyMap(BTreeMap<String, Vec<Option<usize>>>);

impl PenaltyMap {
    /// Sets the channels of a parameter; replaces an earlier entry.
    pub fn insert(&mut self, name: impl Into<String>, channels: Vec<Option<usize>>) {
        self.0.insert(name.into(), channels);
    }

    /// All entries, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Option<usize>])> {
        self.0.iter().map(|(name, channels)| (name.as_str(), channels.as_slice()))
    }
}

/// How L1 treats one value of the trained buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Mark {
    /// L1 excludes it.
    Left,
    /// L1 penalises it separately.
    #[default]
    Alone,
    /// It is a gamma of this group.
    Group(usize),
}

/// Whether a role is the scale or shift of a batch norm.
pub(crate) const fn is_affine(role: ParamRole) -> bool {
    matches!(role, ParamRole::BnGamma | ParamRole::BnBeta)
}

/// The scale or shift of a batch norm.
pub(crate) struct ChannelSlot<'a> {
    pub(crate) name: &'a str,
    pub(crate) role: ParamRole,
    /// Position of each channel in the trained buffer.
    pub(crate) positions: Vec<usize>,
}

/// A [`PenaltyMap`] converted to positions in the trained buffer.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    /// Position of the first mark; values outside the marks are penalised separately.
    start: usize,
    values: Vec<Mark>,
    /// Number of groups.
    groups: usize,
}

impl Marks {
    /// Converts `map` for a buffer in which all scales and shifts lie within `span`.
    pub(crate) fn of<'a>(
        map: &PenaltyMap,
        slots: impl Iterator<Item = ChannelSlot<'a>>,
        span: Range<usize>,
    ) -> Result<Self, ExecError> {
        let mut left = map.0.clone();
        let mut marks = vec![Mark::Alone; span.len()];
        let mut numbers = BTreeMap::new();
        for slot in slots {
            let Some(channels) = left.remove(slot.name) else { continue };
            let got = channels.len();
            let expected = slot.positions.len();
            if got != expected {
                return Err(ExecError::PenaltyLength { name: slot.name.to_owned(), got, expected });
            }
            for (position, channel) in slot.positions.into_iter().zip(channels) {
                let groups = numbers.len();
                marks[position - span.start] = match channel {
                    None => Mark::Left,
                    Some(group) if slot.role == ParamRole::BnGamma => {
                        Mark::Group(*numbers.entry(group).or_insert(groups))
                    }
                    Some(_) => Mark::Alone,
                };
            }
        }
        match left.pop_first() {
            Some((name, _)) => Err(ExecError::Penalised { name }),
            None => Ok(Self { start: span.start, values: marks, groups: numbers.len() }),
        }
    }

    /// The marks of a range of the trained buffer.
    pub(crate) fn within(&self, range: Range<usize>) -> impl Iterator<Item = Mark> {
        range.map(|at| {
            let mark = at.checked_sub(self.start).and_then(|at| self.values.get(at));
            mark.copied().unwrap_or_default()
        })
    }

    /// Number of groups.
    pub(crate) const fn groups(&self) -> usize {
        self.groups
    }
}

#[cfg(test)]
mod tests {
    use super::Mark::{Alone, Group, Left};
    use super::*;

    fn slots() -> impl Iterator<Item = ChannelSlot<'static>> {
        let slot = |name, role, positions| ChannelSlot { name, role, positions };
        [
            slot("a.weight", ParamRole::BnGamma, vec![10, 12]),
            slot("b.weight", ParamRole::BnGamma, vec![14, 13]),
            slot("a.bias", ParamRole::BnBeta, vec![15, 17]),
        ]
        .into_iter()
    }

    fn map(entries: &[(&str, &[Option<usize>])]) -> PenaltyMap {
        let mut map = PenaltyMap::default();
        for (name, channels) in entries {
            map.insert(*name, channels.to_vec());
        }
        map
    }

    #[test]
    fn a_map_is_laid_over_positions() {
        let map = map(&[
            ("a.weight", &[Some(70), None]),
            ("b.weight", &[Some(70), Some(9)]),
            ("a.bias", &[None, Some(70)]),
        ]);
        let marks = Marks::of(&map, slots(), 10..20).unwrap();
        // Positions between channels and outside the span are padding and other parameters.
        let expected = [Alone, Group(0), Alone, Left, Group(1), Group(0), Left, Alone, Alone, Alone];
        assert_eq!(marks.within(9..19).collect::<Vec<_>>(), expected);
        assert_eq!(marks.groups(), 2);
        assert!(Marks::default().within(0..3).all(|mark| mark == Alone));
    }

    #[test]
    fn names_and_lengths_are_checked() {
        let text = |entries| Marks::of(&map(entries), slots(), 10..20).unwrap_err().to_string();
        let error = text(&[("a.weight", &[None; 2]), ("c.weight", &[None; 2])]);
        assert!(error.contains("`c.weight`"), "{error}");
        let error = text(&[("b.weight", &[None; 3])]);
        assert!(["`b.weight`", "2 channels", "3"].iter().all(|part| error.contains(part)), "{error}");
    }
}
