//! [`Gpu`]: a GPU of this machine, as NVIDIA's driver describes it.

use std::fmt;

use crate::ExecError;

/// A GPU of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gpu {
    /// Its number, the `0` in `cuda:0`.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Bytes of its memory.
    pub memory: u64,
    /// The latest version of CUDA that the driver supports: major, minor.
    pub cuda: (u32, u32),
}

impl Gpu {
    /// All GPUs that the driver finds; none if this program was built without feature `cuda`. Opens none of them.
    ///
    /// # Errors
    /// `ExecError::GpuDriver` if the driver reports an error.
    pub fn all() -> Result<Vec<Self>, ExecError> {
        #[cfg(feature = "cuda")]
        {
            let failed = |source| ExecError::GpuDriver { source: Box::new(source) };
            let (version, all) = crate::candle::gpus().map_err(failed)?;
            let cuda = ((version / 1000) as u32, (version % 1000 / 10) as u32);
            let gpu = |(index, (name, memory))| Self { index, name, memory, cuda };
            Ok(all.into_iter().enumerate().map(gpu).collect())
        }
        #[cfg(not(feature = "cuda"))]
        Ok(Vec::new())
    }

    /// The GPU with that number; `None` if this program was built without feature `cuda`.
    ///
    /// # Errors
    /// [`ExecError::NoGpu`] if there is no such GPU, and as [`Gpu::all`].
    pub(crate) fn find(index: usize) -> Result<Option<Self>, ExecError> {
        if !crate::CUDA_BUILT_IN {
            return Ok(None);
        }
        let all = Self::all()?;
        let found = all.iter().find(|gpu| gpu.index == index).cloned();
        found.map(Some).ok_or(ExecError::NoGpu { index, count: all.len() })
    }
}

/// `NVIDIA H200, 139.8 GiB, CUDA 13.0`.
impl fmt::Display for Gpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let gib = self.memory as f64 / f64::from(1u32 << 30);
        let (major, minor) = self.cuda;
        write!(f, "{}, {gib:.1} GiB, CUDA {major}.{minor}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_is_shown_with_its_memory() {
        let gpu = Gpu { index: 0, name: "NVIDIA X".to_owned(), memory: 3 << 29, cuda: (13, 0) };
        assert_eq!(gpu.to_string(), "NVIDIA X, 1.5 GiB, CUDA 13.0");
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_program_without_the_feature_finds_none() {
        assert_eq!((Gpu::all().unwrap(), Gpu::find(0).unwrap()), (Vec::new(), None));
    }
}
