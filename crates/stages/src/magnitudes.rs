//! How large the values of a wire are: a histogram that grows with what it is given.

/// Bins; even, so that two of them can become one.
const BINS: usize = 2048;
/// Values that are compared side by side.
const LANES: usize = 16;

/// Smallest and largest value, and how often each magnitude comes.
#[derive(Debug, Clone)]
pub(crate) struct Magnitudes {
    low: f32,
    high: f32,
    /// Magnitudes from 0 to `limit` in equal steps.
    counts: Vec<u64>,
    limit: f32,
}

impl Magnitudes {
    /// Nothing seen.
    pub(crate) fn new() -> Self {
        Self { low: f32::INFINITY, high: f32::NEG_INFINITY, counts: vec![0; BINS], limit: 0.0 }
    }

    /// Takes these values into the range alone, which takes less time than counting them does.
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

    /// Counts these values.
    pub(crate) fn count(&mut self, values: &[f32]) {
        self.widen(values);
        let largest = values.iter().fold(0.0f32, |m, v| m.max(v.abs()));
        self.reach(largest);
        let scale = if self.limit > 0.0 { BINS as f32 / self.limit } else { 0.0 };
        for value in values {
            self.counts[((value.abs() * scale) as usize).min(BINS - 1)] += 1;
        }
    }

    /// Smallest and largest value seen; nothing seen is 0 to 0.
    pub(crate) fn range(&self) -> (f32, f32) {
        if self.low <= self.high { (self.low, self.high) } else { (0.0, 0.0) }
    }

    /// The range without what is larger in magnitude than `percent` of all values, to the next whole bin.
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

    /// Makes room for that magnitude: doubles the limit, two bins becoming one, as often as needed.
    fn reach(&mut self, magnitude: f32) {
        if !magnitude.is_finite() {
            return; // Counted in the last bin; the range tells.
        }
        if self.limit == 0.0 {
            // What was seen so far, if anything, was zero.
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
        // In any order, and from however small a start.
        magnitudes.count(&[1e-3]);
        for part in values.chunks(7) {
            magnitudes.count(part);
        }
        assert_eq!(magnitudes.range(), (-499.5, 998.0));
        let (low, high) = magnitudes.percentile(90.0);
        // Of 1000 magnitudes, even numbers to 998 and halves of odd ones to 499.5, a tenth is over 800.
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
