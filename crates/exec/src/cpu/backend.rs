//! [`CpuBackend`]: plans become programs of `bonsai-kernels`, and convolutions pack their weights.

use bonsai_kernels::{Conv, Epilogue, Isa, Kernel, KernelError, Operand, Program, View, WinogradMode};

use super::CpuOptions;
use crate::plan::{Backend, ConvSpec, Convolution, FoldedNorm, Push, Room, Steps};

/// The instruction set, and whether convolutions may use Winograd's algorithm.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CpuBackend {
    pub(crate) isa: Isa,
    pub(crate) winograd: WinogradMode,
}

impl CpuBackend {
    /// The backend that these options select.
    pub(super) fn new(options: CpuOptions) -> Result<Self, KernelError> {
        let winograd = if options.winograd { WinogradMode::Auto } else { WinogradMode::Off };
        Ok(Self { isa: options.instruction_set()?, winograd })
    }
}

impl Backend for CpuBackend {
    type Program = Program;
    type Conv = CpuConv;

    fn program(self) -> Program {
        Program::new(self.isa)
    }

    fn conv(self, spec: &ConvSpec) -> Result<CpuConv, KernelError> {
        let conv = if spec.depthwise {
            Conv::depthwise(self.isa, spec.input, spec.window)
        } else {
            Conv::new(self.isa, spec.input, spec.out_channels, spec.window, self.winograd)
        };
        let conv = match &spec.live {
            Some([input, output]) => conv?.with_live(input, output)?,
            None => conv?,
        };
        Ok(CpuConv { conv, winograd: self.winograd })
    }
}

impl<K: Kernel> Push<K> for Program {
    fn push(&mut self, label: &str, kernel: K) -> Result<(), KernelError> {
        Self::push(self, label, kernel)
    }
}

impl Steps for Program {
    fn stages(&self) -> Vec<Vec<Operand>> {
        self.stage_operands().map(|stage| stage.flatten().copied().collect()).collect()
    }
}

/// A convolution of `bonsai-kernels`.
#[derive(Debug, Clone)]
pub(crate) struct CpuConv {
    conv: Conv,
    winograd: WinogradMode,
}

/// Weights of inference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Panels {
    panels: View,
    /// Room for the weights of Winograd's algorithm. They are computed for the image sizes that use them;
    /// until then the room takes no memory, because untouched pages take none.
    packed: View,
}

impl Convolution for CpuConv {
    type Program = Program;
    type Folded = Panels;

    fn weights_len(&self) -> usize {
        self.conv.weights_len()
    }

    fn moment_counts(&self) -> Vec<usize> {
        self.conv.moment_counts()
    }

    /// Weights are packed right before they are read, at the same time as the previous layer runs.
    fn push_forward(
        &self,
        p: &mut Program,
        label: &str,
        room: &mut Room<'_>,
        [x, weights, y]: [View; 3],
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        let packed = room(self.conv.packed_len());
        self.conv.push_pack(p, label, weights, packed)?;
        self.conv.push_forward(p, label, x, packed, y, epilogue)
    }

    fn push_transposed(
        &self,
        p: &mut Program,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
    ) -> Result<View, KernelError> {
        let packed = room(self.conv.packed_transposed_len());
        self.conv.push_pack_transposed(p, label, weights, packed)?;
        Ok(packed)
    }

    fn push_input_gradient(
        &self,
        p: &mut Program,
        label: &str,
        _: &mut Room<'_>,
        [dy, packed, dx]: [View; 3],
        accumulate: bool,
    ) -> Result<(), KernelError> {
        self.conv.push_input_gradient(p, label, dy, packed, dx, accumulate)
    }

    fn push_weight_gradient(
        &self,
        p: &mut Program,
        label: &str,
        room: &mut Room<'_>,
        [x, dy, dw]: [View; 3],
    ) -> Result<(), KernelError> {
        let partials = room(self.conv.partials_len());
        self.conv.push_weight_gradient(p, label, x, dy, partials, dw)
    }

    fn push_fold(
        &self,
        p: &mut Program,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
        norm: Option<&FoldedNorm>,
    ) -> Result<Panels, KernelError> {
        let panels = room(self.conv.weights_len());
        match norm {
            Some(norm) => self.conv.push_folded_panels(p, label, &norm.kernel(weights, panels))?,
            None => self.conv.push_panels(p, label, weights, panels)?,
        }
        let packed = match self.winograd {
            WinogradMode::Auto => self.conv.most_packed_len(),
            WinogradMode::Off => 0,
        };
        Ok(Panels { panels, packed: room(packed) })
    }

    fn push_inference(
        &self,
        [prepare, forward]: [&mut Program; 2],
        label: &str,
        [x, y]: [View; 2],
        Panels { panels, packed }: Panels,
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        let weights = if self.conv.reads_panels() {
            panels
        } else {
            self.conv.push_pack_panels(prepare, label, panels, packed)?;
            packed
        };
        self.conv.push_forward(forward, label, x, weights, y, epilogue)
    }
}
