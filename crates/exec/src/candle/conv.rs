//! [`forward`] and [`backward`] of a convolution, as matrix products over gathered taps.
//!
//! Forward gathers taps of the input. Backward gathers taps of the output gradient once for both products.
//! With stride `s`, the input has `s * s` phases and each kernel tap belongs to exactly one phase, so no
//! product is with padding zeros, and all heights and widths work. In a grouped convolution, each group is
//! one product of a batch of products.

use candle_core::{Result, Tensor};

use super::gather::Gather;

/// Kernel, stride and padding of one convolution.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConvSpec {
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

/// Convolves `x` `[in, n, h, w]` with `weight` `[out, in / groups, k, k]` into `[out, n, oh, ow]`.
pub(super) fn forward(
    spec: ConvSpec,
    x: &Tensor,
    weight: &Tensor,
    (oh, ow): (usize, usize),
) -> Result<Tensor> {
    let offset = |i: usize| i as isize - spec.padding as isize;
    let axis = 0..spec.kernel;
    let taps = axis.clone().flat_map(|i| axis.clone().map(move |j| (offset(i), offset(j)))).collect();
    let columns = Gather { taps, stride: spec.stride, h: oh, w: ow }.run(x)?;
    let groups = x.dim(0)? / weight.dim(1)?;
    let matrix = by_group(&weight.permute((0, 2, 3, 1))?.contiguous()?.flatten_from(1)?, 1, groups)?;
    let columns = by_group(&columns, spec.kernel * spec.kernel, groups)?;
    matrix.matmul(&columns)?.reshape((weight.dim(0)?, x.dim(1)?, oh, ow))
}

/// Gradients of the input `[in, n, h, w]` (if `want_dx`) and of the weight `[out, in / groups, k, k]`.
pub(super) fn backward(
    spec: ConvSpec,
    x: &Tensor,
    weight: &Tensor,
    dy: &Tensor,
    want_dx: bool,
) -> Result<(Option<Tensor>, Tensor)> {
    let ConvSpec { kernel, stride, .. } = spec;
    let (c_in, n, h, w) = x.dims4()?;
    let out = weight.dim(0)?;
    let ins = weight.dim(1)?;
    let groups = c_in / ins;
    let outs = out / groups;
    let qh = h.div_ceil(stride);
    let qw = w.div_ceil(stride);
    let zeros = |shape: (usize, usize)| Tensor::zeros(shape, x.dtype(), x.device());
    // `[k, k, out, in / groups]`, so that the taps of a phase are rows of one matrix.
    let kernels = weight.permute((2, 3, 0, 1))?.contiguous()?.reshape((kernel * kernel, out, ins))?;

    let mut dx_phases = Vec::with_capacity(stride * stride);
    let mut dw_taps: Vec<Option<Tensor>> = vec![None; kernel * kernel];
    for r in 0..stride {
        for c in 0..stride {
            let rows = axis_taps(r, spec);
            let columns = axis_taps(c, spec);
            let taps: Vec<(Tap, Tap)> =
                rows.iter().flat_map(|i| columns.iter().map(move |j| (*i, *j))).collect();
            if taps.is_empty() {
                dx_phases.push(zeros((c_in, n * qh * qw))?.reshape((c_in, n, qh, qw))?);
                continue;
            }
            let shifts = taps.iter().map(|(i, j)| (i.shift, j.shift)).collect();
            let gathered = Gather { taps: shifts, stride: 1, h: qh, w: qw }.run(dy)?;
            let gathered = by_group(&gathered, taps.len(), groups)?;
            let phase = Gather { taps: vec![(r as isize, c as isize)], stride, h: qh, w: qw }.run(x)?;
            let dw = gathered.matmul(&by_group(&phase, 1, groups)?.t()?)?;
            for (position, (i, j)) in taps.iter().enumerate() {
                let tap = dw.narrow(1, position * outs, outs)?.reshape((out, ins))?;
                dw_taps[i.index * kernel + j.index] = Some(tap);
            }
            if want_dx {
                let indices = taps.iter().map(|(i, j)| i.index * kernel + j.index);
                let chosen = if taps.len() == kernel * kernel && kernel == 1 {
                    kernels.flatten_to(1)?
                } else {
                    let parts = indices.map(|t| kernels.get(t)).collect::<Result<Vec<_>>>()?;
                    Tensor::cat(&parts, 0)?
                };
                let chosen = by_group(&chosen, taps.len(), groups)?;
                dx_phases.push(chosen.t()?.matmul(&gathered)?.reshape((c_in, n, qh, qw))?);
            }
        }
    }
    let untouched = zeros((out, ins))?;
    let taps = dw_taps.into_iter().map(|t| t.unwrap_or_else(|| untouched.clone())).collect::<Vec<_>>();
    let dw = Tensor::stack(&taps, 2)?.reshape((out, ins, kernel, kernel))?;
    let dx = if want_dx { Some(interleave(&dx_phases, stride, h, w)?) } else { None };
    Ok((dx, dw))
}

/// Converts a matrix with rows `[parts, groups, ..]` into one matrix per group,
/// `[groups, parts * .., columns]`. With one group, the result is a view.
fn by_group(matrix: &Tensor, parts: usize, groups: usize) -> Result<Tensor> {
    let (rows, columns) = matrix.dims2()?;
    let split = matrix.reshape((parts, groups, rows / parts / groups, columns))?;
    split.transpose(0, 1)?.contiguous()?.reshape((groups, rows / groups, columns))
}

/// One kernel row (or column) and the output row that uses it, relative to the row of the phase.
#[derive(Debug, Clone, Copy)]
struct Tap {
    index: usize,
    shift: isize,
}

/// The taps of phase `r` of one axis: tap `i` connects input row `stride * q + r` with output row
/// `q + shift`, where `r + padding - i = stride * shift`.
fn axis_taps(r: usize, spec: ConvSpec) -> Vec<Tap> {
    let distance = |i: usize| (r + spec.padding) as isize - i as isize;
    (0..spec.kernel)
        .filter(|i| distance(*i).rem_euclid(spec.stride as isize) == 0)
        .map(|i| Tap { index: i, shift: distance(i).div_euclid(spec.stride as isize) })
        .collect()
}

/// Combines the phases `[c, n, qh, qw]` of a strided grid and crops the result to `h` x `w`.
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
