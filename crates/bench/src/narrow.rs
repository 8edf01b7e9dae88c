//! [`narrow`]: cuts a network as pruning would, to about half its widths and to no multiple of 8.
//!
//! A width is drawn for each group of coupled channels, so the pruner could make the result: the same
//! modules, every width about half and none a multiple of 8. The rounded kind has the same widths, rounded up
//! to whole vectors of 16; an executor that pads channels cannot avoid that work. The first channels of each
//! group stay; the choice of channels does not change the time.

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Op;
use bonsai_prune::{Coupling, PrunePlan, apply};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// A narrow width is not a multiple of this.
const ROUND: usize = 8;
/// Rounded widths are multiples of this, if the group has as many channels.
const VECTOR: usize = 16;
/// Maximum number of draws. For YOLOv8, about one draw in three fits, because the halves of eight splits must
/// not add up to a multiple of 8.
const DRAWS: usize = 1000;

/// Settings of [`narrow`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Seed of the widths.
    pub seed: u64,
    /// Whether the widths are rounded up to whole vectors.
    pub rounded: bool,
}

/// Cuts every prunable width of a network.
///
/// # Errors
/// If the layers of the network are already too narrow to have such widths.
pub fn narrow(model: &Checkpoint, what: Narrow) -> Result<Checkpoint> {
    let coupling = Coupling::from_graph(model.model.graph());
    let mut rng = ChaCha8Rng::seed_from_u64(what.seed);
    let mut draw = || -> Result<Option<Checkpoint>> {
        let kept: Vec<usize> =
            coupling.groups().iter().map(|group| draw_width(&mut rng, group.len())).collect();
        let narrow = cut(&coupling, model, &kept)?;
        if !is_narrow(model, &narrow) {
            return Ok(None);
        }
        if !what.rounded {
            return Ok(Some(narrow));
        }
        let rounded = kept.iter().zip(coupling.groups());
        let rounded: Vec<usize> = rounded.map(|(k, g)| k.next_multiple_of(VECTOR).min(g.len())).collect();
        cut(&coupling, model, &rounded).map(Some)
    };
    for _ in 0..DRAWS {
        if let Some(network) = draw()? {
            return Ok(network);
        }
    }
    None.with_context(|| {
        format!(
            "none of {DRAWS} draws cut every layer to about half its width and to no multiple of {ROUND}: the layers \
             are too narrow; use an unpruned network"
        )
    })
}

/// Draws about half of `size`: between three and five eighths, at least 1; one more if that is a multiple of
/// [`ROUND`].
fn draw_width(rng: &mut ChaCha8Rng, size: usize) -> usize {
    let low = size * 3 / 8;
    let high = size * 5 / 8;
    let width = rng.random_range(low.max(1)..=high.max(1));
    if width.is_multiple_of(ROUND) { width + 1 } else { width }
}

/// Keeps the first channels of each group.
fn cut(coupling: &Coupling, model: &Checkpoint, kept: &[usize]) -> Result<Checkpoint> {
    let groups = coupling.groups().iter().zip(kept);
    let removed = groups.flat_map(|(group, kept)| group[*kept..].iter().copied());
    Ok(apply(&PrunePlan::removing(coupling, removed)?, model)?)
}

/// Whether some convolutions became narrower, and none of them has a multiple of [`ROUND`] channels.
fn is_narrow(model: &Checkpoint, narrow: &Checkpoint) -> bool {
    let pairs = model.model.graph().nodes().iter().zip(narrow.model.graph().nodes());
    let convolutions = pairs.filter(|(before, _)| matches!(before.op(), Op::Conv2d { .. }));
    let widths = convolutions.map(|(before, after)| (before.channels(), after.channels()));
    let widths: Vec<usize> =
        widths.filter(|(before, after)| before != after).map(|(_, after)| after).collect();
    !widths.is_empty() && widths.iter().all(|width| !width.is_multiple_of(ROUND))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_yolov8::{Scale, build, init};

    fn network() -> Checkpoint {
        init(&build(Scale::N, &["a".to_owned(), "b".to_owned()]).unwrap(), 0).unwrap()
    }

    fn widths(checkpoint: &Checkpoint) -> Vec<usize> {
        let convolutions = checkpoint.model.graph().nodes().iter();
        convolutions
            .filter(|n| matches!(n.op(), Op::Conv2d { .. }))
            .map(bonsai_graph::Node::channels)
            .collect()
    }

    #[test]
    fn every_width_is_about_half_and_no_multiple_of_eight() {
        let full = network();
        let narrowed = narrow(&full, Narrow { seed: 7, rounded: false }).unwrap();
        let mut cut = 0;
        for (before, after) in widths(&full).into_iter().zip(widths(&narrowed)) {
            if after == before {
                continue;
            }
            cut += 1;
            assert!(
                after % ROUND != 0 && 4 * after >= before && 4 * after <= 3 * before,
                "{before} -> {after}"
            );
        }
        // All convolutions but the two outputs of each of the three levels.
        assert_eq!(cut, widths(&full).len() - 6);
        assert_eq!(narrow(&full, Narrow { seed: 7, rounded: false }).unwrap(), narrowed);
        assert_ne!(widths(&narrow(&full, Narrow { seed: 8, rounded: false }).unwrap()), widths(&narrowed));
    }

    #[test]
    fn rounded_widths_are_whole_vectors_of_the_same_draw() {
        let full = network();
        let [exact, rounded] =
            [false, true].map(|rounded| narrow(&full, Narrow { seed: 7, rounded }).unwrap());
        for (exact, rounded) in widths(&exact).into_iter().zip(widths(&rounded)) {
            // A convolution in front of a split makes two segments, each rounded by itself.
            assert!(rounded >= exact && rounded < exact + 2 * VECTOR, "{exact} -> {rounded}");
            assert!(rounded % VECTOR == 0 || rounded == exact, "{exact} -> {rounded}");
        }
    }

    #[test]
    fn a_network_with_too_narrow_layers_is_refused() {
        let full = network();
        let coupling = Coupling::from_graph(full.model.graph());
        let thinnest = cut(&coupling, &full, &vec![1; coupling.groups().len()]).unwrap();
        let message = narrow(&thinnest, Narrow { seed: 1, rounded: false }).unwrap_err().to_string();
        assert!(message.contains("too narrow"), "{message}");
    }
}
