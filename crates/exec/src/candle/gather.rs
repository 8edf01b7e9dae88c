//! [`Gather`]: stacks shifted, strided views of a wire, which turns a convolution into one matrix product.

use candle_core::{Result, Tensor};
use rayon::prelude::*;

use super::host::host_values;
use super::wire::{flat, pad, strided};

/// Describes the views: output `(y, x)` of tap `(i, j)` is the input at `(stride * y + i, stride * x + j)`,
/// or 0 outside.
#[derive(Debug, Clone)]
pub(super) struct Gather {
    pub(super) taps: Vec<(isize, isize)>,
    pub(super) stride: usize,
    pub(super) h: usize,
    pub(super) w: usize,
}

impl Gather {
    /// Gathers `x` `[c, n, ih, iw]` into `[taps * c, n * h * w]`, tap by tap.
    pub(super) fn run(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, ih, iw) = x.dims4()?;
        if self.taps == [(0, 0)] && self.stride == 1 && (ih, iw) == (self.h, self.w) {
            return flat(x);
        }
        let contiguous = x.contiguous()?;
        match host_values(&contiguous) {
            Some(host) => self.on_host(&contiguous, &host),
            None => self.on_device(&contiguous),
        }
    }

    fn on_host(&self, x: &Tensor, values: &[f32]) -> Result<Tensor> {
        let (c, n, ih, iw) = x.dims4()?;
        let row = n * self.h * self.w;
        let mut columns = vec![0.0f32; self.taps.len() * c * row];
        columns.par_chunks_mut(row).enumerate().for_each(|(index, out)| {
            let (i, j) = self.taps[index / c];
            let channel = &values[(index % c) * n * ih * iw..][..n * ih * iw];
            for (image, out) in channel.chunks_exact(ih * iw).zip(out.chunks_exact_mut(self.h * self.w)) {
                self.one(image, (ih, iw), (i, j), out);
            }
        });
        Tensor::from_vec(columns, (self.taps.len() * c, row), x.device())
    }

    /// Copies one tap of one channel of one image; `out` must be zero, because positions outside the image
    /// are not written.
    fn one(&self, image: &[f32], (ih, iw): (usize, usize), (i, j): (isize, isize), out: &mut [f32]) {
        let stride = self.stride as isize;
        let first = (-j).max(0).cast_unsigned().div_ceil(self.stride).min(self.w);
        let last = (iw as isize - j).max(0).cast_unsigned().div_ceil(self.stride).clamp(first, self.w);
        for (y, out) in out.chunks_exact_mut(self.w).enumerate() {
            let source = y as isize * stride + i;
            if source < 0 || source >= ih as isize || first == last {
                continue;
            }
            let row = &image[source.cast_unsigned() * iw..][..iw];
            let start = (first as isize * stride + j).cast_unsigned();
            if self.stride == 1 {
                out[first..last].copy_from_slice(&row[start..start + last - first]);
            } else {
                for (o, v) in out[first..last].iter_mut().zip(row[start..].iter().step_by(self.stride)) {
                    *o = *v;
                }
            }
        }
    }

    fn on_device(&self, x: &Tensor) -> Result<Tensor> {
        let (_, _, ih, iw) = x.dims4()?;
        let rows = Span::new(self.taps.iter().map(|t| t.0), self.stride, self.h, ih);
        let columns = Span::new(self.taps.iter().map(|t| t.1), self.stride, self.w, iw);
        let padded = pad(x, [rows.before, rows.after, columns.before, columns.after], 0.0)?.contiguous()?;
        let views = self
            .taps
            .iter()
            .map(|(i, j)| {
                let row = rows.position(*i);
                let column = columns.position(*j);
                strided(&padded, self.stride, (row, self.h), (column, self.w))
            })
            .collect::<Result<Vec<_>>>()?;
        flat(&Tensor::cat(&views, 0)?)
    }
}

/// Zero padding of one axis that keeps every tap inside, rounded up to whole strides.
struct Span {
    before: usize,
    after: usize,
}

impl Span {
    fn new(taps: impl Iterator<Item = isize> + Clone, stride: usize, steps: usize, size: usize) -> Self {
        let before = taps.clone().map(|t| -t).max().unwrap_or(0).max(0).cast_unsigned();
        let reach = taps.max().unwrap_or(0) + ((steps - 1) * stride) as isize + 1 + before as isize;
        let wanted = reach.max(0).cast_unsigned().max(before + size).div_ceil(stride) * stride;
        Self { before, after: wanted - before - size }
    }

    fn position(&self, tap: isize) -> usize {
        (tap + self.before as isize).cast_unsigned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::Device;

    #[test]
    fn both_ways_gather_the_same() {
        let x = Tensor::rand(-1.0f32, 1.0, (2, 3, 5, 7), &Device::Cpu).unwrap();
        for stride in [1, 2, 3] {
            for (h, w) in [(1, 1), (3, 2), (5, 7), (6, 8)] {
                for taps in [vec![(0, 0)], vec![(-1, -1), (0, 2), (1, 0)], vec![(-4, 3), (2, -6), (9, 9)]] {
                    let gather = Gather { taps, stride, h, w };
                    let host = host_values(&x).unwrap();
                    let a = gather.on_host(&x, &host).unwrap();
                    let b = gather.on_device(&x).unwrap();
                    assert_eq!(a.to_vec2::<f32>().unwrap(), b.to_vec2::<f32>().unwrap(), "{gather:?}");
                }
            }
        }
    }
}
