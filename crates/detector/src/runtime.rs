//! [`Runtime`]: the runtimes for ONNX files, which share no code with Bonsai's executors.

use std::fmt;
use std::str::FromStr;

use bonsai_exec::UnknownName;

/// A runtime for ONNX files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runtime {
    /// `rten`, pure Rust (feature `rten`, on by default); computes in `f32` for every storage type.
    Rten,
    /// Microsoft's onnxruntime, a library that is loaded on first use (feature `ort`).
    Onnxruntime,
}

impl Runtime {
    /// All runtimes.
    pub const ALL: [Self; 2] = [Self::Rten, Self::Onnxruntime];

    /// The name of the runtime: `rten` or `onnxruntime`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rten => "rten",
            Self::Onnxruntime => "onnxruntime",
        }
    }

    /// Whether this program was built with the runtime's feature.
    pub(crate) const fn is_built(self) -> bool {
        match self {
            Self::Rten => cfg!(feature = "rten"),
            Self::Onnxruntime => cfg!(feature = "ort"),
        }
    }
}

impl Default for Runtime {
    /// [`Runtime::Rten`]; in a program that was built with `ort` alone, [`Runtime::Onnxruntime`].
    fn default() -> Self {
        Self::ALL.into_iter().find(|runtime| runtime.is_built()).unwrap_or(Self::Rten)
    }
}

impl fmt::Display for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Runtime {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        Self::ALL
            .into_iter()
            .find(|runtime| runtime.name() == text)
            .ok_or_else(|| UnknownName::new("runtime", text, "rten or onnxruntime"))
    }
}
