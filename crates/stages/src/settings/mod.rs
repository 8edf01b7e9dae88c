//! [`L1Config`], [`PruneSettings`] and the settings of other stages, as configuration files contain them.

mod distill;
mod engine;
mod export;
mod iterate;
mod l1;
mod loader;
mod prune;
mod range;

pub use distill::{DistillSettings, Imitate};
pub use engine::EngineConfig;
pub use export::ExportSettings;
pub use iterate::IterateSettings;
pub use l1::{L1Config, L1Preset};
pub use loader::LoaderSettings;
pub use prune::{PruneExtras, PruneSettings};
pub use range::{COUNTS, check_range};
