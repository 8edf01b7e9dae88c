//! Ctrl-C and SIGTERM: the first asks to stop where work can go on, the second ends the program at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Result;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::{register, register_conditional_shutdown};

/// Whether the program was asked to stop.
#[derive(Debug, Clone)]
pub(crate) struct Interrupt {
    interrupted: Arc<AtomicBool>,
    terminated: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Result<Self> {
        let flags = Self { interrupted: Arc::default(), terminated: Arc::default() };
        for (signal, flag) in [(SIGINT, &flags.interrupted), (SIGTERM, &flags.terminated)] {
            // In this order: a signal that finds the flag set ends the program, one that does not sets it.
            register_conditional_shutdown(signal, exit_code(signal), Arc::clone(flag))?;
            register(signal, Arc::clone(flag))?;
        }
        Ok(flags)
    }

    /// Whether a signal came.
    pub(crate) fn requested(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.terminated.load(Ordering::Relaxed)
    }

    /// What shells expect of a program that ended by the signal that came.
    pub(crate) fn exit_code(&self) -> u8 {
        exit_code(if self.terminated.load(Ordering::Relaxed) { SIGTERM } else { SIGINT }) as u8
    }
}

const fn exit_code(signal: i32) -> i32 {
    128 + signal
}
