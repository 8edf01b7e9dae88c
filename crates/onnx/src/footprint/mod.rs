//! [`OnnxProgram`] and [`Footprint`]: memory and time of a file, computed before a runtime gets it.
//!
//! A runtime allocates what a file demands and runs for as long as it demands. rten 0.27 and onnxruntime 1.32
//! abort, hang or write outside of their memory on files that demand too much. Every node is therefore
//! visited first, with the dimensions and the small constants that decide dimensions, as a runtime would
//! compute them. `rules` lists the operators whose outputs are bounded by their inputs; everything else is an
//! error. If the number of objects in a picture decides a size, bounds of the size are computed.
//!
//! The runtime gets bytes that are written anew from the checked message, because two protobuf readers may
//! read one file differently.

mod call;
mod constant;
mod order;
mod rules;
mod span;
mod value;
mod walk;

use std::collections::HashMap;

use prost::Message;

use self::order::{order, title};
use self::value::Value;
use crate::OnnxError;
use crate::proto::{ModelProto, NodeProto, OperatorSetIdProto};

/// Upper bound of the cost of one run of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Bytes of the largest set of values that exist at one time, without the constants of the file.
    pub bytes: u64,
    /// Approximate number of multiplications and additions.
    pub work: u64,
}

/// Limits for the cost of one run of a file.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FootprintLimits {
    /// Bytes of values that exist at one time.
    pub bytes: u64,
    /// Multiplications and additions.
    pub work: u64,
}

impl Default for FootprintLimits {
    /// 16 GiB, and 2 * 10^13 operations: forty pictures of 1280 pixels through the largest YOLO.
    fn default() -> Self {
        Self { bytes: 16 << 30, work: 20_000_000_000_000 }
    }
}

/// Treatment of operators without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherOperators {
    /// Such an operator is an error.
    Refused,
    /// Its outputs, and everything computed from them, are unknown and not counted.
    Unchecked,
}

/// A file that a runtime may get, checked as far as possible without dimensions of the input.
#[derive(Debug, Clone)]
pub struct OnnxProgram {
    model: ModelProto,
    constants: HashMap<String, Value>,
    opset: i64,
}

impl OnnxProgram {
    /// Checks the message of a file and puts its nodes into an order in which they can run.
    ///
    /// # Errors
    /// [`OnnxError::Incomplete`] if it has no graph, and [`OnnxError::Unfit`] if a constant does not have the
    /// values that its dimensions require, a value is computed twice or never, or a node contains a graph.
    pub fn new(mut model: ModelProto) -> Result<Self, OnnxError> {
        let unfit = |(place, what): (String, String)| OnnxError::Unfit { place, what };
        // No runtime here uses this part.
        model.training_info.clear();
        if let Some(function) = model.functions.first() {
            let what = "is a function of the file's own: export the file without functions".to_owned();
            return Err(unfit((format!("`{}`", function.name()), what)));
        }
        let opset = model
            .opset_import
            .iter()
            .find(|set| is_standard(set.domain()))
            .map_or(0, OperatorSetIdProto::version);
        let graph = model.graph.as_mut().ok_or(OnnxError::Incomplete { what: "graph" })?;
        let order = order(graph).map_err(unfit)?;
        let mut constants = HashMap::with_capacity(graph.initializer.len());
        for tensor in &graph.initializer {
            let flaw = |what| unfit((format!("constant `{}`", tensor.name()), what));
            constants.insert(tensor.name().to_owned(), constant::constant(tensor).map_err(flaw)?);
        }
        for (index, node) in graph.node.iter().enumerate().filter(|(_, node)| is_constant(node)) {
            let value = constant::node(node).map_err(|what| unfit((title(node, index), what)))?;
            constants.insert(node.output.first().cloned().unwrap_or_default(), value);
        }
        let mut nodes: Vec<Option<_>> = std::mem::take(&mut graph.node).into_iter().map(Some).collect();
        graph.node = order.into_iter().filter_map(|index| nodes[index].take()).collect();
        Ok(Self { model, constants, opset })
    }

    /// The cost of one run on `images` of these dimensions.
    ///
    /// # Errors
    /// [`OnnxError::Unfit`] for a node that exceeds the `limits`, or whose outputs cannot be bounded.
    pub fn footprint(
        &self,
        images: &[usize],
        limits: &FootprintLimits,
        others: OtherOperators,
    ) -> Result<Footprint, OnnxError> {
        walk::walk(self, images, limits, others).map_err(|(place, what)| OnnxError::Unfit { place, what })
    }

    /// Whether a constant has this name.
    pub(crate) fn has_constant(&self, name: &str) -> bool {
        self.constants.contains_key(name)
    }

    /// The number in the constant of this name, if it holds exactly one.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.constants.get(name)?.held.as_deref() {
            Some([number]) => number.exact(),
            _ => None,
        }
    }

    /// The checked message of the file.
    pub const fn proto(&self) -> &ModelProto {
        &self.model
    }

    /// The bytes of the checked message.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// Frees the memory of the weights after a runtime has its own copy; [`OnnxProgram::footprint`] still
    /// works.
    pub fn forget_weights(&mut self) {
        if let Some(graph) = &mut self.model.graph {
            graph.initializer = Vec::new();
            graph.value_info = Vec::new();
        }
    }
}

/// Whether an operator domain is that of ONNX itself.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Whether a node is a `Constant`.
pub(crate) fn is_constant(node: &NodeProto) -> bool {
    node.op_type() == "Constant" && is_standard(node.domain())
}
