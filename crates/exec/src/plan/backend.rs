//! [`Backend`]: where a plan runs. The plan decides which kernels run on which views; a backend turns each of
//! them into a step of its own program.
//!
//! All kernels but convolutions are the descriptions of `bonsai-kernels`, with their operands and checks. A
//! backend may therefore run a step in any way, and the CPU's kernels are the oracle of every step.

use std::ops::Range;

use bonsai_kernels::{
    BatchNorm, BatchNormGradient, BiasGradient, BiasSums, Collect, Copy, Epilogue, FoldBatchNorm,
    FrozenBatchNorm, KernelError, MaxPool, MaxPoolGradient, Moments, Nhwc, Operand, Pointwise,
    PointwiseGradient, PointwiseSums, RoundCodes, RoundGradient, RoundWeights, Spread, Upsample,
    UpsampleGradient, View, Window, Zero,
};

/// A kind of machine with its programs and convolutions.
pub(crate) trait Backend: std::marker::Copy {
    type Program: Steps;
    type Conv: Convolution<Program = Self::Program>;

    /// An empty program.
    fn program(self) -> Self::Program;

    /// Whether values between layers, and their gradients, are stored in two bytes each.
    fn stores_halves(self) -> bool {
        false
    }

    /// Plans a convolution.
    fn conv(self, spec: &ConvSpec) -> Result<Self::Conv, KernelError>;
}

/// A convolution as the graph describes it, in physical channels. A grouped convolution is described as an
/// ungrouped one, and its weights are spread into a matrix before.
#[derive(Debug, Clone)]
pub(crate) struct ConvSpec {
    pub(crate) input: Nhwc,
    pub(crate) out_channels: usize,
    pub(crate) window: Window,
    /// Whether every channel has its own window of weights.
    pub(crate) depthwise: bool,
    /// Channels of input and output that are not padding; `None` means all of them.
    pub(crate) live: Option<[Vec<Range<usize>>; 2]>,
}

/// A kernel that a program can run.
pub(crate) trait Push<K> {
    /// Appends a kernel; `label` names it in messages.
    fn push(&mut self, label: &str, kernel: K) -> Result<(), KernelError>;
}

/// A list of kernels in program order.
pub(crate) trait Steps:
    Push<BatchNorm>
    + Push<BatchNormGradient>
    + Push<BiasGradient>
    + Push<BiasSums>
    + Push<Collect>
    + Push<Copy>
    + Push<FoldBatchNorm>
    + Push<FrozenBatchNorm>
    + Push<MaxPool>
    + Push<MaxPoolGradient>
    + Push<Moments>
    + Push<Pointwise>
    + Push<PointwiseGradient>
    + Push<PointwiseSums>
    + Push<RoundCodes>
    + Push<RoundGradient>
    + Push<RoundWeights>
    + Push<Spread>
    + Push<Upsample>
    + Push<UpsampleGradient>
    + Push<Zero>
{
    /// The operands of all kernels, in groups that run at the same time.
    fn stages(&self) -> Vec<Vec<Operand>>;
}

/// Gives memory for a number of values.
pub(crate) type Room<'a> = dyn FnMut(usize) -> View + 'a;

/// A planned convolution. Weights are `[tap][in][out]`.
pub(crate) trait Convolution: Clone {
    type Program;
    /// Weights in the form that [`Convolution::push_inference`] reads.
    type Folded: std::marker::Copy;

    /// Number of values of the weights.
    fn weights_len(&self) -> usize;

    /// Number of pixels in each part of [`Epilogue::moments`]. That view has two rows per part.
    fn moment_counts(&self) -> Vec<usize>;

    /// Appends `y = conv(x)`, followed by the epilogue.
    fn push_forward(
        &self,
        p: &mut Self::Program,
        label: &str,
        room: &mut Room<'_>,
        operands: [View; 3],
        epilogue: Epilogue,
    ) -> Result<(), KernelError>;

    /// Appends what the gradient of the input needs before it can start, and returns the weights that it
    /// reads.
    fn push_transposed(
        &self,
        p: &mut Self::Program,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
    ) -> Result<View, KernelError>;

    /// Appends the gradient of the input, which is stored in `dx` or, with `accumulate`, added to it.
    fn push_input_gradient(
        &self,
        p: &mut Self::Program,
        label: &str,
        room: &mut Room<'_>,
        operands: [View; 3],
        accumulate: bool,
    ) -> Result<(), KernelError>;

    /// Appends the gradient of the weights, which is added to `dw`.
    fn push_weight_gradient(
        &self,
        p: &mut Self::Program,
        label: &str,
        room: &mut Room<'_>,
        operands: [View; 3],
    ) -> Result<(), KernelError>;

    /// Appends what computes the weights of inference. With `norm`, batch norm is folded into them.
    fn push_fold(
        &self,
        p: &mut Self::Program,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
        norm: Option<&FoldedNorm>,
    ) -> Result<Self::Folded, KernelError>;

    /// Appends the forward pass of inference; `prepare` runs once before it and after every change of the
    /// parameters.
    fn push_inference(
        &self,
        programs: [&mut Self::Program; 2],
        label: &str,
        operands: [View; 2],
        folded: Self::Folded,
        epilogue: Epilogue,
    ) -> Result<(), KernelError>;
}

/// The batch norm that is folded into a convolution; all views are vectors.
#[derive(Debug, Clone)]
pub(crate) struct FoldedNorm {
    pub(crate) gamma: View,
    pub(crate) beta: View,
    pub(crate) mean: View,
    pub(crate) var: View,
    pub(crate) eps: f32,
    /// Bias of the convolution, if it has one.
    pub(crate) bias: Option<View>,
    /// Receives the new bias.
    pub(crate) folded_bias: View,
}

impl FoldedNorm {
    /// The kernel that folds this batch norm into `weights`.
    pub(crate) fn kernel(&self, weights: View, folded: View) -> FoldBatchNorm {
        let Self { gamma, beta, mean, var, eps, bias, folded_bias } = self.clone();
        FoldBatchNorm { weights, folded, gamma, beta, mean, var, eps, bias, folded_bias }
    }
}
