//! [`CollectiveError`]: why an operation of all ranks failed.

use thiserror::Error;

/// Why an operation of all ranks failed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CollectiveError {
    /// A rank ended, or did not arrive in time.
    #[error("rank {rank} of {world} {how}; the other ranks cannot continue without it")]
    Lost {
        /// The rank.
        rank: usize,
        /// Number of ranks.
        world: usize,
        /// What is known.
        how: String,
    },
    /// A rank did not arrive in time, and it is not known which.
    #[error(
        "not all of the {world} ranks arrived within {seconds} s; the others cannot continue without them"
    )]
    Late {
        /// Number of ranks.
        world: usize,
        /// How long this rank waited.
        seconds: u64,
    },
    /// The library that connects the ranks reported an error.
    #[error("{operation} failed in rank {rank}: {message}")]
    Library {
        /// Its function.
        operation: &'static str,
        /// The rank of this process.
        rank: usize,
        /// What the library says.
        message: String,
    },
    /// Ranks passed arrays of different lengths.
    #[error(
        "rank {rank} passed {found} values and rank 0 passed {expected}: all ranks must run the same training"
    )]
    Length {
        /// The rank.
        rank: usize,
        /// Number of values that it passed.
        found: usize,
        /// Number of values that rank 0 passed.
        expected: usize,
    },
    /// There is no such rank.
    #[error("there is no rank {root} to broadcast from; the ranks are 0 to {}", world - 1)]
    Root {
        /// The requested rank.
        root: usize,
        /// Number of ranks.
        world: usize,
    },
    /// A value that must be equal in all ranks is not.
    #[error("{what}: ranks {ranks:?} have other values than rank 0")]
    Drift {
        /// The value.
        what: String,
        /// The ranks that differ from rank 0.
        ranks: Vec<usize>,
    },
    /// Variables of a launcher contradict each other or cannot be read.
    #[error("cannot tell the rank of this process: {found}; expected {expected}")]
    Launch {
        /// The variables.
        found: String,
        /// What was expected.
        expected: String,
    },
}
