//! [`MemoryBudget`]: how much memory a program may use.
//!
//! The caller sets the budget, because a library cannot know how much memory the rest of the program will
//! need. An executor with a budget rejects an image size that does not fit before it allocates.

use std::fmt;

/// What limits the memory of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum MemoryLimit {
    /// The free memory of the machine.
    Machine,
    /// The limit on the address space of the process (`ulimit -v`, `RLIMIT_AS`), which counts memory as soon
    /// as it is reserved.
    AddressSpace,
    /// The control group of the process: a container, or a job of a batch system.
    Cgroup,
}

impl fmt::Display for MemoryLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Machine => "this machine has",
            Self::AddressSpace => "the limit of this process's address space (`ulimit -v`) leaves",
            Self::Cgroup => "the memory limit of this container or control group leaves",
        })
    }
}

/// Memory that a program may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryBudget {
    /// Number of bytes.
    pub bytes: u64,
    /// What limits it.
    pub limit: MemoryLimit,
}

/// Displays a number of bytes with a unit.
pub(crate) struct Bytes(pub(crate) u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let mut size = self.0 as f64;
        let mut unit = 0;
        while size >= 1000.0 && unit + 1 < UNITS.len() {
            (size, unit) = (size / 1024.0, unit + 1);
        }
        let digits = usize::from(unit > 0 && size < 100.0);
        write!(f, "{size:.digits$} {}", UNITS[unit])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_said_in_three_digits() {
        let said = |bytes: u64| Bytes(bytes).to_string();
        assert_eq!([0, 999, 1000, 1536].map(said), ["0 bytes", "999 bytes", "1.0 KiB", "1.5 KiB"]);
        assert_eq!([300 << 20, 3 << 30, u64::MAX].map(said), ["300 MiB", "3.0 GiB", "16384 PiB"]);
    }
}
