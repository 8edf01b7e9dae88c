//! The names that a pickle may mention.

use std::fmt;
use std::rc::Rc;

/// Something that a pickle may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pt) enum Global {
    /// `collections.OrderedDict`.
    OrderedDict,
    /// `set` or `frozenset`.
    Set,
    /// `torch.Size`.
    Size,
    /// `torch._utils._rebuild_tensor_v2`.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`.
    RebuildParameter,
    /// A class of storages.
    Storage(Dtype),
    /// Any other known class or function: its calls make inert objects.
    Inert(Rc<str>),
}

impl fmt::Display for Global {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OrderedDict => "collections.OrderedDict",
            Self::Set => "set",
            Self::Size => "torch.Size",
            Self::RebuildTensor => "torch._utils._rebuild_tensor_v2",
            Self::RebuildParameter => "torch._utils._rebuild_parameter",
            Self::Storage(_) => "a storage class",
            Self::Inert(name) => name,
        })
    }
}

/// What a storage's numbers are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pt) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    /// Whole numbers or truth values of so many bytes; no weight is one.
    Whole(usize),
}

impl Dtype {
    /// Bytes of a number.
    pub(in crate::pt) const fn size(self) -> usize {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(size) => size,
        }
    }
}

impl Global {
    /// What `module.name` is; `None` if a checkpoint has no use for it.
    pub(super) fn known(module: &str, name: &str) -> Option<Self> {
        let inert = || Some(Self::Inert(format!("{module}.{name}").into()));
        match (module, name) {
            ("collections", "OrderedDict") => Some(Self::OrderedDict),
            ("__builtin__" | "builtins", "set" | "frozenset") => Some(Self::Set),
            ("torch", "Size") => Some(Self::Size),
            ("torch._utils", "_rebuild_tensor_v2") => Some(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Some(Self::RebuildParameter),
            ("torch", "DoubleStorage") => Some(Self::Storage(Dtype::F64)),
            ("torch", "FloatStorage") => Some(Self::Storage(Dtype::F32)),
            ("torch", "HalfStorage") => Some(Self::Storage(Dtype::F16)),
            ("torch", "BFloat16Storage") => Some(Self::Storage(Dtype::Bf16)),
            ("torch", "LongStorage") => Some(Self::Storage(Dtype::Whole(8))),
            ("torch", "IntStorage") => Some(Self::Storage(Dtype::Whole(4))),
            ("torch", "ShortStorage") => Some(Self::Storage(Dtype::Whole(2))),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Some(Self::Storage(Dtype::Whole(1))),
            // Training arguments, scores and paths beside the network.
            ("torch", "device" | "float32" | "float16" | "bfloat16" | "float64")
            | ("types", "SimpleNamespace")
            | ("pathlib" | "pathlib._local", "Path" | "PosixPath" | "WindowsPath")
            | ("numpy", "dtype" | "ndarray")
            | ("numpy.core.multiarray" | "numpy._core.multiarray", "scalar" | "_reconstruct")
            | ("_codecs", "encode")
            // Torch-Pruning's example defines this class in the script that is run.
            | (_, "C2f_v2") => inert(),
            _ if module.starts_with("torch.nn.modules.") => inert(),
            _ if module.starts_with("ultralytics.") => inert(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_checkpoint_needs_is_known() {
        for (module, name) in [
            ("os", "system"),
            ("posix", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("__builtin__", "exec"),
            ("subprocess", "Popen"),
            ("torch", "load"),
            ("torch.hub", "load"),
            ("ultralyticsx", "Conv"),
            ("torch.nn", "Module"),
        ] {
            assert_eq!(Global::known(module, name), None, "{module}.{name}");
        }
        assert_eq!(Global::known("torch", "HalfStorage"), Some(Global::Storage(Dtype::F16)));
        assert!(matches!(Global::known("ultralytics.nn.modules", "Conv"), Some(Global::Inert(_))));
        assert!(matches!(Global::known("__main__", "C2f_v2"), Some(Global::Inert(_))));
    }
}
