//! [`to_nchw`] and [`from_nchw`]: conversions between PyTorch's NCHW tensors and padded NHWC buffers on the
//! host.
//!
//! On one of its sides, a transposition touches one cache line per value. All transpositions are therefore
//! done in blocks of a few pixels and at most one segment of channels, whose lines fit into the first-level
//! cache. No value is rounded.

use rayon::prelude::*;

use crate::fit::{equal, fits};
use crate::{KernelError, Nhwc, SEGMENT, Team, View};

/// Consecutive logical channels that are also consecutive in a padded tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// First channel of the NCHW tensor.
    pub logical: usize,
    /// First channel of the view.
    pub physical: usize,
    /// Number of channels.
    pub len: usize,
}

/// Number of pixels in a block.
const BLOCK: usize = 64;

/// Converts NCHW images to dense, unpadded NHWC images; `shape` is the shape of both.
///
/// # Errors
/// [`KernelError::Operand`] if a slice does not have the length of `shape`.
pub fn images_to_nhwc(team: &Team, shape: Nhwc, nchw: &[f32], to: &mut [f32]) -> Result<(), KernelError> {
    /// Number of pixels in a task.
    const TASK: usize = 1 << 14;
    const LABEL: &str = "images_to_nhwc";
    equal(LABEL, "values of the NCHW images", nchw.len(), shape.len())?;
    equal(LABEL, "values of the NHWC images", to.len(), shape.len())?;
    if shape.is_empty() {
        return Ok(());
    }
    let plane = shape.h * shape.w;
    let channels = shape.c;
    team.install(|| {
        let images = to.par_chunks_exact_mut(plane * channels).zip(nchw.par_chunks_exact(plane * channels));
        images.for_each(|(to, from)| {
            to.par_chunks_mut(TASK * channels).enumerate().for_each(|(task, to)| {
                if let [red, green, blue] = from.chunks_exact(plane).collect::<Vec<_>>()[..] {
                    let start = task * TASK;
                    interleave(&red[start..], &green[start..], &blue[start..], to);
                    return;
                }
                for (block, to) in to.chunks_mut(BLOCK * channels).enumerate() {
                    let start = task * TASK + block * BLOCK;
                    for (c, plane) in from.chunks_exact(plane).enumerate() {
                        let pixels = to.chunks_exact_mut(channels).zip(&plane[start..]);
                        pixels.for_each(|(pixel, &value)| pixel[c] = value);
                    }
                }
            });
        });
    });
    Ok(())
}

/// Combines three planes into pixels of three channels.
fn interleave(red: &[f32], green: &[f32], blue: &[f32], to: &mut [f32]) {
    let planes = red.iter().zip(green).zip(blue);
    for (pixel, ((&red, &green), &blue)) in to.chunks_exact_mut(3).zip(planes) {
        pixel[0] = red;
        pixel[1] = green;
        pixel[2] = blue;
    }
}

/// Position of each logical channel in the view; an error if the segments do not fit the view.
fn physical_channels(label: &str, view: &View, segments: &[Segment]) -> Result<Vec<usize>, KernelError> {
    let mut physical = Vec::new();
    for segment in segments {
        equal(label, "first channel of a segment", segment.logical, physical.len())?;
        let end = segment.physical.saturating_add(segment.len);
        equal(label, "last channel of a segment", end, end.min(view.channels))?;
        physical.extend(segment.physical..end);
    }
    Ok(physical)
}

fn check(
    label: &'static str,
    shape: Nhwc,
    nchw: usize,
    buffer: usize,
    view: &View,
    segments: &[Segment],
) -> Result<Vec<usize>, KernelError> {
    equal(label, "values of the NCHW tensor", nchw, shape.len())?;
    fits!(label, "the view", view, shape.pixels(), view.channels)?;
    equal(label, "row pitch", view.ld, view.ld.max(view.channels).max(1))?;
    let end = if view.pixels == 0 { view.channels } else { view.end() };
    equal(label, "values of the buffer", buffer, buffer.max(end))?;
    // Only after the checks above: they limit the number of channels to the size of the buffer.
    let physical = physical_channels(label, view, segments)?;
    equal(label, "channels of the segments", physical.len(), shape.c)?;
    Ok(physical)
}

/// Copies the channels of a padded view into an NCHW tensor of shape `shape`, whose `c` counts logical
/// channels.
///
/// `segments` lists the positions of the channels in the view, in order from logical channel 0.
///
/// # Errors
/// [`KernelError::Operand`] if the sizes do not fit.
pub fn to_nchw(
    team: &Team,
    shape: Nhwc,
    buffer: &[f32],
    view: &View,
    segments: &[Segment],
    nchw: &mut [f32],
) -> Result<(), KernelError> {
    let physical = check("to_nchw", shape, nchw.len(), buffer.len(), view, segments)?;
    if shape.is_empty() {
        return Ok(());
    }
    let plane = shape.h * shape.w;
    let transpose = |image: usize, channels: &[usize], planes: &mut [f32]| {
        let rows = &buffer[view.offset + image * plane * view.ld..];
        for start in (0..plane).step_by(BLOCK) {
            let end = (start + BLOCK).min(plane);
            for (&channel, plane) in channels.iter().zip(planes.chunks_exact_mut(plane)) {
                let column = rows[start * view.ld + channel..].iter().step_by(view.ld);
                plane[start..end].iter_mut().zip(column).for_each(|(to, &from)| *to = from);
            }
        }
    };
    team.install(|| {
        nchw.par_chunks_exact_mut(plane * shape.c).enumerate().for_each(|(image, planes)| {
            let groups = planes.par_chunks_mut(plane * SEGMENT).zip(physical.par_chunks(SEGMENT));
            groups.for_each(|(planes, channels)| transpose(image, channels, planes));
        });
    });
    Ok(())
}

/// Copies an NCHW tensor of shape `shape` into a padded view; channels of the view in no segment become 0.
///
/// # Errors
/// As [`to_nchw`].
pub fn from_nchw(
    team: &Team,
    shape: Nhwc,
    nchw: &[f32],
    buffer: &mut [f32],
    view: &View,
    segments: &[Segment],
) -> Result<(), KernelError> {
    let physical = check("from_nchw", shape, nchw.len(), buffer.len(), view, segments)?;
    if shape.pixels() == 0 {
        return Ok(());
    }
    let plane = shape.h * shape.w;
    let padding: Vec<usize> = (0..view.channels).filter(|channel| !physical.contains(channel)).collect();
    let transpose = |image: usize, start: usize, rows: &mut [f32]| {
        let image = &nchw[image * plane * shape.c..][..plane * shape.c];
        for (group, channels) in physical.chunks(SEGMENT).enumerate() {
            let planes = image.chunks_exact(plane).skip(group * SEGMENT);
            for (&channel, plane) in channels.iter().zip(planes) {
                let column = rows[channel..].iter_mut().step_by(view.ld);
                for (to, &from) in column.zip(&plane[start..]) {
                    *to = from;
                }
            }
        }
        for row in rows.chunks_mut(view.ld) {
            for &channel in &padding {
                row[channel] = 0.0;
            }
        }
    };
    // Stop after the channels of the last row: the values after them may belong to another tensor.
    let len = (view.pixels - 1) * view.ld + view.channels;
    let rows = &mut buffer[view.offset..][..len];
    team.install(|| {
        rows.par_chunks_mut(plane * view.ld).enumerate().for_each(|(image, rows)| {
            rows.par_chunks_mut(BLOCK.saturating_mul(view.ld))
                .enumerate()
                .for_each(|(block, rows)| transpose(image, block * BLOCK, rows));
        });
    });
    Ok(())
}
