//! [`memory_budget`]: how much memory this process may still take, and which limit decides.
//!
//! On Linux, the module reads the machine's free memory, the limit of the address space, and the limits of
//! control groups, which containers and batch systems set. On other systems no limit is known, and nothing is
//! refused.

use std::path::Path;

use bonsai_exec::{MemoryBudget, MemoryLimit};

/// Memory that this process may still take, according to the tightest limit; `None` if the system provides
/// none.
pub fn memory_budget() -> Option<MemoryBudget> {
    least(&|path: &str| std::fs::read_to_string(path).ok())
}

/// As [`memory_budget`], with `read` to read files.
fn least(read: &dyn Fn(&str) -> Option<String>) -> Option<MemoryBudget> {
    let limits = [
        (MemoryLimit::Machine, machine(read)),
        (MemoryLimit::AddressSpace, address_space(read)),
        (MemoryLimit::Cgroup, control_groups(read)),
    ];
    let budgets = limits.into_iter().filter_map(|(limit, bytes)| Some(MemoryBudget { bytes: bytes?, limit }));
    budgets.min_by_key(|budget| budget.bytes)
}

/// Bytes of a line such as `MemAvailable:   1024 kB`.
fn kib_line(text: &str, key: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Bytes that are free, that the system can reclaim, and that fit into swap.
fn machine(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let text = read("/proc/meminfo")?;
    Some(kib_line(&text, "MemAvailable")?.saturating_add(kib_line(&text, "SwapFree").unwrap_or(0)))
}

/// Bytes left below the soft limit of the address space.
fn address_space(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let limits = read("/proc/self/limits")?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    let limit: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(limit.saturating_sub(kib_line(&read("/proc/self/status")?, "VmSize").unwrap_or(0)))
}

/// Bytes that the process's control groups leave, including the limits of parent groups.
fn control_groups(read: &dyn Fn(&str) -> Option<String>) -> Option<u64> {
    let groups = read("/proc/self/cgroup")?;
    let left = groups.lines().flat_map(|line| {
        // `0::/path` of version 2, `4:memory:/path` of version 1.
        let mut parts = line.splitn(3, ':').skip(1);
        let kind = parts.next().unwrap_or("");
        let path = parts.next().unwrap_or("/");
        let version = match kind {
            "" => Some(&VERSION_2),
            kind if kind.split(',').any(|k| k == "memory") => Some(&VERSION_1),
            _ => None,
        };
        // A container sees its own group as the root, whatever its path is outside.
        let folders = Path::new(path).ancestors().map(|folder| folder.display().to_string());
        version.into_iter().flat_map(move |version| {
            folders.clone().filter_map(move |folder| version.left(read, folder.trim_end_matches('/')))
        })
    });
    left.min()
}

/// The files in which a version of control groups keeps its numbers.
struct CgroupFiles {
    root: &'static str,
    limit: &'static str,
    used: &'static str,
    /// Keys in `memory.stat` of used memory that the system reclaims when needed.
    cache: [&'static str; 2],
}

const VERSION_2: CgroupFiles = CgroupFiles {
    root: "/sys/fs/cgroup",
    limit: "memory.max",
    used: "memory.current",
    cache: ["inactive_file", "active_file"],
};

const VERSION_1: CgroupFiles = CgroupFiles {
    root: "/sys/fs/cgroup/memory",
    limit: "memory.limit_in_bytes",
    used: "memory.usage_in_bytes",
    cache: ["total_inactive_file", "total_active_file"],
};

impl CgroupFiles {
    /// Bytes left below the limit of one group.
    fn left(&self, read: &dyn Fn(&str) -> Option<String>, folder: &str) -> Option<u64> {
        let file = |name: &str| read(&format!("{}{folder}/{name}", self.root));
        let number = |name: &str| file(name)?.trim().parse::<u64>().ok();
        let limit = number(self.limit)?;
        let stat = file("memory.stat").unwrap_or_default();
        let cache = |key: &str| -> Option<u64> {
            stat.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')?.trim().parse().ok())
        };
        let cached: u64 = self.cache.iter().filter_map(|key| cache(key)).sum();
        Some(limit.saturating_sub(number(self.used).unwrap_or(0).saturating_sub(cached)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// The budget on a machine with these files.
    fn of(files: &[(&str, &str)]) -> Option<(u64, MemoryLimit)> {
        let read =
            |path: &str| files.iter().find(|(name, _)| *name == path).map(|(_, text)| (*text).to_owned());
        least(&read).map(|budget| (budget.bytes, budget.limit))
    }

    const MEMINFO: (&str, &str) = (
        "/proc/meminfo",
        "MemTotal: 16777216 kB\nMemFree: 1 kB\nMemAvailable:    8388608 kB\nSwapFree:  1048576 kB\n",
    );
    const LIMITS: &str = "Limit                     Soft Limit           Hard Limit           Units     \n\
        Max data size             unlimited            unlimited            bytes     \n\
        Max address space         4294967296           unlimited            bytes     \n";

    #[test]
    fn the_smallest_limit_counts() {
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[MEMINFO]), Some((9 * GIB, MemoryLimit::Machine)));
        let space = [MEMINFO, ("/proc/self/limits", LIMITS), ("/proc/self/status", "VmSize:  1048576 kB\n")];
        assert_eq!(of(&space), Some((3 * GIB, MemoryLimit::AddressSpace)));
        let unlimited = LIMITS.replace("4294967296", "unlimited ");
        assert_eq!(of(&[MEMINFO, ("/proc/self/limits", &unlimited)]), Some((9 * GIB, MemoryLimit::Machine)));
    }

    #[test]
    fn groups_and_parents_limit_memory_without_their_cache() {
        let group = [
            MEMINFO,
            ("/proc/self/cgroup", "0::/jobs/17\n"),
            ("/sys/fs/cgroup/jobs/17/memory.max", "max\n"),
            ("/sys/fs/cgroup/jobs/memory.max", "5368709120\n"),
            ("/sys/fs/cgroup/jobs/memory.current", "4294967296\n"),
            ("/sys/fs/cgroup/jobs/memory.stat", "anon 1\ninactive_file 2147483648\nactive_file 1073741824\n"),
        ];
        assert_eq!(of(&group), Some((4 * GIB, MemoryLimit::Cgroup)));
        // A container that sees its path on the host.
        let container = [
            MEMINFO,
            ("/proc/self/cgroup", "0::/docker/abc\n"),
            ("/sys/fs/cgroup/memory.max", "1073741824\n"),
        ];
        assert_eq!(of(&container), Some((GIB, MemoryLimit::Cgroup)));
        let old = [
            MEMINFO,
            ("/proc/self/cgroup", "5:cpuset:/x\n4:cpu,memory:/y\n"),
            ("/sys/fs/cgroup/memory/y/memory.limit_in_bytes", "2147483648\n"),
            ("/sys/fs/cgroup/memory/y/memory.usage_in_bytes", "1073741824\n"),
        ];
        assert_eq!(of(&old), Some((GIB, MemoryLimit::Cgroup)));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_machine_has_a_budget() {
        assert!(memory_budget().is_some_and(|budget| budget.bytes > 1 << 20));
    }
}
