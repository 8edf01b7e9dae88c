//! [`Plan`]: the programs of a network for one image size, for any [`Backend`].
//!
//! Tensors are NHWC with channels in padded segments ([`cuts`]). Concats and slices are views
//! ([`placement`]). Layers run fused ([`units`]). Memory is planned once per image size ([`arena`]). Forward
//! ([`train`]), backward ([`backward`], [`gradients`]) and inference ([`folded`], [`eval`]) are programs.
//! Parameters lie in flat buffers ([`params`]).
//!
//! Invariant: padding is zero in every buffer.

mod arena;
mod backend;
mod backward;
mod cuts;
mod eval;
mod folded;
mod forward_state;
mod gradients;
mod host_wire;
mod image_plan;
mod layers;
mod network;
mod params;
mod placement;
mod rounding;
mod train;
mod units;

pub(crate) use arena::{Arena, Boundary, buffers};
pub(crate) use backend::{Backend, ConvSpec, Convolution, FoldedNorm, Push, Room, Steps};
pub(crate) use folded::Folded;
pub(crate) use host_wire::HostWire;
pub(crate) use image_plan::{Key, MOST_BYTES, Plan, Planner};
pub(crate) use network::Network;
pub(crate) use params::{ParamMap, Ranges};
pub(crate) use rounding::Rounding;
pub(crate) use units::{Unit, by_depth, units};
