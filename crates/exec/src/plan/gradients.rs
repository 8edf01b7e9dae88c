//! [`Gradients`]: positions of the gradients of wires, and which of them were already written.
//!
//! The roots of gradients mirror the roots of values: a value has one gradient, even if several wires are
//! views of it, and every reader of these wires adds to it. The first gradient of a segment is stored, later
//! ones are added. Segments are zeroed only if one reader covers several segments of which only some were
//! written before.
//!
//! The backward program runs units in reverse. The output gradient of a unit is therefore complete when the
//! unit runs, and no later unit reads it.

use bonsai_kernels::{KernelError, SEGMENT, View, Zero};

use super::backend::Push;
use super::placement::Location;

/// State of the gradients of all roots while a backward program is written.
#[derive(Debug, Default)]
pub(crate) struct Gradients {
    roots: Vec<View>,
    /// For each root, whether each segment was written.
    written: Vec<Vec<bool>>,
}

/// View for a gradient, and whether to add to its values.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target {
    pub(crate) view: View,
    pub(crate) accumulate: bool,
}

impl Gradients {
    /// Starts with no gradient written at these roots.
    pub(crate) fn new(roots: Vec<View>) -> Self {
        let written = roots.iter().map(|r| vec![false; r.channels.div_ceil(SEGMENT)]).collect();
        Self { roots, written }
    }

    /// View of the gradient of `width` channels at `location`.
    pub(crate) fn view(&self, location: Location, width: usize) -> View {
        self.roots[location.root].columns(location.column, width)
    }

    /// Whether any segment there was written.
    pub(crate) fn is_reached(&self, location: Location, width: usize) -> bool {
        self.segments(location, width).iter().any(|w| *w)
    }

    /// Marks all segments there as written.
    pub(crate) fn set_written(&mut self, location: Location, width: usize) {
        self.segments_mut(location, width).fill(true);
    }

    /// The target for one more gradient; marks it as written.
    pub(crate) fn claim(
        &mut self,
        p: &mut impl Push<Zero>,
        label: &str,
        location: Location,
        width: usize,
    ) -> Result<Target, KernelError> {
        let accumulate = self.append_gradient(p, label, location, width)?.is_some();
        self.set_written(location, width);
        Ok(Target { view: self.view(location, width), accumulate })
    }

    /// The gradient accumulated so far, with unwritten segments zeroed; `None` if no segment was written.
    pub(crate) fn append_gradient(
        &mut self,
        p: &mut impl Push<Zero>,
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
    use bonsai_kernels::{Isa, Program};

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
