//! [`Flaws`]: counts of flaws by kind, with the first three of each kind.
//!
//! Memory use does not depend on the number of flaws: a million bad rows take as much as ten.

use std::ops::Index;

use crate::{Cost, Warning, WarningKind};

/// Number of flaws of each kind that are kept in full.
const KEPT: usize = 3;

/// Counts of flaws and assumptions of a dataset, by kind.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Flaws {
    first: Vec<Warning>,
    counts: Vec<(&'static str, usize)>,
}

impl Flaws {
    /// Counts a flaw.
    pub fn push(&mut self, warning: Warning) {
        self.add(warning.kind.code(), warning.kind.times());
        self.keep(warning);
    }

    /// Counts all flaws of `other`, after those already counted.
    pub fn extend(&mut self, other: Self) {
        let Self { first, counts } = other;
        for warning in first {
            self.keep(warning);
        }
        for (code, count) in counts {
            self.add(code, count);
        }
    }

    /// Keeps a flaw in full if few of its kind are kept.
    fn keep(&mut self, warning: Warning) {
        let code = warning.kind.code();
        if self.first.iter().filter(|known| known.kind.code() == code).count() < KEPT {
            self.first.push(warning);
        }
    }

    fn add(&mut self, code: &'static str, more: usize) {
        match self.counts.iter_mut().find(|(known, _)| *known == code) {
            Some((_, count)) => *count += more,
            None => self.counts.push((code, more)),
        }
    }

    /// How many flaws were counted.
    pub fn len(&self) -> usize {
        self.counts.iter().map(|(_, count)| count).sum()
    }

    /// Whether nothing was wrong.
    pub fn is_empty(&self) -> bool {
        self.counts.is_empty()
    }

    /// The first three of each kind, in the order in which they were counted.
    pub fn iter(&self) -> impl Iterator<Item = &Warning> {
        self.first.iter()
    }

    /// Each kind with its count and its first flaw: the most costly kinds first, then in the order of their
    /// first flaws.
    pub fn kinds(&self) -> Vec<(&Warning, usize)> {
        let first = |code: &str| self.first.iter().find(|warning| warning.kind.code() == code);
        let mut kinds: Vec<_> =
            self.counts.iter().filter_map(|(code, count)| Some((first(code)?, *count))).collect();
        kinds.sort_by_key(|(warning, _)| warning.kind.cost());
        kinds
    }

    /// How many flaws cost this much.
    pub fn costing(&self, cost: Cost) -> usize {
        self.kinds().iter().filter(|(warning, _)| warning.kind.cost() == cost).map(|(_, count)| count).sum()
    }

    /// How many flaws are of the same kind as `kind`, whatever values it holds.
    pub fn count(&self, kind: &WarningKind) -> usize {
        self.counts.iter().find(|(code, _)| *code == kind.code()).map_or(0, |(_, count)| *count)
    }
}

/// Access to the flaws of [`Flaws::iter`] by position.
impl Index<usize> for Flaws {
    type Output = Warning;

    fn index(&self, number: usize) -> &Warning {
        &self.first[number]
    }
}

impl<'a> IntoIterator for &'a Flaws {
    type Item = &'a Warning;
    type IntoIter = std::slice::Iter<'a, Warning>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flaw(line: usize, kind: WarningKind) -> Warning {
        Warning { path: "a.txt".into(), line: Some(line), kind }
    }

    #[test]
    fn counts_grow_and_examples_do_not() {
        let mut all = Flaws::default();
        for line in 1..=1000 {
            let mut one = Flaws::default();
            one.push(flaw(line, WarningKind::SixthColumn));
            if line % 2 == 0 {
                one.push(flaw(line, WarningKind::EmptyBox));
            }
            all.extend(one);
        }
        assert_eq!((all.len(), all.iter().count()), (1500, 6));
        assert_eq!((all.costing(Cost::Row), all.costing(Cost::Nothing)), (500, 1000));
        assert_eq!(all.count(&WarningKind::EmptyBox), 500);
        let kinds: Vec<_> = all.kinds().iter().map(|(first, count)| (first.line, *count)).collect();
        assert_eq!(kinds, [(Some(2), 500), (Some(1), 1000)]);
    }
}
