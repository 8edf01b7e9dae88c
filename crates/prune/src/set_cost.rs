//! [`set_macs`]: the multiply-accumulates of each set of channels.

use bonsai_graph::{Op, Size};

use crate::{Coupling, Member, PruneError};

/// Multiply-accumulates that the network saves if one set is removed alone, for images of this size:
/// for every convolution, the part of the set's output channels and the part of its input channels.
///
/// # Errors
/// [`PruneError::Graph`] if the image does not fit the network.
pub(crate) fn set_macs(coupling: &Coupling, image: Size) -> Result<Vec<f64>, PruneError> {
    let graph = coupling.graph();
    let macs = graph.node_macs(image)?;
    let mut of_sets = vec![0.0; coupling.sets().len()];
    for (id, node) in graph.iter() {
        let Op::Conv2d { groups, .. } = *node.op() else { continue };
        let macs = macs[id.index()] as f64;
        // The inputs of a grouped convolution are in the sets of its outputs.
        let input = (groups == 1).then(|| node.inputs()[0]);
        for wire in [Some(id), input].into_iter().flatten() {
            let channels = graph.node(wire).channels();
            for channel in 0..channels {
                of_sets[coupling.set_of(Member { node: wire, channel })] += macs / channels as f64;
            }
        }
    }
    Ok(of_sets)
}
