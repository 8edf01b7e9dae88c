#![doc = include_str!("../README.md")]

mod collective;
mod error;
mod launch;
#[cfg(feature = "mpi")]
mod mpi;
mod solo;
mod threads;

use std::time::Duration;

pub use collective::Collective;
pub use error::CollectiveError;
pub use launch::Launch;
#[cfg(feature = "mpi")]
pub use mpi::Mpi;
pub use solo::Solo;
pub use threads::Threads;

/// How long a rank waits for the others unless it is told otherwise: longer than an evaluation takes.
pub const PATIENCE: Duration = Duration::from_hours(1);
