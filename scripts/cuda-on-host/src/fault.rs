//! [`fault()`]: ends the process because of a fault of the program under test, as a failed assertion does.

use std::fmt::Display;

/// Ends the process with a message.
pub(crate) fn fault(message: impl Display) -> ! {
    eprintln!("cuda-on-host: {message}");
    std::process::abort();
}
