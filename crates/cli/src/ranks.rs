//! [`join`]: the processes that a launcher such as `mpirun` started together, for the commands that train.
//!
//! The first process runs the command. The others only take part in its trainings, print nothing but errors, and write nothing.

use std::sync::OnceLock;

use anyhow::Result;
use bonsai_collective::Launch;
use bonsai_pipeline::{Ranks, dismiss, follow, limit_threads};

use crate::failure::{ErrorExt as _, FAILED, MISUSED, misused, report};
use crate::interrupt::Interrupt;

static JOINED: OnceLock<Ranks> = OnceLock::new();

/// What this process has to do.
pub(crate) enum Role {
    /// To run the command; with other processes if there are any.
    Leads(Option<Ranks>),
    /// Nothing more: it has taken part in all trainings of the first process.
    Followed,
}

/// Meets the processes that were started together with this one, and takes part in their trainings unless it is the first. If no
/// number of threads is set (`threads` is 0), each process takes its share of the cores.
///
/// # Errors
/// If this program cannot meet them, a process is lost, or a training fails.
pub(crate) fn join(threads: usize) -> Result<Role> {
    let launch = match Launch::of_process().misuse()? {
        Some(launch) if launch.world > 1 => launch,
        _ => return Ok(Role::Leads(None)),
    };
    let ranks = meet(launch)?;
    let ranks = JOINED.get_or_init(|| ranks).clone();
    if ranks.is_first() {
        return Ok(Role::Leads(Some(ranks)));
    }
    if threads == 0 {
        limit_threads(ranks.threads())?;
    }
    let interrupt = Interrupt::listen()?;
    follow(&ranks, launch.local_rank, &mut || interrupt.requested())?;
    Ok(Role::Followed)
}

#[cfg(feature = "mpi")]
fn meet(launch: Launch) -> Result<Ranks> {
    use bonsai_collective::{Collective as _, Mpi};

    let mpi = Mpi::join()?;
    let (rank, world) = (mpi.rank(), mpi.world());
    if (rank, world) != (launch.rank, launch.world) {
        return misused(format!(
            "the launcher calls this process rank {} of {}, the MPI library calls it rank {rank} of {world}: start it with \
             `mpirun` or `srun --mpi` of the library that it was built with",
            launch.rank, launch.world
        ));
    }
    Ranks::new(mpi)
}

#[cfg(not(feature = "mpi"))]
fn meet(launch: Launch) -> Result<Ranks> {
    misused(format!(
        "this process is rank {} of {}, but this program was built for one process: build it with `cargo build --release \
         -p bonsai-cli --features mpi`, or start it without a launcher",
        launch.rank, launch.world
    ))
}

/// Ends the work of all processes: after a failure at once, else when each has done its part. Returns the exit code.
pub(crate) fn leave(code: u8) -> u8 {
    let Some(ranks) = JOINED.get() else { return code };
    let failed = matches!(code, FAILED | MISUSED);
    let lost = if failed || !ranks.is_first() { Ok(()) } else { dismiss(ranks) };
    let (code, failure) = match lost {
        Ok(()) => (code, if failed { code } else { 0 }),
        Err(error) => {
            report(error, &[]);
            (FAILED, FAILED)
        }
    };
    ranks.collective().end(failure);
    code
}

/// Refuses a command that several processes would each run whole, on the same files.
pub(crate) fn refuse_several() -> Result<()> {
    match Launch::of_process().misuse()? {
        Some(launch) if launch.world > 1 => misused(format!(
            "this process is rank {} of {}, but this command runs in one process: start it without a launcher (only train, \
             sparsify, finetune and pipeline share their trainings)",
            launch.rank, launch.world
        )),
        _ => Ok(()),
    }
}
