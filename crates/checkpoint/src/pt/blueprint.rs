//! [`Blueprint`]: a YOLOv8 detector as modules with their actual sizes, and the graph that they form.
//!
//! Three readers produce it: [`modules`](super::modules) from pickled modules, which contain their strides
//! and wires, [`stock`](super::stock) from the names and shapes of a state dict, with strides and wires of
//! the published network, and [`recognize`](super::recognize) from a graph.

use bonsai_graph::{DetectHead, GraphBuilder, GraphError, ModelSpec, NodeId, Op};

/// Modules in order, and the class names of the head.
#[derive(Debug)]
pub(super) struct Blueprint {
    pub(super) layers: Vec<Layer>,
    pub(super) class_names: Vec<String>,
}

/// A module and the indices of its inputs: 0 is the first module, negative numbers count back from this one.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) from: Vec<i64>,
    pub(super) part: Part,
}

#[derive(Debug)]
pub(super) enum Part {
    Conv(ConvBlock),
    C2f(C2f),
    Sppf(Sppf),
    Upsample { scale: usize },
    Concat,
    Detect(Detect),
}

/// A convolution, a batch norm unless it was folded, and SiLU if there is one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ConvBlock {
    pub(super) inputs: usize,
    pub(super) outputs: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
    /// Number of parts that inputs and outputs are divided into; each part of the outputs reads only its part
    /// of the inputs. It equals the number of inputs in a depthwise convolution.
    pub(super) groups: usize,
    pub(super) bias: bool,
    /// Epsilon of the variance, and momentum of the running statistics.
    pub(super) norm: Option<(f32, f32)>,
    pub(super) silu: bool,
}

/// A split, bottlenecks on one half, and a convolution of the concatenation.
#[derive(Debug)]
pub(super) struct C2f {
    /// The convolution of the half that bypasses the bottlenecks, if Torch-Pruning separated it from `cv1`.
    pub(super) cv0: Option<ConvBlock>,
    pub(super) cv1: ConvBlock,
    pub(super) cv2: ConvBlock,
    pub(super) m: Vec<Bottleneck>,
}

#[derive(Debug)]
pub(super) struct Bottleneck {
    pub(super) cv1: ConvBlock,
    pub(super) cv2: ConvBlock,
    pub(super) shortcut: bool,
}

/// Poolings in a chain, concatenated with their input.
#[derive(Debug)]
pub(super) struct Sppf {
    pub(super) cv1: ConvBlock,
    pub(super) cv2: ConvBlock,
    pub(super) kernel: usize,
    pub(super) pools: usize,
}

/// The head: a branch for boxes and one for classes per level.
#[derive(Debug)]
pub(super) struct Detect {
    pub(super) boxes: Vec<Branch>,
    pub(super) classes: Vec<Branch>,
    pub(super) strides: Vec<usize>,
    pub(super) reg_max: usize,
}

/// Convolution blocks in sequence, then a plain convolution.
#[derive(Debug)]
pub(super) struct Branch {
    /// Blocks with their names in the branch: `0` and `1`, or `0.0`, `0.1`, `1.0` and `1.1` if each is a
    /// depthwise and a pointwise convolution.
    pub(super) blocks: Vec<(String, ConvBlock)>,
    /// Named `2`.
    pub(super) last: ConvBlock,
}

impl Blueprint {
    /// Builds the network.
    ///
    /// # Errors
    /// [`GraphError`] with the layer's name if the wires do not fit.
    pub(super) fn assemble(&self) -> Result<ModelSpec, GraphError> {
        let inputs = match self.layers.first() {
            Some(Layer { part: Part::Conv(conv), .. }) => conv.inputs,
            _ => 3,
        };
        let mut b = GraphBuilder::new();
        let images = b.push("images", Op::Input { channels: inputs }, &[])?;
        let mut wires: Vec<NodeId> = Vec::new();
        for (index, layer) in self.layers.iter().enumerate() {
            let name = format!("model.{index}");
            // A module that reads a missing module reads the images; wrong weight shapes then reveal the
            // mistake.
            let wire = |from: &i64| {
                let at = if *from < 0 { index as i64 + from } else { *from };
                usize::try_from(at).ok().and_then(|at| wires.get(at).copied()).unwrap_or(images)
            };
            let from: Vec<NodeId> = layer.from.iter().map(wire).collect();
            let first = from.first().copied().unwrap_or(images);
            let made = match &layer.part {
                Part::Conv(conv) => conv.push(&mut b, &name, first)?,
                Part::C2f(block) => block.push(&mut b, &name, first)?,
                Part::Sppf(block) => block.push(&mut b, &name, first)?,
                Part::Upsample { scale } => b.push(&name, Op::Upsample { scale: *scale }, &[first])?,
                Part::Concat => b.push(&name, Op::Concat, &from)?,
                Part::Detect(head) => return self.finish(b, &name, head, &from),
            };
            wires.push(made);
        }
        // Without a head there are no outputs, so the network is refused.
        let none = DetectHead {
            num_classes: 0,
            reg_max: 0,
            strides: Vec::new(),
            box_outputs: Vec::new(),
            cls_outputs: Vec::new(),
        };
        b.finish(&[]).and_then(|graph| ModelSpec::new(graph, none, Vec::new()))
    }

    fn finish(
        &self,
        mut b: GraphBuilder,
        name: &str,
        head: &Detect,
        from: &[NodeId],
    ) -> Result<ModelSpec, GraphError> {
        let mut outputs = Vec::new();
        for (branch, levels) in [("cv2", &head.boxes), ("cv3", &head.classes)] {
            for (level, (branches, wire)) in levels.iter().zip(from).enumerate() {
                let name = format!("{name}.{branch}.{level}");
                let mut x = *wire;
                for (block_name, block) in &branches.blocks {
                    x = block.push(&mut b, &format!("{name}.{block_name}"), x)?;
                }
                outputs.push(branches.last.push_bare(&mut b, &format!("{name}.2"), x)?);
            }
        }
        let levels = head.boxes.len();
        let spec = DetectHead {
            num_classes: self.class_names.len(),
            reg_max: head.reg_max,
            strides: head.strides.clone(),
            box_outputs: (0..levels).collect(),
            cls_outputs: (levels..2 * levels).collect(),
        };
        ModelSpec::new(b.finish(&outputs)?, spec, self.class_names.clone())
    }
}

impl ConvBlock {
    fn push_bare(&self, b: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        let Self { outputs: out_channels, kernel, stride, padding, groups, bias, .. } = *self;
        b.push(name, Op::Conv2d { out_channels, kernel, stride, padding, bias, groups }, &[x])
    }

    fn push(&self, b: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        let mut x = self.push_bare(b, &format!("{name}.conv"), x)?;
        if let Some((eps, momentum)) = self.norm {
            x = b.push(&format!("{name}.bn"), Op::BatchNorm { eps, momentum }, &[x])?;
        }
        if self.silu { b.push(&format!("{name}.act"), Op::Silu, &[x]) } else { Ok(x) }
    }
}

impl C2f {
    fn push(&self, b: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        let (first, mut last) = if let Some(cv0) = &self.cv0 {
            (cv0.push(b, &format!("{name}.cv0"), x)?, self.cv1.push(b, &format!("{name}.cv1"), x)?)
        } else {
            let joint = self.cv1.push(b, &format!("{name}.cv1"), x)?;
            // Pruning can make the halves uneven; the second half is the one that the bottlenecks read.
            let second = self.m.first().map_or(self.cv1.outputs / 2, |m| m.cv1.inputs);
            let start = self.cv1.outputs.saturating_sub(second);
            let first = b.push(&format!("{name}.split.0"), Op::Slice { start: 0, len: start }, &[joint])?;
            (first, b.push(&format!("{name}.split.1"), Op::Slice { start, len: second }, &[joint])?)
        };
        let mut parts = vec![first, last];
        for (i, block) in self.m.iter().enumerate() {
            let name = format!("{name}.m.{i}");
            let y = block.cv1.push(b, &format!("{name}.cv1"), last)?;
            let y = block.cv2.push(b, &format!("{name}.cv2"), y)?;
            last = if block.shortcut { b.push(&format!("{name}.add"), Op::Add, &[last, y])? } else { y };
            parts.push(last);
        }
        let joined = b.push(&format!("{name}.concat"), Op::Concat, &parts)?;
        self.cv2.push(b, &format!("{name}.cv2"), joined)
    }
}

impl Sppf {
    fn push(&self, b: &mut GraphBuilder, name: &str, x: NodeId) -> Result<NodeId, GraphError> {
        let mut last = self.cv1.push(b, &format!("{name}.cv1"), x)?;
        let mut parts = vec![last];
        for i in 0..self.pools {
            let pool = Op::MaxPool { kernel: self.kernel, stride: 1, padding: self.kernel / 2 };
            last = b.push(&format!("{name}.m.{i}"), pool, &[last])?;
            parts.push(last);
        }
        let joined = b.push(&format!("{name}.concat"), Op::Concat, &parts)?;
        self.cv2.push(b, &format!("{name}.cv2"), joined)
    }
}
