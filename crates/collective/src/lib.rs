#![doc = include_str!("../README.md")]

mod collective;
mod error;
mod launch;
mod solo;
mod threads;

pub use collective::Collective;
pub use error::CollectiveError;
pub use launch::Launch;
pub use solo::Solo;
pub use threads::Threads;
