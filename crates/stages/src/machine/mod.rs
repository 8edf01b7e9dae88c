//! [`executor_options`], [`memory_budget`], [`cpu_seconds`] and others: threads, memory, time and latency on
//! this machine.

mod cpu_time;
mod executor;
mod host_share;
mod latency;
mod memory_limits;
mod peak_memory;

pub use cpu_time::cpu_seconds;
pub use executor::{engine_executor, executor_options, host_executor, limit_threads};
pub(crate) use host_share::HostShare;
pub use latency::{ImageTimes, Latency, Speed, median_latency_ms, time_images};
pub use memory_limits::memory_budget;
pub use peak_memory::{peak_rss_mb, reset_peak};
