//! [`TwinBackend`]: writes every step of a plan for the GPU and for the CPU, for tests.

use bonsai_kernels::{Epilogue, Kernel, KernelError, Moments, Operand, Program, View};

use super::backend::{CudaBackend, CudaConv};
use super::step::CudaProgram;
use crate::cpu::{CpuBackend, CpuConv};
use crate::plan::{Backend, ConvSpec, Convolution, FoldedNorm, Push, Room, Steps};

/// Writes every step for the GPU and for the CPU.
#[derive(Debug, Clone, Copy)]
pub(super) struct TwinBackend {
    pub(super) cuda: CudaBackend,
    pub(super) cpu: CpuBackend,
}

/// One step on both machines.
pub(super) struct Step {
    pub(super) label: String,
    pub(super) cuda: CudaProgram,
    pub(super) cpu: Program,
}

pub(super) struct TwinProgram {
    backend: TwinBackend,
    pub(super) steps: Vec<Step>,
}

impl TwinProgram {
    /// Appends a step that `write` writes for both.
    fn step<T>(
        &mut self,
        label: &str,
        write: impl FnOnce(&mut CudaProgram, &mut Program) -> Result<T, KernelError>,
    ) -> Result<T, KernelError> {
        let (mut cuda, mut cpu) = (self.backend.cuda.program(), self.backend.cpu.program());
        let written = write(&mut cuda, &mut cpu)?;
        self.steps.push(Step { label: label.to_owned(), cuda, cpu });
        Ok(written)
    }
}

impl<K: Kernel + Clone> Push<K> for TwinProgram
where
    CudaProgram: Push<K>,
{
    fn push(&mut self, label: &str, kernel: K) -> Result<(), KernelError> {
        self.step(label, |cuda, cpu| {
            Push::push(cuda, label, kernel.clone())?;
            cpu.push(label, kernel)
        })
    }
}

impl Steps for TwinProgram {
    fn stages(&self) -> Vec<Vec<Operand>> {
        // What a step of either machine needs stays in memory during the whole step.
        let of = |step: &Step| [step.cuda.stages().concat(), Steps::stages(&step.cpu).concat()].concat();
        self.steps.iter().map(of).collect()
    }
}

impl Backend for TwinBackend {
    type Program = TwinProgram;
    type Conv = TwinConv;

    fn program(self) -> TwinProgram {
        TwinProgram { backend: self, steps: Vec::new() }
    }

    fn stores_halves(self) -> bool {
        self.cuda.stores_halves()
    }

    fn conv(self, spec: &ConvSpec) -> Result<TwinConv, KernelError> {
        Ok(TwinConv { cuda: self.cuda.conv(spec)?, cpu: self.cpu.conv(spec)? })
    }
}

#[derive(Debug, Clone)]
pub(super) struct TwinConv {
    cuda: CudaConv,
    cpu: CpuConv,
}

impl Convolution for TwinConv {
    type Program = TwinProgram;
    type Folded = (View, <CpuConv as Convolution>::Folded);

    fn weights_len(&self) -> usize {
        self.cuda.weights_len()
    }

    fn moment_counts(&self) -> Vec<usize> {
        self.cuda.moment_counts()
    }

    fn push_forward(
        &self,
        p: &mut TwinProgram,
        label: &str,
        room: &mut Room<'_>,
        operands: [View; 3],
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        let plain = Epilogue { moments: None, ..epilogue };
        p.step(label, |cuda, cpu| {
            self.cuda.push_forward(cuda, label, room, operands, plain)?;
            self.cpu.push_forward(cpu, label, room, operands, plain)
        })?;
        let y = operands[2];
        epilogue.moments.map_or(Ok(()), |partials| p.push(label, Moments { y, partials }))
    }

    /// Both machines must give one view, so the weights are transposed where they are read.
    fn push_transposed(
        &self,
        _: &mut TwinProgram,
        _: &str,
        _: &mut Room<'_>,
        weights: View,
    ) -> Result<View, KernelError> {
        Ok(weights)
    }

    fn push_input_gradient(
        &self,
        p: &mut TwinProgram,
        label: &str,
        room: &mut Room<'_>,
        [dy, weights, dx]: [View; 3],
        accumulate: bool,
    ) -> Result<(), KernelError> {
        p.step(label, |cuda, cpu| {
            self.cuda.push_input_gradient(cuda, label, room, [dy, weights, dx], accumulate)?;
            let packed = self.cpu.push_transposed(cpu, label, room, weights)?;
            self.cpu.push_input_gradient(cpu, label, room, [dy, packed, dx], accumulate)
        })
    }

    fn push_weight_gradient(
        &self,
        p: &mut TwinProgram,
        label: &str,
        room: &mut Room<'_>,
        operands: [View; 3],
    ) -> Result<(), KernelError> {
        p.step(label, |cuda, cpu| {
            self.cuda.push_weight_gradient(cuda, label, room, operands)?;
            self.cpu.push_weight_gradient(cpu, label, room, operands)
        })
    }

    fn push_fold(
        &self,
        p: &mut TwinProgram,
        label: &str,
        room: &mut Room<'_>,
        weights: View,
        norm: Option<&FoldedNorm>,
    ) -> Result<Self::Folded, KernelError> {
        p.step(label, |cuda, cpu| {
            let folded = self.cuda.push_fold(cuda, label, room, weights, norm)?;
            Ok((folded, self.cpu.push_fold(cpu, label, room, weights, norm)?))
        })
    }

    fn push_inference(
        &self,
        [prepare, forward]: [&mut TwinProgram; 2],
        label: &str,
        operands: [View; 2],
        (weights, panels): Self::Folded,
        epilogue: Epilogue,
    ) -> Result<(), KernelError> {
        let mut nothing = prepare.backend.cuda.program();
        forward.step(label, |cuda, cpu| {
            self.cuda.push_inference([&mut nothing, cuda], label, operands, weights, epilogue)?;
            let mut packing = Program::new(cpu.isa());
            self.cpu.push_inference([&mut packing, cpu], label, operands, panels, epilogue)?;
            assert!(packing.is_empty(), "only Winograd's algorithm packs again");
            Ok(())
        })
    }
}
