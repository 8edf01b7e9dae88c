//! [`Streams`]: queues of work. In mode `late`, work runs only when something must wait for it.

use std::collections::{BTreeMap, VecDeque};

use crate::Handle;
use crate::context::thread_number;
use crate::fault::fault;
use crate::job::{Job, Key};
use crate::launch::Launch;

/// `CU_STREAM_PER_THREAD`: another stream in each thread of the host.
pub(crate) const PER_THREAD: Handle = 2;
/// `CU_STREAM_LEGACY`, the same as 0.
const LEGACY: Handle = 1;
/// `CU_STREAM_NON_BLOCKING`: the stream does not wait for the legacy stream.
pub(crate) const NON_BLOCKING: u32 = 1;
/// The first handle of a created stream.
const FIRST: Handle = 0x100;

#[derive(Default)]
pub(crate) struct Stream {
    pub(crate) jobs: VecDeque<Job>,
    pub(crate) submitted: u64,
    pub(crate) done: u64,
    pub(crate) non_blocking: bool,
    /// What it recorded for a graph, while it does.
    pub(crate) captured: Option<Vec<Launch>>,
}

/// All streams and events.
pub(crate) struct Streams {
    pub(crate) late: bool,
    pub(crate) streams: BTreeMap<Key, Stream>,
    /// The stream that an event was recorded on, and how many jobs it had then.
    pub(crate) events: BTreeMap<Handle, Option<(Key, u64)>>,
    /// Graphs, and graphs that can be launched.
    pub(crate) graphs: BTreeMap<Handle, Vec<Launch>>,
    next: Handle,
}

impl Streams {
    pub(crate) fn new() -> Self {
        let late = match std::env::var("CUDA_ON_HOST_STREAMS").as_deref() {
            Err(_) | Ok("late") => true,
            Ok("now") => false,
            Ok(other) => fault(format_args!("CUDA_ON_HOST_STREAMS is {other:?}; expected late or now")),
        };
        Self { late, streams: BTreeMap::new(), events: BTreeMap::new(), graphs: BTreeMap::new(), next: FIRST }
    }

    /// A new handle.
    pub(crate) fn handle(&mut self) -> Handle {
        self.next += 1;
        self.next
    }

    pub(crate) fn stream(&mut self, key: Key) -> &mut Stream {
        self.streams.entry(key).or_default()
    }

    pub(crate) fn is_known(&self, stream: Handle) -> bool {
        stream <= PER_THREAD || self.streams.contains_key(&(stream, 0))
    }
}

/// The stream that a handle means in this thread.
pub(crate) fn key_of(stream: Handle) -> Key {
    match stream {
        PER_THREAD => (PER_THREAD, thread_number()),
        LEGACY => (0, 0),
        other => (other, 0),
    }
}
