//! Gradients of wires: where they lie and what has arrived.
//!
//! Gradient roots mirror value roots: a value in memory has one gradient, however many wires show it, and every reader of
//! any of these wires adds to it. The first to arrive at a segment stores, later ones add; nothing is zero-filled but
//! what one reader covers and only a part of which has been reached before.
//!
//! Backward runs units in reverse, so a unit's output gradient is complete when its turn comes, and nobody needs it after.

use bonsai_kernels::{KernelError, Program, SEGMENT, View, Zero};

use super::placement::Location;

/// The gradients of all roots while a backward program is written.
#[derive(Debug, Default)]
pub(super) struct Gradients {
    roots: Vec<View>,
    /// Per root, whether each segment holds something.
    written: Vec<Vec<bool>>,
}

/// Where a gradient goes and whether it is added to what is there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Target {
    pub(super) view: View,
    pub(super) accumulate: bool,
}

impl Gradients {
    /// Nothing has arrived at any of these roots.
    pub(super) fn new(roots: Vec<View>) -> Self {
        let written = roots.iter().map(|r| vec![false; r.channels.div_ceil(SEGMENT)]).collect();
        Self { roots, written }
    }

    /// Where the gradient of `width` channels at `location` lies.
    pub(super) fn view(&self, location: Location, width: usize) -> View {
        self.roots[location.root].columns(location.column, width)
    }

    /// Whether anything has arrived there.
    pub(super) fn is_reached(&self, location: Location, width: usize) -> bool {
        self.segments(location, width).iter().any(|w| *w)
    }

    /// Marks all of it as written by the host.
    pub(super) fn set_written(&mut self, location: Location, width: usize) {
        self.segments_mut(location, width).fill(true);
    }

    /// The place for one more contribution.
    pub(super) fn claim(
        &mut self,
        p: &mut Program,
        label: &str,
        location: Location,
        width: usize,
    ) -> Result<Target, KernelError> {
        let accumulate = self.append_gradient(p, label, location, width)?.is_some();
        self.set_written(location, width);
        Ok(Target { view: self.view(location, width), accumulate })
    }

    /// The gradient as it has arrived; `None` if nothing has.
    pub(super) fn append_gradient(
        &mut self,
        p: &mut Program,
        label: &str,
        location: Location,
        width: usize,
    ) -> Result<Option<View>, KernelError> {
        if !self.is_reached(location, width) {
            return Ok(None);
        }
        let view = self.view(location, width);
        let mut start = 0;
        for run in self.segments(location, width).chunk_by(|a, b| a == b) {
            if !run[0] {
                p.push(label, Zero { view: view.columns(start * SEGMENT, run.len() * SEGMENT) })?;
            }
            start += run.len();
        }
        self.set_written(location, width);
        Ok(Some(view))
    }

    fn segments(&self, location: Location, width: usize) -> &[bool] {
        &self.written[location.root][location.column / SEGMENT..(location.column + width).div_ceil(SEGMENT)]
    }

    fn segments_mut(&mut self, location: Location, width: usize) -> &mut [bool] {
        &mut self.written[location.root]
            [location.column / SEGMENT..(location.column + width).div_ceil(SEGMENT)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_kernels::Isa;

    #[test]
    fn the_first_stores_later_ones_add_and_gaps_are_zeroed() {
        let mut gradients = Gradients::new(vec![View::dense(0, 0, 10, 64)]);
        let mut p = Program::new(Isa::PORTABLE);
        let at = |column| Location { root: 0, column };
        assert!(gradients.append_gradient(&mut p, "l", at(0), 64).unwrap().is_none());
        assert!(!gradients.claim(&mut p, "l", at(16), 16).unwrap().accumulate);
        assert!(!gradients.claim(&mut p, "l", at(48), 16).unwrap().accumulate);
        assert!(gradients.claim(&mut p, "l", at(48), 16).unwrap().accumulate);
        assert_eq!(p.len(), 0);
        assert!(gradients.claim(&mut p, "l", at(0), 48).unwrap().accumulate);
        let zeroed: Vec<_> = p.operands().map(|(_, o)| (o[0].view.offset, o[0].view.channels)).collect();
        assert_eq!(zeroed, [(0, 16), (32, 16)]);
        assert_eq!(
            gradients.append_gradient(&mut p, "l", at(0), 64).unwrap(),
            Some(View::dense(0, 0, 10, 64))
        );
        assert_eq!(p.len(), 2);
    }
}
