//! Strengths by epoch, and valid and invalid configurations.

use bonsai_sparsity::{Decay, L1, L1Schedule};
use serde_json::{Value, json};

/// `1e-2 * (1 - 0.9 e / 50)` on gamma, 1e-2 on beta.
#[test]
fn the_seed_by_hand() {
    for (epoch, gamma) in [(0, 1e-2), (1, 9.82e-3), (25, 5.5e-3), (49, 1.18e-3), (50, 1e-3), (99, 1e-3)] {
        assert_eq!(L1Schedule::ORIGINAL.at(epoch, 50), L1 { gamma, beta: 1e-2 }, "epoch {epoch}");
    }
}

#[test]
fn a_constant_stays() {
    let schedule = L1Schedule { gamma: 0.06, beta: 0.0, gamma_decay: Decay::Constant };
    for epoch in [0, 7, 9] {
        assert_eq!(schedule.at(epoch, 10), L1 { gamma: 0.06, beta: 0.0 });
    }
}

/// Fractions in epochs 0, 2, 5 and 8 of 8, and in epoch 100.
#[test]
fn shares_by_hand() {
    let eighth = f64::midpoint(1.0, std::f64::consts::FRAC_1_SQRT_2);
    // cos(5 pi / 8) = -sin(pi / 8).
    let five = (1.0 - 0.382_683_432_365_09) / 2.0;
    for (decay, shares) in [
        (Decay::Constant, [1.0; 5]),
        (Decay::Linear { last: 0.2 }, [1.0, 0.8, 0.5, 0.2, 0.2]),
        (Decay::Linear { last: 1.8 }, [1.0, 1.2, 1.5, 1.8, 1.8]),
        (Decay::Cosine { last: 0.0 }, [1.0, eighth, five, 0.0, 0.0]),
        (Decay::Cosine { last: 0.2 }, [1.0, 0.2 + 0.8 * eighth, 0.2 + 0.8 * five, 0.2, 0.2]),
        (Decay::Growing { first: 0.2 }, [0.2, 0.4, 0.7, 1.0, 1.0]),
        (Decay::Growing { first: 0.0 }, [0.0, 0.25, 0.625, 1.0, 1.0]),
    ] {
        for (epoch, share) in [0, 2, 5, 8, 100].into_iter().zip(shares) {
            let got = decay.share(epoch, 8);
            assert!((got - share).abs() < 1e-12, "{decay:?}, epoch {epoch}: {got}, expected {share}");
        }
        let schedule = L1Schedule { gamma: 2.0, beta: 0.5, gamma_decay: decay };
        assert_eq!(schedule.at(8, 8), L1 { gamma: (2.0 * shares[3]) as f32, beta: 0.5 });
    }
}

#[test]
fn no_epochs_are_no_problem() {
    assert_eq!(L1Schedule::ORIGINAL.at(0, 0), L1 { gamma: 1e-2, beta: 1e-2 });
    assert_eq!(L1Schedule::ORIGINAL.at(5, 0), L1 { gamma: 1e-2, beta: 1e-2 });
}

#[test]
fn configurations() {
    let read = |value: Value| serde_json::from_value::<L1Schedule>(value).map_err(|e| e.to_string());
    assert_eq!(read(json!({})), Ok(L1Schedule::ORIGINAL));
    assert_eq!(read(serde_json::to_value(L1Schedule::ORIGINAL).unwrap()), Ok(L1Schedule::ORIGINAL));
    let cosine = L1Schedule { gamma_decay: Decay::Cosine { last: 0.5 }, ..L1Schedule::ORIGINAL };
    assert_eq!(read(json!({"gamma_decay": {"cosine": {"last": 0.5}}})), Ok(cosine));
    let growing = L1Schedule { gamma_decay: Decay::Growing { first: 0.5 }, ..L1Schedule::ORIGINAL };
    assert_eq!(read(json!({"gamma_decay": {"growing": {"first": 0.5}}})), Ok(growing));
    let constant = L1Schedule { gamma: 0.06, gamma_decay: Decay::Constant, ..L1Schedule::ORIGINAL };
    assert_eq!(read(json!({"gamma": 0.06, "gamma_decay": "constant"})), Ok(constant));
    let halved = L1Schedule { gamma_decay: Decay::Linear { last: 0.5 }, ..L1Schedule::ORIGINAL };
    assert_eq!(read(json!({"gamma_decay": {"linear": {"last": 0.5}}})), Ok(halved));

    let refused = |value: Value, parts: &[&str]| {
        let message = read(value).unwrap_err();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
    };
    refused(json!({"gamma": -0.01}), &["`gamma`", "-0.01", "0 or more"]);
    refused(json!({"beta": -1}), &["`beta`", "-1"]);
    refused(json!({"gamma_decay": {"linear": {"last": -2}}}), &["`last`", "-2"]);
    refused(json!({"gamma_decay": {"growing": {"first": -2}}}), &["`first`", "-2"]);
    refused(json!({"gamma_decay": {"growing": {"last": 1}}}), &["`last`", "`first`"]);
    refused(json!({"delta": 1}), &["`delta`", "`gamma`"]);
    refused(json!({"gamma_decay": {"linear": {"last": 1, "first": 1}}}), &["`first`"]);
    let nan = L1Schedule { beta: f64::NAN, ..L1Schedule::ORIGINAL };
    assert_eq!(nan.check().unwrap_err().to_string().split(';').next(), Some("L1 schedule: `beta` is NaN"));
}
