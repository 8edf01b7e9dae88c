//! [`ExecutorOptions`]: which executor runs a network, on which device, with how many threads.
//!
//! Training, detection and benchmarks all use these options and therefore agree: by default the project's own
//! kernels run on the CPU and on a GPU.

use std::fmt;

use bonsai_kernels::Isa;
use serde::{Deserialize, Serialize};

use crate::{ComputePrecision, CpuOptions, Device, ExecError, ExecutorKind, Gpu, MemoryBudget};

/// How to run a network. The default is the fastest executor on the host with all cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExecutorOptions {
    /// The executor; `None` means [`ExecutorKind::Cpu`] on the host and [`ExecutorKind::Cuda`] on a GPU.
    pub kind: Option<ExecutorKind>,
    /// The device.
    pub device: Device,
    /// Threads on the host. 0 means one per core for the CPU executor and rayon's global pool for candle.
    pub threads: usize,
    /// Whether the CPU executor may compute 3x3 convolutions by Winograd's algorithm where that is faster.
    /// Its results differ from the direct sum by a few units in the last place.
    pub winograd: bool,
    /// Instruction set of the CPU executor; `None` means the one named by `BONSAI_ISA`, or else the fastest
    /// of the machine.
    pub isa: Option<Isa>,
    /// How the CUDA executor multiplies; `None` means TF32. Other executors multiply in `f32`.
    pub precision: Option<ComputePrecision>,
    /// Memory of the host that passes may use. A pass that does not fit is an error before memory is
    /// allocated. With `None` there is no limit.
    pub budget: Option<MemoryBudget>,
}

impl Default for ExecutorOptions {
    fn default() -> Self {
        Self {
            kind: None,
            device: Device::Cpu,
            threads: 0,
            winograd: true,
            isa: None,
            precision: None,
            budget: None,
        }
    }
}

impl From<Device> for ExecutorOptions {
    fn from(device: Device) -> Self {
        Self { device, ..Self::default() }
    }
}

/// The executor, device, instruction set and threads that options select on this machine, for manifests and
/// benchmarks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorInfo {
    /// The selected executor.
    pub executor: ExecutorKind,
    /// `cpu` or `cuda:0`.
    pub device: String,
    /// The GPU: its name, its memory, and the version of CUDA that its driver supports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<String>,
    /// `portable`, `avx2` or `avx512`; for 8-bit codes a name of [`Int8Isa`](crate::Int8Isa). For candle on the host it is the best of the machine, because candle's
    /// matrix products detect it themselves; on a GPU it is `cuda`.
    pub isa: String,
    /// How convolutions multiply on a GPU; absent for the other executors, which multiply in `f32`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub precision: Option<ComputePrecision>,
    /// Threads on the host.
    pub threads: usize,
}

impl fmt::Display for ExecutorInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { executor, device, gpu, isa, precision, threads } = self;
        let s = if *threads == 1 { "" } else { "s" };
        write!(f, "executor {executor} on {device}")?;
        match gpu {
            Some(gpu) => write!(f, " ({gpu})")?,
            None => write!(f, ", {isa}")?,
        }
        if let Some(precision) = precision {
            write!(f, ", {precision}")?;
        }
        write!(f, ", {threads} thread{s}")
    }
}

impl ExecutorOptions {
    /// The executor that these options select.
    ///
    /// # Errors
    /// [`ExecError::Executor`] if the options select an executor for another device,
    /// [`ExecError::NoCandle`] or [`ExecError::NoCuda`] if they select one that is not part of this program,
    /// [`ExecError::Precision`] if it cannot multiply in the selected precision.
    pub fn chosen(&self) -> Result<ExecutorKind, ExecError> {
        let kind = self.kind_of_device()?;
        match self.precision {
            Some(precision @ (ComputePrecision::Tf32 | ComputePrecision::Bf16))
                if kind != ExecutorKind::Cuda =>
            {
                Err(ExecError::Precision { precision, kind })
            }
            _ => Ok(kind),
        }
    }

    fn kind_of_device(&self) -> Result<ExecutorKind, ExecError> {
        match (self.kind, self.device) {
            (None | Some(ExecutorKind::Cpu), Device::Cpu) => Ok(ExecutorKind::Cpu),
            (Some(ExecutorKind::Candle), _) => {
                if cfg!(feature = "candle") {
                    Ok(ExecutorKind::Candle)
                } else {
                    Err(ExecError::NoCandle)
                }
            }
            (None | Some(ExecutorKind::Cuda), Device::Cuda(_)) => {
                if crate::CUDA_BUILT_IN {
                    Ok(ExecutorKind::Cuda)
                } else {
                    Err(ExecError::NoCuda)
                }
            }
            (Some(kind @ ExecutorKind::Cpu), device @ Device::Cuda(_))
            | (Some(kind @ ExecutorKind::Cuda), device @ Device::Cpu) => {
                Err(ExecError::Executor { kind, device })
            }
        }
    }

    pub(crate) fn cpu(&self) -> CpuOptions {
        CpuOptions { threads: self.threads, winograd: self.winograd, isa: self.isa }
    }

    /// Describes what these options select on this machine. Opens no device.
    ///
    /// # Errors
    /// As [`ExecutorOptions::chosen`]; [`ExecError::Kernel`] if `BONSAI_ISA` names an instruction set that is
    /// not available; [`ExecError::NoGpu`] if NVIDIA's driver finds no GPU with this number,
    /// `ExecError::GpuDriver` if it reports an error.
    pub fn describe(&self) -> Result<ExecutorInfo, ExecError> {
        let executor = self.chosen()?;
        let isa = match (executor, self.device) {
            (ExecutorKind::Cpu, _) => self.cpu().instruction_set()?.name(),
            (ExecutorKind::Candle, Device::Cpu) => Isa::detect().name(),
            (ExecutorKind::Candle, Device::Cuda(_)) | (ExecutorKind::Cuda, _) => "cuda",
        };
        let threads = match (self.threads, executor) {
            (_, ExecutorKind::Cpu) => self.cpu().thread_count(),
            (0, ExecutorKind::Candle | ExecutorKind::Cuda) => rayon::current_num_threads(),
            (threads, ExecutorKind::Candle | ExecutorKind::Cuda) => threads,
        };
        let gpu = match self.device {
            Device::Cpu => None,
            Device::Cuda(index) => Gpu::find(index)?.map(|gpu| gpu.to_string()),
        };
        let precision = (executor == ExecutorKind::Cuda).then(|| self.precision.unwrap_or_default());
        let device = self.device.to_string();
        Ok(ExecutorInfo { executor, device, gpu, isa: isa.to_owned(), precision, threads })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(kind: Option<ExecutorKind>, device: Device) -> ExecutorOptions {
        ExecutorOptions { kind, device, ..ExecutorOptions::default() }
    }

    const CPU: ExecutorKind = ExecutorKind::Cpu;

    /// Every choice of candle.
    const OF_CANDLE: [(Option<ExecutorKind>, Device); 2] =
        [(Some(ExecutorKind::Candle), Device::Cpu), (Some(ExecutorKind::Candle), Device::Cuda(1))];

    #[test]
    fn the_host_selects_the_cpu_executor() {
        for kind in [None, Some(CPU)] {
            assert_eq!(options(kind, Device::Cpu).chosen().unwrap(), CPU);
        }
        let message = options(Some(CPU), Device::Cuda(1)).chosen().unwrap_err().to_string();
        assert!(message.contains("`cpu`") && message.contains("`cuda:1`"), "{message}");
    }

    #[cfg(feature = "candle")]
    #[test]
    fn candle_runs_on_every_device() {
        for (kind, device) in OF_CANDLE {
            assert_eq!(options(kind, device).chosen().unwrap(), ExecutorKind::Candle);
        }
        assert_eq!(
            options(Some(ExecutorKind::Candle), Device::Cpu).describe().unwrap().isa,
            Isa::detect().name()
        );
    }

    #[test]
    fn a_gpu_selects_the_cuda_executor() {
        let cuda = Some(ExecutorKind::Cuda);
        for kind in [None, cuda] {
            match options(kind, Device::Cuda(0)).chosen() {
                Ok(chosen) => assert!(crate::CUDA_BUILT_IN && chosen == ExecutorKind::Cuda),
                Err(error) => {
                    let message = error.to_string();
                    assert!(!crate::CUDA_BUILT_IN && message.contains("feature cuda"), "{message}");
                }
            }
        }
        let message = options(cuda, Device::Cpu).chosen().unwrap_err().to_string();
        assert!(message.contains("`cuda`") && message.contains("`cpu`"), "{message}");
    }

    #[cfg(not(feature = "candle"))]
    #[test]
    fn a_program_without_candle_says_so() {
        for (kind, device) in OF_CANDLE {
            for error in [options(kind, device).chosen().err(), options(kind, device).describe().err()] {
                let message = error.unwrap().to_string();
                let parts =
                    ["candle is not part of this program", "feature candle of bonsai-exec", "use cpu"];
                assert!(parts.iter().all(|part| message.contains(part)), "{message}");
            }
        }
    }

    #[test]
    fn the_description_names_what_will_run() {
        let mut options = options(None, Device::Cpu);
        (options.threads, options.isa) = (3, Some(Isa::PORTABLE));
        let info = options.describe().unwrap();
        assert_eq!(info.to_string(), "executor cpu on cpu, portable, 3 threads");
        assert!(ExecutorOptions::default().describe().unwrap().threads > 0);
    }
}
