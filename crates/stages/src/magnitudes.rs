//! [`Magnitudes`]: range and histogram of the values of a wire; the histogram's limit grows with the values.

/// Number of bins; even, so that pairs of bins can be merged.
const BINS: usize = 2048;
/// Number of values that are compared at a time, for vector instructions.
const LANES: usize = 16;

/// Smallest and largest value, and the count of each magnitude.
#[derive(Debug, Clone)]
pub(crate) struct Magnitudes {
    low: f32,
    high: f32,
    /// Counts of magnitudes from 0 to `limit` in equal steps.
    counts: Vec<u64>,
    limit: f32,
}

impl Magnitudes {
    /// No values yet.
    pub(crate) fn new() -> Self {
        Self { low: f32::INFINITY, high: f32::NEG_INFINITY, counts: vec![0; BINS], limit: 0.0 }
    }

    /// Includes these values in the range only, which is faster than counting them.
    pub(crate) fn widen(&mut self, values: &[f32]) {
        let mut lanes = [(self.low, self.high); LANES];
        let (rows, rest) = values.as_chunks::<LANES>();
        let take = |lane: &mut (f32, f32), value: f32| *lane = (lane.0.min(value), lane.1.max(value));
        for row in rows {
            lanes.iter_mut().zip(row).for_each(|(lane, value)| take(lane, *value));
        }
        lanes.iter_mut().zip(rest).for_each(|(lane, value)| take(lane, *value));
        (self.low, self.high) =
            lanes.into_iter().fold((self.low, self.high), |(l, h), (low, high)| (l.min(low), h.max(high)));
    }

    /// Includes these values in the range and the histogram.
    pub(crate) fn count(&mut self, values: &[f32]) {
        self.widen(values);
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        self.reach(largest);
        let scale = if self.limit > 0.0 { BINS as f32 / self.limit } else { 0.0 };
        for value in values {
            self.counts[((value.abs() * scale) as usize).min(BINS - 1)] += 1;
        }
    }

    /// Smallest and largest value so far; (0, 0) without values.
    pub(crate) fn range(&self) -> (f32, f32) {
        if self.low <= self.high { (self.low, self.high) } else { (0.0, 0.0) }
    }

    /// The range limited to the magnitude that `percent` of all values do not exceed, rounded up to a whole
    /// bin.
    pub(crate) fn percentile(&self, percent: f64) -> (f32, f32) {
        let (low, high) = self.range();
        let all: u64 = self.counts.iter().sum();
        let wanted = (all as f64 * percent / 100.0).ceil() as u64;
        let mut seen = 0;
        let within = self.counts.iter().take_while(|count| {
            let more = seen < wanted;
            seen += **count;
            more
        });
        let limit = within.count() as f32 * (self.limit / BINS as f32);
        (low.max(-limit), high.min(limit))
    }

    /// Raises the limit to at least `magnitude`: doubles it and merges pairs of bins, as often as needed.
    fn reach(&mut self, magnitude: f32) {
        if !magnitude.is_finite() {
            return; // Counted in the last bin; the range shows it.
        }
        if self.limit == 0.0 {
            // All values so far, if any, were zero.
            self.limit = magnitude;
        }
        while self.limit < magnitude {
            self.limit *= 2.0;
            for bin in 0..BINS / 2 {
                self.counts[bin] = self.counts[2 * bin] + self.counts[2 * bin + 1];
            }
            self.counts[BINS / 2..].fill(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_leaves_the_largest_out() {
        let mut magnitudes = Magnitudes::new();
        assert_eq!(magnitudes.range(), (0.0, 0.0));
        magnitudes.count(&[0.0; 4]);
        assert_eq!(magnitudes.percentile(99.0), (0.0, 0.0));
        let values: Vec<f32> =
            (0..1000).map(|i| if i % 2 == 0 { i as f32 } else { -(i as f32) / 2.0 }).collect();
        // The result does not depend on the order of values, or on how small the first one is.
        magnitudes.count(&[1e-3]);
        for part in values.chunks(7) {
            magnitudes.count(part);
        }
        assert_eq!(magnitudes.range(), (-499.5, 998.0));
        let (low, high) = magnitudes.percentile(90.0);
        // The 1000 magnitudes are even numbers up to 998 and halves of odd ones up to 499.5; a tenth of them
        // exceed 800.
        let mut sorted: Vec<f32> = values.iter().map(|v| v.abs()).collect();
        sorted.sort_by(f32::total_cmp);
        let exact = sorted[900];
        let bin = magnitudes.limit / BINS as f32;
        assert!((high - exact).abs() <= 2.0 * bin + 2.0, "{high} instead of {exact}, {bin} wide");
        assert_eq!(low, -499.5);
        assert_eq!(magnitudes.counts.iter().sum::<u64>(), 1005);
        assert_eq!(magnitudes.percentile(100.0), (-499.5, 998.0));

        let mut range = Magnitudes::new();
        values.chunks(37).for_each(|part| range.widen(part));
        assert_eq!(range.range(), magnitudes.range());
    }
}
