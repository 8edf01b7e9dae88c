//! [`L1Plan`]: strengths for given travels, computed by hand.

use bonsai_sparsity::{Decay, L1Plan, L1PlanError, L1Schedule, PlannedStep, Strength, Travel};
use serde_json::{Value, json};

/// Two epochs of two updates.
fn steps() -> Vec<PlannedStep> {
    let step =
        |epoch, gamma_lr, beta_lr, momentum, times| PlannedStep { epoch, gamma_lr, beta_lr, momentum, times };
    vec![
        step(0, 0.1, 0.2, 0.5, 1.0),
        step(0, 0.1, 0.1, 0.75, 1.0),
        step(1, 0.2, 0.1, 0.75, 2.0),
        step(1, 0.1, 0.1, 0.0, 1.0),
    ]
}

fn near(actual: f64, expected: f64) {
    assert!((actual - expected).abs() < 1e-12, "{actual} is not {expected}");
}

#[test]
fn a_training_too_short_for_its_travel_is_warned_about() {
    let steps = |updates: usize| {
        (0..updates).map(|_| PlannedStep {
            epoch: 0,
            gamma_lr: 0.01,
            beta_lr: 0.01,
            momentum: 0.9,
            times: 1.0,
        })
    };
    // Each update moves a gamma by a tenth of the strength.
    let forecast = |plan: L1Plan, updates| plan.forecast(1, steps(updates)).unwrap();
    assert_eq!(forecast(L1Plan::TRAVEL, 151).warning(), None);

    // The chosen strength is limited so that it does not overwhelm the loss, and gammas travel less.
    let held = forecast(L1Plan::TRAVEL, 75);
    near(held.schedule.gamma, L1Plan::TRAVEL.limit);
    near(held.gamma.distance, 0.75);
    assert_eq!(held.held_from, Some(1.5));
    let said = held.warning().unwrap();
    for part in
        ["75 updates are few for a travel of 1.50", "a strength of 0.1", "by 0.75", "150 updates or more"]
    {
        assert!(said.contains(part), "`{part}` is missing in: {said}");
    }

    // A larger limit and a fixed number are obeyed, but cause a warning if they are strong.
    let bold = forecast(L1Plan { limit: 1.0, ..L1Plan::TRAVEL }, 100);
    let number = forecast(L1Plan { gamma: Strength::Lambda(0.15), ..L1Plan::TRAVEL }, 100);
    for forecast in [bold, number] {
        near(forecast.schedule.gamma, 0.15);
        assert_eq!(forecast.held_from, None);
        let said = forecast.warning().unwrap();
        for part in ["0.15", "100 updates", "travel of 1.50", "150 updates or more"] {
            assert!(said.contains(part), "`{part}` is missing in: {said}");
        }
    }
    // The travel of betas is reduced by the same factor, and by the limit itself.
    near(held.beta.distance, 0.25);
    let beta = L1Plan { gamma: Strength::Lambda(0.01), ..L1Plan::TRAVEL };
    near(forecast(beta, 25).schedule.beta, 0.1);
    // A limit of 0 switches L1 off.
    let off = forecast(L1Plan { limit: 0.0, ..L1Plan::TRAVEL }, 100);
    assert!(off.warning().unwrap().contains("switched off"));
}

#[test]
fn a_travel_becomes_the_strength_that_gives_it() {
    // A strength of 1 moves a gamma by 0.2 + 0.4 in the first epoch, and at half strength by 0.8 + 0.05 in
    // the second; a beta by 0.4 + 0.4 + 0.8 + 0.1.
    let plan = L1Plan {
        gamma: Strength::Travel(2.9),
        beta: Strength::Travel(0.34),
        gamma_decay: Decay::Linear { last: 0.0 },
        limit: 10.0,
    };
    let forecast = plan.forecast(2, steps()).unwrap();
    near(forecast.schedule.gamma, 2.9 / 1.45);
    near(forecast.schedule.beta, 0.34 / 1.7);
    near(forecast.gamma.distance, 2.9);
    near(forecast.beta.distance, 0.34);
    assert_eq!((forecast.gamma.updates, forecast.beta.updates), (4, 4));
    assert_eq!(forecast.schedule.gamma_decay, plan.gamma_decay);

    // The same strengths given as numbers result in the same travels.
    let fixed = L1Plan::fixed(forecast.schedule).forecast(2, steps()).unwrap();
    assert_eq!(fixed.schedule, forecast.schedule);
    near(fixed.gamma.distance, 2.9);
    near(fixed.beta.distance, 0.34);
}

#[test]
fn travel_does_not_depend_on_how_long_training_is() {
    for updates in [50, 650, 60_000] {
        let steps = (0..updates).map(|i| PlannedStep {
            epoch: i * 50 / updates,
            gamma_lr: 0.01,
            beta_lr: 0.01,
            momentum: 0.937,
            times: 1.0,
        });
        let plan = L1Plan { limit: 1.0, ..L1Plan::TRAVEL };
        let forecast = plan.forecast(50, steps).unwrap();
        near(forecast.gamma.distance, Travel::AIM);
        near(forecast.beta.distance, 0.5);
        // Shorter trainings need more: lr / (1 - momentum) is 0.01 / 0.063, and the mean decay over 50 epochs
        // is 0.559.
        let strength = Travel::AIM * 6.3 / updates as f64 / 0.559;
        assert!((forecast.schedule.gamma / strength - 1.0).abs() < 1e-9, "{updates}");
    }
}

#[test]
fn only_fixed_strengths_are_known_without_a_training() {
    assert_eq!(L1Plan::ORIGINAL.schedule(), Some(L1Schedule::ORIGINAL));
    assert_eq!(L1Plan::TRAVEL.schedule(), None);
    let half = L1Plan { gamma: Strength::Lambda(0.1), ..L1Plan::TRAVEL };
    assert_eq!(half.schedule(), None);
}

#[test]
fn a_travel_of_nothing_needs_no_updates_and_others_are_refused() {
    let none = L1Plan { gamma: Strength::Travel(0.0), beta: Strength::Lambda(0.1), ..L1Plan::TRAVEL };
    let forecast = none.forecast(2, []).unwrap();
    assert_eq!((forecast.schedule.gamma, forecast.schedule.beta), (0.0, 0.1));
    assert_eq!(forecast.beta.distance, 0.0);

    let still = PlannedStep { epoch: 0, gamma_lr: 0.1, beta_lr: 0.0, momentum: 0.0, times: 1.0 };
    for (steps, parts) in [
        (vec![], ["gamma", "1.5", "0 planned updates"]),
        (vec![still; 3], ["beta", "0.5", "3 planned updates"]),
        (vec![PlannedStep { momentum: 1.0, ..still }], ["gamma", "inf", "1 planned updates"]),
    ] {
        let error = L1Plan::TRAVEL.forecast(1, steps).unwrap_err();
        assert!(matches!(error, L1PlanError::Unreachable { .. }), "{error}");
        let text = error.to_string();
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    }
}

#[test]
fn numbers_are_checked_by_name() {
    let plan = |gamma, beta, gamma_decay| L1Plan { gamma, beta, gamma_decay, ..L1Plan::TRAVEL };
    let one = Strength::Lambda(1.0);
    for (plan, part) in [
        (plan(Strength::Travel(-1.75), one, Decay::Constant), "`gamma` is -1.75"),
        (plan(one, Strength::Travel(f64::INFINITY), Decay::Constant), "`beta` is inf"),
        (plan(one, Strength::Lambda(f64::NAN), Decay::Constant), "`beta` is NaN"),
        (plan(one, one, Decay::Cosine { last: -0.5 }), "`last` is -0.5"),
        (plan(one, one, Decay::Growing { first: f64::NAN }), "`first` is NaN"),
        (L1Plan { limit: -1.0, ..L1Plan::TRAVEL }, "`limit` is -1"),
    ] {
        let error = plan.forecast(2, steps()).unwrap_err();
        assert!(matches!(error, L1PlanError::Number(_)) && error.to_string().contains(part), "{error}");
    }
}

#[test]
fn strengths_as_they_are_written() {
    let read = |value: Value| serde_json::from_value::<Strength>(value).map_err(|e| e.to_string());
    assert_eq!(read(json!(0.01)), Ok(Strength::Lambda(0.01)));
    assert_eq!(read(json!(0)), Ok(Strength::Lambda(0.0)));
    assert_eq!(read(json!({"travel": 1.75})), Ok(Strength::Travel(1.75)));
    for strength in
        [Strength::Lambda(0.5), Strength::Travel(2.0), Strength::Loss(0.1), Strength::OfGamma(0.3)]
    {
        assert_eq!(read(serde_json::to_value(strength).unwrap()), Ok(strength));
    }
    for wrong in [json!("strong"), json!({"lambda": 1.0}), json!({"travel": 1.0, "over": 2})] {
        assert!(read(wrong).unwrap_err().contains("a number, `{ travel = DISTANCE }`"));
    }
}
