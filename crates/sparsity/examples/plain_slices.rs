//! Example: L1 in your own training loop, on plain slices.
//!
//! `cargo run --release -p bonsai-sparsity --example plain_slices`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_sparsity::{L1Plan, L1PlanError, PlannedStep, add_l1_to_gradient};

/// Epochs, updates per epoch, and the learning rate.
const EPOCHS: usize = 4;
const UPDATES: usize = 100;
const LR: f32 = 0.5;

fn main() -> Result<(), L1PlanError> {
    let steps = (0..EPOCHS * UPDATES).map(|i| PlannedStep {
        epoch: i / UPDATES,
        gamma_lr: f64::from(LR),
        beta_lr: f64::from(LR),
        momentum: 0.0,
        times: 1.0,
    });
    let forecast = L1Plan::TRAVEL.forecast(EPOCHS, steps)?;
    assert!(forecast.gamma.is_enough());

    // Two scales start at 1; the loss keeps the first at 1 and does not depend on the second.
    let mut gammas = [1.0_f32, 1.0];
    for update in 0..EPOCHS * UPDATES {
        let mut gradient = [gammas[0] - 1.0, 0.0];
        let strength = forecast.schedule.at(update / UPDATES, EPOCHS).gamma;
        add_l1_to_gradient(&mut gradient, &gammas, strength);
        gammas.iter_mut().zip(gradient).for_each(|(gamma, slope)| *gamma -= LR * slope);
    }
    assert!(gammas[0] > 0.98 && gammas[1].abs() < 0.01, "{gammas:?}");
    println!("sparsity: {}; scales of 1 become {gammas:?}", forecast.gamma);
    Ok(())
}
