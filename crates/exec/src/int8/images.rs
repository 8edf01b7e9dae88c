//! [`upload`] and [`download`]: conversions between NCHW arrays on the host and codes or values in the
//! activations.

use bonsai_checkpoint::Array;
use bonsai_graph::CodeScale;
use bonsai_kernels::AlignedBuffer;
use bonsai_kernels::int8::CODES;
use rayon::prelude::*;

use crate::plan::HostWire;

/// A wire that the host reads or writes; it holds codes, or values if there is no scale.
pub(super) struct CodedWire {
    pub(super) host: HostWire,
    pub(super) codes: Option<CodeScale>,
}

/// Adding and then subtracting this value rounds to an integer, ties to even.
const ROUNDER: f32 = 12_582_912.0;

/// The code for a value. `scale` is the inverse of the scale. NaN has code 0.
#[inline]
fn code(value: f32, scale: f32, zero_point: f32) -> u8 {
    let code = (value * scale + zero_point).clamp(0.0, 255.0);
    ((code + ROUNDER) - ROUNDER) as u8
}

/// Writes images `[n, c, h, w]` as codes.
pub(super) fn upload(wire: &CodedWire, images: &Array, memory: &mut AlignedBuffer) {
    let CodedWire { host: HostWire { view, shape: [_, c, h, w], segments, .. }, codes } = wire;
    let Some(codes) = codes else { return };
    let scale = (1.0 / f64::from(codes.scale)) as f32;
    let zero_point = f32::from(codes.zero_point);
    let pixel = view.ld * CODES;
    let bytes = &mut memory.as_bytes_mut()[CODES * view.offset..CODES * view.end()];
    let plane = h * w;
    if plane == 0 {
        return;
    }
    bytes.par_chunks_mut(pixel * w).enumerate().for_each(|(row, bytes)| {
        let image = &images.data()[row / h * c * plane..][..c * plane];
        let values = |channel: usize| &image[channel * plane + row % h * w..][..*w];
        if *c == 3 && pixel == CODES {
            let colours = values(0).iter().zip(values(1)).zip(values(2));
            for (to, ((r, g), b)) in bytes.chunks_exact_mut(CODES).zip(colours) {
                let [r, g, b] = [*r, *g, *b].map(|value| u32::from(code(value, scale, zero_point)));
                to.copy_from_slice(&(r | g << 8 | b << 16).to_le_bytes());
            }
            return;
        }
        for segment in segments {
            for i in 0..segment.len {
                let to = bytes[segment.physical + i..].iter_mut().step_by(pixel);
                for (to, value) in to.zip(values(segment.logical + i)) {
                    *to = code(*value, scale, zero_point);
                }
            }
        }
    });
}

/// Reads a wire as `[n, c, h, w]` numbers.
pub(super) fn download(wire: &CodedWire, memory: &AlignedBuffer) -> Array {
    let CodedWire { host: HostWire { view, shape, segments, .. }, codes } = wire;
    let mut array = Array::zeros(shape);
    let [_, c, h, w] = *shape;
    let plane = h * w;
    if plane == 0 || c == 0 {
        return array;
    }
    let position = |channel: usize| {
        let segment = segments.iter().rfind(|segment| segment.logical <= channel);
        segment.map_or(channel, |segment| segment.physical + channel - segment.logical)
    };
    array.data_mut().par_chunks_mut(plane).enumerate().for_each(|(index, plane_values)| {
        let first = index / c * plane;
        let at = position(index % c);
        if let Some(codes) = codes {
            let pixel = view.ld * CODES;
            let bytes = &memory.as_bytes()[CODES * view.offset + first * pixel + at..];
            for (to, code) in plane_values.iter_mut().zip(bytes.iter().step_by(pixel)) {
                *to = codes.number(*code) as f32;
            }
        } else {
            let values = &memory.as_slice()[view.offset + first * view.ld + at..];
            for (to, value) in plane_values.iter_mut().zip(values.iter().step_by(view.ld)) {
                *to = *value;
            }
        }
    });
    array
}
