//! [`Meaning`]: the names that a pickle mentions, and the few that have a meaning here.

use std::fmt;
use std::rc::Rc;

/// The name of a class or function. It is never imported or called.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::pt) struct Class {
    /// The Python module.
    pub(in crate::pt) module: Rc<str>,
    pub(in crate::pt) name: Rc<str>,
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The author of the file chose the characters; they must not control a terminal.
        write!(f, "{}.{}", self.module.escape_debug(), self.name.escape_debug())
    }
}

/// Kinds of values that the call of a name makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pt) enum Meaning {
    /// A dictionary: empty, a copy, or made of pairs.
    Dict,
    List,
    /// `tuple` or `torch.Size`.
    Tuple,
    /// `set` or `frozenset`.
    Set,
    /// `torch._utils._rebuild_tensor_v2`, or its predecessor.
    Tensor,
    /// `torch._utils._rebuild_parameter`: returns the tensor that is its argument.
    Parameter,
    /// `torch._tensor._rebuild_from_type_v2`: a tensor or parameter with attributes.
    Typed,
    /// `copyreg._reconstructor` and similar functions: an object of the class that is their first argument.
    Made,
    /// A class of storages; a reference to a storage denotes numbers in the archive.
    Storage(Dtype),
    /// Anything else: an inert object that keeps the name of its class.
    Object,
}

/// Number type of a storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::pt) enum Dtype {
    F64,
    F32,
    F16,
    Bf16,
    /// Integers or booleans of this many bytes; weights never have this type.
    Whole(u8),
}

impl Dtype {
    /// Whether weights can have this type.
    pub(in crate::pt) const fn is_real(self) -> bool {
        !matches!(self, Self::Whole(_))
    }

    /// Bytes per number.
    pub(in crate::pt) const fn size(self) -> u64 {
        match self {
            Self::F64 => 8,
            Self::F32 => 4,
            Self::F16 | Self::Bf16 => 2,
            Self::Whole(size) => size as u64,
        }
    }
}

impl Meaning {
    /// The meaning of `module.name`. Every name is allowed, because none is ever imported: unlisted names
    /// make inert objects.
    pub(super) fn from_global(module: &str, name: &str) -> Self {
        match (module, name) {
            ("collections", "OrderedDict" | "defaultdict" | "Counter")
            | ("__builtin__" | "builtins", "dict")
            | ("types", "MappingProxyType") => Self::Dict,
            ("__builtin__" | "builtins", "list") => Self::List,
            ("__builtin__" | "builtins", "tuple") | ("torch", "Size") => Self::Tuple,
            ("__builtin__" | "builtins", "set" | "frozenset") => Self::Set,
            ("torch._utils", "_rebuild_tensor" | "_rebuild_tensor_v2") => Self::Tensor,
            ("torch._utils", "_rebuild_parameter" | "_rebuild_parameter_with_state") => Self::Parameter,
            ("torch._tensor", "_rebuild_from_type_v2") => Self::Typed,
            ("copy_reg" | "copyreg", "_reconstructor" | "__newobj__" | "__newobj_ex__") => Self::Made,
            ("torch", "DoubleStorage") => Self::Storage(Dtype::F64),
            ("torch", "FloatStorage") => Self::Storage(Dtype::F32),
            ("torch", "HalfStorage") => Self::Storage(Dtype::F16),
            ("torch", "BFloat16Storage") => Self::Storage(Dtype::Bf16),
            ("torch", "LongStorage") => Self::Storage(Dtype::Whole(8)),
            ("torch", "IntStorage") => Self::Storage(Dtype::Whole(4)),
            ("torch", "ShortStorage") => Self::Storage(Dtype::Whole(2)),
            ("torch", "CharStorage" | "ByteStorage" | "BoolStorage") => Self::Storage(Dtype::Whole(1)),
            _ => Self::Object,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_an_inert_object_unless_it_makes_tensors_or_containers() {
        for (module, name) in [
            ("os", "system"),
            ("builtins", "eval"),
            ("builtins", "getattr"),
            ("torch", "load"),
            ("torch.nn.modules.conv", "Conv2d"),
            ("ultralytics.nn.modules", "Conv"),
            ("collectionsx", "OrderedDict"),
            ("torch.cuda", "FloatStorage"),
        ] {
            assert_eq!(Meaning::from_global(module, name), Meaning::Object, "{module}.{name}");
        }
        assert_eq!(Meaning::from_global("torch", "HalfStorage"), Meaning::Storage(Dtype::F16));
        assert_eq!(Meaning::from_global("collections", "defaultdict"), Meaning::Dict);
    }

    #[test]
    fn a_name_cannot_steer_a_terminal() {
        let class = Class { module: "a\u{1b}[2J".into(), name: "größe".into() };
        assert_eq!(class.to_string(), "a\\u{1b}[2J.größe");
    }
}
