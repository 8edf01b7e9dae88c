//! [`ranking`]: the importance that channels are ranked by; gamma only if sparsity training has separated the
//! gammas.

use anyhow::Result;
use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{Importance, Preset};
use bonsai_sparsity::GammaStatistics;

use crate::PruneConfig;

/// Fraction of gammas below 1e-2 under which gammas do not separate channels: sparsity training brings either
/// nine in ten there, or none.
const DENSE: f64 = 0.1;

/// The importance to rank channels by, and the reason if it differs from the configured one.
///
/// # Errors
/// If the weights do not belong to the network's graph.
pub fn ranking(model: &Checkpoint, settings: &PruneConfig) -> Result<(Importance, Option<String>)> {
    let asked = settings.score.importance;
    let near_zero = GammaStatistics::new(model.model.graph(), &model.weights)?.overall.below_1e2;
    let chosen = choose(settings, near_zero);
    let reason = format!(
        "{:.0} % of the gammas are below 0.01, too few to tell channels apart by gamma",
        100.0 * near_zero
    );
    Ok((chosen, (chosen != asked).then_some(reason)))
}

/// Presets of other scripts always use gammas.
fn choose(settings: &PruneConfig, near_zero: f64) -> Importance {
    let asked = settings.score.importance;
    let is_dense = asked == Importance::Gamma && near_zero < DENSE && settings.policy.preset == Preset::Group;
    if is_dense { settings.extras.dense_importance } else { asked }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_prune::PrunePolicy;

    #[test]
    fn gammas_rank_if_they_separate_channels() {
        let mut settings = PruneConfig::default();
        settings.score.importance = Importance::Gamma;
        assert_eq!(choose(&settings, 0.88), Importance::Gamma);
        assert_eq!(choose(&settings, 0.0), Importance::Taylor);
        let original = PruneConfig {
            policy: PrunePolicy { preset: Preset::Original, ..PrunePolicy::default() },
            ..settings.clone()
        };
        assert_eq!(choose(&original, 0.0), Importance::Gamma);
        // Any other importance is used as configured.
        let mut lamp = settings;
        lamp.score.importance = Importance::Lamp;
        assert_eq!(choose(&lamp, 0.0), Importance::Lamp);
    }
}
