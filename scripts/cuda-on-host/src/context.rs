//! The current context and the number of a thread of the host.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Handle;

/// The handle of the only context.
pub(crate) const CONTEXT: Handle = 0x1000;

thread_local! {
    static CURRENT: Cell<Handle> = const { Cell::new(0) };
    static NUMBER: u64 = {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        NEXT.fetch_add(1, Ordering::Relaxed)
    };
}

/// The context that is current in the calling thread; 0 if there is none.
pub(crate) fn current() -> Handle {
    CURRENT.get()
}

pub(crate) fn set_current(context: Handle) {
    CURRENT.set(context);
}

/// A number of the calling thread of the host.
pub(crate) fn thread_number() -> u64 {
    NUMBER.with(|number| *number)
}
