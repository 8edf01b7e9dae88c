//! Memory for the tensors of a plan: who lives when, and who lies where.
//!
//! A plan writes its programs twice. The first time every tensor is a buffer of its own; the operands that the kernels
//! declare then say exactly when each is first and last touched, temporaries included. Tensors that never live at the
//! same time share memory, and the second time the same requests in the same order get their real places.
//!
//! Invariant: two tensors that are alive at one moment do not overlap. Moments are stages, kernels that run at the same
//! time as long as they have no tensor in common; what shares memory is of different stages, so sharing splits none.

use bonsai_kernels::{Program, SEGMENT, View};

/// The buffers that a plan's programs run on.
pub(super) mod buffers {
    /// Values, gradients and temporaries.
    pub(in crate::cpu) const ACTIVATIONS: usize = 0;
    /// Trained parameters.
    pub(in crate::cpu) const PARAMS: usize = 1;
    /// Running statistics.
    pub(in crate::cpu) const STATISTICS: usize = 2;
    /// Gradients of trained parameters.
    pub(in crate::cpu) const GRADIENTS: usize = 3;
    /// What is made of the parameters once, for inference.
    pub(in crate::cpu) const FOLDED: usize = 4;
    /// How many there are; in a draft, tensors are buffers from here on.
    pub(in crate::cpu) const COUNT: usize = 5;
}

/// A moment between programs at which the host reads or writes tensors. Plans run `forward` and, in training, `backward`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Boundary {
    /// Images arrive.
    BeforeForward,
    /// Outputs and taps are read, gradients of outputs arrive.
    AfterForward,
    /// The gradient of the images is read.
    AfterBackward,
}

/// Gives out tensors: in a draft as buffers of their own, then in one buffer.
#[derive(Debug, Default)]
pub(super) struct Arena {
    /// Values of each tensor.
    lens: Vec<usize>,
    /// Tensors that the host touches at a boundary.
    touches: Vec<(usize, Boundary)>,
    /// Where each tensor lies; none in a draft.
    offsets: Option<Vec<usize>>,
}

impl Arena {
    /// A tensor of the activations, dense, with whatever is in the memory.
    pub(super) fn tensor(&mut self, pixels: usize, channels: usize) -> View {
        let id = self.lens.len();
        self.lens.push(pixels * channels);
        match &self.offsets {
            None => View::dense(buffers::COUNT + id, 0, pixels, channels),
            Some(offsets) => View::dense(buffers::ACTIVATIONS, offsets[id], pixels, channels),
        }
    }

    /// A vector of the activations.
    pub(super) fn vector(&mut self, len: usize) -> View {
        self.tensor(1, len)
    }

    /// The host reads or writes this tensor at that boundary.
    pub(super) fn touch(&mut self, view: &View, boundary: Boundary) {
        if let Some(id) = view.buffer.checked_sub(buffers::COUNT) {
            self.touches.push((id, boundary));
        }
    }

    /// Ends the draft: finds a place for every tensor that the programs `forward` and `backward` touch. Gives the values
    /// that the activations need.
    pub(super) fn place(&mut self, programs: [&Program; 2]) -> usize {
        let spans = self.spans(programs);
        let (offsets, len) = pack(&self.lens, &spans);
        *self = Self { offsets: Some(offsets), ..Self::default() };
        len
    }

    fn spans(&self, programs: [&Program; 2]) -> Vec<Option<Span>> {
        let mut spans = vec![None; self.lens.len()];
        let mut now = 0;
        let mut boundaries = vec![now];
        for program in programs {
            for stage in program.stage_operands() {
                now += 1;
                let operands = stage.flatten();
                let tensors = operands.filter_map(|o| o.view.buffer.checked_sub(buffers::COUNT));
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

/// First and last moment at which a tensor is touched.
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

/// Greedy best fit: the largest tensor first, each into the smallest gap between those placed that live at the same time.
/// Gives the offsets and the length of it all.
fn pack(lens: &[usize], spans: &[Option<Span>]) -> (Vec<usize>, usize) {
    let mut order: Vec<(usize, Span)> =
        spans.iter().enumerate().filter_map(|(id, span)| Some((id, (*span)?))).collect();
    order.sort_by_key(|(id, span)| (std::cmp::Reverse(lens[*id]), span.first, *id));
    let mut offsets = vec![0; lens.len()];
    let mut end = 0;
    // Those placed, by offset.
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
        // Two long-lived tensors with gaps of 64 and 32 beside them, and one of 16 that fits both.
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
                    // A tensor of no values lies anywhere.
                    let empty = lens[i] == 0 || lens[j] == 0;
                    prop_assert!(apart || empty || !a.meets(&b), "{i} and {j}");
                }
            }
            // Never worse than no sharing, never better than the most that is alive at once.
            let total: usize = lens.iter().map(|l| l.next_multiple_of(SEGMENT)).sum();
            let alive = |now: usize| -> usize {
                let lives = |(_, s): &(&usize, &Option<Span>)| s.unwrap().meets(&Span { first: now, last: now });
                lens.iter().zip(&spans).filter(lives).map(|(l, _)| *l).sum()
            };
            prop_assert!(len <= total && len >= (0..26).map(alive).max().unwrap());
        }
    }
}
