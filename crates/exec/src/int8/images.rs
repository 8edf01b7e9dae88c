//! [`upload`] and [`download`]: conversions between NCHW arrays on the host and codes or values in the
//! activations.

use bonsai_checkpoint::Array;
use bonsai_graph::CodeScale;
use bonsai_kernels::int8::CODES;
use bonsai_kernels::layout::to_nchw;
use bonsai_kernels::{AlignedBuffer, KernelError, Nhwc, Team};
use rayon::prelude::*;

use crate::plan::HostWire;

/// A wire that the host reads or writes; it holds codes, or values if there is no scale.
pub(super) struct CodedWire {
    pub(super) host: HostWire,
    pub(super) codes: Option<CodeScale>,
}

/// Added to a number from 0 to 255, it rounds to an integer, ties to even, which is then the last byte.
const ROUNDER: f32 = 12_582_912.0;

/// The code for a value. `scale` is the inverse of the scale. NaN has code 0.
#[inline]
fn code(value: f32, scale: f32, zero_point: f32) -> u32 {
    let code = value * scale + zero_point;
    // Comparisons, unlike `clamp`, become one instruction each.
    let code = if code > 0.0 { code } else { 0.0 };
    let code = if code < 255.0 { code } else { 255.0 };
    (code + ROUNDER).to_bits() & 0xff
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
                let [r, g, b] = [*r, *g, *b].map(|value| code(value, scale, zero_point));
                to.copy_from_slice(&(r | g << 8 | b << 16).to_le_bytes());
            }
            return;
        }
        for segment in segments {
            for i in 0..segment.len {
                let to = bytes[segment.physical + i..].iter_mut().step_by(pixel);
                for (to, value) in to.zip(values(segment.logical + i)) {
                    *to = code(*value, scale, zero_point) as u8;
                }
            }
        }
    });
}

/// Reads a wire as `[n, c, h, w]` numbers into `array`, whose memory is used again if it has that shape.
pub(super) fn download(
    team: &Team,
    wire: &CodedWire,
    memory: &AlignedBuffer,
    array: &mut Array,
) -> Result<(), KernelError> {
    let CodedWire { host: HostWire { view, shape, segments, .. }, codes } = wire;
    if array.shape() != shape {
        *array = Array::zeros(shape);
    }
    let [n, c, h, w] = *shape;
    let Some(codes) = codes else {
        return to_nchw(team, Nhwc::new(n, h, w, c), memory.as_slice(), view, segments, array.data_mut());
    };
    let plane = h * w;
    if plane == 0 || c == 0 {
        return Ok(());
    }
    let position = |channel: usize| {
        let segment = segments.iter().rfind(|segment| segment.logical <= channel);
        segment.map_or(channel, |segment| segment.physical + channel - segment.logical)
    };
    let channels = array.data_mut().par_chunks_mut(plane).enumerate();
    let download = |(index, plane_values): (usize, &mut [f32])| {
        let first = index / c * plane;
        let at = position(index % c);
        let pixel = view.ld * CODES;
        let bytes = &memory.as_bytes()[CODES * view.offset + first * pixel + at..];
        for (to, code) in plane_values.iter_mut().zip(bytes.iter().step_by(pixel)) {
            *to = codes.number(*code) as f32;
        }
    };
    team.install(|| channels.for_each(download));
    Ok(())
}
