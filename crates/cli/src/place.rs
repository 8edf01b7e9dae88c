//! [`place`]: which of several processes this is.

use bonsai_collective::Launch;

/// Number of this process, from 0, and number of all that were started together; `None` if it was started alone.
pub(crate) fn place() -> Option<(usize, usize)> {
    let launch = Launch::of_process().ok().flatten()?;
    (launch.world > 1).then_some((launch.rank, launch.world))
}

/// Whether this process is one of several after the first, which prints nothing but errors.
pub(crate) fn is_silent() -> bool {
    place().is_some_and(|(rank, _)| rank > 0)
}
