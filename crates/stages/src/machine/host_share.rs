//! [`HostShare`]: the part of its machine that each of several processes may use.

use anyhow::Result;
use bonsai_collective::Collective;

/// Most cores of a machine that are told apart.
const CORES: usize = 1024;
/// Most bytes of the name of a machine that are compared.
const NAME: usize = 256;

/// The part of its machine that a process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostShare {
    /// Threads, so that each core is counted once among the processes that may run on it. A launcher may bind each process to its
    /// own cores, or none.
    pub(crate) threads: usize,
    /// Number of processes on the machine.
    pub(crate) processes: usize,
}

impl HostShare {
    /// The share of this process; all processes call it at the same time.
    ///
    /// # Errors
    /// If a process is lost.
    pub(crate) fn new(ranks: &mut dyn Collective) -> Result<Self> {
        let own = own_cores();
        let mut message = [0u8; NAME + CORES];
        let name = host_name();
        let length = name.len().min(NAME);
        message[..length].copy_from_slice(&name[..length]);
        for core in &own {
            message[NAME + core] = 1;
        }
        let mut users = [0usize; CORES];
        let mut processes = 0;
        for rank in 0..ranks.world() {
            let mut theirs = message;
            ranks.broadcast(&mut theirs, rank)?;
            if theirs[..NAME] == message[..NAME] {
                processes += 1;
                users.iter_mut().zip(&theirs[NAME..]).for_each(|(users, uses)| *users += usize::from(*uses));
            }
        }
        let share: f64 = own.iter().map(|core| 1.0 / users[*core].max(1) as f64).sum();
        // A limit of the container may allow fewer threads than cores.
        let allowed = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let allowed = allowed as f64 / own.len().max(1) as f64;
        // Thirds and the like add up to a little less than a whole number.
        let threads = (share * allowed.min(1.0) + 1e-6).floor().max(1.0) as usize;
        Ok(Self { threads, processes })
    }
}

/// The cores on which this process may run.
#[cfg(target_os = "linux")]
fn own_cores() -> Vec<usize> {
    use rustix::thread::{CpuSet, sched_getaffinity};
    let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    (0..CORES.min(CpuSet::MAX_CPU)).filter(|core| set.is_set(*core)).collect()
}

/// All cores.
#[cfg(not(target_os = "linux"))]
fn own_cores() -> Vec<usize> {
    (0..std::thread::available_parallelism().map_or(1, std::num::NonZero::get).min(CORES)).collect()
}

#[cfg(unix)]
fn host_name() -> Vec<u8> {
    rustix::system::uname().nodename().to_bytes().to_vec()
}

#[cfg(not(unix))]
fn host_name() -> Vec<u8> {
    std::env::var("COMPUTERNAME").unwrap_or_default().into_bytes()
}

#[cfg(test)]
mod tests {
    use bonsai_collective::{Solo, Threads};

    use super::*;

    #[test]
    fn processes_on_the_same_cores_share_them() {
        let all = std::thread::available_parallelism().unwrap().get().min(own_cores().len());
        assert_eq!(HostShare::new(&mut Solo).unwrap(), HostShare { threads: all, processes: 1 });
        for world in [2, 3] {
            let shares: Vec<HostShare> = std::thread::scope(|scope| {
                let work: Vec<_> = Threads::world(world)
                    .into_iter()
                    .map(|mut rank| scope.spawn(move || HostShare::new(&mut rank).unwrap()))
                    .collect();
                work.into_iter().map(|rank| rank.join().unwrap()).collect()
            });
            let expected = HostShare { threads: (all / world).max(1), processes: world };
            assert_eq!(shares, vec![expected; world]);
        }
    }
}
