//! Strengths by epoch, and what a configuration may say.

use bonsai_sparsity::{Decay, L1, L1Schedule};
use serde_json::{Value, json};

/// `1e-2 * (1 - 0.9 e / 50)` on gamma, 1e-2 on beta.
#[test]
fn the_seed_by_hand() {
    for (epoch, gamma) in [(0, 1e-2), (1, 9.82e-3), (25, 5.5e-3), (49, 1.18e-3), (50, 1e-3), (99, 1e-3)] {
        assert_eq!(L1Schedule::SEED.at(epoch, 50), L1 { gamma, beta: 1e-2 }, "epoch {epoch}");
    }
}

#[test]
fn a_constant_stays() {
    let schedule = L1Schedule { gamma: 0.06, beta: 0.0, gamma_decay: Decay::Constant };
    for epoch in [0, 7, 9] {
        assert_eq!(schedule.at(epoch, 10), L1 { gamma: 0.06, beta: 0.0 });
    }
}

#[test]
fn no_epochs_are_no_problem() {
    assert_eq!(L1Schedule::SEED.at(0, 0), L1 { gamma: 1e-2, beta: 1e-2 });
    assert_eq!(L1Schedule::SEED.at(5, 0), L1 { gamma: 1e-2, beta: 1e-2 });
}

#[test]
fn configurations() {
    let read = |value: Value| serde_json::from_value::<L1Schedule>(value).map_err(|e| e.to_string());
    assert_eq!(read(json!({})), Ok(L1Schedule::SEED));
    assert_eq!(read(serde_json::to_value(L1Schedule::SEED).unwrap()), Ok(L1Schedule::SEED));
    let constant = L1Schedule { gamma: 0.06, gamma_decay: Decay::Constant, ..L1Schedule::SEED };
    assert_eq!(read(json!({"gamma": 0.06, "gamma_decay": "constant"})), Ok(constant));
    let halved = L1Schedule { gamma_decay: Decay::Linear { last: 0.5 }, ..L1Schedule::SEED };
    assert_eq!(read(json!({"gamma_decay": {"linear": {"last": 0.5}}})), Ok(halved));

    let refused = |value: Value, parts: &[&str]| {
        let message = read(value).unwrap_err();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    refused(json!({"gamma": -0.01}), &["`gamma`", "-0.01", "0 or more"]);
    refused(json!({"beta": -1}), &["`beta`", "-1"]);
    refused(json!({"gamma_decay": {"linear": {"last": -2}}}), &["`last`", "-2"]);
    refused(json!({"delta": 1}), &["`delta`", "`gamma`"]);
    refused(json!({"gamma_decay": {"linear": {"last": 1, "first": 1}}}), &["`first`"]);
    let nan = L1Schedule { beta: f64::NAN, ..L1Schedule::SEED };
    assert_eq!(nan.check().unwrap_err().to_string().split(';').next(), Some("L1 schedule: `beta` is NaN"));
}
