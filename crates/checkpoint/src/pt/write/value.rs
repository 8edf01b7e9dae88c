//! [`Value`]: Python values as a `.pt` file of a network needs them.

/// A Python value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Str(String),
    Tuple(Vec<Value>),
    List(Vec<Value>),
    Dict(Vec<(Value, Value)>),
    /// An empty set.
    EmptySet,
    /// A `collections.OrderedDict` with texts as keys.
    Ordered(Vec<(String, Value)>),
    /// A tensor that is not trained.
    Tensor(Numbers),
    /// A `torch.nn.Parameter`.
    Parameter {
        numbers: Numbers,
        is_trained: bool,
    },
    /// An object of a class, with its attributes.
    Object {
        class: Class,
        attributes: Vec<(&'static str, Value)>,
    },
}

/// Numbers of a tensor, in row-major order.
#[derive(Debug, Clone)]
pub(super) enum Numbers {
    F32 {
        shape: Vec<usize>,
        values: Vec<f32>,
    },
    /// One integer without dimensions.
    I64(i64),
}

/// The Python module and the name of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Class(pub(super) &'static str, pub(super) &'static str);

impl Value {
    /// A text.
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Str(text.into())
    }

    /// A size, which is below 2^63 because it counts numbers in memory.
    pub(super) fn size(size: usize) -> Self {
        Self::Int(size as i64)
    }

    /// A pair of equal sizes, as PyTorch keeps kernels and strides.
    pub(super) fn pair(size: usize) -> Self {
        Self::Tuple(vec![Self::size(size), Self::size(size)])
    }

    /// A dictionary with texts as keys.
    pub(super) fn dict(entries: Vec<(&str, Value)>) -> Self {
        Self::Dict(entries.into_iter().map(|(key, value)| (Self::text(key), value)).collect())
    }
}
