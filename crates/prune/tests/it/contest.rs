//! `prune_best` with several candidates, and scores per multiply-accumulate.

use bonsai_checkpoint::{Checkpoint, Weights};
use bonsai_graph::Size;
use bonsai_prune::{
    BoxError, Candidate, Coupling, Importance, Member, Normalisation, Per, PruneError, PruneOptions,
    PrunePlan, PrunePolicy, PruneServices, Scope, ScoreConfig, apply, prune, prune_best, score,
};
use bonsai_testkit::random_weights;

use crate::small_model::{conv_bn, small_model};

fn chain() -> Checkpoint {
    small_model(&(conv_bn("a", "x", 8) + &conv_bn("b", "a", 16) + &conv_bn("y", "b", 8)))
}

fn config() -> PruneOptions {
    let policy = PrunePolicy { min_channels: 2, round_to: None, ..PrunePolicy::default() };
    PruneOptions {
        score: ScoreConfig::default(),
        policy,
        compensate: false,
        reconstruct: 0,
        image: Size::square(16),
    }
}

fn candidate(importance: Importance) -> Candidate {
    let normalisation = Normalisation::None;
    Candidate {
        score: ScoreConfig { importance, normalisation, ..ScoreConfig::default() },
        scope: Scope::Global,
    }
}

#[test]
fn the_network_with_the_lowest_answer_is_taken() {
    let model = chain();
    let candidates = [Importance::Gamma, Importance::L2, Importance::L1].map(candidate);
    for winner in 0..3 {
        let mut tried = 0;
        let mut networks = Vec::new();
        let mut trial = |network: &Checkpoint| -> Result<f64, BoxError> {
            tried += 1;
            networks.push(network.clone());
            Ok(if tried == winner + 1 { 0.5 } else { 1.0 + tried as f64 })
        };
        let contest =
            prune_best(&model, &config(), &candidates, PruneServices::default(), &mut trial).unwrap();
        assert_eq!(contest.winner, winner);
        let alone = PruneOptions { score: candidates[winner].score, ..config() };
        let alone = prune(&model, &alone, PruneServices::default()).unwrap();
        assert!(contest.pruned.checkpoint == alone.checkpoint && contest.pruned.plan == alone.plan);
        assert!(contest.pruned.checkpoint == networks[winner]);
        assert_eq!(contest.trials[winner].loss, Some(0.5));
        assert_eq!(contest.trials[winner].macs, alone.report.after.macs);
    }
}

#[test]
fn equal_networks_are_tried_once_and_gradients_asked_for_once() {
    let model = chain();
    let gradients = random_weights(5, model.model.graph());
    let mut asked = 0;
    let mut tried = 0;
    let mut source = || -> Result<Weights, BoxError> {
        asked += 1;
        Ok(gradients.clone())
    };
    let mut trial = |_: &Checkpoint| -> Result<f64, BoxError> {
        tried += 1;
        Ok(1.0)
    };
    let per_layer = Candidate { scope: Scope::PerLayer, ..candidate(Importance::Taylor) };
    let taylor = candidate(Importance::Taylor);
    let services = PruneServices { gradients: Some(&mut source), ..PruneServices::default() };
    let contest = prune_best(&model, &config(), &[taylor, per_layer, taylor], services, &mut trial).unwrap();
    assert_eq!((asked, tried), (1, 2));
    let params: Vec<u64> = contest.trials.iter().map(|trial| trial.params).collect();
    assert_eq!(contest.winner, usize::from(params[1] < params[0]), "{params:?}");
    assert_eq!(contest.trials.iter().map(|t| t.loss).collect::<Vec<_>>(), [Some(1.0), Some(1.0), None]);
}

#[test]
fn of_nearly_equal_networks_the_smallest_is_taken() {
    let model = chain();
    let candidates = [Importance::Gamma, Importance::L2, Importance::L1].map(candidate);
    let winner = |answers: [f64; 3]| {
        let mut answers = answers.into_iter();
        let mut trial = |_: &Checkpoint| -> Result<f64, BoxError> { Ok(answers.next().unwrap()) };
        let contest =
            prune_best(&model, &config(), &candidates, PruneServices::default(), &mut trial).unwrap();
        let params: Vec<u64> = contest.trials.iter().map(|trial| trial.params).collect();
        (contest.winner, params)
    };
    let (_, params) = winner([1.0; 3]);
    let smallest = (0..3).min_by_key(|index| params[*index]).unwrap();
    assert!(params.iter().any(|other| *other > params[smallest]), "{params:?}");
    assert_eq!(winner([1.0; 3]).0, smallest);
    for other in (0..3).filter(|other| *other != smallest) {
        let with = |lowest: f64| std::array::from_fn(|index| if index == other { lowest } else { 2.0 });
        assert_eq!(winner(with(1.92)).0, smallest, "within the noise");
        assert_eq!(winner(with(1.88)).0, other, "beyond the noise");
    }
}

#[test]
fn what_says_nothing_is_not_chosen() {
    let model = chain();
    let candidates = [Importance::Gamma, Importance::L2].map(candidate);
    let contest = |candidates: &[Candidate], answers: [f64; 2]| {
        let mut answers = answers.into_iter();
        let mut trial = |_: &Checkpoint| -> Result<f64, BoxError> { Ok(answers.next().unwrap()) };
        prune_best(&model, &config(), candidates, PruneServices::default(), &mut trial)
    };
    assert_eq!(contest(&candidates, [f64::NAN, 3.0]).unwrap().winner, 1);
    let error = contest(&candidates, [f64::NAN, f64::INFINITY]).unwrap_err();
    assert!(matches!(error, PruneError::NoCandidate { candidates: 2 }), "{error}");
    assert!(matches!(contest(&[], [1.0, 1.0]).unwrap_err(), PruneError::NoCandidate { candidates: 0 }));
    let taylor = contest(&[candidate(Importance::Taylor)], [1.0, 1.0]).unwrap_err();
    assert_eq!(taylor.to_string(), "computing gradients failed");
    let mut fails = |_: &Checkpoint| -> Result<f64, BoxError> { Err("no images".into()) };
    let failed =
        prune_best(&model, &config(), &candidates, PruneServices::default(), &mut fails).unwrap_err();
    assert_eq!(failed.to_string(), "trying a pruned network failed");
}

/// The MACs of a set equal the MACs that the network saves without it.
#[test]
fn scores_per_multiply_accumulate_are_divided_by_what_a_set_saves() {
    let model = chain();
    let coupling = Coupling::from_graph(model.model.graph());
    let config = ScoreConfig { importance: Importance::L1, ..ScoreConfig::default() };
    let scores = score(&coupling, &model.weights, &config).unwrap();
    let per_mac = scores.per_mac(&coupling, Size::square(16)).unwrap();
    let macs = |checkpoint: &Checkpoint| checkpoint.model.graph().cost(Size::square(16)).unwrap().macs as f64;
    for layer in ["a", "b"] {
        let node = coupling.graph().find(layer).unwrap();
        for channel in [0, 3] {
            let set = coupling.set_of(Member { node, channel });
            let plan = PrunePlan::removing(&coupling, [set]).unwrap();
            let saved = macs(&model) - macs(&apply(&plan, &model).unwrap());
            let expected = scores.get(set).unwrap() / saved;
            let got = per_mac.get(set).unwrap();
            assert!((got / expected - 1.0).abs() < 1e-12, "{layer} {channel}: {got}, expected {expected}");
        }
    }
    let config = ScoreConfig::default();
    let by_config = ScoreConfig { per: Per::Mac, ..config };
    let pruned = |score| {
        let config = PruneOptions { score, ..self::config() };
        prune(&model, &config, PruneServices::default()).unwrap().plan
    };
    assert_ne!(pruned(by_config), pruned(config), "dividing by MACs must change the plan");
}
