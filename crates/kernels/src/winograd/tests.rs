//! Tests against a plain convolution in `f64`, on every instruction set and with several numbers of threads.

use super::{Forward, Pack, Source, moment_counts, packed_len, partials_len, pays, push_weight_gradient};
use crate::conv::Epilogue;
use crate::{Buffer, ConvShape, Isa, KernelError, Nhwc, Program, Team, View, Window};

/// Largest error as a fraction of the root mean square of the result.
const BOUND: f64 = 2e-5;

/// Small pseudo-random values; the same seed gives the same values.
fn values(len: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).max(1);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as f32 / u32::MAX as f32 - 0.5
    };
    (0..len).map(|_| next()).collect()
}

fn shape(n: usize, h: usize, w: usize, ci: usize, co: usize) -> ConvShape {
    ConvShape::new(Nhwc::new(n, h, w, ci), co, Window::square(3, 1, 1)).unwrap()
}

/// Calls `f(output pixel, input pixel, tap)` for all combinations that the convolution multiplies.
fn taps(shape: &ConvShape, mut f: impl FnMut(usize, usize, usize)) {
    let Nhwc { n, h, w, .. } = shape.input();
    for (image, y, x) in (0..n * h * w).map(|i| (i / (h * w), i / w % h, i % w)) {
        for (ky, kx) in (0..9).map(|tap| (tap / 3, tap % 3)) {
            let iy = y + ky;
            let ix = x + kx;
            if (1..=h).contains(&iy) && (1..=w).contains(&ix) {
                f((image * h + y) * w + x, (image * h + iy - 1) * w + ix - 1, ky * 3 + kx);
            }
        }
    }
}

/// Computes `y`, `dx` and `dw` in `f64`.
fn reference(shape: &ConvShape, x: &[f32], dy: &[f32], w: &[f32]) -> [Vec<f64>; 3] {
    let ci = shape.input().c;
    let co = shape.output().c;
    let x = wide(x);
    let dy = wide(dy);
    let w = wide(w);
    let mut y = vec![0.0; dy.len()];
    let mut dx = vec![0.0; x.len()];
    let mut dw = vec![0.0; w.len()];
    taps(shape, |out, input, tap| {
        let y = &mut y[out * co..][..co];
        let dy = &dy[out * co..][..co];
        for c in 0..ci {
            let v = x[input * ci + c];
            let row = (tap * ci + c) * co;
            let w = &w[row..][..co];
            let dw = &mut dw[row..][..co];
            let mut sum = 0.0;
            for o in 0..co {
                y[o] += v * w[o];
                sum += dy[o] * w[o];
                dw[o] += v * dy[o];
            }
            dx[input * ci + c] += sum;
        }
    });
    [y, dx, dw]
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

fn assert_close(what: &str, got: &[f32], expected: &[f64]) {
    assert_eq!(got.len(), expected.len());
    let rms = (expected.iter().map(|v| v * v).sum::<f64>() / expected.len() as f64).sqrt();
    for (i, (&got, &expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(got) - expected).abs();
        assert!(error <= BOUND * rms, "{what}: value {i} is {got} for {expected}, rms {rms}");
    }
}

/// A buffer full of NaN except for the values of one view.
fn poisoned(view: &View, values: &[f32]) -> Buffer {
    let mut buffer = Buffer::zeroed(view.end() + 48);
    buffer.as_mut_slice().fill(f32::NAN);
    for (pixel, values) in values.chunks(view.channels.max(1)).enumerate() {
        buffer.as_mut_slice()[view.offset + pixel * view.ld..][..view.channels].copy_from_slice(values);
    }
    buffer
}

/// Returns the values of a view and checks that all values outside of it are unchanged.
fn inside(buffer: &Buffer, view: &View) -> Vec<f32> {
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
struct Case {
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
    fn new(n: usize, h: usize, w: usize, ci: usize, co: usize, extra: usize) -> Self {
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
    fn run(&self, isa: Isa, threads: usize, accumulate: bool) -> [Vec<f32>; 3] {
        let v = &self.views;
        let start = if accumulate { &self.y0[..] } else { &[] };
        let zeros = vec![0.0; self.w.len()];
        let dx = if accumulate { &self.x[..] } else { &[] };
        let contents = [&self.x[..], &self.w, &[], start, &self.dy, &[], dx, &[], &zeros];
        let mut buffers: Vec<Buffer> =
            v.iter().zip(contents).map(|(v, values)| poisoned(v, values)).collect();
        let mut all: Vec<&mut Buffer> = buffers.iter_mut().collect();
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

    fn check(&self, accumulate: bool) {
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

#[test]
fn all_directions_agree_with_a_plain_convolution_at_every_size() {
    for h in [1, 2, 3, 4, 5, 7, 10, 13] {
        for w in [1, 2, 3, 4, 5, 7, 10, 13] {
            let (ci, co) = [(16, 32), (32, 16), (48, 32), (16, 80)][(h + w) % 4];
            Case::new(1 + 2 * (h % 2), h, w, ci, co, 16 * (w % 3)).check((h + w) % 3 == 0);
        }
    }
}

#[test]
fn all_directions_agree_with_a_plain_convolution_at_every_width() {
    for ci in [16, 32, 48, 80] {
        for co in [16, 32, 48, 80, 112] {
            Case::new(1, 5, 9, ci, co, 16).check(co == 48);
        }
    }
}

#[test]
fn blocks_groups_parts_and_passes_fit_together() {
    for (n, h, w, ci, co) in [
        (3, 20, 20, 32, 48),
        (9, 20, 23, 32, 32),
        (8, 10, 10, 144, 112),
        (2, 40, 41, 64, 64),
        (1, 3, 300, 16, 16),
        (5, 9, 9, 32, 304),
    ] {
        Case::new(n, h, w, ci, co, 16).check(n == 3);
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let bits = |results: [Vec<f32>; 3]| results.map(|r| r.into_iter().map(f32::to_bits).collect::<Vec<_>>());
    for (n, h, w, ci, co) in [(3, 13, 20, 48, 80), (16, 20, 20, 32, 32)] {
        let case = Case::new(n, h, w, ci, co, 16);
        for isa in Isa::available() {
            let one = bits(case.run(isa, 1, false));
            for threads in [2, 3] {
                assert!(one == bits(case.run(isa, threads, false)), "{threads} threads on {isa}");
            }
        }
    }
}

#[test]
fn epilogue_and_moments_see_every_pixel_once() {
    let n = 5;
    let h = 20;
    let w = 18;
    let ci = 32;
    let co = 80;
    let shape = shape(n, h, w, ci, co);
    let counts = moment_counts(&shape);
    let pixels = n * h * w;
    assert_eq!(counts.iter().sum::<usize>(), pixels);
    let x = View::dense(0, 0, pixels, ci);
    let weights = View::vector(1, 0, 9 * ci * co);
    let packed = View::vector(2, 0, packed_len(&shape));
    let y = View { buffer: 3, offset: 16, pixels, channels: co, ld: co + 32 };
    let bias = View::vector(4, 0, co);
    let residual = View::dense(5, 0, pixels, co);
    let moments = View { buffer: 6, offset: 16, pixels: 2 * counts.len(), channels: co, ld: co + 16 };
    let data = [(pixels * ci, 1), (9 * ci * co, 2), (co, 3), (pixels * co, 4)].map(|(len, i)| values(len, i));
    let [x_values, w_values, bias_values, residual_values] = &data;
    let [sums, ..] = reference(&shape, x_values, &vec![0.0; pixels * co], w_values);
    let biased: Vec<f64> = sums.iter().enumerate().map(|(i, s)| s + f64::from(bias_values[i % co])).collect();
    for isa in Isa::available() {
        let mut program = Program::new(isa);
        program.push("pack", Pack::new("pack", &shape, weights, packed, Source::Rows).unwrap()).unwrap();
        let epilogue =
            Epilogue { bias: Some(bias), silu: true, residual: Some(residual), moments: Some(moments) };
        let forward = Forward::new("y", &shape, x, packed, y, epilogue, false).unwrap();
        program.push("y", forward).unwrap();
        let mut buffers = [
            poisoned(&x, x_values),
            poisoned(&weights, w_values),
            poisoned(&packed, &[]),
            poisoned(&y, &[]),
            poisoned(&bias, bias_values),
            poisoned(&residual, residual_values),
            poisoned(&moments, &[]),
        ];
        program.run(&Team::new(2).unwrap(), &mut buffers.each_mut()).unwrap();
        let silu = |v: f64| v / (1.0 + (-v).exp());
        let expected: Vec<f64> =
            biased.iter().zip(residual_values).map(|(&v, &r)| silu(v) + f64::from(r)).collect();
        assert_close("y", &inside(&buffers[3], &y), &expected);

        let got = inside(&buffers[6], &moments);
        let mut first = 0;
        for (part, &count) in counts.iter().enumerate() {
            let channel = |c: usize| (first..first + count).map(move |pixel| pixel * co + c);
            let mean: Vec<f64> =
                (0..co).map(|c| channel(c).map(|i| biased[i]).sum::<f64>() / count as f64).collect();
            let m2: Vec<f64> =
                (0..co).map(|c| channel(c).map(|i| (biased[i] - mean[c]).powi(2)).sum()).collect();
            assert_close("means", &got[2 * part * co..][..co], &mean);
            assert_close("squares", &got[(2 * part + 1) * co..][..co], &m2);
            first += count;
        }
    }
}

#[test]
fn operands_that_do_not_fit_are_refused_with_both_sizes() {
    let shape = shape(1, 8, 8, 32, 48);
    let x = View::dense(0, 0, 64, 32);
    let y = View::dense(1, 0, 64, 48);
    let packed = View::vector(2, 0, packed_len(&shape));
    let none = || Epilogue { bias: None, silu: false, residual: None, moments: None };
    let forward = |x, packed, y, epilogue| Forward::new("conv7", &shape, x, packed, y, epilogue, false).err();
    assert_eq!(forward(x, packed, y, none()), None);
    for error in [
        forward(View { pixels: 63, ..x }, packed, y, none()),
        forward(x, packed, View { channels: 32, ..y }, none()),
        forward(x, packed.columns(0, packed.channels - 16), y, none()),
        forward(x, packed, y, Epilogue { bias: Some(View::vector(3, 0, 32)), ..none() }),
        forward(x, packed, y, Epilogue { moments: Some(View::dense(3, 0, 1, 48)), ..none() }),
        Pack::new("conv7", &shape, View::vector(3, 0, 9), packed, Source::Rows).err(),
    ] {
        assert!(
            matches!(error, Some(KernelError::Operand { ref label, .. }) if label == "conv7"),
            "{error:?}"
        );
    }
    let strided = ConvShape::new(Nhwc::new(1, 8, 8, 32), 48, Window::square(3, 2, 1)).unwrap();
    assert!(
        !pays(&strided)
            && Pack::new("", &strided, View::vector(3, 0, 9 * 32 * 48), packed, Source::Rows).is_err()
    );
}

#[test]
fn it_pays_on_maps_large_enough_for_the_depth() {
    for (n, size, ci, co) in
        [(8, 80, 16, 16), (8, 80, 32, 32), (8, 10, 256, 256), (1, 20, 128, 128), (1, 40, 64, 64)]
    {
        assert!(pays(&shape(n, size, size, ci, co)), "{n} images of {size}, {ci} to {co}");
    }
    for (n, size, ci, co) in [(1, 10, 256, 256), (64, 5, 64, 64), (64, 1, 64, 64)] {
        assert!(!pays(&shape(n, size, size, ci, co)), "{n} images of {size}, {ci} to {co}");
    }
}
