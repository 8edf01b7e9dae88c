//! Networks as pruning leaves them: about half as wide, by numbers that fit no vector.
//!
//! Widths are drawn for each group of coupled channels, so the result is what the pruner could make: the same modules,
//! every width about half and none a multiple of 8. The rounded kind has the same widths rounded up to whole vectors of
//! 16, the work that an executor with padded channels cannot avoid. The first channels of each group stay; which ones
//! do makes no difference to the time.

use anyhow::{Context, Result};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Op;
use bonsai_prune::{Coupling, PrunePlan, apply};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Widths that are no multiple of this are narrow ones.
const ROUND: usize = 8;
/// What rounded widths are multiples of, where the group has as many channels.
const VECTOR: usize = 16;
/// Draws before giving up. One in three fits for YOLOv8, where the halves of eight splits must not add up to a multiple.
const DRAWS: usize = 1000;

/// Which narrow network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Narrow {
    /// Where the widths are drawn from.
    pub seed: u64,
    /// Whether they are rounded up to whole vectors.
    pub rounded: bool,
}

/// Cuts every width of a network that may be cut.
///
/// # Errors
/// If the network has no such widths (its layers are too narrow already).
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
            "none of {DRAWS} draws cut every layer to about half and no multiple of {ROUND}: the layers are too \
             narrow already; use an unpruned network"
        )
    })
}

/// About half of `size`: between three and five eighths, at least 1, one more where that is a multiple of [`ROUND`].
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

/// Whether some convolution became narrower, and none of those has a multiple of [`ROUND`] channels.
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
        // All but the two outputs of each of the three levels.
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
    fn a_network_without_room_says_so() {
        let full = network();
        let coupling = Coupling::from_graph(full.model.graph());
        let thinnest = cut(&coupling, &full, &vec![1; coupling.groups().len()]).unwrap();
        let message = narrow(&thinnest, Narrow { seed: 1, rounded: false }).unwrap_err().to_string();
        assert!(message.contains("too narrow"), "{message}");
    }
}
