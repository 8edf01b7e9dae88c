//! [`Element`]: types of the values in a tensor, and how constants of them are stored.

use half::f16;

use crate::proto::tensor_proto::DataType;

/// Type of the values in a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Element {
    F32,
    F16,
    I64,
    I8,
    U8,
    Bool,
}

impl Element {
    /// The ONNX name of the type.
    pub(crate) const fn data_type(self) -> DataType {
        match self {
            Self::F32 => DataType::Float,
            Self::F16 => DataType::Float16,
            Self::I64 => DataType::Int64,
            Self::I8 => DataType::Int8,
            Self::U8 => DataType::Uint8,
            Self::Bool => DataType::Bool,
        }
    }

    /// Stores real numbers: little-endian, rounded to the nearest for 16-bit floats and integers.
    pub(crate) fn store(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect(),
            Self::I64 => values.iter().flat_map(|v| (v.round_ties_even() as i64).to_le_bytes()).collect(),
            Self::I8 => values.iter().flat_map(|v| (v.round_ties_even() as i8).to_le_bytes()).collect(),
            Self::U8 => values.iter().map(|v| v.round_ties_even() as u8).collect(),
            Self::Bool => values.iter().map(|v| u8::from(*v != 0.0)).collect(),
        }
    }
}
