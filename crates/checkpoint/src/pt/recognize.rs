//! [`blueprint`]: finds Ultralytics' modules in a graph, by the names of its nodes.
//!
//! Graphs of this workspace name their nodes like Ultralytics' modules, and pruning keeps the names. The
//! blueprint is assembled again and compared with the graph, so a network with any other node, wire or size is
//! refused, not approximated.

use std::collections::BTreeMap;

use bonsai_graph::{Graph, ModelSpec, NodeId, Op};

use super::blueprint::{Blueprint, Bottleneck, Branch, C2f, ConvBlock, Detect, Layer, Part, Sppf};
use super::error::PtError;

/// The blueprint of a network.
///
/// # Errors
/// [`PtError::NotUltralytics`] with the node that no module of YOLOv8 has.
pub(super) fn blueprint(model: &ModelSpec) -> Result<Blueprint, PtError> {
    let nodes = Nodes::new(model.graph());
    let mut layers = Vec::new();
    for index in 0.. {
        let place = format!("model.{index}");
        let Some(part) = nodes.part(&place, model)? else { break };
        layers.push(Layer { from: nodes.from(&place, index, &part)?, part });
    }
    let found = Blueprint { layers, class_names: model.class_names().to_vec() };
    let assembled = found.assemble().map_err(|error| refused("model", error.to_string()))?;
    compare(model, &assembled)?;
    Ok(found)
}

fn refused(place: &str, what: impl Into<String>) -> PtError {
    PtError::NotUltralytics { place: place.to_owned(), what: what.into() }
}

/// Checks that two networks have the same nodes and wires, by name.
fn compare(model: &ModelSpec, assembled: &ModelSpec) -> Result<(), PtError> {
    let described = |model: &ModelSpec| -> BTreeMap<String, (Op, Vec<String>)> {
        let graph = model.graph();
        let name = |id: &NodeId| graph.node(*id).name().to_owned();
        graph
            .nodes()
            .iter()
            .map(|node| (node.name().to_owned(), (*node.op(), node.inputs().iter().map(name).collect())))
            .collect()
    };
    let given = described(model);
    let made = described(assembled);
    for (name, node) in &given {
        if made.get(name) != Some(node) {
            let what =
                format!("`{}` here is not what a module of YOLOv8 has in this place", node.0.keyword());
            return Err(refused(name, what));
        }
    }
    if let Some(name) = made.keys().find(|name| !given.contains_key(*name)) {
        return Err(refused(name, "this part of a module of YOLOv8 is missing"));
    }
    let outputs = |model: &ModelSpec| {
        let graph = model.graph();
        let head = model.head();
        let name = |position: &usize| graph.node(graph.outputs()[*position]).name().to_owned();
        let order = head.box_outputs.iter().chain(&head.cls_outputs).map(name);
        (order.collect::<Vec<_>>(), head.strides.clone())
    };
    if outputs(model) != outputs(assembled) {
        return Err(refused("model", "its outputs are not those of a `Detect`, level by level"));
    }
    Ok(())
}

struct Nodes<'a> {
    graph: &'a Graph,
    by_name: BTreeMap<&'a str, NodeId>,
    readers: Vec<Vec<NodeId>>,
}

impl<'a> Nodes<'a> {
    fn new(graph: &'a Graph) -> Self {
        let by_name = graph.iter().map(|(id, node)| (node.name(), id)).collect();
        Self { graph, by_name, readers: graph.consumers() }
    }

    fn find(&self, name: &str) -> Option<NodeId> {
        self.by_name.get(name).copied()
    }

    /// The module of this name; `None` behind the last one.
    fn part(&self, place: &str, model: &ModelSpec) -> Result<Option<Part>, PtError> {
        let has = |name: &str| self.find(&format!("{place}.{name}")).is_some();
        Ok(Some(match self.find(place).map(|id| *self.graph.node(id).op()) {
            Some(Op::Upsample { scale }) => Part::Upsample { scale },
            Some(Op::Concat) => Part::Concat,
            Some(other) => {
                return Err(refused(place, format!("`{}` is no module of YOLOv8", other.keyword())));
            }
            None if has("conv") => Part::Conv(self.conv_block(place)?),
            None if has("cv2.0.2") => Part::Detect(self.detect(place, model)?),
            None if has("m.0") => Part::Sppf(self.sppf(place)?),
            None if has("cv1.conv") => Part::C2f(self.c2f(place)?),
            None => return Ok(None),
        }))
    }

    /// The indices of the modules that a module reads, as Ultralytics counts them: -1 is the one before it.
    fn from(&self, place: &str, index: usize, part: &Part) -> Result<Vec<i64>, PtError> {
        let first = match part {
            Part::Conv(_) => vec![format!("{place}.conv")],
            Part::C2f(C2f { cv0: Some(_), .. }) => vec![format!("{place}.cv0.conv")],
            Part::C2f(_) | Part::Sppf(_) => vec![format!("{place}.cv1.conv")],
            Part::Upsample { .. } | Part::Concat => vec![place.to_owned()],
            Part::Detect(head) => {
                let level = |(level, branch): (usize, &Branch)| match branch.blocks.first() {
                    Some((block, _)) => format!("{place}.cv2.{level}.{block}.conv"),
                    None => format!("{place}.cv2.{level}.2"),
                };
                head.boxes.iter().enumerate().map(level).collect()
            }
        };
        let mut from = Vec::new();
        for name in first {
            let inputs = self.find(&name).map(|id| self.graph.node(id).inputs()).unwrap_or_default();
            for input in inputs {
                from.push(self.module_of(*input, index).ok_or_else(|| {
                    let input = self.graph.node(*input).name();
                    refused(
                        &name,
                        format!("it reads `{input}`, which is not the output of a module before it"),
                    )
                })?);
            }
        }
        // Ultralytics names the inputs of the head by number, the last one too.
        if matches!(part, Part::Detect(_)) {
            from.iter_mut().filter(|from| **from == -1).for_each(|from| *from = index as i64 - 1);
        }
        Ok(from)
    }

    fn module_of(&self, id: NodeId, reader: usize) -> Option<i64> {
        let node = self.graph.node(id);
        if matches!(node.op(), Op::Input { .. }) {
            return (reader == 0).then_some(-1);
        }
        let index: u32 = node.name().strip_prefix("model.")?.split('.').next()?.parse().ok()?;
        let index = i64::from(index);
        Some(if index + 1 == reader as i64 { -1 } else { index })
    }

    fn conv(&self, name: &str) -> Result<(NodeId, ConvBlock), PtError> {
        let id = self.find(name).ok_or_else(|| refused(name, "this convolution is missing"))?;
        let Op::Conv2d { out_channels, kernel, stride, padding, bias, groups } = *self.graph.node(id).op()
        else {
            return Err(refused(
                name,
                format!("`{}`, expected a convolution", self.graph.node(id).op().keyword()),
            ));
        };
        let inputs = self.graph.in_channels(id);
        let outputs = out_channels;
        Ok((
            id,
            ConvBlock { inputs, outputs, kernel, stride, padding, groups, bias, norm: None, silu: false },
        ))
    }

    /// A convolution with the batch norm and the activation that follow it.
    fn conv_block(&self, place: &str) -> Result<ConvBlock, PtError> {
        let (mut last, mut block) = self.conv(&format!("{place}.conv"))?;
        let follows = |last: NodeId, name: &str| {
            let id = self.find(&format!("{place}.{name}"))?;
            self.readers[last.index()].contains(&id).then_some(id)
        };
        if let Some(id) = follows(last, "bn")
            && let Op::BatchNorm { eps, momentum } = *self.graph.node(id).op()
        {
            block.norm = Some((eps, momentum));
            last = id;
        }
        block.silu = follows(last, "act").is_some();
        Ok(block)
    }

    fn c2f(&self, place: &str) -> Result<C2f, PtError> {
        let block = |name: &str| self.conv_block(&format!("{place}.{name}"));
        let cv0 = self.find(&format!("{place}.cv0.conv")).map(|_| block("cv0")).transpose()?;
        let mut m = Vec::new();
        while self.find(&format!("{place}.m.{}.cv1.conv", m.len())).is_some() {
            let name = format!("m.{}", m.len());
            let shortcut = self.find(&format!("{place}.{name}.add")).is_some();
            let cv1 = block(&format!("{name}.cv1"))?;
            m.push(Bottleneck { cv1, cv2: block(&format!("{name}.cv2"))?, shortcut });
        }
        Ok(C2f { cv0, cv1: block("cv1")?, cv2: block("cv2")?, m })
    }

    fn sppf(&self, place: &str) -> Result<Sppf, PtError> {
        let block = |name: &str| self.conv_block(&format!("{place}.{name}"));
        let mut pools = 0;
        let mut kernel = 0;
        while let Some(id) = self.find(&format!("{place}.m.{pools}")) {
            if let Op::MaxPool { kernel: size, .. } = *self.graph.node(id).op() {
                kernel = size;
            }
            pools += 1;
        }
        Ok(Sppf { cv1: block("cv1")?, cv2: block("cv2")?, kernel, pools })
    }

    fn detect(&self, place: &str, model: &ModelSpec) -> Result<Detect, PtError> {
        let head = model.head();
        let levels = |branch: &str| -> Result<Vec<Branch>, PtError> {
            (0..head.strides.len()).map(|level| self.branch(&format!("{place}.{branch}.{level}"))).collect()
        };
        let boxes = levels("cv2")?;
        Ok(Detect { boxes, classes: levels("cv3")?, strides: head.strides.clone(), reg_max: head.reg_max })
    }

    fn branch(&self, place: &str) -> Result<Branch, PtError> {
        let mut blocks = Vec::new();
        for name in ["0", "0.0", "0.1", "1", "1.0", "1.1"] {
            if self.find(&format!("{place}.{name}.conv")).is_some() {
                blocks.push((name.to_owned(), self.conv_block(&format!("{place}.{name}"))?));
            }
        }
        Ok(Branch { blocks, last: self.conv(&format!("{place}.2"))?.1 })
    }
}
