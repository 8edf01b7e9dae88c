//! [`CudaBackend`]: plans become lists of kernel launches.

use bonsai_kernels::{Access, Copy, Epilogue, KernelError, Moments, Nhwc, Operand, View};

use super::step::{Arg, COLUMNS, CudaProgram, WindowArg, int, optional, optional_rows, over};
use crate::ComputePrecision;
use crate::plan::{Backend, ConvSpec, Convolution, FoldedNorm, Push, Room, Steps};

/// Plans for a GPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct CudaBackend {
    pub(super) precision: ComputePrecision,
}

impl Backend for CudaBackend {
    type Program = CudaProgram;
    type Conv = CudaConv;

    fn program(self) -> CudaProgram {
        CudaProgram::default()
    }

    fn stores_halves(self) -> bool {
        self.precision == ComputePrecision::Bf16
    }

    fn conv(self, spec: &ConvSpec) -> Result<CudaConv, KernelError> {
        let ConvSpec { input, out_channels, window, depthwise, .. } = *spec;
        let shape = bonsai_kernels::ConvShape::new(input, out_channels, window)?;
        let arg = WindowArg::new(input, shape.output(), window)?;
        Ok(CudaConv {
            precision: self.precision,
            input,
            output: shape.output(),
            taps: window.area(),
            stride: window.stride,
            depthwise,
            arg,
        })
    }
}

/// A stream runs one kernel after another, so every kernel is a stage.
impl Steps for CudaProgram {
    fn stages(&self) -> Vec<Vec<Operand>> {
        self.steps.iter().map(|step| step.operands.clone()).collect()
    }
}

/// A convolution on a GPU.
#[derive(Debug, Clone)]
pub(super) struct CudaConv {
    precision: ComputePrecision,
    input: Nhwc,
    output: Nhwc,
    taps: usize,
    stride: [usize; 2],
    depthwise: bool,
    arg: WindowArg,
}

/// Number of values of the product that a block computes; `VALUES` in cuda/tile.cuh.
const VALUES: usize = 4096;
/// Common dimension of one round of a block; `BK` in cuda/tile.cuh.
const ROUND: usize = 16;
/// Blocks that should run at once, for parts of a sum: about two for each processor of a large GPU.
const BLOCKS: usize = 256;
/// Fewest and most pixels of a part of the gradient of the weights. Long sums in `f32` lose precision.
const SMALLEST_PART: usize = 256;
const LARGEST_PART: usize = 16_384;

/// The variants of a kernel: for blocks of 16, 32 or 64 columns, in `f32` and in TF32.
macro_rules! variants {
    ($stem:literal) => {
        [
            [concat!($stem, "_16"), concat!($stem, "_32"), concat!($stem, "_64")],
            [concat!($stem, "_16_tf32"), concat!($stem, "_32_tf32"), concat!($stem, "_64_tf32")],
        ]
    };
}

/// Columns of a block for so many channels: 16, 32 or 64, and the index of the variant.
fn columns_of_block(channels: usize) -> (usize, usize) {
    match channels {
        0..=16 => (16, 0),
        17..=32 => (32, 1),
        _ => (64, 2),
    }
}

/// Blocks for a product with so many rows and columns.
fn tiles(rows: usize, columns: usize) -> [usize; 2] {
    let width = columns_of_block(columns).0;
    [rows.div_ceil(VALUES / width), columns.div_ceil(width)]
}

fn read(view: View) -> Operand {
    Operand { view, access: Access::Read }
}

fn store(view: View, accumulate: bool) -> Operand {
    Operand { view, access: if accumulate { Access::Update } else { Access::Write } }
}

impl CudaConv {
    /// The variant of a kernel for so many columns.
    fn variant(&self, kernels: [[&'static str; 3]; 2], columns: usize) -> &'static str {
        let of_precision = match self.precision {
            ComputePrecision::F32 => kernels[0],
            // TF32 holds every bf16 value.
            ComputePrecision::Tf32 | ComputePrecision::Bf16 => kernels[1],
        };
        of_precision[columns_of_block(columns).1]
    }

    /// Parts of the pixels for the gradient of the weights, and pixels of each. They depend on the shape alone.
    fn parts(&self) -> (usize, usize) {
        let pixels = self.output.pixels();
        let [x, y] = tiles(self.taps * self.input.c, self.output.c);
        let parts = BLOCKS.div_ceil((x * y).max(1)).min(pixels.div_ceil(SMALLEST_PART)).max(1);
        let each = pixels.div_ceil(parts).min(LARGEST_PART).next_multiple_of(ROUND).max(ROUND);
        (pixels.div_ceil(each), each)
    }

    fn push_run(
        &self,
        p: &mut CudaProgram,
        label: &str,
        [x, weights, y]: [View; 3],
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        let Epilogue { bias, silu, residual, moments } = epilogue;
        let [blocks, across] = tiles(self.output.pixels(), self.output.c);
        let (kernel, grid) = if self.depthwise {
            ("bonsai_depthwise", over(self.output.len()))
        } else {
            (self.variant(variants!("bonsai_conv_forward"), self.output.c), [blocks, across, 1])
        };
        let args = vec![
            Arg::Rows(x),
            Arg::At(weights),
            Arg::Rows(y),
            optional(bias),
            optional_rows(residual),
            Arg::Int(silu.into()),
            Arg::Window(self.arg),
        ];
        let mut operands = vec![read(x), read(weights)];
        operands.extend(bias.into_iter().chain(residual.filter(|r| *r != y)).map(read));
        operands.push(store(y, residual == Some(y)));
        p.launch(label, kernel, grid, args, operands)?;
        moments.map_or(Ok(()), |partials| p.push(label, Moments { y, partials }))
    }
}

impl Convolution for CudaConv {
    type Program = CudaProgram;
    type Folded = View;

    fn weights_len(&self) -> usize {
        self.taps * self.output.c * if self.depthwise { 1 } else { self.input.c }
    }

    fn moment_counts(&self) -> Vec<usize> {
        Moments::counts(self.output.pixels())
    }

    fn push_forward(
        &self,
        p: &mut CudaProgram,
        label: &str,
        _room: &mut Room<'_>,
        operands: [View; 3],
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        self.push_run(p, label, operands, epilogue)
    }

    fn push_transposed(
        &self,
        _p: &mut CudaProgram,
        _label: &str,
        _room: &mut Room<'_>,
        weights: View,
    ) -> Result<View, KernelError> {
        Ok(weights)
    }

    fn push_input_gradient(
        &self,
        p: &mut CudaProgram,
        label: &str,
        _: &mut Room<'_>,
        [dy, weights, dx]: [View; 3],
        accumulate: bool,
    ) -> Result<(), KernelError> {
        let [sh, sw] = self.stride;
        let pixels = self.input.n * self.input.h.div_ceil(sh) * self.input.w.div_ceil(sw);
        let [blocks, across] = tiles(pixels, self.input.c);
        let (kernel, grid) = if self.depthwise {
            ("bonsai_depthwise_input", over(self.input.len()))
        } else {
            (self.variant(variants!("bonsai_conv_input"), self.input.c), [blocks, across, sh * sw])
        };
        let args = [
            Arg::Rows(dy),
            Arg::At(weights),
            Arg::Rows(dx),
            Arg::Int(accumulate.into()),
            Arg::Window(self.arg),
        ];
        p.launch(label, kernel, grid, args.to_vec(), vec![read(dy), read(weights), store(dx, accumulate)])
    }

    fn push_weight_gradient(
        &self,
        p: &mut CudaProgram,
        label: &str,
        room: &mut Room<'_>,
        [x, dy, dw]: [View; 3],
    ) -> Result<(), KernelError> {
        if self.output.pixels() == 0 {
            return Ok(());
        }
        let len = self.weights_len();
        let (kernel, parts, each, grid) = if self.depthwise {
            let counts = Moments::counts(self.output.pixels());
            let grid = [counts.len(), self.output.c.div_ceil(COLUMNS), self.taps];
            ("bonsai_depthwise_weight", counts.len(), counts[0], grid)
        } else {
            let (parts, each) = self.parts();
            let [blocks, across] = tiles(self.taps * self.input.c, self.output.c);
            (
                self.variant(variants!("bonsai_conv_weight"), self.output.c),
                parts,
                each,
                [blocks, across, parts],
            )
        };
        let partials = room(parts * len);
        let args =
            [Arg::Rows(x), Arg::Rows(dy), Arg::At(partials), Arg::Int(int(each)?), Arg::Window(self.arg)];
        p.launch(label, kernel, grid, args.to_vec(), vec![read(x), read(dy), store(partials, false)])?;
        let args = vec![Arg::At(partials), Arg::Int(int(parts)?), Arg::At(dw), Arg::Int(int(len)?)];
        p.launch(label, "bonsai_add_parts", over(len), args, vec![read(partials), store(dw, true)])
    }

    fn push_fold(
        &self,
        p: &mut CudaProgram,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
        norm: Option<&FoldedNorm>,
    ) -> Result<View, KernelError> {
        let folded = room(self.weights_len());
        let channels = self.output.c;
        let matrix = |view: View| {
            let rows = self.weights_len().checked_div(channels).unwrap_or(0);
            View::dense(view.buffer, view.offset, rows, channels)
        };
        match norm {
            Some(norm) => p.push(label, norm.kernel(matrix(weights), matrix(folded)))?,
            None => p.push(label, Copy { from: matrix(weights), to: matrix(folded), accumulate: false })?,
        }
        Ok(folded)
    }

    fn push_inference(
        &self,
        [_, forward]: [&mut CudaProgram; 2],
        label: &str,
        [x, y]: [View; 2],
        weights: View,
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        self.push_run(forward, label, [x, weights, y], epilogue)
    }
}
