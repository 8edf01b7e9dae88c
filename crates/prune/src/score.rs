//! [`score`]: how important each set of channels is.

use bonsai_checkpoint::Weights;
use bonsai_graph::{Graph, Op, ParamRole, ParamSpec, Size};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::param::checked;
use crate::set_cost::set_macs;
use crate::{BoxError, Coupling, Importance, Member, Normalisation, PruneError, Reduction, ScoreConfig};

/// The importance of every set of a [`Coupling`].
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelScores {
    values: Vec<Option<f64>>,
}

impl ChannelScores {
    /// The score of a set; `None` if no scored parameter belongs to it.
    pub fn get(&self, set: usize) -> Option<f64> {
        self.values.get(set).copied().flatten()
    }

    /// Divides every score by the multiply-accumulates of its set, for images of this size.
    ///
    /// # Errors
    /// [`PruneError::Graph`] if the image does not fit the network.
    pub fn per_mac(&self, coupling: &Coupling, image: Size) -> Result<Self, PruneError> {
        let macs = set_macs(coupling, image)?;
        // A set without multiply-accumulates saves no work, so its score stays as it is.
        let divided = |(value, macs): (&Option<f64>, f64)| value.map(|v| v / macs.max(1.0));
        Ok(Self { values: self.values.iter().zip(macs).map(divided).collect() })
    }

    /// Number of sets, with or without a score.
    pub(crate) fn len(&self) -> usize {
        self.values.len()
    }
}

/// Returns the gradients of a loss for the parameters, by name. The caller, who runs the network, supplies
/// it.
pub type GradientSource<'a> = dyn FnMut() -> Result<Weights, BoxError> + 'a;

/// Scores every set from the weights alone.
///
/// # Errors
/// [`PruneError::Checkpoint`] if a parameter is missing or has a wrong shape, [`PruneError::NotFinite`] if
/// one is not finite, [`PruneError::NoBatchNorm`] for a folded network, [`PruneError::NoGradients`] for
/// [`Importance::Taylor`], [`PruneError::NoTrial`] for [`Importance::Best`].
pub fn score(
    coupling: &Coupling,
    weights: &Weights,
    config: &ScoreConfig,
) -> Result<ChannelScores, PruneError> {
    score_by(coupling, weights, None, config)
}

/// As [`score`]; calls `gradients` once, and only for [`Importance::Taylor`].
///
/// # Errors
/// As [`score`], and [`PruneError::Service`] if `gradients` fails.
pub fn score_with_gradients(
    coupling: &Coupling,
    weights: &Weights,
    config: &ScoreConfig,
    gradients: &mut GradientSource<'_>,
) -> Result<ChannelScores, PruneError> {
    if config.importance != Importance::Taylor {
        return score_by(coupling, weights, None, config);
    }
    let failed = |source| PruneError::Service { task: "computing gradients".to_owned(), source };
    let gradients = gradients().map_err(failed)?;
    score_by(coupling, weights, Some(&gradients), config)
}

fn score_by(
    coupling: &Coupling,
    weights: &Weights,
    gradients: Option<&Weights>,
    config: &ScoreConfig,
) -> Result<ChannelScores, PruneError> {
    if !has_batch_norm(coupling.graph()) {
        return Err(PruneError::NoBatchNorm);
    }
    let mut values = match (config.importance, gradients) {
        (Importance::Gamma, _) => {
            measured(coupling, weights, None, config.reduction, Parts::Gammas, f64::abs)?
        }
        (Importance::L1, _) => measured(coupling, weights, None, config.reduction, Parts::All, f64::abs)?,
        (Importance::L2 | Importance::Lamp, _) => {
            measured(coupling, weights, None, config.reduction, Parts::All, |w| w * w)?
        }
        (Importance::Taylor, Some(gradients)) => {
            measured(coupling, weights, Some(gradients), config.reduction, Parts::All, f64::abs)?
        }
        (Importance::Taylor, None) => return Err(PruneError::NoGradients),
        (Importance::Best, _) => return Err(PruneError::NoTrial),
        (Importance::Random { seed }, _) => {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            coupling.sets().iter().map(|_| Some(rng.random_range(0.0..1.0))).collect()
        }
    };
    for group in coupling.groups() {
        if config.importance == Importance::Lamp {
            lamp(group, &mut values);
        } else {
            normalise(group, &mut values, config.normalisation.for_importance(config.importance));
        }
    }
    Ok(ChannelScores { values })
}

fn has_batch_norm(graph: &Graph) -> bool {
    graph.nodes().iter().any(|n| matches!(n.op(), Op::BatchNorm { .. }))
}

/// The parameters that are scored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Parts {
    /// Batch-norm scales.
    Gammas,
    /// Kernels, by output and by input channel, and batch-norm scales.
    All,
}

/// Statistics of the terms of a set, updated term by term.
#[derive(Clone, Copy, Default)]
struct Terms {
    count: usize,
    sum: f64,
    max: f64,
    first: f64,
}

impl Terms {
    fn add(&mut self, term: f64) {
        if self.count == 0 {
            (self.first, self.max) = (term, term);
        }
        self.count += 1;
        self.sum += term;
        self.max = self.max.max(term);
    }

    fn reduced(self, reduction: Reduction) -> Option<f64> {
        (self.count > 0).then(|| match reduction {
            Reduction::Mean => self.sum / self.count as f64,
            Reduction::Max => self.max,
            Reduction::Sum => self.sum,
            Reduction::First => self.first,
        })
    }
}

/// Sums `size(w)`, or `size(w * gradient)`, over every row, column and gamma; each sum is a term of its set.
fn measured(
    coupling: &Coupling,
    weights: &Weights,
    gradients: Option<&Weights>,
    reduction: Reduction,
    parts: Parts,
    size: impl Fn(f64) -> f64,
) -> Result<Vec<Option<f64>>, PruneError> {
    let graph = coupling.graph();
    let mut terms = vec![Terms::default(); coupling.sets().len()];
    for spec in graph.params() {
        let (rows, columns) = match (spec.role, parts) {
            (ParamRole::BnGamma, _) => (spec.len(), 1),
            (ParamRole::ConvWeight, Parts::All) => (spec.shape[0], spec.shape[1]),
            (ParamRole::ConvWeight, Parts::Gammas)
            | (ParamRole::ConvBias | ParamRole::BnBeta | ParamRole::BnMean | ParamRole::BnVar, _) => continue,
        };
        let sums = sums(&spec, weights, gradients, rows, columns, &size)?;
        for (channel, sum) in sums.rows.iter().enumerate() {
            terms[coupling.set_of(Member { node: spec.node, channel })].add(*sum);
        }
        // The inputs of a group are in the same set as its outputs, whose rows already count every weight.
        if spec.role == ParamRole::ConvWeight && !graph.node(spec.node).op().is_grouped() {
            let node = graph.node(spec.node).inputs()[0];
            for (channel, sum) in sums.columns.iter().enumerate() {
                terms[coupling.set_of(Member { node, channel })].add(*sum);
            }
        }
    }
    Ok(terms.into_iter().map(|t| t.reduced(reduction)).collect())
}

struct Sums {
    rows: Vec<f64>,
    columns: Vec<f64>,
}

/// Row and column sums in one pass over a parameter `[rows, columns, ..]`.
fn sums(
    spec: &ParamSpec,
    weights: &Weights,
    gradients: Option<&Weights>,
    rows: usize,
    columns: usize,
    size: &impl Fn(f64) -> f64,
) -> Result<Sums, PruneError> {
    let values = checked(weights, spec)?.data();
    let gradients = gradients.map(|g| checked(g, spec)).transpose()?.map(bonsai_checkpoint::Array::data);
    let mut sums = Sums { rows: vec![0.0; rows], columns: vec![0.0; columns] };
    let area = values.len() / (rows * columns).max(1);
    for (index, taps) in values.chunks_exact(area.max(1)).enumerate() {
        let sum: f64 = match gradients {
            None => taps.iter().map(|w| size(f64::from(*w))).sum(),
            Some(gradients) => {
                let gradients = &gradients[index * area..][..area];
                taps.iter().zip(gradients).map(|(w, g)| size(f64::from(*w) * f64::from(*g))).sum()
            }
        };
        sums.rows[index / columns] += sum;
        sums.columns[index % columns] += sum;
    }
    if sums.rows.iter().all(|sum| sum.is_finite()) {
        return Ok(sums);
    }
    // Search for the non-finite value only now, when a sum shows that there is one.
    let bad = |data: &[f32]| data.iter().position(|v| !v.is_finite()).map(|at| (at, data[at]));
    let (at, value) = bad(values).or_else(|| bad(gradients?)).unwrap_or((0, f32::NAN));
    let channel = at / (columns * area).max(1);
    Err(PruneError::NotFinite { param: spec.name.clone(), channel, value })
}

/// Divides the scores of a group. `Auto` has been resolved.
fn normalise(group: &[usize], values: &mut [Option<f64>], normalisation: Normalisation) {
    let known = || group.iter().filter_map(|set| values[*set]);
    let by = match normalisation {
        Normalisation::Auto | Normalisation::None => return,
        Normalisation::Mean => known().sum::<f64>() / known().count().max(1) as f64,
        Normalisation::Max => known().fold(0.0, f64::max),
        Normalisation::Sum => known().sum(),
    };
    // If all scores are zero they stay zero.
    if by > 0.0 {
        for set in group {
            values[*set] = values[*set].map(|v| v / by);
        }
    }
}

/// Divides each score by the sum of itself and all larger scores in the group.
fn lamp(group: &[usize], values: &mut [Option<f64>]) {
    let score = |values: &[Option<f64>], set: usize| values[set].unwrap_or(0.0);
    let mut falling = group.to_vec();
    falling.sort_by(|a, b| score(values, *b).total_cmp(&score(values, *a)).then(a.cmp(b)));
    let mut sum = 0.0;
    for set in falling {
        let value = score(values, set);
        sum += value;
        values[set] = Some(if sum > 0.0 { value / sum } else { 0.0 });
    }
}
