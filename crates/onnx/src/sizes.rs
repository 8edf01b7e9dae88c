//! [`sizes`]: dimensions of every wire, with names for sizes that are chosen when the model runs.
//!
//! Every layer's height is linear in the image's: if the heights of two images differ by a multiple of all
//! strides, a wire after strides of `s` in total grows by one cell per `s` pixels. The sizes at two such
//! images therefore determine how each size depends on the image, and wires that meet get one name.

use bonsai_graph::{Graph, GraphError, Op, Shape, Size};

use crate::dim::Dim;
use crate::options::Dynamic;

/// Name of the number of images.
const BATCH: &str = "batch";

/// Dimensions `[n, c, h, w]` of every wire, in the graph's order.
pub(crate) fn sizes(
    graph: &Graph,
    image: Size,
    batch: usize,
    dynamic: Dynamic,
) -> Result<Vec<[Dim; 4]>, GraphError> {
    let shapes = graph.shapes(image)?;
    let batch = match dynamic {
        Dynamic::None => Dim::Fixed(batch),
        Dynamic::Batch | Dynamic::Shape => Dim::named(BATCH),
    };
    let fixed = |s: &Shape| [batch.clone(), s.channels.into(), s.h.into(), s.w.into()];
    if dynamic != Dynamic::Shape {
        return Ok(shapes.iter().map(fixed).collect());
    }
    let step = period(graph);
    let larger = graph.shapes(Size { height: image.height + step, width: image.width + step })?;
    let size = |axis: &str, pixels: usize, at: usize, then: usize| {
        Dim::named(linear(
            axis,
            step,
            then - at,
            at as i64 * step as i64 - pixels as i64 * (then - at) as i64,
        ))
    };
    let named = |(s, l): (&Shape, &Shape)| {
        [
            batch.clone(),
            s.channels.into(),
            size("height", image.height, s.h, l.h),
            size("width", image.width, s.w, l.w),
        ]
    };
    Ok(shapes.iter().zip(&larger).map(named).collect())
}

/// Pixels by which an image must grow so that every wire grows by whole cells.
fn period(graph: &Graph) -> usize {
    let mut per_cell: Vec<usize> = Vec::with_capacity(graph.nodes().len());
    let mut period = 1;
    for node in graph.nodes() {
        let before = node.inputs().iter().fold(1, |all, i| lcm(all, per_cell[i.index()]));
        let after = match *node.op() {
            Op::Conv2d { stride, .. } | Op::MaxPool { stride, .. } => before.saturating_mul(stride),
            Op::Upsample { scale } if before.is_multiple_of(scale) => before / scale,
            Op::Input { .. }
            | Op::BatchNorm { .. }
            | Op::Silu
            | Op::Add
            | Op::Concat
            | Op::Slice { .. }
            | Op::Upsample { .. } => before,
        };
        per_cell.push(after);
        period = lcm(period, after);
    }
    period
}

fn lcm(a: usize, b: usize) -> usize {
    (a / gcd(a, b)).saturating_mul(b)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a.max(1) } else { gcd(b, a % b) }
}

/// `(cells * axis + rest) / pixels` in its shortest form.
fn linear(axis: &str, pixels: usize, cells: usize, rest: i64) -> String {
    let common = gcd(gcd(pixels, cells), rest.unsigned_abs() as usize);
    let pixels = pixels / common;
    let cells = cells / common;
    let rest = rest / common as i64;
    let scaled = if cells == 1 { axis.to_owned() } else { format!("{cells}*{axis}") };
    match (rest, pixels) {
        (0, 1) => scaled,
        (0, _) => format!("{scaled}/{pixels}"),
        (_, 1) => format!("{scaled}{rest:+}"),
        _ => format!("({scaled}{rest:+})/{pixels}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wires_that_meet_have_one_name() {
        let text = "x = input() channels=1\n\
            a = conv2d(x) out_channels=2 kernel=3 stride=2 padding=1 bias=false\n\
            b = conv2d(a) out_channels=2 kernel=3 stride=2 padding=1 bias=false\n\
            c = upsample(b) scale=2\n\
            d = concat(a, c)\n\
            e = conv2d(d) out_channels=2 kernel=3 stride=1 padding=0 bias=false\n\
            outputs = e";
        let graph: Graph = text.parse().unwrap_or_else(|e| panic!("{e}"));
        let names = |h, w| -> Vec<String> {
            let sizes = sizes(&graph, Size { height: h, width: w }, 1, Dynamic::Shape).unwrap();
            sizes.iter().map(|[n, _, h, w]| format!("{n} {h} {w}")).collect()
        };
        let half = "batch height/2 width/2";
        let expected = [
            "batch height width",
            half,
            "batch height/4 width/4",
            half,
            half,
            "batch (height-4)/2 (width-4)/2",
        ];
        assert_eq!(names(8, 12), expected);
        assert_eq!(names(7, 12)[1], "batch (height+1)/2 width/2");
    }

    #[test]
    fn sizes_are_written_short() {
        assert_eq!(linear("height", 32, 64, 0), "2*height");
        assert_eq!(linear("height", 32, 32, 64), "height+2");
        assert_eq!(linear("height", 32, 0, 96), "0*height+3");
    }
}
