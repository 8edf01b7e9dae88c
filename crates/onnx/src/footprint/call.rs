//! [`Call`]: a node with the known facts about its inputs.

use super::span::Span;
use super::value::Value;
use crate::proto::{AttributeProto, NodeProto};

/// A node and its inputs.
pub(super) struct Call<'a> {
    pub(super) node: &'a NodeProto,
    /// Version of ONNX's operator set.
    pub(super) opset: i64,
    /// `None` for an optional input that is left out.
    pub(super) inputs: Vec<Option<&'a Value>>,
}

/// Outputs and costs of a node.
pub(super) struct OpFootprint {
    pub(super) outputs: Vec<Value>,
    /// Approximate number of additions and multiplications.
    pub(super) work: f64,
    /// Bytes that it needs in addition to its outputs.
    pub(super) scratch: f64,
}

impl From<Value> for OpFootprint {
    fn from(value: Value) -> Self {
        vec![value].into()
    }
}

impl From<Vec<Value>> for OpFootprint {
    /// Counts one operation for each value of the outputs.
    fn from(outputs: Vec<Value>) -> Self {
        let work = outputs.iter().map(Value::elements).sum();
        Self { outputs, work, scratch: 0.0 }
    }
}

impl<'a> Call<'a> {
    fn attribute(&self, name: &str) -> Option<&'a AttributeProto> {
        self.node.attribute.iter().find(|attribute| attribute.name() == name)
    }

    /// An integer attribute.
    pub(super) fn int(&self, name: &str) -> Option<i64> {
        self.attribute(name).and_then(|attribute| attribute.i)
    }

    /// A list of integers; `None` if the attribute is missing or empty.
    pub(super) fn ints(&self, name: &str) -> Option<&'a [i64]> {
        self.attribute(name).map(|attribute| attribute.ints.as_slice()).filter(|list| !list.is_empty())
    }

    /// A list of floating-point numbers; `None` if the attribute is missing or empty.
    pub(super) fn floats(&self, name: &str) -> Option<&'a [f32]> {
        self.attribute(name).map(|attribute| attribute.floats.as_slice()).filter(|list| !list.is_empty())
    }

    /// A text attribute.
    pub(super) fn word(&self, name: &str) -> String {
        self.attribute(name).map(|a| String::from_utf8_lossy(a.s()).into_owned()).unwrap_or_default()
    }

    /// A tensor attribute.
    pub(super) fn tensor(&self, name: &str) -> Option<&'a crate::proto::TensorProto> {
        self.attribute(name).and_then(|attribute| attribute.t.as_ref())
    }

    pub(super) fn maybe(&self, index: usize) -> Option<&'a Value> {
        self.inputs.get(index).copied().flatten()
    }

    pub(super) fn arg(&self, index: usize) -> Result<&'a Value, String> {
        self.maybe(index).ok_or_else(|| format!("has no input {index}"))
    }

    /// The numbers of an input that decide a size.
    pub(super) fn held(&self, index: usize) -> Result<&'a [Span], String> {
        self.arg(index)?.held.as_deref().ok_or_else(|| {
            format!(
                "takes a size from `{}`, which is computed from the picture without a known limit",
                self.node.input.get(index).map_or("", String::as_str)
            )
        })
    }

    /// The integers of an input, which must not depend on the picture.
    pub(super) fn exact(&self, index: usize) -> Result<Vec<i64>, String> {
        let whole = |span: &Span| {
            span.whole().ok_or_else(|| format!("takes sizes from input {index}, which are not fixed numbers"))
        };
        self.held(index)?.iter().map(whole).collect()
    }

    /// The integers of an attribute that later versions turned into an input; `None` if the attribute is
    /// missing.
    ///
    /// Having both is refused: runtimes differ in which of them they read.
    pub(super) fn moved(&self, name: &str, input: usize) -> Result<Option<&'a [i64]>, String> {
        match (self.ints(name), self.maybe(input)) {
            (Some(_), Some(_)) => Err(format!("has `{name}` as an attribute and as input {input}")),
            (list, _) => Ok(list),
        }
    }

    /// Axes: an attribute up to some version, an input since then; `None` if there are none.
    pub(super) fn axes(&self, input: usize) -> Result<Option<Vec<i64>>, String> {
        match self.moved("axes", input)? {
            Some(axes) => Ok(Some(axes.to_vec())),
            None if self.maybe(input).is_some() => {
                self.exact(input).map(|axes| Some(axes).filter(|axes| !axes.is_empty()))
            }
            None => Ok(None),
        }
    }

    /// As many outputs as the node names, all equal.
    pub(super) fn alike(&self, value: &Value) -> Vec<Value> {
        vec![value.clone(); self.node.output.len().max(1)]
    }
}

/// Resolves an axis, which counts from the end if it is negative.
pub(super) fn axis(axis: i64, rank: usize) -> Result<usize, String> {
    let counted = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    usize::try_from(counted)
        .ok()
        .filter(|axis| *axis < rank)
        .ok_or_else(|| format!("names axis {axis} of a tensor of {rank} dimensions"))
}
