//! [`even_halves`]: widens the narrower half of each C2f, because Ultralytics cuts the output of `cv1` in the
//! middle.
//!
//! The added channels have weights, gamma and beta of zero, so they are zero, and so are the columns that read
//! them: the network computes the same. They stay zero when Ultralytics trains on, because the gradients of
//! their gammas, their betas and the columns that read them are products of these zeros.
//!
//! A block whose halves have convolutions of their own (`cv0` and `cv1`, as Torch-Pruning leaves them) gets the
//! joint one back.

use super::blueprint::{Blueprint, C2f, ConvBlock, Part};
use super::error::PtError;
use crate::{Array, CheckpointError, Weights};

/// Makes the halves of every C2f equal; returns the number of channels added to outputs of `cv1`.
///
/// # Errors
/// [`PtError::NotUltralytics`] for a block that cannot be widened, and [`CheckpointError::Missing`] if weights
/// do not belong to the blueprint.
pub(super) fn even_halves(
    blueprint: &mut Blueprint,
    weights: &mut Weights,
) -> Result<usize, CheckpointError> {
    let mut added = 0;
    for (index, layer) in blueprint.layers.iter_mut().enumerate() {
        if let Part::C2f(block) = &mut layer.part {
            let place = format!("model.{index}");
            join(block, weights, &place)?;
            added += widen(block, weights, &place)?;
        }
    }
    Ok(added)
}

/// Names of the parameters per output channel of a block, and the value that an added channel gets.
const PER_OUTPUT: [(&str, f32); 6] = [
    ("conv.weight", 0.0),
    ("conv.bias", 0.0),
    ("bn.weight", 0.0),
    ("bn.bias", 0.0),
    ("bn.running_mean", 0.0),
    ("bn.running_var", 1.0),
];

/// Replaces `cv0` and `cv1` by one convolution with the outputs of both.
fn join(block: &mut C2f, weights: &mut Weights, place: &str) -> Result<(), CheckpointError> {
    let Some(first) = block.cv0.take() else { return Ok(()) };
    let second = &block.cv1;
    if (ConvBlock { outputs: first.outputs, ..*second }) != first || first.groups != 1 {
        let what = "`cv0` and `cv1` differ in more than their outputs".to_owned();
        return Err(PtError::NotUltralytics { place: place.to_owned(), what }.into());
    }
    for (parameter, _) in PER_OUTPUT {
        let name = format!("{place}.cv1.{parameter}");
        let (Some(before), Some(after)) =
            (weights.remove(&format!("{place}.cv0.{parameter}")), weights.get_mut(&name))
        else {
            continue;
        };
        let mut shape = before.shape().to_vec();
        shape[0] += after.shape()[0];
        let data = [before.data(), after.data()].concat();
        *after = Array::try_new(&shape, data)?;
    }
    block.cv1.outputs += first.outputs;
    // The first half is now the rest of `cv1`'s outputs; without bottlenecks nothing says where it ends.
    if block.m.is_empty() && first.outputs * 2 != block.cv1.outputs {
        let what = "halves of different widths without bottlenecks".to_owned();
        return Err(PtError::NotUltralytics { place: place.to_owned(), what }.into());
    }
    Ok(())
}

fn widen(block: &mut C2f, weights: &mut Weights, place: &str) -> Result<usize, CheckpointError> {
    let Some(second) = block.m.first().map(|m| m.cv1.inputs) else { return Ok(0) };
    let first = block.cv1.outputs - second;
    let half = first.max(second);
    if first == second {
        return Ok(0);
    }
    let more_first = half - first;
    let more_second = half - second;
    let cv1 = format!("{place}.cv1");
    add_outputs(&mut block.cv1, weights, &cv1, first + second, more_second)?;
    add_outputs(&mut block.cv1, weights, &cv1, first, more_first)?;

    // Parts of the concatenation that `cv2` reads: their widths, and the channels added at their ends.
    let mut parts = vec![(first, more_first), (second, more_second)];
    let mut wider = more_second;
    for (i, m) in block.m.iter_mut().enumerate() {
        let name = format!("{place}.m.{i}");
        let inputs = m.cv1.inputs;
        add_inputs(&mut m.cv1, weights, &format!("{name}.cv1"), inputs, wider)?;
        let outputs = m.cv2.outputs;
        if m.shortcut {
            add_outputs(&mut m.cv2, weights, &format!("{name}.cv2"), outputs, wider)?;
        } else {
            wider = 0;
        }
        parts.push((outputs, wider));
    }
    // From the last part on, so that the positions of those before it stay.
    let mut end: usize = parts.iter().map(|(width, _)| width).sum();
    for (width, more) in parts.iter().rev() {
        add_inputs(&mut block.cv2, weights, &format!("{place}.cv2"), end, *more)?;
        end -= width;
    }
    Ok(more_first + more_second)
}

/// Adds `count` output channels at `at`, which are zero.
fn add_outputs(
    block: &mut ConvBlock,
    weights: &mut Weights,
    name: &str,
    at: usize,
    count: usize,
) -> Result<(), CheckpointError> {
    if count == 0 {
        return Ok(());
    }
    check_groups(block, name)?;
    for (parameter, value) in PER_OUTPUT {
        if let Some(array) = weights.get_mut(&format!("{name}.{parameter}")) {
            *array = inserted(array, 0, at, count, value)?;
        }
    }
    block.outputs += count;
    Ok(())
}

/// Adds `count` input channels at `at`, whose weights are zero.
fn add_inputs(
    block: &mut ConvBlock,
    weights: &mut Weights,
    name: &str,
    at: usize,
    count: usize,
) -> Result<(), CheckpointError> {
    if count == 0 {
        return Ok(());
    }
    check_groups(block, name)?;
    let array = weights.require_mut(&format!("{name}.conv.weight"))?;
    *array = inserted(array, 1, at, count, 0.0)?;
    block.inputs += count;
    Ok(())
}

fn check_groups(block: &ConvBlock, name: &str) -> Result<(), PtError> {
    if block.groups == 1 {
        return Ok(());
    }
    let what = format!("its {} groups cannot be widened", block.groups);
    Err(PtError::NotUltralytics { place: name.to_owned(), what })
}

/// The array with `count` more positions at `at` along an axis, all of this value.
fn inserted(
    array: &Array,
    axis: usize,
    at: usize,
    count: usize,
    value: f32,
) -> Result<Array, CheckpointError> {
    let mut shape = array.shape().to_vec();
    let inner: usize = shape[axis + 1..].iter().product();
    let row = shape[axis] * inner;
    shape[axis] += count;
    let added = vec![value; count * inner];
    let rows = array.data().chunks(row.max(1));
    let data = rows.flat_map(|row| [&row[..at * inner], &added, &row[at * inner..]].concat()).collect();
    Array::try_new(&shape, data)
}
