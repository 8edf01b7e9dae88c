//! [`Interrupt`]: Ctrl-C and SIGTERM. The first signal requests a stop from which the work can resume; the
//! second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Whether a signal requested that the program stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Interrupt {
    /// Installs the signal handlers.
    pub(crate) fn listen() -> Result<Self> {
        let flags = Self { interrupted: Arc::default(), terminated: Arc::default() };
        for (signal, flag) in [(SIGINT, &flags.interrupted), (SIGTERM, &flags.terminated)] {
            // The order matters: a signal ends the program if the flag is already set; otherwise it sets the
            // flag.
            register_conditional_shutdown(signal, exit_code(signal), Arc::clone(flag))?;
            register(signal, Arc::clone(flag))?;
        }
        Ok(flags)
    }

    /// Whether a signal has arrived.
    pub(crate) fn requested(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.terminated.load(Ordering::Relaxed)
    }

    /// The exit code that shells expect of a program that this signal ended.
    pub(crate) fn exit_code(&self) -> u8 {
        exit_code(if self.terminated.load(Ordering::Relaxed) { SIGTERM } else { SIGINT }) as u8
    }
}

const fn exit_code(signal: i32) -> i32 {
    128 + signal
}
