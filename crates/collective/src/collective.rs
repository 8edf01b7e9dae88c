//! [`Collective`]: operations that all ranks of a world perform together.

use std::time::Duration;

use crate::CollectiveError;

/// One rank of a world.
///
/// All ranks call the same operations in the same order, with arrays of the same length.
pub trait Collective {
    /// Number of this rank, below [`world`](Self::world).
    fn rank(&self) -> usize;

    /// Number of ranks, at least 1.
    fn world(&self) -> usize;

    /// Sets how long this rank waits for the others in one operation.
    fn set_patience(&mut self, patience: Duration);

    /// Replaces `values` in every rank by the sum over all ranks.
    ///
    /// # Errors
    /// [`CollectiveError::Lost`] or [`CollectiveError::Late`] if a rank ended or did not arrive in time,
    /// [`CollectiveError::Length`] if a rank called it with another length, [`CollectiveError::Library`] if the library between
    /// the ranks reports an error.
    fn sum(&mut self, values: &mut [f32]) -> Result<(), CollectiveError>;

    /// Replaces `bytes` in every rank by those of rank `root`.
    ///
    /// # Errors
    /// As [`sum`](Self::sum), and [`CollectiveError::Root`] if there is no such rank.
    fn broadcast(&mut self, bytes: &mut [u8], root: usize) -> Result<(), CollectiveError>;

    /// Returns when all ranks have called it.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn barrier(&mut self) -> Result<(), CollectiveError> {
        self.sum(&mut [])
    }

    /// The last call of a rank. If it failed, with an exit code above 0, all processes end now with this code; else this rank waits
    /// until all others have made the call.
    fn end(&mut self, code: u8) {
        let _ = code;
    }

    /// Whether `flag` is set in any rank.
    ///
    /// # Errors
    /// As [`sum`](Self::sum).
    fn any(&mut self, flag: bool) -> Result<bool, CollectiveError> {
        let mut count = [f32::from(u8::from(flag))];
        self.sum(&mut count)?;
        Ok(count[0] > 0.0)
    }

    /// Checks that a value has the same bits in all ranks; `what` names it in the error.
    ///
    /// # Errors
    /// [`CollectiveError::Drift`] in every rank with the ranks that differ from rank 0, and as [`sum`](Self::sum).
    fn check_equal(&mut self, what: &str, hash: u64) -> Result<(), CollectiveError> {
        let mut first = hash.to_le_bytes();
        self.broadcast(&mut first, 0)?;
        let mut differs = vec![0.0; self.world()];
        differs[self.rank()] = f32::from(u8::from(u64::from_le_bytes(first) != hash));
        self.sum(&mut differs)?;
        let ranks: Vec<usize> = (0..differs.len()).filter(|rank| differs[*rank] > 0.0).collect();
        if ranks.is_empty() { Ok(()) } else { Err(CollectiveError::Drift { what: what.to_owned(), ranks }) }
    }
}
