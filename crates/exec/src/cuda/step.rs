//! [`CudaProgram`]: a list of kernel launches with fixed arguments.

use bonsai_kernels::{Blocks, KernelError, Nhwc, Operand, View, Window};

use crate::plan::buffers;

/// Threads of every block; the same as `THREADS` in cuda/values.cuh.
pub(super) const THREADS: usize = 256;
/// Channels of a block of the kernels that sum; `COLUMNS` in cuda/sums.cuh.
pub(super) const COLUMNS: usize = 32;
/// Most blocks of a kernel over values. Its threads step over the rest: enough for every GPU to be full.
const MOST_BLOCKS: usize = 1 << 13;

/// One argument of a kernel.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg {
    /// Address of the first value of a view, whose values are `f32`.
    At(View),
    /// The struct `Rows` of cuda/values.cuh: a view of values of either type.
    Rows(View),
    /// `Rows` without an address: an operand that is left out.
    NoRows,
    /// The null pointer: an operand that is left out.
    Null,
    /// Address of an entry of the program's tables.
    Table(usize),
    Int(i32),
    Float(f32),
    Window(WindowArg),
}

/// The struct `Rows` of cuda/values.cuh.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct RowsArg {
    pub(super) at: u64,
    pub(super) ld: i32,
    /// Whether the values are bf16.
    pub(super) half: i32,
}

/// The struct `Window` of cuda/values.cuh: images and the window that slides over them.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(super) struct WindowArg {
    pub(super) n: i32,
    pub(super) ih: i32,
    pub(super) iw: i32,
    pub(super) ic: i32,
    pub(super) oh: i32,
    pub(super) ow: i32,
    pub(super) oc: i32,
    pub(super) kernel: [i32; 2],
    pub(super) stride: [i32; 2],
    pub(super) padding: [i32; 2],
}

impl WindowArg {
    pub(super) fn new(input: Nhwc, output: Nhwc, window: Window) -> Result<Self, KernelError> {
        let pair = |sizes: [usize; 2]| Ok::<_, KernelError>([int(sizes[0])?, int(sizes[1])?]);
        // Kernels count pixels of the whole batch in 32 bits.
        int(input.pixels().max(output.pixels()))?;
        Ok(Self {
            n: int(input.n)?,
            ih: int(input.h)?,
            iw: int(input.w)?,
            ic: int(input.c)?,
            oh: int(output.h)?,
            ow: int(output.w)?,
            oc: int(output.c)?,
            kernel: pair(window.kernel)?,
            stride: pair(window.stride)?,
            padding: pair(window.padding)?,
        })
    }
}

/// A size as kernels take it.
pub(super) fn int(size: usize) -> Result<i32, KernelError> {
    i32::try_from(size).map_err(|_| KernelError::TooLarge { what: "a size on the GPU" })
}

/// A kernel launch.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) label: String,
    /// Name of the kernel in cuda/kernels.cu.
    pub(super) kernel: &'static str,
    /// Blocks in each direction.
    pub(super) grid: [usize; 3],
    pub(super) args: Vec<Arg>,
    pub(super) operands: Vec<Operand>,
}

/// Kernel launches in program order.
#[derive(Debug, Default)]
pub(super) struct CudaProgram {
    pub(super) steps: Vec<Step>,
    /// Positions of channels that kernels look up.
    pub(super) tables: Vec<i32>,
}

impl CudaProgram {
    /// Appends a launch. A grid without blocks is left out.
    pub(super) fn launch(
        &mut self,
        label: &str,
        kernel: &'static str,
        grid: [usize; 3],
        args: Vec<Arg>,
        operands: Vec<Operand>,
    ) -> Result<(), KernelError> {
        let [x, y, z] = grid;
        // The limits of CUDA.
        if int(x).is_err() || y.max(z) > 65_535 {
            return Err(KernelError::TooLarge { what: "a grid of blocks on the GPU" });
        }
        if grid.contains(&0) {
            return Ok(());
        }
        for arg in &args {
            match arg {
                // Such a kernel would read two bf16 as one f32.
                Arg::At(view) if view.buffer == buffers::HALVES => {
                    return Err(KernelError::NoKernel { label: label.to_owned(), what: "values in bf16" });
                }
                Arg::Rows(view) => _ = int(view.ld)?,
                Arg::At(_)
                | Arg::NoRows
                | Arg::Null
                | Arg::Table(_)
                | Arg::Int(_)
                | Arg::Float(_)
                | Arg::Window(_) => {}
            }
        }
        self.steps.push(Step { label: label.to_owned(), kernel, grid, args, operands });
        Ok(())
    }

    /// Stores a table and returns its first entry as an argument.
    pub(super) fn table(&mut self, entries: impl IntoIterator<Item = i32>) -> Arg {
        let at = self.tables.len();
        self.tables.extend(entries);
        Arg::Table(at)
    }
}

/// Blocks for a kernel over so many values.
pub(super) fn over(values: usize) -> [usize; 3] {
    [values.div_ceil(THREADS).min(MOST_BLOCKS), 1, 1]
}

/// Address and row pitch of a view of `f32`.
pub(super) fn pitch(view: &View) -> Result<[Arg; 2], KernelError> {
    Ok([Arg::At(*view), Arg::Int(int(view.ld)?)])
}

/// A view of either type that a kernel may lack.
pub(super) fn optional_rows(view: Option<View>) -> Arg {
    view.map_or(Arg::NoRows, Arg::Rows)
}

/// Address of a vector, or null.
pub(super) fn optional(view: Option<View>) -> Arg {
    view.map_or(Arg::Null, Arg::At)
}

/// For every physical channel its number among `positions`, or -1 for padding.
pub(super) fn logical(positions: &[usize], width: usize) -> Result<Vec<i32>, KernelError> {
    let mut logical = vec![-1; width];
    for (number, position) in positions.iter().enumerate() {
        logical[*position] = int(number)?;
    }
    Ok(logical)
}

/// Inputs and outputs of a group.
pub(super) fn group_sizes(blocks: &Blocks) -> [usize; 2] {
    [&blocks.inputs, &blocks.outputs].map(|channels| channels.len() / blocks.groups.max(1))
}
