//! Launches of the kernels that read or write whole tensors or vectors. Their descriptions, checks and operands are those
//! of `bonsai-kernels`.

use bonsai_kernels::{
    BatchNorm, BatchNormGradient, BiasGradient, BiasSums, Collect, Copy, FoldBatchNorm, FrozenBatchNorm,
    Kernel, KernelError, MaxPool, MaxPoolGradient, Moments, Pointwise, PointwiseGradient, PointwiseSums,
    RoundCodes, RoundGradient, RoundWeights, Spread, Upsample, UpsampleGradient, Zero,
};

use super::step::{
    Arg, COLUMNS, CudaProgram, WindowArg, group_sizes, int, logical, optional, optional_rows, over, pitch,
};
use crate::plan::Push;

/// Checks a kernel and appends its launch.
macro_rules! launch {
    ($p:expr, $label:expr, $kernel:expr, $name:literal, $grid:expr, [$($arg:expr),* $(,)?]) => {{
        let mut args: Vec<Arg> = Vec::new();
        $(args.extend($arg);)*
        $p.launch($label, $name, $grid, args, $kernel.operands())
    }};
}

fn ints<const N: usize>(sizes: [usize; N]) -> Result<[Arg; N], KernelError> {
    let mut args = [Arg::Int(0); N];
    for (arg, size) in args.iter_mut().zip(sizes) {
        *arg = Arg::Int(int(size)?);
    }
    Ok(args)
}

fn flag(on: bool) -> [Arg; 1] {
    [Arg::Int(on.into())]
}

/// Pixels of a part of a sum, as [`Moments`] divides them.
fn pixels_of_part(pixels: usize) -> usize {
    Moments::counts(pixels).first().copied().unwrap_or(1)
}

macro_rules! push {
    ($($kernel:ident: |$p:ident, $label:ident, $k:ident| $body:expr;)*) => {
        $(impl Push<$kernel> for CudaProgram {
            fn push(&mut self, $label: &str, $k: $kernel) -> Result<(), KernelError> {
                $k.check($label)?;
                let $p = self;
                $body
            }
        })*
    };
}

/// The refusal of a kernel of training in 8-bit codes, which runs on the CPU only.
fn no_rounding(label: &str) -> Result<(), KernelError> {
    Err(KernelError::NoKernel { label: label.to_owned(), what: "rounding to 8-bit codes" })
}

push! {
    RoundCodes: |_p, label, k| no_rounding(label);
    RoundGradient: |_p, label, k| no_rounding(label);
    RoundWeights: |_p, label, k| no_rounding(label);
    Copy: |p, label, k| launch!(p, label, k, "bonsai_copy", over(k.from.pixels * k.from.channels / 4), [
        [k.from, k.to].map(Arg::Rows), ints([k.from.pixels, k.from.channels])?, flag(k.accumulate),
    ]);
    Zero: |p, label, k| launch!(p, label, k, "bonsai_zero", over(k.view.pixels * k.view.channels), [
        [k.view].map(Arg::Rows), ints([k.view.pixels, k.view.channels])?,
    ]);
    Pointwise: |p, label, k| launch!(p, label, k, "bonsai_pointwise", over(k.y.pixels * k.y.channels / 4), [
        [k.y, k.z].map(Arg::Rows), [optional(k.norm.map(|n| n.0)), optional(k.norm.map(|n| n.1))],
        [optional_rows(k.residual)], ints([k.y.pixels, k.y.channels])?, flag(k.silu),
    ]);
    PointwiseGradient: |p, label, k| launch!(p, label, k, "bonsai_pointwise_gradient", over(k.y.pixels * k.y.channels), [
        [k.y, k.dz, k.dy].map(Arg::Rows), k.norm.map_or([Arg::Null; 4], |norm| norm.map(Arg::At)),
        ints([k.y.pixels, k.y.channels])?, flag(k.silu), flag(k.accumulate),
    ]);
    PointwiseSums: |p, label, k| launch!(
        p, label, k, "bonsai_pointwise_sums", [k.partials.pixels / 2, k.y.channels.div_ceil(COLUMNS), 1], [
        [k.y, k.dz].map(Arg::Rows), [k.scale, k.shift, k.mean, k.inv].map(Arg::At), pitch(&k.partials)?,
        [optional_rows(k.residual.map(|r| r.0))],
        [Arg::Int(k.residual.map_or(0, |(_, accumulate)| if accumulate { 2 } else { 1 }))],
        ints([k.y.pixels, pixels_of_part(k.y.pixels), k.y.channels])?, flag(k.silu),
    ]);
    BatchNormGradient: |p, label, k| launch!(
        p, label, k, "bonsai_norm_gradient", [k.scale.channels.div_ceil(COLUMNS), 1, 1], [
        pitch(&k.partials)?, ints([k.partials.pixels / 2])?,
        [k.scale, k.mean, k.inv, k.dgamma, k.dbeta, k.k1, k.k0].map(Arg::At), ints([k.pixels, k.scale.channels])?,
    ]);
    Moments: |p, label, k| launch!(
        p, label, k, "bonsai_moments", [k.partials.pixels / 2, k.y.channels.div_ceil(COLUMNS), 1], [
        [k.y].map(Arg::Rows), pitch(&k.partials)?, ints([k.y.pixels, pixels_of_part(k.y.pixels), k.y.channels])?,
    ]);
    BatchNorm: |p, label, k| launch!(
        p, label, k, "bonsai_batch_norm", [k.gamma.channels.div_ceil(COLUMNS), 1, 1], [
        pitch(&k.partials)?,
        ints([k.counts.len(), k.counts.first().copied().unwrap_or(1), k.counts.iter().sum()])?,
        [k.gamma, k.beta, k.running_mean, k.running_var].map(Arg::At), [Arg::Float(k.momentum), Arg::Float(k.eps)],
        [k.mean, k.inv, k.scale, k.shift].map(Arg::At), ints([k.gamma.channels])?,
    ]);
    BiasSums: |p, label, k| launch!(
        p, label, k, "bonsai_bias_sums", [k.partials.pixels, k.dy.channels.div_ceil(COLUMNS), 1], [
        [k.dy].map(Arg::Rows), pitch(&k.partials)?, ints([k.dy.pixels, pixels_of_part(k.dy.pixels), k.dy.channels])?,
    ]);
    BiasGradient: |p, label, k| launch!(
        p, label, k, "bonsai_bias_gradient", [k.db.channels.div_ceil(COLUMNS), 1, 1], [
        pitch(&k.partials)?, ints([k.partials.pixels])?, [Arg::At(k.db)], ints([k.db.channels])?,
    ]);
    FrozenBatchNorm: |p, label, k| launch!(p, label, k, "bonsai_frozen_norm", over(k.gamma.channels), [
        [k.gamma, k.beta, k.mean, k.var].map(Arg::At), [Arg::Float(k.eps)], [k.scale, k.shift].map(Arg::At),
        ints([k.gamma.channels])?,
    ]);
    FoldBatchNorm: |p, label, k| launch!(
        p, label, k, "bonsai_fold", [k.weights.pixels.div_ceil(64).max(1), k.weights.channels.div_ceil(COLUMNS), 1], [
        [k.weights, k.folded].map(Arg::At), ints([k.weights.pixels])?,
        [k.gamma, k.beta, k.mean, k.var].map(Arg::At), [Arg::Float(k.eps), optional(k.bias), Arg::At(k.folded_bias)],
        ints([k.weights.channels])?,
    ]);
    MaxPool: |p, label, k| {
        let window = WindowArg::new(k.shape.input(), k.shape.output(), k.shape.window())?;
        launch!(p, label, k, "bonsai_max_pool", over(k.shape.output().len()), [
            [k.x, k.y].map(Arg::Rows), [optional(k.argmax), Arg::Window(window)],
        ])
    };
    MaxPoolGradient: |p, label, k| {
        let window = WindowArg::new(k.shape.input(), k.shape.output(), k.shape.window())?;
        launch!(p, label, k, "bonsai_max_pool_gradient", over(k.shape.input().len()), [
            [k.dy].map(Arg::Rows), [Arg::At(k.argmax)], [k.dx].map(Arg::Rows), flag(k.accumulate), [Arg::Window(window)],
        ])
    };
    Upsample: |p, label, k| launch!(p, label, k, "bonsai_upsample", over(k.y.pixels * k.input.c), [
        [k.x, k.y].map(Arg::Rows), ints([k.input.pixels(), k.input.w, k.input.c, k.factor])?,
    ]);
    UpsampleGradient: |p, label, k| launch!(p, label, k, "bonsai_upsample_gradient", over(k.input.len()), [
        [k.dy, k.dx].map(Arg::Rows), ints([k.input.pixels(), k.input.w, k.input.c, k.factor])?, flag(k.accumulate),
    ]);
    Spread: |p, label, k| {
        let [width_in, width_out] = k.blocks.widths;
        let table = [logical(&k.blocks.inputs, width_in)?, logical(&k.blocks.outputs, width_out)?].concat();
        let table = p.table(table);
        let [ins, outs] = group_sizes(&k.blocks);
        launch!(p, label, k, "bonsai_spread", over(k.blocks.taps * width_in * width_out), [
            [Arg::At(k.from), Arg::At(k.to), table], ints([k.blocks.taps, width_in, width_out, ins, outs])?,
        ])
    };
    Collect: |p, label, k| {
        let [width_in, width_out] = k.blocks.widths;
        let inputs: Vec<i32> = k.blocks.inputs.iter().map(|at| int(*at)).collect::<Result<_, _>>()?;
        let table = p.table([inputs, logical(&k.blocks.outputs, width_out)?].concat());
        let [ins, outs] = group_sizes(&k.blocks);
        launch!(p, label, k, "bonsai_collect", over(k.blocks.taps * ins * width_out), [
            [Arg::At(k.from), Arg::At(k.to), table],
            ints([k.blocks.inputs.len(), k.blocks.taps, width_in, width_out, ins, outs])?,
        ])
    };
}
