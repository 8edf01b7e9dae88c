//! [`Frozen`]: parameters that no step changes, as ranges of a flat buffer.
//!
//! A step works on the remaining parts of the range of each role; without frozen parameters these are the
//! whole ranges. Gradients of frozen parameters are still computed, and running statistics are not affected.

use std::collections::BTreeSet;
use std::ops::Range;

use crate::ExecError;

/// Disjoint ranges in ascending order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Frozen(Vec<Range<usize>>);

impl Frozen {
    /// Ranges of the named parameters; `slots` has name and range of every trained parameter in ascending
    /// order.
    pub(crate) fn of<'a>(
        names: &[String],
        slots: impl Iterator<Item = (&'a str, Range<usize>)>,
    ) -> Result<Self, ExecError> {
        let mut left: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for (_, range) in slots.filter(|(name, _)| left.remove(name)) {
            match ranges.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ => ranges.push(range),
            }
        }
        match left.pop_first() {
            Some(name) => Err(ExecError::Frozen { name: name.to_owned() }),
            None => Ok(Self(ranges)),
        }
    }

    pub(crate) fn ranges(&self) -> &[Range<usize>] {
        &self.0
    }

    /// The trained parts of `range`, in order.
    pub(crate) fn trained(&self, range: Range<usize>) -> impl Iterator<Item = Range<usize>> {
        let Range { start: mut at, end } = range;
        let mut frozen = self.0.iter();
        std::iter::from_fn(move || {
            while at < end {
                let (next, behind) = frozen.next().map_or((end, end), |f| (f.start, f.end));
                let part = at..next.clamp(at, end);
                at = at.max(behind).min(end);
                if !part.is_empty() {
                    return Some(part);
                }
            }
            None
        })
    }
}

/// The new average of a frozen parameter. Once it equals the value, it stays exactly equal.
#[inline]
pub(crate) fn average_frozen(decay: f32, average: f32, value: f32) -> f32 {
    average + (value - average) * (1.0 - decay)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frozen(names: &[&str]) -> Result<Frozen, ExecError> {
        let slots = [("a", 0..4), ("b", 4..6), ("c", 6..9), ("d", 9..12)];
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        Frozen::of(&names, slots.into_iter())
    }

    #[test]
    fn what_is_left_of_a_range() {
        let left = |names: &[&str], range| {
            frozen(names).unwrap().trained(range).map(|r| (r.start, r.end)).collect::<Vec<_>>()
        };
        assert_eq!(left(&[], 0..12), [(0, 12)]);
        assert_eq!(left(&["a"], 0..12), [(4, 12)]);
        assert_eq!(left(&["d", "b"], 0..12), [(0, 4), (6, 9)]);
        assert_eq!(left(&["b", "c"], 0..12), [(0, 4), (9, 12)]);
        assert_eq!(left(&["b"], 0..4), [(0, 4)]);
        assert_eq!(left(&["b"], 6..9), [(6, 9)]);
        // A role may end inside a merged range.
        assert_eq!(left(&["b", "c"], 6..12), [(9, 12)]);
        assert_eq!(left(&["b", "c"], 0..6), [(0, 4)]);
        assert!(left(&["a", "b", "c", "d"], 0..12).is_empty());
        assert!(left(&["a"], 5..5).is_empty());
    }

    #[test]
    fn neighbours_are_one_range_and_strangers_are_refused() {
        assert_eq!(frozen(&["c", "b"]).unwrap().ranges().len(), 1);
        assert!(frozen(&["b", "stranger"]).unwrap_err().to_string().contains("`stranger`"));
    }

    #[test]
    fn an_average_that_has_arrived_stays() {
        for value in [0.1f32, -3.3e-5, 7.7e8] {
            assert_eq!(average_frozen(0.9999, value, value), value);
            assert!((average_frozen(0.75, 0.0, value) - value / 4.0).abs() <= value.abs() * 1e-7);
        }
    }
}
