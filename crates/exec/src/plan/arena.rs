//! [`Arena`]: assigns memory to the tensors of a plan.
//!
//! A plan writes its programs twice. In the first draft, every tensor is a separate buffer; the operands that
//! the kernels declare then give the first and last access to each tensor, including temporaries. Tensors
//! that are never alive at the same time share memory. In the second run, the same requests in the same order
//! receive their final positions.
//!
//! Invariant: two tensors that are alive at the same moment do not overlap. A moment is a stage: kernels
//! without a common tensor, which run at the same time. Tensors that share memory are used in different
//! stages, so sharing splits no stage.

use bonsai_kernels::{SEGMENT, View};

use super::backend::Steps;

/// Numbers of the buffers on which the programs of a plan run.
pub(crate) mod buffers {
    /// Values, gradients and temporaries.
    pub(crate) const ACTIVATIONS: usize = 0;
    /// Trained parameters.
    pub(crate) const PARAMS: usize = 1;
    /// Running statistics.
    pub(crate) const STATISTICS: usize = 2;
    /// Gradients of trained parameters.
    pub(crate) const GRADIENTS: usize = 3;
    /// Values computed once from the parameters, for inference.
    pub(crate) const FOLDED: usize = 4;
    /// The same memory as [`ACTIVATIONS`], as values of two bytes (bf16). Offsets count such values. Only a backend that
    /// stores halves uses it.
    pub(crate) const HALVES: usize = 5;
    /// Number of buffers. In a draft, tensors are the buffers from here on.
    pub(crate) const COUNT: usize = 6;
}

/// A moment between programs at which the host reads or writes tensors. A plan runs `forward` and, in
/// training, `backward`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Boundary {
    /// The host writes the images.
    BeforeForward,
    /// The host reads outputs and taps and writes the gradients of the outputs.
    AfterForward,
    /// The host reads the gradient of the images.
    AfterBackward,
}

/// Creates tensors: in a draft as separate buffers, afterwards as views of one buffer.
#[derive(Debug, Default)]
pub(crate) struct Arena {
    /// Number of values of each tensor; two halves count as one value.
    lens: Vec<usize>,
    /// Tensors that the host reads or writes at a boundary.
    touches: Vec<(usize, Boundary)>,
    /// Position of each tensor; `None` in a draft.
    offsets: Option<Vec<usize>>,
}

impl Arena {
    /// A dense tensor of the activations. Its memory is not initialised.
    pub(crate) fn tensor(&mut self, pixels: usize, channels: usize) -> View {
        let id = self.lens.len();
        self.lens.push(pixels * channels);
        match &self.offsets {
            None => View::dense(buffers::COUNT + id, 0, pixels, channels),
            Some(offsets) => View::dense(buffers::ACTIVATIONS, offsets[id], pixels, channels),
        }
    }

    /// The same for values of two bytes.
    pub(crate) fn halves(&mut self, pixels: usize, channels: usize) -> View {
        let id = self.lens.len();
        self.lens.push((pixels * channels).div_ceil(2));
        match &self.offsets {
            None => View::dense(buffers::COUNT + id, 0, pixels, channels),
            Some(offsets) => View::dense(buffers::HALVES, 2 * offsets[id], pixels, channels),
        }
    }

    /// A vector of the activations.
    pub(crate) fn vector(&mut self, len: usize) -> View {
        self.tensor(1, len)
    }

    /// Records that the host reads or writes this tensor at that boundary.
    pub(crate) fn touch(&mut self, view: &View, boundary: Boundary) {
        if let Some(id) = view.buffer.checked_sub(buffers::COUNT) {
            self.touches.push((id, boundary));
        }
    }

    /// Ends the draft: assigns a position to every tensor that the programs `forward` and `backward` use.
    /// Returns the number of values in the activations.
    pub(crate) fn place(&mut self, programs: [&impl Steps; 2]) -> usize {
        let spans = self.spans(programs);
        let (offsets, len) = pack(&self.lens, &spans);
        *self = Self { offsets: Some(offsets), ..Self::default() };
        len
    }

    fn spans(&self, programs: [&impl Steps; 2]) -> Vec<Option<Span>> {
        let mut spans = vec![None; self.lens.len()];
        let mut now = 0;
        let mut boundaries = vec![now];
        for program in programs {
            for stage in program.stages() {
                now += 1;
                let tensors = stage.iter().filter_map(|o| o.view.buffer.checked_sub(buffers::COUNT));
                tensors.for_each(|id| Span::include(&mut spans[id], now));
            }
            now += 1;
            boundaries.push(now);
        }
        for (id, boundary) in &self.touches {
            Span::include(&mut spans[*id], boundaries[*boundary as usize]);
        }
        spans
    }
}

/// First and last moment at which a tensor is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    first: usize,
    last: usize,
}

impl Span {
    fn include(span: &mut Option<Self>, moment: usize) {
        let old = span.unwrap_or(Self { first: moment, last: moment });
        *span = Some(Self { first: old.first.min(moment), last: old.last.max(moment) });
    }

    fn meets(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// Greedy best fit: places the largest tensor first, each into the smallest gap between placed tensors that
/// are alive at the same time. Returns the offsets and the total length.
fn pack(lens: &[usize], spans: &[Option<Span>]) -> (Vec<usize>, usize) {
    let mut order: Vec<(usize, Span)> =
        spans.iter().enumerate().filter_map(|(id, span)| Some((id, (*span)?))).collect();
    order.sort_by_key(|(id, span)| (std::cmp::Reverse(lens[*id]), span.first, *id));
    let mut offsets = vec![0; lens.len()];
    let mut end = 0;
    // Placed tensors, ordered by offset.
    let mut placed: Vec<(usize, usize, Span)> = Vec::with_capacity(order.len());
    for (id, span) in order {
        let len = lens[id].next_multiple_of(SEGMENT);
        let mut best: Option<(usize, usize)> = None;
        let mut free = 0;
        for (start, stop, _) in placed.iter().filter(|(.., other)| other.meets(&span)) {
            let gap = start.saturating_sub(free);
            if gap >= len && best.is_none_or(|(smallest, _)| gap < smallest) {
                best = Some((gap, free));
            }
            free = free.max(*stop);
        }
        let offset = best.map_or(free, |(_, offset)| offset);
        let at = placed.partition_point(|(start, ..)| *start < offset);
        placed.insert(at, (offset, offset + len, span));
        offsets[id] = offset;
        end = end.max(offset + len);
    }
    (offsets, end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn span(first: usize, last: usize) -> Span {
        Span { first, last }
    }

    #[test]
    fn a_gap_is_filled_with_what_fits_best() {
        // Two long-lived tensors with gaps of 64 and 32 beside them, and a tensor of 16 that fits into both
        // gaps.
        let lens = [64, 48, 32, 32, 16];
        let spans = [span(0, 1), span(0, 9), span(0, 1), span(0, 9), span(5, 6)].map(Some);
        let (offsets, len) = pack(&lens, &spans);
        assert_eq!(len, 64 + 48 + 32 + 32);
        assert_eq!(offsets, [0, 64, 112, 144, 112]);
        assert_eq!(pack(&[7, 7], &[None, Some(span(3, 3))]), (vec![0, 0], 16));
    }

    proptest! {
        #[test]
        fn no_two_living_tensors_overlap(
            tensors in prop::collection::vec((0usize..200, 0usize..20, 0usize..6), 1..40),
        ) {
            let lens: Vec<usize> = tensors.iter().map(|t| t.0).collect();
            let spans: Vec<_> = tensors.iter().map(|t| Some(span(t.1, t.1 + t.2))).collect();
            let (offsets, len) = pack(&lens, &spans);
            for i in 0..lens.len() {
                prop_assert!(offsets[i] % SEGMENT == 0 && offsets[i] + lens[i] <= len);
                for j in 0..i {
                    let a = spans[i].unwrap();
                    let b = spans[j].unwrap();
                    let apart = offsets[i] + lens[i] <= offsets[j] || offsets[j] + lens[j] <= offsets[i];
                    // An empty tensor overlaps nothing.
                    let empty = lens[i] == 0 || lens[j] == 0;
                    prop_assert!(apart || empty || !a.meets(&b), "{i} and {j}");
                }
            }
            // At most the size without sharing, at least the largest size that is alive at one moment.
            let total: usize = lens.iter().map(|l| l.next_multiple_of(SEGMENT)).sum();
            let alive = |now: usize| -> usize {
                let lives = |(_, s): &(&usize, &Option<Span>)| s.unwrap().meets(&Span { first: now, last: now });
                lens.iter().zip(&spans).filter(lives).map(|(l, _)| *l).sum()
            };
            prop_assert!(len <= total && len >= (0..26).map(alive).max().unwrap());
        }
    }
}
