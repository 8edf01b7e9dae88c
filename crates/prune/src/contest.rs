//! [`prune_best`]: prunes a network by several rankings and keeps the best pruned network.
//!
//! No importance is best on every dataset, for every network and every target. The caller evaluates each
//! pruned network, for example by its loss after a short training.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::NodeId;

use crate::{BoxError, Candidate, PruneError, PruneOptions, PruneServices, Pruned, Trial, best_trial, prune};

/// Evaluates a pruned network: the lower the returned value, the better the network.
pub type TrialSource<'a> = dyn FnMut(&Checkpoint) -> Result<f64, BoxError> + 'a;

/// The winner and the results of all candidates.
#[derive(Debug, Clone)]
pub struct Contest {
    /// The pruned network of the winner.
    pub pruned: Pruned,
    /// Index of the winner.
    pub winner: usize,
    /// The results of all candidates, in the given order.
    pub trials: Vec<Trial>,
}

/// Prunes by every candidate and returns the network with the lowest `trial` value. Values within 5 % of the
/// lowest count as equal; of equal networks, the one with the fewest parameters wins, then the first.
///
/// Each candidate replaces the scores and the scope of `config`. The gradients are computed once.
///
/// # Errors
/// As [`prune`]; [`PruneError::NoCandidate`] without candidates or if no trial returns a finite number,
/// [`PruneError::Service`] if a trial fails.
pub fn prune_best(
    model: &Checkpoint,
    config: &PruneOptions,
    candidates: &[Candidate],
    services: PruneServices<'_>,
    trial: &mut TrialSource<'_>,
) -> Result<Contest, PruneError> {
    let PruneServices { mut gradients, mut latency, mut activations } = services;
    let mut known: Option<Weights> = None;
    let mut tried: Vec<(Trial, Pruned)> = Vec::new();
    for candidate in candidates {
        let mut gradients = || match (&known, &mut gradients) {
            (Some(known), _) => Ok(known.clone()),
            (None, Some(ask)) => Ok(known.insert(ask()?).clone()),
            (None, None) => Err(BoxError::from(PruneError::NoGradients)),
        };
        let mut latency = latency.as_mut().map(|measure| |model: &Checkpoint| measure(model));
        let mut activations =
            activations.as_mut().map(|run| |layers: &[NodeId], batch: usize| run(layers, batch));
        let services = PruneServices {
            gradients: Some(&mut gradients),
            latency: latency.as_mut().map(|measure| measure as &mut crate::LatencySource<'_>),
            activations: activations.as_mut().map(|run| run as &mut crate::ActivationSource<'_>),
        };
        let mut config = PruneOptions { score: candidate.score, ..config.clone() };
        config.policy.scope = candidate.scope;
        let pruned = prune(model, &config, services)?;
        let is_new = !tried.iter().any(|(_, earlier)| earlier.plan == pruned.plan);
        let failed = |source| PruneError::Service { task: "trying a pruned network".to_owned(), source };
        let loss = is_new.then(|| trial(&pruned.checkpoint)).transpose().map_err(failed)?;
        let after = pruned.report.after;
        tried.push((Trial { candidate: *candidate, loss, params: after.params, macs: after.macs }, pruned));
    }
    let (trials, mut networks): (Vec<Trial>, Vec<Pruned>) = tried.into_iter().unzip();
    let winner = best_trial(&trials).ok_or(PruneError::NoCandidate { candidates: candidates.len() })?;
    let mut pruned = networks.swap_remove(winner);
    pruned.report.trials.clone_from(&trials);
    Ok(Contest { pruned, winner, trials })
}
