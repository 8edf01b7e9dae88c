//! [`Travel`]: values computed by hand, and a training that is too short for the original schedule.

use bonsai_sparsity::{L1Schedule, PlannedUpdate, Travel};

#[test]
fn three_updates_by_hand() {
    let update = |lr, lambda, momentum| PlannedUpdate { lr, lambda, momentum };
    // 0.1 * 2 / 0.5 + 0.2 * 1 / 0.25 + 0.3 * 0.5 / 1 = 0.4 + 0.8 + 0.15
    let travel = Travel::from_updates([update(0.1, 2.0, 0.5), update(0.2, 1.0, 0.75), update(0.3, 0.5, 0.0)]);
    assert!((travel.distance - 1.35).abs() < 1e-12, "{travel:?}");
    assert_eq!(travel.updates, 3);
}

/// Simulates momentum SGD on a parameter with a constant gradient.
#[test]
fn it_is_where_momentum_ends() {
    let lr = 0.01;
    let lambda = 0.06;
    let momentum = 0.937;
    let mut velocity = 0.0;
    let mut moved = 0.0;
    for _ in 0..20_000 {
        velocity = momentum * velocity + lambda;
        moved += lr * velocity;
    }
    let travel = Travel::from_updates((0..20_000).map(|_| PlannedUpdate { lr, lambda, momentum }));
    assert!((travel.distance - moved).abs() / moved < 1e-3, "{} and {moved}", travel.distance);
}

/// 50 epochs of 13 updates as in YOLOv8 training: learning rate 0.01, falling linearly to a hundredth once
/// per epoch; a warm-up of 100 updates from learning rate 0 and momentum 0.8 to 0.937.
fn bccd(schedule: L1Schedule) -> Travel {
    let epochs = 50;
    let per_epoch = 13;
    Travel::from_updates((0..epochs * per_epoch).map(|i| {
        let epoch = i / per_epoch;
        let warm = (i as f64 / 100.0).min(1.0);
        let factor = (1.0 - epoch as f64 / epochs as f64) * (1.0 - 0.01) + 0.01;
        PlannedUpdate {
            lr: 0.01 * factor * warm,
            lambda: f64::from(schedule.at(epoch, epochs).gamma),
            momentum: 0.8 + (0.937 - 0.8) * warm,
        }
    }))
}

#[test]
fn the_seed_is_too_weak_for_a_small_dataset() {
    let travel = bccd(L1Schedule::ORIGINAL);
    assert!((0.26..0.29).contains(&travel.distance), "{travel}");
    assert!(!travel.is_enough());
    let warning = travel.warning().unwrap();
    for part in ["0.27", "650 updates", "start at 1", "5.5-fold", "1.5"] {
        assert!(warning.contains(part), "`{part}` is missing in: {warning}");
    }
}

#[test]
fn what_the_warning_advises_is_enough() {
    let factor = Travel::AIM / bccd(L1Schedule::ORIGINAL).distance;
    let seed = L1Schedule::ORIGINAL;
    let travel = bccd(L1Schedule { gamma: seed.gamma * factor, ..seed });
    assert!((travel.distance - 1.5).abs() < 1e-6, "{travel}");
    assert_eq!((travel.is_enough(), travel.warning()), (true, None));
}

#[test]
fn without_l1_or_updates_nothing_moves() {
    let off = PlannedUpdate { lr: 0.01, lambda: 0.0, momentum: 0.9 };
    for travel in [Travel::from_updates([]), Travel::from_updates([off; 3])] {
        assert!(!travel.is_enough());
        assert!(travel.warning().unwrap().contains("switched off"), "{travel:?}");
    }
}
