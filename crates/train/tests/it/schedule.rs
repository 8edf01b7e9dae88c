//! [`Schedule`] compared with tables computed by hand from the published recipe of Ultralytics 8.0.

use bonsai_exec::{L1Method, L1Placement, Method, RoleRule};
use bonsai_train::{Optimizer, Penalty, Per, PlannedStep, Schedule, StepSchedule, TrainConfig, ema_decay};

#[track_caller]
fn near(actual: f64, expected: f64, what: &str) {
    assert!((actual - expected).abs() <= 1e-12, "{what}: {actual} is not {expected}");
}

/// The defaults: 100 epochs at batch 16, four batches per step.
fn defaults() -> TrainConfig {
    TrainConfig { epochs: 100, batch: 16, nbs: 64, ..TrainConfig::default() }
}

#[test]
fn linear_and_cosine_decay() {
    // (1 - e/E) * (1 - lrf) + lrf, times lr0.
    let linear =
        [(0, 0.01), (1, 0.009_901), (25, 0.007_525), (50, 0.005_05), (75, 0.002_575), (99, 0.000_199)];
    // ((1 - cos(pi * e/E)) / 2) * (lrf - 1) + 1, times lr0.
    let cosine = [
        (0, 0.01),
        (25, 0.008_550_178_566_873_41),
        (50, 0.005_05),
        (75, 0.001_549_821_433_126_59),
        (99, 0.000_102_442_526_189_63),
    ];
    let short = TrainConfig { epochs: 3, lr0: 0.02, lrf: 0.1, ..defaults() };
    for (config, cos_lr, table) in [
        (defaults(), false, &linear[..]),
        (defaults(), true, &cosine[..]),
        (short.clone(), false, &[(0, 0.02), (1, 0.014), (2, 0.008)]),
        (short, true, &[(0, 0.02), (1, 0.0155), (2, 0.0065)]),
    ] {
        let schedule = Schedule::new(&TrainConfig { cos_lr, ..config }, 50);
        for (epoch, lr) in table {
            near(schedule.lr(*epoch), *lr, &format!("cosine {cos_lr}, epoch {epoch}"));
        }
    }
}

/// Batch since the first, epoch, learning rates of kernels and biases, momentum, batches per step.
type Row = (u64, usize, f64, f64, f64, u64);

#[track_caller]
fn check(config: &TrainConfig, batches: usize, table: &[Row]) {
    let schedule = Schedule::new(config, batches);
    for (number, epoch, weight_lr, bias_lr, momentum, accumulate) in table {
        let what = format!("{batches} batches, batch {number}, epoch {epoch}");
        let step = schedule.step(*number, *epoch);
        near(step.weight_lr, *weight_lr, &what);
        near(step.bias_lr, *bias_lr, &what);
        near(step.momentum, *momentum, &what);
        assert_eq!(step.accumulate, *accumulate, "{what}");
    }
}

#[test]
fn warm_up_over_three_epochs() {
    // 3 * 50 batches. Warm-up moves towards the learning rate of the epoch: 0.009901, 0.009802, 0.009703.
    check(
        &defaults(),
        50,
        &[
            (0, 0, 0.0, 0.1, 0.8, 1),
            (75, 1, 0.004_950_5, 0.054_950_5, 0.868_5, 2),
            (149, 2, 0.009_736_653_333_333_333, 0.010_403_32, 0.936_086_666_666_666_7, 4),
            (150, 3, 0.009_703, 0.009_703, 0.937, 4),
            (151, 3, 0.009_703, 0.009_703, 0.937, 4),
            (2_500, 50, 0.005_05, 0.005_05, 0.937, 4),
        ],
    );
}

#[test]
fn warm_up_is_at_least_a_hundred_batches() {
    // 3 * 20 = 60 and 3 * 1 = 3 batches are below the minimum of 100.
    check(
        &defaults(),
        20,
        &[
            (60, 3, 0.005_821_8, 0.045_821_8, 0.882_2, 3),
            (100, 5, 0.009_505, 0.009_505, 0.937, 4),
            (101, 5, 0.009_505, 0.009_505, 0.937, 4),
        ],
    );
    check(
        &defaults(),
        1,
        &[(50, 50, 0.002_525, 0.052_525, 0.868_5, 2), (101, 99, 0.000_199, 0.000_199, 0.937, 4)],
    );
    // Without the minimum, warm-up has sixty batches.
    let bare = TrainConfig { warmup_min_batches: 0, ..defaults() };
    check(
        &bare,
        20,
        &[(30, 1, 0.004_950_5, 0.054_950_5, 0.868_5, 2), (61, 3, 0.009_703, 0.009_703, 0.937, 4)],
    );
    // Half an epoch of 5 batches is 2.5 batches, which Python rounds to 2.
    let half = TrainConfig { warmup_epochs: 0.5, ..bare };
    check(
        &half,
        5,
        &[(1, 0, 0.005, 0.055, 0.868_5, 2), (2, 0, 0.01, 0.01, 0.937, 4), (3, 0, 0.01, 0.01, 0.937, 4)],
    );
}

#[test]
fn without_warm_up_the_first_batch_has_the_full_rates() {
    let config = TrainConfig { warmup_epochs: 0.0, ..defaults() };
    check(&config, 50, &[(0, 0, 0.01, 0.01, 0.937, 4), (1, 0, 0.01, 0.01, 0.937, 4)]);
}

#[test]
fn accumulation_grows_in_warm_up_and_halves_go_to_the_even_neighbour() {
    // 1 + 3 * n / 150: 1.5 at batch 25, 2.5 at 75, 3.5 at 125.
    let schedule = Schedule::new(&defaults(), 50);
    for (number, accumulate) in
        [(0, 1), (24, 1), (25, 2), (74, 2), (75, 2), (76, 3), (124, 3), (125, 4), (150, 4), (151, 4)]
    {
        assert_eq!(schedule.step(number, 0).accumulate, accumulate, "batch {number}");
    }
}

#[test]
fn accumulation_and_weight_decay_follow_the_real_batch() {
    // Batches per step max(1, round(nbs / batch)), decay 5e-4 * batch * batches / nbs.
    for (batch, nbs, accumulate, weight_decay) in [
        (16, 64, 4, 5e-4),
        (64, 64, 1, 5e-4),
        (24, 64, 3, 5.625e-4),
        (48, 64, 1, 3.75e-4),
        (128, 64, 1, 1e-3),
        (64, 16, 1, 2e-3),
        (1, 64, 64, 5e-4),
        // nbs / batch is 2.5 and 1.5.
        (40, 100, 2, 4e-4),
        (40, 60, 2, 6.666_666_666_666_667e-4),
    ] {
        let schedule = Schedule::new(&TrainConfig { batch, nbs, ..defaults() }, 50);
        let what = format!("batch {batch}, nbs {nbs}");
        near(schedule.weight_decay(), weight_decay, &what);
        assert_eq!(schedule.step(1_000, 20).accumulate, accumulate, "{what}");
        if nbs < batch {
            assert!(
                (0..200).all(|number| schedule.step(number, 0).accumulate == 1),
                "{what}: never less than one"
            );
        }
    }
}

#[test]
fn averaging_forgets_less_and_less() {
    // 0.9999 * (1 - exp(-n / 2000)).
    for (updates, decay) in [
        (0, 0.0),
        (1, 0.000_499_825_033_328_6),
        (100, 0.048_765_698_441_736),
        (2_000, 0.632_057_346_772_675),
        (10_000, 0.993_162_726_795_615),
        (1_000_000, 0.9999),
    ] {
        near(ema_decay(updates), decay, &format!("{updates} updates"));
    }
}

const STEP: StepSchedule = StepSchedule { weight_lr: 0.25, bias_lr: 0.5, momentum: 0.75, accumulate: 4 };

#[test]
fn parameter_groups() {
    // Per batch, L1 counts once for each of four accumulated batches, or three at the end of an epoch. Per
    // step, once.
    for (per, accumulated, gamma, beta) in [
        (Per::Batch, 4, 0.5, 0.25),
        (Per::Batch, 3, 0.375, 0.1875),
        (Per::Step, 4, 0.125, 0.0625),
        (Per::Step, 3, 0.125, 0.0625),
    ] {
        let penalty = Penalty {
            gamma: 0.125,
            beta: 0.0625,
            method: L1Method::Proximal,
            placement: L1Placement::AfterClip,
            per,
        };
        let rule = Schedule::new(&defaults(), 50).rule(STEP, penalty, accumulated, 2_000);
        assert_eq!(rule.conv_bias, RoleRule { lr: 0.5, weight_decay: 0.0, l1: 0.0 }, "pg0: biases");
        assert_eq!(rule.bn_beta, RoleRule { lr: 0.5, weight_decay: 0.0, l1: beta }, "pg0: betas");
        assert_eq!(rule.conv_weight, RoleRule { lr: 0.25, weight_decay: 5e-4, l1: 0.0 }, "pg1");
        assert_eq!(rule.bn_gamma, RoleRule { lr: 0.25, weight_decay: 0.0, l1: gamma }, "pg2");
        assert_eq!((rule.method, rule.momentum, rule.nesterov), (Method::Sgd, 0.75, true));
        assert_eq!((rule.clip_norm, rule.l1_placement), (Some(10.0), L1Placement::AfterClip));
        assert_eq!(rule.l1_method, L1Method::Proximal);
        near(f64::from(rule.ema_decay), f64::from(0.632_057_35f32), "decay of the weight average");
    }
}

/// Five batches per epoch; a step has three batches after a warm-up of four batches, in which it grows from
/// one.
#[test]
fn planned_steps_by_hand() {
    let config =
        TrainConfig { epochs: 2, batch: 1, nbs: 3, warmup_epochs: 0.8, warmup_min_batches: 0, ..defaults() };
    let schedule = Schedule::new(&config, 5);
    let steps: Vec<PlannedStep> = schedule.planned().collect();
    // Steps need 1, 2, 2, 2 batches (1.5 and 2.5 rounded), and 3 from batch 4 on. Batches 3 and 4 are pending
    // at the end of the epoch and are dropped, but batch 5 counts from the previous step.
    let found: Vec<_> = steps.iter().map(|s| (s.epoch, s.batches, s.schedule.accumulate)).collect();
    assert_eq!(found, [(0, 1, 1), (0, 2, 2), (1, 1, 3), (1, 3, 3)]);
    assert_eq!(steps[1].schedule, schedule.step(2, 0));
    assert_eq!(steps[3].schedule, schedule.step(8, 1));
}

#[test]
fn rmsprop_warms_its_momentum_up_as_sgd() {
    let config = TrainConfig { optimizer: Optimizer::RmsProp, ..defaults() };
    let rule = Schedule::new(&config, 50).rule(STEP, Penalty::default(), 4, 7);
    assert_eq!(rule.method, Method::RmsProp { alpha: 0.99, eps: 1e-8 });
    let sgd = Schedule::new(&defaults(), 50);
    assert_eq!(Schedule::new(&config, 50).step(75, 1), sgd.step(75, 1));
    for optimizer in [Optimizer::Adam, Optimizer::NAdam] {
        let schedule = Schedule::new(&TrainConfig { optimizer, ..defaults() }, 50);
        assert_eq!(schedule.step(75, 1).momentum, defaults().momentum);
    }
}

#[test]
fn adamw_has_the_same_groups_and_no_momentum_to_warm_up() {
    let config = TrainConfig { optimizer: Optimizer::AdamW, momentum: 0.9, ..defaults() };
    check(&config, 50, &[(0, 0, 0.0, 0.1, 0.9, 1), (75, 1, 0.004_950_5, 0.054_950_5, 0.9, 2)]);
    let rule = Schedule::new(&config, 50).rule(STEP, Penalty::default(), 4, 7);
    assert_eq!(rule.method, Method::AdamW { beta2: 0.999, eps: 1e-8, step: 7 });
    assert_eq!(rule.conv_weight, RoleRule { lr: 0.25, weight_decay: 5e-4, l1: 0.0 });
    assert_eq!(rule.bn_gamma.weight_decay + rule.bn_beta.weight_decay + rule.conv_bias.weight_decay, 0.0);
}
