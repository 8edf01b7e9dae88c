//! [`Ranks`]: the processes that share the trainings of a run.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use bonsai_collective::{Collective, PATIENCE};

use crate::machine::HostShare;

/// The processes that share the trainings of a run, and this one among them. Clones are the same process.
#[derive(Clone)]
pub struct Ranks {
    rank: usize,
    world: usize,
    share: HostShare,
    collective: Arc<Mutex<dyn Collective + Send>>,
}

impl fmt::Debug for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rank {} of {}", self.rank, self.world)
    }
}

/// Equal if they are the same process.
impl PartialEq for Ranks {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.collective, &other.collective)
    }
}

impl Eq for Ranks {}

impl Ranks {
    /// The processes of a collective. All of them call this at the same time, to share the cores.
    ///
    /// # Errors
    /// If a process is lost.
    pub fn new(mut collective: impl Collective + Send + 'static) -> Result<Self> {
        let share = HostShare::new(&mut collective)?;
        let (rank, world) = (collective.rank(), collective.world());
        collective.set_patience(PATIENCE);
        Ok(Self { rank, world, share, collective: Arc::new(Mutex::new(collective)) })
    }

    /// Number of this process, from 0.
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// Number of processes.
    pub fn world(&self) -> usize {
        self.world
    }

    /// Whether this is the process that runs the stages, evaluates and writes files.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Threads of this process, so that all processes of a machine together have one per core.
    pub fn threads(&self) -> usize {
        self.share.threads
    }

    /// Number of processes on the machine of this one.
    pub(crate) fn on_this_machine(&self) -> usize {
        self.share.processes
    }

    /// The operations of all processes.
    pub fn collective(&self) -> MutexGuard<'_, dyn Collective + Send + 'static> {
        self.collective.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
