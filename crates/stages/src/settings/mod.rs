//! [`L1Config`], [`PruneConfig`] and the settings of other stages, as configuration files contain them.

mod distill;
mod engine;
mod export;
mod iterate;
mod l1;
mod loader;
mod prune;
mod range;

pub use distill::{DistillConfig, Imitate};
pub use engine::EngineConfig;
pub use export::ExportConfig;
pub use iterate::IterateConfig;
pub use l1::{L1Config, L1Preset};
pub use loader::LoadingConfig;
pub use prune::{PruneConfig, PruneExtras};
pub use range::{COUNTS, check_range};
