//! What running a file will take, told before a runtime sees it.
//!
//! A runtime allocates what a file says and runs for as long as it says; rten 0.27 and onnxruntime 1.32 abort, hang or write
//! outside of their memory on files that ask for too much. So every node is gone through first, with dimensions and with the
//! small constants that dimensions are made of, as a runtime would compute them: a list of the operators whose outputs are
//! bounded by what goes in (`rules`), and an error for everything else. Where the number of objects in a picture decides a
//! size, its bounds are known.
//!
//! What is handed on is written anew from what was checked, for two readers of protobuf may read one file in two ways.

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

/// What running a file once takes, as an upper bound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Footprint {
    /// Bytes of the largest set of values that exist at one time, without the file's own constants.
    pub bytes: u64,
    /// Multiplications and additions, about.
    pub work: u64,
}

/// What running a file once may take.
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

/// What becomes of operators without a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherOperators {
    /// An error.
    Refused,
    /// What they make is not known, nor what is made of it, and not counted.
    Unchecked,
}

/// A file that may be handed to a runtime, as far as it can be told without dimensions of the input.
#[derive(Debug, Clone)]
pub struct OnnxProgram {
    model: ModelProto,
    constants: HashMap<String, Value>,
    opset: i64,
}

impl OnnxProgram {
    /// From the message of a file; nodes are put in an order in which they can run.
    ///
    /// # Errors
    /// [`OnnxError::Incomplete`] if it has no graph, and [`OnnxError::Unfit`] if a constant does not hold what its dimensions
    /// say, a value is made twice or by nothing, or a node holds a graph.
    pub fn new(mut model: ModelProto) -> Result<Self, OnnxError> {
        let unfit = |(place, what): (String, String)| OnnxError::Unfit { place, what };
        // Nothing here runs them.
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

    /// What one run on `images` of these dimensions takes.
    ///
    /// # Errors
    /// [`OnnxError::Unfit`] for a node that makes more than `limits` allow, or of which it cannot be told what it makes.
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

    /// The number in the constant of this name, if there is one alone.
    pub(crate) fn number(&self, name: &str) -> Option<f64> {
        match self.constants.get(name)?.held.as_deref() {
            Some([number]) => number.exact(),
            _ => None,
        }
    }

    /// The file as it was checked.
    pub const fn proto(&self) -> &ModelProto {
        &self.model
    }

    /// Its bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.model.encode_to_vec()
    }

    /// Gives back the memory of the weights, once a runtime has its own; what is left still tells a footprint.
    pub fn forget_weights(&mut self) {
        if let Some(graph) = &mut self.model.graph {
            graph.initializer = Vec::new();
            graph.value_info = Vec::new();
        }
    }
}

/// Whether a domain of operators is ONNX's own.
pub(crate) fn is_standard(domain: &str) -> bool {
    matches!(domain, "" | "ai.onnx")
}

/// Whether a node stands for a constant.
pub(crate) fn is_constant(node: &NodeProto) -> bool {
    node.op_type() == "Constant" && is_standard(node.domain())
}
