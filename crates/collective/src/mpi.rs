//! [`Mpi`]: the processes that `mpirun` or `srun` started, connected by an MPI library.
//!
//! Sums and broadcasts are started without blocking and then tested for, so that a rank that never arrives is an error after a
//! time limit, and a waiting rank leaves its core to others.

use std::ffi::{CStr, c_char, c_int};
use std::fmt;
use std::mem::ManuallyDrop;
use std::thread::{sleep, yield_now};
use std::time::{Duration, Instant};

use mpi::environment::Universe;
use mpi::ffi;
use mpi::topology::Communicator as _;
use mpi::{Threading, initialize_with_threading};

use crate::{Collective, CollectiveError, PATIENCE};

/// How long a rank tests without a pause: longer than ranks of equal speed wait for each other.
const BUSY: Duration = Duration::from_millis(2);
/// Pause between later tests.
const PAUSE: Duration = Duration::from_micros(100);
/// Most elements of one call, because MPI counts in `int`.
const MOST: usize = 1 << 28;

/// A rank that is a process, in the world that its launcher started. Sums have the same bits as those of
/// [`Threads`](crate::Threads).
///
/// A process that ends without [`Collective::end`] is lost for the others; their launcher then ends them.
pub struct Mpi {
    rank: usize,
    world: usize,
    patience: Duration,
    /// `None` after the end.
    universe: Option<Universe>,
    /// Memory of the last sum, to be used again.
    buffers: Sum,
}

/// Memory of a sum.
#[derive(Default)]
struct Sum {
    /// The values of this rank; at the end the sums.
    own: Vec<f32>,
    /// What each rank has of the chunk that this rank adds.
    others: Vec<f32>,
}

impl fmt::Debug for Mpi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mpi").field("rank", &self.rank).field("world", &self.world).finish_non_exhaustive()
    }
}

impl Mpi {
    /// Joins the world of this process.
    ///
    /// # Errors
    /// [`CollectiveError::Library`] if the process has joined already, or its MPI library does not start.
    pub fn join() -> Result<Self, CollectiveError> {
        let refused = |message: &str| CollectiveError::Library {
            operation: "MPI_Init_thread",
            rank: 0,
            message: message.to_owned(),
        };
        let (universe, threading) = initialize_with_threading(Threading::Serialized)
            .ok_or_else(|| refused("this process has joined the world already"))?;
        if threading < Threading::Serialized {
            return Err(refused("the MPI library cannot be used from more than one thread"));
        }
        let world = universe.world();
        let (rank, size) = (world.rank() as usize, world.size() as usize);
        let joined =
            Self { rank, world: size, patience: PATIENCE, universe: Some(universe), buffers: Sum::default() };
        #[allow(unsafe_code, reason = "MPI is a C library")]
        // SAFETY: MPI is initialised, and both values are constants of the library.
        let code = unsafe { ffi::MPI_Comm_set_errhandler(ffi::RSMPI_COMM_WORLD, ffi::RSMPI_ERRORS_RETURN) };
        joined.check("MPI_Comm_set_errhandler", code)?;
        Ok(joined)
    }

    /// The error of a return code, in the library's words.
    fn check(&self, operation: &'static str, code: c_int) -> Result<(), CollectiveError> {
        if code == 0 {
            return Ok(());
        }
        let mut text = [0 as c_char; ffi::MPI_MAX_ERROR_STRING as usize + 1];
        let mut length = 0;
        #[allow(unsafe_code, reason = "MPI is a C library")]
        // SAFETY: the library writes at most `MPI_MAX_ERROR_STRING` characters; the last one stays 0, so the text ends.
        let message = unsafe {
            ffi::MPI_Error_string(code, text.as_mut_ptr(), &raw mut length);
            CStr::from_ptr(text.as_ptr())
        };
        let message = message.to_string_lossy().into_owned();
        Err(CollectiveError::Library { operation, rank: self.rank, message })
    }

    /// Starts an operation on `memory` and waits for its end. After an error, the library may still use the memory, so it is
    /// never freed.
    fn complete<T>(
        &self,
        operation: &'static str,
        memory: T,
        start: impl FnOnce(&mut T, *mut ffi::MPI_Request) -> c_int,
    ) -> Result<T, CollectiveError> {
        let mut memory = ManuallyDrop::new(memory);
        #[allow(unsafe_code, reason = "MPI is a C library")]
        // SAFETY: a constant of the library.
        let mut request = unsafe { ffi::RSMPI_REQUEST_NULL };
        self.check(operation, start(&mut memory, &raw mut request))?;
        let begin = Instant::now();
        loop {
            let mut done = 0;
            #[allow(unsafe_code, reason = "MPI is a C library")]
            // SAFETY: the request is the one that `start` filled; a completed one is never tested again.
            let code = unsafe { ffi::MPI_Test(&raw mut request, &raw mut done, ffi::RSMPI_STATUS_IGNORE) };
            self.check(operation, code)?;
            if done != 0 {
                return Ok(ManuallyDrop::into_inner(memory));
            }
            let waited = begin.elapsed();
            if waited > self.patience {
                return Err(CollectiveError::Late { world: self.world, seconds: self.patience.as_secs() });
            }
            if waited < BUSY { yield_now() } else { sleep(PAUSE) }
        }
    }

    /// Each rank adds one chunk of all ranks' values, in the order of the ranks, and passes the sums to the others. That moves as
    /// much as the library's own sum, whose order of additions depends on the library, the network and the number of ranks.
    fn sum_part(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        let chunk = values.len().div_ceil(self.world);
        let mut buffers = std::mem::take(&mut self.buffers);
        buffers.own.clear();
        buffers.own.extend_from_slice(values);
        buffers.own.resize(chunk * self.world, 0.0);
        buffers.others.resize(chunk * self.world, 0.0);
        let mut buffers = self.complete("MPI_Ialltoall", buffers, |buffers, request| {
            #[allow(unsafe_code, reason = "MPI is a C library")]
            // SAFETY: both vectors have `chunk` values for each rank, and `complete` keeps them until the operation has ended.
            unsafe {
                ffi::MPI_Ialltoall(
                    buffers.own.as_ptr().cast(),
                    chunk as c_int,
                    ffi::RSMPI_FLOAT,
                    buffers.others.as_mut_ptr().cast(),
                    chunk as c_int,
                    ffi::RSMPI_FLOAT,
                    ffi::RSMPI_COMM_WORLD,
                    request,
                )
            }
        })?;
        let (sum, rest) = buffers.others.split_at_mut(chunk);
        for other in rest.chunks_exact(chunk) {
            sum.iter_mut().zip(other).for_each(|(sum, value)| *sum += value);
        }
        self.buffers = self.complete("MPI_Iallgather", buffers, |buffers, request| {
            #[allow(unsafe_code, reason = "MPI is a C library")]
            // SAFETY: the first vector has at least `chunk` values, the second `chunk` for each rank, and `complete` keeps them
            // until the operation has ended.
            unsafe {
                ffi::MPI_Iallgather(
                    buffers.others.as_ptr().cast(),
                    chunk as c_int,
                    ffi::RSMPI_FLOAT,
                    buffers.own.as_mut_ptr().cast(),
                    chunk as c_int,
                    ffi::RSMPI_FLOAT,
                    ffi::RSMPI_COMM_WORLD,
                    request,
                )
            }
        })?;
        values.copy_from_slice(&self.buffers.own[..values.len()]);
        Ok(())
    }
}

impl Drop for Mpi {
    fn drop(&mut self) {
        // Its destructor would wait for ranks that may be gone.
        std::mem::forget(self.universe.take());
    }
}

impl Collective for Mpi {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.world
    }

    fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        // A barrier has no values, but all ranks must meet in it.
        if values.is_empty() {
            return self.sum_part(&mut [0.0]);
        }
        values.chunks_mut(MOST).try_for_each(|part| self.sum_part(part))
    }

    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), CollectiveError> {
        if root >= self.world {
            return Err(CollectiveError::Root { root, world: self.world });
        }
        for part in bytes.chunks_mut(MOST) {
            let count = part.len() as c_int;
            let passed = self.complete("MPI_Ibcast", part.to_vec(), |memory, request| {
                #[allow(unsafe_code, reason = "MPI is a C library")]
                // SAFETY: the vector has `count` bytes, and `complete` keeps it until the operation has ended.
                unsafe {
                    ffi::MPI_Ibcast(
                        memory.as_mut_ptr().cast(),
                        count,
                        ffi::RSMPI_UINT8_T,
                        root as c_int,
                        ffi::RSMPI_COMM_WORLD,
                        request,
                    )
                }
            })?;
            part.copy_from_slice(&passed);
        }
        Ok(())
    }

    fn end(&mut self, code: u8) {
        if let Some(universe) = self.universe.take() {
            if code > 0 {
                universe.world().abort(c_int::from(code));
            }
            drop(universe);
        }
    }
}
