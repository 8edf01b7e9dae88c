//! [`node_name`]: names of nodes as PyTorch's exporter gives them, which users of Ultralytics' files know.

use bonsai_graph::{Graph, NodeId};

/// Name of a node of kind `op_type` that comes from `layer`: `model.2.m.0.cv1.conv` and `Conv` give
/// `/model.2/m.0/cv1/conv/Conv`. Joins and splits are not modules in PyTorch, so their last part is left out.
pub(crate) fn node_name(layer: &str, op_type: &str) -> String {
    let mut path = String::new();
    for part in layer.split('.') {
        // An index belongs to the container before it.
        let index = !path.is_empty() && part.starts_with(|c: char| c.is_ascii_digit());
        path.push(if index { '.' } else { '/' });
        path.push_str(part);
    }
    match path.rsplit_once('/') {
        Some((parent, "add" | "concat" | "split")) => format!("{parent}/{op_type}"),
        _ => format!("{path}/{op_type}"),
    }
}

/// The module that all of the layers belong to: the leading dotted parts that their names share, if any.
pub(crate) fn common_module(graph: &Graph, layers: &[NodeId]) -> Option<String> {
    let mut names = layers.iter().map(|id| graph.node(*id).name());
    let mut common: Vec<&str> = names.next()?.split('.').collect();
    for name in names {
        let same = common.iter().zip(name.split('.')).take_while(|(a, b)| *a == b).count();
        common.truncate(same);
    }
    if common.is_empty() { None } else { Some(common.join(".")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_known_ones() {
        for (layer, op_type, expected) in [
            ("model.0.conv", "Conv", "/model.0/conv/Conv"),
            ("model.0.act", "Mul", "/model.0/act/Mul"),
            ("model.2.m.0.cv1.act", "Sigmoid", "/model.2/m.0/cv1/act/Sigmoid"),
            ("model.2.m.0.add", "Add", "/model.2/m.0/Add"),
            ("model.10", "Resize", "/model.10/Resize"),
            ("model.22.cv2.0.2", "Conv", "/model.22/cv2.0.2/Conv"),
            ("conv", "Conv", "/conv/Conv"),
            ("0", "Add", "/0/Add"),
        ] {
            assert_eq!(node_name(layer, op_type), expected);
        }
    }
}
