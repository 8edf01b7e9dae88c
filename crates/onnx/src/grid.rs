//! [`write_grid`]: positions of the anchors, as constants or computed when the model runs.

use std::slice;

use crate::attribute::int;
use crate::dim::Dim;
use crate::element::Element;
use crate::writer::{Value, Writer};

/// One level of the head.
pub(crate) struct Level<'a> {
    /// Its index, from the finest level.
    index: usize,
    /// Pixels per cell.
    stride: f32,
    /// A map `[n, c, h, w]` of the level.
    map: &'a Value,
    /// `h * w`.
    pub(crate) cells: Dim,
}

impl<'a> Level<'a> {
    /// The level whose cells are those of `map` `[n, c, h, w]`.
    pub(crate) fn new(index: usize, stride: usize, map: &'a Value) -> Self {
        let cells = match map.dims()[2..].iter().map(Dim::fixed).product::<Option<usize>>() {
            Some(cells) => Dim::Fixed(cells),
            None => Dim::named(format!("anchors_{index}")),
        };
        Self { index, stride: stride as f32, map, cells }
    }
}

/// Values that convert boxes from cells, relative to their own cell, to pixels of the image.
pub(crate) struct Grid {
    /// `[1, 1, anchors]`: pixels per cell.
    pub(crate) strides: Value,
    /// `[1, rows, anchors]`: values to add, which are the centre of the cell in pixels, 0 for sizes and 1 for
    /// objectness.
    pub(crate) centres: Value,
}

/// Writes the grid of all levels: `rows` is 4, or 5 with an objectness.
pub(crate) fn write_grid(
    writer: &mut Writer,
    layer: &str,
    levels: &[Level<'_>],
    anchors: &Dim,
    rows: usize,
) -> Grid {
    let name = |part: &str| format!("{layer}.{part}");
    if let Some(count) = anchors.fixed() {
        let (strides, centres) = constants(levels, rows);
        let strides = writer.floats(&name("strides"), Element::F32, &[1, 1, count], &strides);
        let centres = writer.floats(&name("anchors"), Element::F32, &[1, rows, count], &centres);
        return Grid { strides, centres };
    }
    let mut parts = Vec::with_capacity(levels.len());
    for level in levels {
        parts.push(computed(writer, &name(&format!("anchors.{}", level.index)), level, rows));
    }
    let mut join = |part: &str, values: Vec<&Value>, rows: usize| {
        if let [value] = values.as_slice() {
            return (*value).clone();
        }
        let dims = [1.into(), rows.into(), anchors.clone()];
        writer.node(&name(part), "Concat", &values, vec![int("axis", 2)], &dims)
    };
    Grid {
        strides: join("strides", parts.iter().map(|g| &g.strides).collect(), 1),
        centres: join("anchors", parts.iter().map(|g| &g.centres).collect(), rows),
    }
}

/// The grid of levels of known sizes.
fn constants(levels: &[Level<'_>], rows: usize) -> (Vec<f32>, Vec<f32>) {
    let mut strides = Vec::new();
    let mut x = Vec::new();
    let mut y = Vec::new();
    for level in levels {
        let side = |axis: usize| level.map.dims()[axis].fixed().unwrap_or(0);
        for row in 0..side(2) {
            for column in 0..side(3) {
                strides.push(level.stride);
                x.push((column as f32 + 0.5) * level.stride);
                y.push((row as f32 + 0.5) * level.stride);
            }
        }
    }
    let sizes = vec![0.0; 2 * strides.len()];
    let objectness = vec![1.0; (rows - 4) * strides.len()];
    (strides, [x, y, sizes, objectness].concat())
}

/// The grid of one level whose size is known only when the model runs.
fn computed(writer: &mut Writer, layer: &str, level: &Level<'_>, rows: usize) -> Grid {
    let h = &level.map.dims()[2];
    let w = &level.map.dims()[3];
    let shape = writer.typed(layer, "Shape", &[level.map], Vec::new(), (Element::I64, &[4.into()]));
    let bounds = [("starts", 2), ("ends", 4), ("axes", 0)]
        .map(|(what, number)| writer.ints(&format!("{layer}.{what}"), &[number]));
    let sides = [&shape, &bounds[0], &bounds[1], &bounds[2]];
    let sides = writer.node(layer, "Slice", &sides, Vec::new(), &[2.into()]);
    let x = positions(writer, &format!("{layer}.x"), &shape, (3, w), level.stride);
    let y = positions(writer, &format!("{layer}.y"), &shape, (2, h), level.stride);
    let y = writer.reshape(&format!("{layer}.y"), &y, &[h.clone(), 1.into()]);

    // One row of the grid, from a value that can be repeated to `[h, w]`.
    let mut row = |part: &str, value: &Value| {
        let part = format!("{layer}.{part}");
        let map = writer.node(&part, "Expand", &[value, &sides], Vec::new(), &[h.clone(), w.clone()]);
        // The input is [h, w], so a 0 on the first axis would mean h, not 1.
        writer.reshape(&part, &map, &[1.into(), 1.into(), level.cells.clone()])
    };
    let x = row("x", &x);
    let y = row("y", &y);
    let mut constant = |part: &str, value: f32| {
        let value = writer.floats(&format!("{layer}.{part}"), Element::F32, &[1, 1], &[value]);
        let part = format!("{layer}.{part}");
        let map = writer.node(&part, "Expand", &[&value, &sides], Vec::new(), &[h.clone(), w.clone()]);
        writer.reshape(&part, &map, &[1.into(), 1.into(), level.cells.clone()])
    };
    let strides = constant("stride", level.stride);
    let zeros = constant("size", 0.0);
    let mut centre = vec![x, y, zeros.clone(), zeros];
    if rows > 4 {
        centre.push(constant("objectness", 1.0));
    }
    let centre: Vec<&Value> = centre.iter().collect();
    let dims = [1.into(), rows.into(), level.cells.clone()];
    let centres = writer.node(layer, "Concat", &centre, vec![int("axis", 1)], &dims);
    Grid { strides, centres }
}

/// Centres of the cells along one axis of a map with this shape, in pixels: `[size]`.
fn positions(
    writer: &mut Writer,
    layer: &str,
    shape: &Value,
    (axis, size): (i64, &Dim),
    stride: f32,
) -> Value {
    let index = writer.int(&format!("{layer}.axis"), axis);
    let end = writer.node(layer, "Gather", &[shape, &index], vec![int("axis", 0)], &[]);
    let first = writer.int(&format!("{layer}.first"), 0);
    let step = writer.int(&format!("{layer}.step"), 1);
    let cells = writer.node(layer, "Range", &[&first, &end, &step], Vec::new(), slice::from_ref(size));
    let cells = writer.cast(layer, &cells, Element::F32);
    let half = writer.floats(&format!("{layer}.half"), Element::F32, &[], &[0.5]);
    let middle = writer.node(layer, "Add", &[&cells, &half], Vec::new(), slice::from_ref(size));
    let stride = writer.floats(&format!("{layer}.stride"), Element::F32, &[], &[stride]);
    writer.node(layer, "Mul", &[&middle, &stride], Vec::new(), slice::from_ref(size))
}
