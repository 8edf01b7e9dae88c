//! [`HostWire`]: a wire that the host reads or writes.

use bonsai_graph::NodeId;
use bonsai_kernels::View;
use bonsai_kernels::layout::Segment;

/// A wire that the host reads or writes.
#[derive(Debug, Clone)]
pub(crate) struct HostWire {
    pub(crate) node: NodeId,
    pub(crate) view: View,
    /// `[n, c, h, w]` of the array on the host.
    pub(crate) shape: [usize; 4],
    pub(crate) segments: Vec<Segment>,
}
