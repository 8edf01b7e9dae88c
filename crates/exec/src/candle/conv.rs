//! Convolution as matrix products over gathered taps.
//!
//! Forward gathers shifted views of the padded input. Backward gathers shifted views of the output gradient,
//! once for both products: with stride `s` the input falls into `s * s` phases, and each kernel tap serves
//! exactly one phase, so nothing is multiplied with zeros and every parity of height and width is right.

use candle_core::{Result, Tensor};

use super::wire::{flat, pad, strided};

/// The numbers of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvSpec {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

/// `x` `[in, n, h, w]` and `weight` `[out, in, k, k]` to `[out, n, oh, ow]`.
pub(super) fn forward(
    spec: ConvSpec,
    x: &Tensor,
    weight: &Tensor,
    (oh, ow): (usize, usize),
) -> Result<Tensor> {
    let ConvSpec { kernel, stride, padding } = spec;
    let (_, n, h, w) = x.dims4()?;
    let out = weight.dim(0)?;
    let columns = if kernel == 1 && stride == 1 && padding == 0 {
        flat(x)?
    } else {
        // Rows beyond the last tap only round the size up to whole strides.
        let reach = |steps: usize| ((steps - 1) * stride + kernel).div_ceil(stride) * stride;
        let (hp, wp) = (reach(oh), reach(ow));
        let rows = x.narrow(2, 0, h.min(hp - padding))?.narrow(3, 0, w.min(wp - padding))?;
        let (rh, rw) = (rows.dim(2)?, rows.dim(3)?);
        let padded =
            pad(&rows, [padding, hp - padding - rh, padding, wp - padding - rw], 0.0)?.contiguous()?;
        let mut taps = Vec::with_capacity(kernel * kernel);
        for i in 0..kernel {
            for j in 0..kernel {
                taps.push(strided(&padded, stride, (i, oh), (j, ow))?);
            }
        }
        flat(&Tensor::cat(&taps, 0)?)?
    };
    let matrix = weight.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)?;
    matrix.matmul(&columns)?.reshape((out, n, oh, ow))
}

/// Gradients at the input `[in, n, h, w]` (if wanted) and at the weight `[out, in, k, k]`.
pub(super) fn backward(
    spec: ConvSpec,
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
    want_dx: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let ConvSpec { kernel, stride, .. } = spec;
    let (c_in, n, h, w) = x.dims4()?;
    let (out, _, oh, ow) = dy.dims4()?;
    let (qh, qw) = (h.div_ceil(stride), w.div_ceil(stride));
    // Input row `stride * q + r` meets tap `i` at output row `q + shift`, where r + padding - i = stride * shift.
    let phases = (0..stride).map(|r| axis_taps(r, spec)).collect::<Vec<_>>();
    let low = phases.iter().flatten().map(|t| -t.shift).max().unwrap_or(0).max(0) as usize;
    let high = |q: usize, o: usize| {
        let last = phases.iter().flatten().map(|t| t.shift).max().unwrap_or(0) + q as isize - o as isize;
        last.max(0) as usize
    };
    let padded = pad(dy, [low, high(qh, oh), low, high(qw, ow)], 0.0)?;
    let x = pad(x, [0, qh * stride - h, 0, qw * stride - w], 0.0)?;
    let at = |shift: isize| (low as isize + shift) as usize;

    let mut dx_phases = Vec::with_capacity(stride * stride);
    let mut dw_taps: Vec<Option<Tensor>> = vec![None; kernel * kernel];
    for (r, rows) in phases.iter().enumerate() {
        for (c, cols) in phases.iter().enumerate() {
            let taps: Vec<(Tap, Tap)> =
                rows.iter().flat_map(|i| cols.iter().map(move |j| (*i, *j))).collect();
            if taps.is_empty() {
                dx_phases.push(Tensor::zeros((c_in, n, qh, qw), x.dtype(), x.device())?);
                continue;
            }
            let views = taps
                .iter()
                .map(|(i, j)| padded.narrow(2, at(i.shift), qh)?.narrow(3, at(j.shift), qw))
                .collect::<Result<Vec<_>>>()?;
            let columns = match views.as_slice() {
                [only] => only.contiguous()?,
                views => Tensor::cat(views, 0)?,
            };
            let columns = flat(&columns)?;
            let x_phase = flat(&strided(&x, stride, (r, qh), (c, qw))?.contiguous()?)?;
            let dw = columns.matmul(&x_phase.t()?)?;
            for (position, (i, j)) in taps.iter().enumerate() {
                dw_taps[i.index * kernel + j.index] = Some(dw.narrow(0, position * out, out)?);
            }
            if want_dx {
                let kernels = taps
                    .iter()
                    .map(|(i, j)| weight.narrow(2, i.index, 1)?.narrow(3, j.index, 1)?.squeeze(3)?.squeeze(2))
                    .collect::<Result<Vec<_>>>()?;
                let kernels = Tensor::cat(&kernels, 0)?;
                dx_phases.push(kernels.t()?.matmul(&columns)?.reshape((c_in, n, qh, qw))?);
            }
        }
    }
    let zero = Tensor::zeros((out, c_in), x.dtype(), x.device())?;
    let taps = dw_taps.into_iter().map(|t| t.unwrap_or_else(|| zero.clone())).collect::<Vec<_>>();
    let dw = Tensor::stack(&taps, 2)?.reshape((out, c_in, kernel, kernel))?;
    let dx = if want_dx { Some(interleave(&dx_phases, stride, h, w)?) } else { None };
    Ok((dx, dw))
}

/// One kernel row (or column) and the output row it meets, relative to the phase's row.
#[derive(Debug, Clone, Copy)]
struct Tap {
    index: usize,
    shift: isize,
}

/// The taps that serve phase `r` of one axis.
fn axis_taps(r: usize, spec: ConvSpec) -> Vec<Tap> {
    let distance = |i: usize| (r + spec.padding) as isize - i as isize;
    (0..spec.kernel)
        .filter(|i| distance(*i).rem_euclid(spec.stride as isize) == 0)
        .map(|i| Tap { index: i, shift: distance(i).div_euclid(spec.stride as isize) })
        .collect()
}

/// Puts the phases `[c, n, qh, qw]` of a strided grid back together and cuts to `h` x `w`.
fn interleave(phases: &[Tensor], stride: usize, h: usize, w: usize) -> Result<Tensor> {
    if let [only] = phases {
        return Ok(only.clone());
    }
    let (c, n, qh, qw) = phases[0].dims4()?;
    let rows = phases
        .chunks(stride)
        .map(|columns| Tensor::stack(columns, 4)?.reshape((c, n, qh, qw * stride)))
        .collect::<Result<Vec<_>>>()?;
    let full = Tensor::stack(&rows, 3)?.reshape((c, n, qh * stride, qw * stride))?;
    full.narrow(2, 0, h)?.narrow(3, 0, w)?.contiguous()
}
