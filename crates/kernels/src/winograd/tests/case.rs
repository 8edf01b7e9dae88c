//! [`Case`]: one shape, with operands of all directions inside buffers full of NaN.

use super::super::{Forward, Pack, Source, packed_len, partials_len, push_weight_gradient};
use super::plain::{assert_close, reference, shape, values};
use crate::{AlignedBuffer, ConvShape, Epilogue, Isa, Program, Team, View};

/// A buffer full of NaN except for the values of one view.
pub(super) fn poisoned(view: &View, values: &[f32]) -> AlignedBuffer {
    let mut buffer = AlignedBuffer::zeroed(view.end() + 48);
    buffer.as_mut_slice().fill(f32::NAN);
    for (pixel, values) in values.chunks(view.channels.max(1)).enumerate() {
        buffer.as_mut_slice()[view.offset + pixel * view.ld..][..view.channels].copy_from_slice(values);
    }
    buffer
}

/// Returns the values of a view and checks that all values outside of it are unchanged.
pub(super) fn inside(buffer: &AlignedBuffer, view: &View) -> Vec<f32> {
    let mut values = Vec::new();
    let mut outside = buffer.as_slice().to_vec();
    for pixel in 0..view.pixels {
        let range = view.offset + pixel * view.ld..view.offset + pixel * view.ld + view.channels;
        values.extend_from_slice(&buffer.as_slice()[range.clone()]);
        outside[range].fill(f32::NAN);
    }
    assert!(outside.iter().all(|v| v.to_bits() == f32::NAN.to_bits()), "written outside of the view");
    values
}

/// Operands of all directions; every tensor is a view inside a wider one.
pub(super) struct Case {
    shape: ConvShape,
    back: ConvShape,
    x: Vec<f32>,
    y0: Vec<f32>,
    dy: Vec<f32>,
    w: Vec<f32>,
    views: [View; 9],
}

// Buffer numbers, and positions in `Case::views`.
const X: usize = 0;
const W: usize = 1;
const U: usize = 2;
const Y: usize = 3;
const DY: usize = 4;
const UT: usize = 5;
const DX: usize = 6;
const PARTS: usize = 7;
const DW: usize = 8;

impl Case {
    pub(super) fn new(n: usize, h: usize, w: usize, ci: usize, co: usize, extra: usize) -> Self {
        let shape = shape(n, h, w, ci, co);
        let pixels = n * h * w;
        let back = ConvShape::new(shape.output(), ci, shape.window()).unwrap();
        let tensor = |buffer, channels: usize| {
            let ld = channels + 2 * extra;
            View { buffer, offset: extra + 16, pixels, channels, ld }
        };
        let vector = |buffer, len| View::vector(buffer, extra, len);
        let views = [
            tensor(X, ci),
            vector(W, 9 * ci * co),
            vector(U, packed_len(&shape)),
            tensor(Y, co),
            tensor(DY, co),
            vector(UT, packed_len(&back)),
            tensor(DX, ci),
            vector(PARTS, partials_len(&shape)),
            vector(DW, 9 * ci * co),
        ];
        let seed = (n * 31 + h * 7 + w * 3 + ci + co) as u32;
        let [x, y0] = [(ci, 1), (co, 2)].map(|(c, i)| values(pixels * c, seed + i));
        Self {
            shape,
            back,
            x,
            y0,
            dy: values(pixels * co, seed + 3),
            w: values(9 * ci * co, seed + 4),
            views,
        }
    }

    fn program(&self, isa: Isa, accumulate: bool) -> Program {
        let v = &self.views;
        let none = Epilogue { bias: None, silu: false, residual: None, moments: None };
        let mut p = Program::new(isa);
        p.push("pack", Pack::new("pack", &self.shape, v[W], v[U], Source::Rows).unwrap()).unwrap();
        p.push("turn", Pack::new("turn", &self.shape, v[W], v[UT], Source::Transposed).unwrap()).unwrap();
        let forward = Forward::new("y", &self.shape, v[X], v[U], v[Y], none, accumulate);
        p.push("y", forward.unwrap()).unwrap();
        let none = Epilogue { bias: None, silu: false, residual: None, moments: None };
        let back = Forward::new("dx", &self.back, v[DY], v[UT], v[DX], none, accumulate);
        p.push("dx", back.unwrap()).unwrap();
        push_weight_gradient(&mut p, "dw", &self.shape, v[X], v[DY], v[PARTS], v[DW]).unwrap();
        p
    }

    /// Runs all directions and returns `y`, `dx` and `dw`.
    pub(super) fn run(&self, isa: Isa, threads: usize, accumulate: bool) -> [Vec<f32>; 3] {
        let v = &self.views;
        let start = if accumulate { &self.y0[..] } else { &[] };
        let zeros = vec![0.0; self.w.len()];
        let dx = if accumulate { &self.x[..] } else { &[] };
        let contents = [&self.x[..], &self.w, &[], start, &self.dy, &[], dx, &[], &zeros];
        let mut buffers: Vec<AlignedBuffer> =
            v.iter().zip(contents).map(|(v, values)| poisoned(v, values)).collect();
        let mut all: Vec<&mut AlignedBuffer> = buffers.iter_mut().collect();
        let team = Team::new(threads).unwrap();
        team.broadcast(1 << 21, |_, scratch| {
            // SAFETY: the team gives every thread this many values.
            unsafe { std::slice::from_raw_parts_mut(scratch, 1 << 21) }.fill(f32::NAN);
        })
        .unwrap();
        self.program(isa, accumulate).run(&team, &mut all).unwrap();
        for i in [X, W, U, DY, UT, PARTS] {
            inside(&buffers[i], &v[i]);
        }
        [Y, DX, DW].map(|i| inside(&buffers[i], &v[i]))
    }

    pub(super) fn check(&self, accumulate: bool) {
        let mut expected = reference(&self.shape, &self.x, &self.dy, &self.w);
        if accumulate {
            expected[0].iter_mut().zip(&self.y0).for_each(|(y, &y0)| *y += f64::from(y0));
            expected[1].iter_mut().zip(&self.x).for_each(|(dx, &x)| *dx += f64::from(x));
        }
        for isa in Isa::available() {
            let got = self.run(isa, 1, accumulate);
            for ((name, got), expected) in ["y", "dx", "dw"].into_iter().zip(&got).zip(&expected) {
                assert_close(&format!("{name} of {:?} on {isa}", self.shape), got, expected);
            }
        }
    }
}
