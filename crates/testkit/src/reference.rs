//! [`reference_forward`]: the nine layers as plain loops in `f64`, short enough to verify by reading.
//!
//! It is an oracle for executors and for the pruner and shares no code with either. It has no backward pass
//! and updates no running statistics. Tests check gradients against it by finite differences, so the wires
//! are `f64`.

use std::borrow::Cow;

use bonsai_checkpoint::{Array, Weights};
use bonsai_graph::{Graph, NodeId, Op, ParamRole, Size};

/// Values of one wire, `[n, c, h, w]` row-major.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceTensor {
    /// `[n, c, h, w]`.
    pub shape: [usize; 4],
    /// Values, row-major.
    pub data: Vec<f64>,
}

/// The network's outputs for `images` `[n, c, h, w]`, rounded to `f32`.
///
/// With `train`, batch norm uses the statistics of the batch (biased variance), otherwise the running
/// statistics.
///
/// # Panics
/// If a weight is missing or the images do not fit the graph.
pub fn reference_forward(graph: &Graph, weights: &Weights, images: &Array, train: bool) -> Vec<Array> {
    let wires = reference_wires(graph, weights, images, train);
    let round = |t: &ReferenceTensor| Array::new(&t.shape, t.data.iter().map(|v| *v as f32).collect());
    graph.outputs().iter().map(|o| round(&wires[o.index()])).collect()
}

/// The output of every layer, in topological order.
///
/// # Panics
/// As [`reference_forward`].
pub fn reference_wires(
    graph: &Graph,
    weights: &Weights,
    images: &Array,
    train: bool,
) -> Vec<ReferenceTensor> {
    reference_wires_reading(graph, weights, images, train, &|_, _, _| None)
}

/// [`reference_wires`] for a network whose layers read changed inputs. `read` receives the reading layer, the
/// wire and its values, and returns the values that the layer reads instead, or `None` to keep them.
///
/// # Panics
/// As [`reference_forward`].
pub fn reference_wires_reading(
    graph: &Graph,
    weights: &Weights,
    images: &Array,
    train: bool,
    read: &dyn Fn(NodeId, NodeId, &ReferenceTensor) -> Option<ReferenceTensor>,
) -> Vec<ReferenceTensor> {
    let [n, c, h, w] = images.shape()[..] else {
        panic!("images must be [n, c, h, w], got {:?}", images.shape())
    };
    let channels = graph.node(graph.input()).channels();
    assert_eq!(c, channels, "channels of the images");
    let shapes = graph.shapes(Size { height: h, width: w }).unwrap_or_else(|e| panic!("{e}"));
    let mut wires: Vec<ReferenceTensor> = Vec::with_capacity(shapes.len());
    for (id, node) in graph.iter() {
        let s = shapes[id.index()];
        let mut out =
            ReferenceTensor { shape: [n, s.channels, s.h, s.w], data: vec![0.0; n * s.channels * s.h * s.w] };
        let read = |wire: &NodeId| {
            let values = &wires[wire.index()];
            read(id, *wire, values).map_or(Cow::Borrowed(values), Cow::Owned)
        };
        let ins: Vec<Cow<'_, ReferenceTensor>> = node.inputs().iter().map(read).collect();
        let ins: Vec<&ReferenceTensor> = ins.iter().map(AsRef::as_ref).collect();
        let param = |role: ParamRole| {
            let name = format!("{}.{}", node.name(), role.suffix());
            weights.require(&name).unwrap_or_else(|e| panic!("{e}")).data()
        };
        match *node.op() {
            Op::Input { .. } => out.data = images.data().iter().map(|v| f64::from(*v)).collect(),
            Op::Conv2d { kernel, stride, padding, bias, groups, .. } => {
                let bias = if bias { Some(param(ParamRole::ConvBias)) } else { None };
                conv(&mut out, ins[0], param(ParamRole::ConvWeight), bias, (kernel, stride, padding), groups);
            }
            Op::BatchNorm { eps, .. } => {
                let running =
                    if train { None } else { Some((param(ParamRole::BnMean), param(ParamRole::BnVar))) };
                let affine = (param(ParamRole::BnGamma), param(ParamRole::BnBeta));
                batch_norm(&mut out, ins[0], affine, running, f64::from(eps));
            }
            Op::Silu => out.data = ins[0].data.iter().map(|v| v / (1.0 + (-v).exp())).collect(),
            Op::Add => {
                for x in ins {
                    out.data.iter_mut().zip(&x.data).for_each(|(o, v)| *o += v);
                }
            }
            Op::Concat => {
                let mut start = 0;
                for x in ins {
                    for i in 0..n {
                        for c in 0..x.shape[1] {
                            out.plane_mut(i, start + c).copy_from_slice(x.plane(i, c));
                        }
                    }
                    start += x.shape[1];
                }
            }
            Op::Slice { start, len } => {
                for i in 0..n {
                    for c in 0..len {
                        out.plane_mut(i, c).copy_from_slice(ins[0].plane(i, start + c));
                    }
                }
            }
            Op::MaxPool { kernel, stride, padding } => max_pool(&mut out, ins[0], kernel, stride, padding),
            Op::Upsample { scale } => {
                let [.., oh, ow] = out.shape;
                out.fill(|x, i, c, y, col| x.plane(i, c)[y / scale * (ow / scale) + col / scale], ins[0]);
                debug_assert_eq!((oh % scale, ow % scale), (0, 0));
            }
        }
        wires.push(out);
    }
    wires
}

impl ReferenceTensor {
    fn plane(&self, n: usize, c: usize) -> &[f64] {
        let area = self.shape[2] * self.shape[3];
        &self.data[(n * self.shape[1] + c) * area..][..area]
    }

    fn plane_mut(&mut self, n: usize, c: usize) -> &mut [f64] {
        let area = self.shape[2] * self.shape[3];
        &mut self.data[(n * self.shape[1] + c) * area..][..area]
    }

    fn fill(&mut self, value: impl Fn(&Self, usize, usize, usize, usize) -> f64, input: &Self) {
        let [n, c, h, w] = self.shape;
        for i in 0..n {
            for c in 0..c {
                for y in 0..h {
                    for x in 0..w {
                        self.plane_mut(i, c)[y * w + x] = value(input, i, c, y, x);
                    }
                }
            }
        }
    }
}

/// Output positions `o` of an axis for which `o * stride + tap - padding` lies inside the input.
fn inside(out: usize, size: usize, tap: usize, stride: usize, padding: usize) -> std::ops::Range<usize> {
    let first = padding.saturating_sub(tap).div_ceil(stride);
    let end = (size + padding).saturating_sub(tap).div_ceil(stride).min(out);
    first..end.max(first)
}

fn conv(
    out: &mut ReferenceTensor,
    x: &ReferenceTensor,
    weight: &[f32],
    bias: Option<&[f32]>,
    (kernel, stride, padding): (usize, usize, usize),
    groups: usize,
) {
    let [n, outs, oh, ow] = out.shape;
    let [_, ins, h, w] = x.shape;
    let ins = ins / groups;
    for i in 0..n {
        for o in 0..outs {
            let plane = out.plane_mut(i, o);
            plane.fill(bias.map_or(0.0, |b| f64::from(b[o])));
            for c in 0..ins {
                let source = x.plane(i, o / (outs / groups) * ins + c);
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let k = f64::from(weight[((o * ins + c) * kernel + ky) * kernel + kx]);
                        let columns = inside(ow, w, kx, stride, padding);
                        for y in inside(oh, h, ky, stride, padding) {
                            let row = &source[(y * stride + ky - padding) * w..][..w];
                            for col in columns.clone() {
                                plane[y * ow + col] += k * row[col * stride + kx - padding];
                            }
                        }
                    }
                }
            }
        }
    }
}

fn batch_norm(
    out: &mut ReferenceTensor,
    x: &ReferenceTensor,
    (gamma, beta): (&[f32], &[f32]),
    running: Option<(&[f32], &[f32])>,
    eps: f64,
) {
    let [n, channels, h, w] = x.shape;
    let count = (n * h * w) as f64;
    for c in 0..channels {
        let (mean, var) = running.map_or_else(
            || {
                let over = |f: &dyn Fn(f64) -> f64| {
                    (0..n).flat_map(|i| x.plane(i, c)).map(|v| f(*v)).sum::<f64>() / count
                };
                let mean = over(&|v| v);
                (mean, over(&|v| (v - mean) * (v - mean)))
            },
            |(mean, var)| (f64::from(mean[c]), f64::from(var[c])),
        );
        let scale = f64::from(gamma[c]) / (var + eps).sqrt();
        for i in 0..n {
            let source = x.plane(i, c);
            for (o, v) in out.plane_mut(i, c).iter_mut().zip(source) {
                *o = (v - mean) * scale + f64::from(beta[c]);
            }
        }
    }
}

fn max_pool(out: &mut ReferenceTensor, x: &ReferenceTensor, kernel: usize, stride: usize, padding: usize) {
    let [_, _, h, w] = x.shape;
    let window = |position: usize, size: usize| {
        let start = position * stride;
        start.saturating_sub(padding)..(start + kernel).saturating_sub(padding).min(size)
    };
    out.fill(
        |x, i, c, y, col| {
            let rows = window(y, h).flat_map(|r| x.plane(i, c)[r * w..][window(col, w)].iter());
            rows.fold(f64::NEG_INFINITY, |m, v| m.max(*v))
        },
        x,
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taps_reach_what_lies_inside() {
        // 5 columns, kernel 3, stride 2, padding 1: outputs at 0, 2, 4. Tap 0 of the first output falls off
        // the left edge.
        assert_eq!([0, 1, 2].map(|tap| inside(3, 5, tap, 2, 1)), [1..3, 0..3, 0..2]);
        assert_eq!(inside(1, 1, 4, 1, 2), 0..0);
    }
}
