//! What channels are ranked by: gamma, where sparsity training has told them apart with it.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{Importance, Preset};
use bonsai_sparsity::GammaStatistics;

use crate::PruneSettings;

/// Share of gammas below 1e-2 under which they do not tell channels apart: sparsity training leaves nine in ten there, or
/// none.
const DENSE: f64 = 0.1;

/// What to rank channels by, and why if it is not what was asked for.
pub(crate) fn ranking(model: &Checkpoint, settings: &PruneSettings) -> Result<(Importance, Option<String>)> {
    let asked = settings.score.importance;
    let near_zero = GammaStatistics::new(model.model.graph(), &model.weights)?.overall.below_1e2;
    let chosen = choose(settings, near_zero);
    let reason = format!(
        "{:.0} % of the gammas are below 0.01, too few to tell channels apart by gamma",
        100.0 * near_zero
    );
    Ok((chosen, (chosen != asked).then_some(reason)))
}

/// The presets of other scripts know gammas alone.
fn choose(settings: &PruneSettings, near_zero: f64) -> Importance {
    let asked = settings.score.importance;
    let is_dense = asked == Importance::Gamma && near_zero < DENSE && settings.policy.preset == Preset::Group;
    if is_dense { settings.extras.dense_importance } else { asked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{PipelineConfig, PipelinePreset};

    #[test]
    fn gammas_rank_where_they_tell_channels_apart() {
        let mut settings = PipelineConfig::default().prune_settings();
        settings.score.importance = Importance::Gamma;
        assert_eq!(choose(&settings, 0.88), Importance::Gamma);
        assert_eq!(choose(&settings, 0.0), Importance::Taylor);
        let seed = PipelineConfig::default().with_preset(PipelinePreset::Original).prune_settings();
        assert_eq!(choose(&seed, 0.0), Importance::Gamma);
        // What was asked for is done.
        let mut lamp = settings;
        lamp.score.importance = Importance::Lamp;
        assert_eq!(choose(&lamp, 0.0), Importance::Lamp);
    }
}
