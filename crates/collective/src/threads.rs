//! [`Threads`]: the ranks of one process, each in a thread.

use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::{Collective, CollectiveError, PATIENCE};

/// A rank in a thread of this process. Sums are computed in the order of the ranks, so they have the same bits in every run.
///
/// A rank that is dropped is lost for the others.
pub struct Threads {
    rank: usize,
    patience: Duration,
    shared: Arc<Shared>,
}

impl fmt::Debug for Threads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Threads")
            .field("rank", &self.rank)
            .field("world", &self.world())
            .finish_non_exhaustive()
    }
}

struct Shared {
    world: usize,
    round: Mutex<Round>,
    changed: Condvar,
}

/// One operation of all ranks.
struct Round {
    /// What each rank brought; `None` until it arrives.
    brought: Vec<Option<Brought>>,
    /// Number of ranks that have read what the others brought.
    read: usize,
    /// Ranks that ended.
    gone: Vec<usize>,
}

#[derive(Clone)]
enum Brought {
    Values(Vec<f32>),
    Bytes(Vec<u8>),
}

impl Brought {
    fn len(&self) -> usize {
        match self {
            Self::Values(values) => values.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }
}

impl Threads {
    /// The ranks of a world of this size, in order. A size of 0 counts as 1.
    pub fn world(size: usize) -> Vec<Self> {
        Self::world_within(size, PATIENCE)
    }

    /// As [`Threads::world`]; a rank that waits longer than `patience` for another returns an error.
    pub fn world_within(size: usize, patience: Duration) -> Vec<Self> {
        let world = size.max(1);
        let round = Round { brought: vec![None; world], read: 0, gone: Vec::new() };
        let shared = Arc::new(Shared { world, round: Mutex::new(round), changed: Condvar::new() });
        (0..world).map(|rank| Self { rank, patience, shared: Arc::clone(&shared) }).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Round> {
        // A rank that panics is gone; the round itself is whole, because no code between its changes can panic.
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lost(&self, rank: usize, how: String) -> CollectiveError {
        CollectiveError::Lost { rank, world: self.shared.world, how }
    }

    /// Waits until `ready`; an error if a rank is gone for which the round `waits`, or after too long a time.
    fn wait<'a>(
        &'a self,
        mut round: MutexGuard<'a, Round>,
        ready: impl Fn(&Round) -> bool,
        waits: impl Fn(&Round, usize) -> bool,
    ) -> Result<MutexGuard<'a, Round>, CollectiveError> {
        let start = Instant::now();
        while !ready(&round) {
            if let Some(rank) = round.gone.iter().copied().find(|rank| waits(&round, *rank)) {
                return Err(self.lost(rank, "ended".to_owned()));
            }
            let Some(left) = self.patience.checked_sub(start.elapsed()) else {
                let missing = (0..self.shared.world).find(|rank| waits(&round, *rank)).unwrap_or(self.rank);
                let seconds = self.patience.as_secs_f64();
                return Err(self.lost(missing, format!("did not arrive within {seconds:.0} s")));
            };
            round = self.shared.changed.wait_timeout(round, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(round)
    }

    /// Brings something to a round, waits for all others, and passes what all brought to `take`.
    fn meet<T>(
        &mut self,
        own: Brought,
        take: impl FnOnce(&[Option<Brought>]) -> Result<T, CollectiveError>,
    ) -> Result<T, CollectiveError> {
        let rank = self.rank;
        let round = self.lock();
        // A fast rank may come to the next round before a slow one has left the last.
        let mut round = self.wait(
            round,
            |round| round.brought[rank].is_none(),
            |round, other| round.brought[other].is_some(),
        )?;
        round.brought[rank] = Some(own);
        self.shared.changed.notify_all();
        let full = |round: &Round| round.brought.iter().all(Option::is_some);
        let mut round = self.wait(round, full, |round, other| round.brought[other].is_none())?;
        let taken = take(&round.brought);
        round.read += 1;
        if round.read == self.shared.world {
            round.read = 0;
            round.brought.fill(None);
            self.shared.changed.notify_all();
        }
        taken
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.lock().gone.push(self.rank);
        self.shared.changed.notify_all();
    }
}

/// The error if a rank brought another length than rank 0.
fn same_lengths(brought: &[Option<Brought>]) -> Result<(), CollectiveError> {
    let lens: Vec<usize> = brought.iter().flatten().map(Brought::len).collect();
    match lens.iter().position(|len| *len != lens[0]) {
        Some(rank) => Err(CollectiveError::Length { rank, found: lens[rank], expected: lens[0] }),
        None => Ok(()),
    }
}

impl Collective for Threads {
    fn rank(&self) -> usize {
        self.rank
    }

    fn world(&self) -> usize {
        self.shared.world
    }

    fn set_patience(&mut self, patience: Duration) {
        self.patience = patience;
    }

    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.meet(Brought::Values(values.to_vec()), |brought| {
            same_lengths(brought)?;
            for (number, brought) in brought.iter().flatten().enumerate() {
                match brought {
                    Brought::Values(others) if number == 0 => values.copy_from_slice(others),
                    Brought::Values(others) => values.iter_mut().zip(others).for_each(|(sum, v)| *sum += v),
                    // Lengths may agree by chance; the ranks still run different programs.
                    Brought::Bytes(_) => {
                        return Err(CollectiveError::Length {
                            rank: number,
                            found: 0,
                            expected: values.len(),
                        });
                    }
                }
            }
            Ok(())
        })
    }

    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), CollectiveError> {
        let world = self.shared.world;
        if root >= world {
            return Err(CollectiveError::Root { root, world });
        }
        self.meet(Brought::Bytes(bytes.to_vec()), |brought| {
            same_lengths(brought)?;
            match &brought[root] {
                Some(Brought::Bytes(from)) => bytes.copy_from_slice(from),
                _ => return Err(CollectiveError::Length { rank: root, found: 0, expected: bytes.len() }),
            }
            Ok(())
        })
    }
}
