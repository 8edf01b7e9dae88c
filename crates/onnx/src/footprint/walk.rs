//! [`walk`]: visits the nodes in order and keeps the facts about every value for as long as they are needed.

use std::collections::HashMap;

use super::call::{Call, OpFootprint};
use super::order::Flaw;
use super::span::Span;
use super::value::Value;
use super::{
    Footprint, FootprintLimits, OnnxProgram, OtherOperators, is_constant, is_standard, rules, title,
};
use crate::proto::tensor_proto::DataType;
use crate::proto::type_proto;
use crate::proto::{NodeProto, ValueInfoProto};

/// The facts about a value; `None` if it depends on an operator without a rule.
type Known = Option<Value>;

pub(super) fn walk(
    program: &OnnxProgram,
    images: &[usize],
    limits: &FootprintLimits,
    others: OtherOperators,
) -> Result<Footprint, Flaw> {
    let Some(graph) = &program.model.graph else { return Ok(Footprint { bytes: 0, work: 0 }) };
    let mut values: HashMap<&str, Known> = HashMap::new();
    for input in graph.input.iter().filter(|input| !program.constants.contains_key(input.name())) {
        let element = match input.r#type.as_ref().and_then(|t| t.value.as_ref()) {
            Some(type_proto::Value::TensorType(tensor)) => tensor.elem_type(),
            _ => DataType::Undefined.into(),
        };
        let value = Value::new(element, images.iter().map(|size| Span::size(*size)).collect());
        value.check().map_err(|what| (format!("input `{}`", input.name()), what))?;
        values.insert(input.name(), Some(value));
    }
    let mut readers: HashMap<&str, usize> = HashMap::new();
    let read = graph.node.iter().flat_map(|node| &node.input).map(String::as_str);
    for name in read.chain(graph.output.iter().map(ValueInfoProto::name)) {
        *readers.entry(name).or_default() += 1;
    }
    let mut room = Room { limits, now: 0.0, most: 0.0, work: 0.0 };
    for value in values.values().flatten() {
        room.take(value.bytes(), 0.0)?;
    }
    for (index, node) in graph.node.iter().enumerate() {
        if is_constant(node) {
            continue;
        }
        let flaw = |what: String| (title(node, index), what);
        let made = run(program, node, &values, others).map_err(flaw)?;
        match made {
            None => values.extend(node.output.iter().map(|name| (name.as_str(), None))),
            Some(OpFootprint { outputs, work, scratch }) => {
                if outputs.len() < node.output.len() {
                    return Err(flaw(format!("has {} outputs, of {}", node.output.len(), outputs.len())));
                }
                for (name, value) in node.output.iter().zip(outputs).filter(|(name, _)| !name.is_empty()) {
                    value.check().map_err(flaw)?;
                    room.take(value.bytes(), scratch).map_err(|(_, what)| flaw(what))?;
                    values.insert(name, Some(value));
                }
                room.work += work;
                if room.work.is_nan() || room.work > limits.work as f64 {
                    let work = room.work;
                    let most = limits.work as f64;
                    return Err(flaw(format!(
                        "brings the file to {work:.1e} operations, of at most {most:.1e}"
                    )));
                }
            }
        }
        for name in &node.input {
            let left = readers.get_mut(name.as_str());
            if let Some(left) = left
                && *left > 0
            {
                *left -= 1;
                if *left == 0
                    && let Some(Some(value)) = values.remove(name.as_str())
                {
                    room.now -= value.bytes();
                }
            }
        }
    }
    Ok(Footprint { bytes: room.most as u64, work: room.work as u64 })
}

/// Memory and operations so far.
struct Room<'a> {
    limits: &'a FootprintLimits,
    now: f64,
    most: f64,
    work: f64,
}

impl Room<'_> {
    fn take(&mut self, bytes: f64, scratch: f64) -> Result<(), Flaw> {
        self.now += bytes;
        self.most = self.most.max(self.now + scratch);
        if self.most <= self.limits.bytes as f64 {
            return Ok(());
        }
        let gib = |bytes: f64| bytes / f64::from(1 << 30);
        let found = gib(self.most);
        let limit = gib(self.limits.bytes as f64);
        let what = format!("needs {found:.1} GiB of memory, of at most {limit:.1}: fewer or smaller images?");
        Err(("the input".to_owned(), what))
    }
}

/// Outputs and costs of a node; `None` if they are unknown and need not be known.
fn run(
    program: &OnnxProgram,
    node: &NodeProto,
    values: &HashMap<&str, Known>,
    others: OtherOperators,
) -> Result<Option<OpFootprint>, String> {
    let own = is_standard(node.domain());
    let mut inputs = Vec::with_capacity(node.input.len());
    for name in &node.input {
        if name.is_empty() {
            inputs.push(None);
            continue;
        }
        match (program.constants.get(name), values.get(name.as_str())) {
            (Some(value), _) | (None, Some(Some(value))) => inputs.push(Some(value)),
            // An input of the node is unknown.
            _ => return Ok(None),
        }
    }
    let call = Call { node, opset: program.opset, inputs };
    let made = if own { rules::made(&call) } else { None };
    match (made, others) {
        (Some(made), _) => made.map(Some),
        (None, OtherOperators::Unchecked) if !own || !["Loop", "Scan"].contains(&node.op_type()) => Ok(None),
        (None, _) => {
            let of = if own { String::new() } else { format!(" of `{}`", node.domain()) };
            Err(format!(
                "is an operator{of} whose memory and time are unknown, so it is not run here; \
                 onnxruntime may run it (`--runtime onnxruntime`)"
            ))
        }
    }
}
