//! Text form of a [`Graph`]: one layer per line, written by `Display` and read by `FromStr`.
//!
//! ```text
//! images = input() channels=3
//! stem.conv = conv2d(images) out_channels=16 kernel=3 stride=2 padding=1 bias=false
//! outputs = stem.conv
//! ```
//! A convolution with several groups ends with `groups=`; without it, the convolution has one group. Empty
//! lines and lines that start with `#` are ignored.

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;

use crate::{Graph, GraphBuilder, GraphError, NodeId, Op};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            |ids: &[NodeId]| ids.iter().map(|i| self.node(*i).name.as_str()).collect::<Vec<_>>().join(", ");
        for node in &self.nodes {
            write!(f, "{} = {}({})", node.name, node.op.keyword(), names(&node.inputs))?;
            match node.op {
                Op::Input { channels } => write!(f, " channels={channels}")?,
                Op::Conv2d { out_channels, kernel, stride, padding, bias, groups } => {
                    write!(
                        f,
                        " out_channels={out_channels} kernel={kernel} stride={stride} padding={padding} bias={bias}"
                    )?;
                    if groups != 1 {
                        write!(f, " groups={groups}")?;
                    }
                }
                Op::BatchNorm { eps, momentum } => write!(f, " eps={eps} momentum={momentum}")?,
                Op::Slice { start, len } => write!(f, " start={start} len={len}")?,
                Op::MaxPool { kernel, stride, padding } => {
                    write!(f, " kernel={kernel} stride={stride} padding={padding}")?;
                }
                Op::Upsample { scale } => write!(f, " scale={scale}")?,
                Op::Silu | Op::Add | Op::Concat => {}
            }
            writeln!(f)?;
        }
        writeln!(f, "outputs = {}", names(&self.outputs))
    }
}

impl FromStr for Graph {
    type Err = GraphError;

    fn from_str(text: &str) -> Result<Self, GraphError> {
        let mut ids: HashMap<String, NodeId> = HashMap::new();
        let mut builder = GraphBuilder::new();
        let mut outputs = None;
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let syntax = |reason: String| GraphError::Syntax { line: number + 1, reason };
            let (name, rest) = line
                .split_once('=')
                .map(|(n, r)| (n.trim(), r.trim()))
                .ok_or_else(|| syntax("expected `name = layer(inputs) key=value ...`".to_owned()))?;
            let resolve = |list: &str| {
                let names = list.split(',').map(str::trim).filter(|s| !s.is_empty());
                names
                    .map(|n| {
                        ids.get(n)
                            .copied()
                            .ok_or_else(|| syntax(format!("`{n}` is not a layer on an earlier line")))
                    })
                    .collect::<Result<Vec<_>, _>>()
            };
            if name == "outputs" {
                if outputs.replace(resolve(rest)?).is_some() {
                    return Err(syntax("`outputs` is given twice".to_owned()));
                }
                continue;
            }
            let (keyword, rest) =
                rest.split_once('(').ok_or_else(|| syntax("expected `(` after the layer kind".to_owned()))?;
            let (inputs, fields) =
                rest.split_once(')').ok_or_else(|| syntax("expected `)` after the inputs".to_owned()))?;
            let inputs = resolve(inputs)?;
            let op = parse_op(keyword.trim(), fields).map_err(syntax)?;
            let id = builder.push(name, op, &inputs)?;
            ids.insert(name.to_owned(), id);
        }
        builder.finish(&outputs.unwrap_or_default())
    }
}

/// Parses `key=value` pairs into a layer of kind `keyword`. Every key is required exactly once; only `groups`
/// is optional.
fn parse_op(keyword: &str, fields: &str) -> Result<Op, String> {
    let mut pairs = HashMap::new();
    for field in fields.split_whitespace() {
        let (key, value) = field.split_once('=').ok_or_else(|| format!("`{field}` is not `key=value`"))?;
        if pairs.insert(key, value).is_some() {
            return Err(format!("`{key}` is given twice"));
        }
    }
    let p = &mut pairs;
    let op = match keyword {
        "input" => Op::Input { channels: take(p, "channels")? },
        "conv2d" => Op::Conv2d {
            out_channels: take(p, "out_channels")?,
            kernel: take(p, "kernel")?,
            stride: take(p, "stride")?,
            padding: take(p, "padding")?,
            bias: take(p, "bias")?,
            groups: if p.contains_key("groups") { take(p, "groups")? } else { 1 },
        },
        "batch_norm" => Op::BatchNorm { eps: take(p, "eps")?, momentum: take(p, "momentum")? },
        "silu" => Op::Silu,
        "add" => Op::Add,
        "concat" => Op::Concat,
        "slice" => Op::Slice { start: take(p, "start")?, len: take(p, "len")? },
        "max_pool" => Op::MaxPool {
            kernel: take(p, "kernel")?,
            stride: take(p, "stride")?,
            padding: take(p, "padding")?,
        },
        "upsample" => Op::Upsample { scale: take(p, "scale")? },
        other => {
            return Err(format!(
                "unknown layer kind `{other}`; expected input, conv2d, batch_norm, silu, add, concat, slice, \
                 max_pool or upsample"
            ));
        }
    };
    match pairs.keys().min() {
        Some(key) => Err(format!("`{keyword}` has no field `{key}`")),
        None => Ok(op),
    }
}

/// Removes the field `key` and parses its value.
fn take<T: FromStr>(pairs: &mut HashMap<&str, &str>, key: &str) -> Result<T, String> {
    let value = pairs.remove(key).ok_or_else(|| format!("`{key}=` is missing"))?;
    value.parse().map_err(|_| format!("`{key}={value}` is not a valid value"))
}
