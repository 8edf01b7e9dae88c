//! [`Live`]: the channels of a padded tensor that are not padding, which a direct convolution multiplies.
//!
//! In a pruned network, layers of 8 channels are stored in segments of 16: half of all products would be with
//! zeros.

use std::iter;
use std::ops::Range;

use super::tile::Run;
use crate::KernelError;

/// Ranges of live channels in ascending order, out of `channels` channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Live {
    stretches: Vec<Range<usize>>,
    channels: usize,
}

impl Live {
    /// All channels are live.
    pub(crate) fn all(channels: usize) -> Self {
        Self { stretches: iter::once(0..channels).collect(), channels }
    }

    /// The channels in `ranges` are live; adjacent ranges are merged.
    ///
    /// # Errors
    /// [`KernelError::Operand`] with the given `what` if ranges are not ascending or end after `channels`.
    pub(crate) fn new(
        what: &'static str,
        ranges: &[Range<usize>],
        channels: usize,
    ) -> Result<Self, KernelError> {
        let mut stretches: Vec<Range<usize>> = Vec::new();
        let mut end = 0;
        for range in ranges {
            let bounds = [(range.start, end, range.end), (range.end, range.start, channels)];
            if let Some(&(got, least, most)) =
                bounds.iter().find(|(got, least, most)| got < least || got > most)
            {
                let expected = if got < least { least } else { most };
                return Err(KernelError::Operand { label: "convolution".to_owned(), what, got, expected });
            }
            match stretches.last_mut() {
                Some(last) if last.end == range.start => last.end = range.end,
                _ if range.is_empty() => {}
                _ => stretches.push(range.clone()),
            }
            end = range.end;
        }
        Ok(Self { stretches, channels })
    }

    /// The runs over `columns` neighbouring pixels whose inputs begin at `x` and whose panel rows begin at
    /// `w`.
    pub(crate) fn runs(&self, x: usize, w: usize, columns: usize) -> Vec<Run> {
        if self.stretches.first() == Some(&(0..self.channels)) {
            return vec![Run { x, w, len: columns * self.channels }];
        }
        let runs_of = |column: usize| {
            let run = move |stretch: &Range<usize>| {
                let first = column * self.channels + stretch.start;
                Run { x: x + first, w: w + first, len: stretch.len() }
            };
            self.stretches.iter().map(run)
        };
        (0..columns).flat_map(runs_of).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::slice;

    use super::*;

    const WHAT: &str = "live channels";

    #[test]
    fn runs_leave_out_what_is_padding() {
        let live = Live::new(WHAT, &[0..8, 16..19], 32).unwrap();
        let runs: Vec<_> = live.runs(100, 7, 2).iter().map(|r| (r.x, r.w, r.len)).collect();
        assert_eq!(runs, [(100, 7, 8), (116, 23, 3), (132, 39, 8), (148, 55, 3)]);
    }

    #[test]
    fn without_padding_a_row_of_the_kernel_is_one_run() {
        for live in [Live::all(32), Live::new(WHAT, &[0..16, 16..32], 32).unwrap()] {
            assert_eq!(live.runs(5, 6, 3), [Run { x: 5, w: 6, len: 96 }]);
        }
    }

    #[test]
    fn ranges_that_do_not_fit_are_refused() {
        assert_eq!(Live::new(WHAT, slice::from_ref(&(0..16)), 16), Ok(Live::all(16)));
        for ranges in [[0..8, 4..16], [0..8, 8..17], [0..8, 17..17]] {
            let error = Live::new(WHAT, &ranges, 16).unwrap_err();
            assert!(matches!(error, KernelError::Operand { what: WHAT, .. }), "{error}");
        }
        #[expect(clippy::reversed_empty_ranges, reason = "what is to be refused")]
        let falling = 8..4;
        assert!(Live::new(WHAT, slice::from_ref(&falling), 16).is_err());
    }
}
