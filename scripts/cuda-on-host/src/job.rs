//! [`Job`]: one piece of work on a stream.

use crate::Handle;
use crate::launch::Launch;
use crate::product::Product;
use crate::transfer::Transfer;

/// One piece of work on a stream.
pub(crate) enum Job {
    Launch(Launch),
    Transfer(Transfer),
    Product(Product),
    Free(Handle),
    /// Wait until a stream has done as many jobs.
    Wait(Key, u64),
}

/// A stream: its handle, and the thread of a per-thread stream.
pub(crate) type Key = (Handle, u64);
