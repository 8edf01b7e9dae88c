//! Tests that need private access: uninitialised memory, padding, and the size of a plan.

use super::backend::CpuBackend;
use super::*;
use crate::plan::{Key, Network, ParamMap, Planner};
use crate::{Buffer, Executor, Mode, UpdateRule};
use bonsai_kernels::WinogradMode;
use bonsai_testkit::{RandomGraphConfig, random_array, random_model};

/// Returns outputs in both modes, all gradients and all parameters. Fills the memory with `poison` before
/// each program.
fn passes(seed: u64, poison: Option<f32>) -> (Vec<Array>, Vec<Weights>, CpuExecutor) {
    let model = random_model(seed, &RandomGraphConfig { max_channels: 20, ..RandomGraphConfig::default() });
    let options = CpuOptions { threads: 1, winograd: true, isa: None };
    let mut executor = CpuExecutor::new(model.spec().graph(), &model.checkpoint.weights, options).unwrap();
    let images = random_array(seed, &[2, 3, model.h, model.w]);
    let mut arrays = Vec::new();
    for mode in [Mode::Eval, Mode::Train] {
        // The first pass allocates the memory; the second pass finds it poisoned.
        executor.forward(mode, &images).unwrap();
        if let Some(poison) = poison {
            executor.runner.activations.as_mut_slice().fill(poison);
        }
        arrays.extend(executor.forward(mode, &images).unwrap());
    }
    executor.backward(&arrays[arrays.len() / 2..]).unwrap();
    let read = [Buffer::Gradients, Buffer::Params].map(|buffer| executor.read(buffer).unwrap());
    (arrays, read.to_vec(), executor)
}

#[test]
fn nothing_is_read_before_it_is_written() {
    for seed in 0..30 {
        let (arrays, weights, _) = passes(seed, None);
        let poisoned = passes(seed, Some(f32::NAN));
        assert!(arrays == poisoned.0 && weights == poisoned.1, "seed {seed}");
    }
}

#[test]
fn padding_stays_zero() {
    for seed in 0..30 {
        let (_, _, mut executor) = passes(seed, Some(1.0));
        let rule = UpdateRule { momentum: 0.9, ema_decay: 0.5, ..UpdateRule::sgd(0.1) };
        let gradients = executor.read(Buffer::Gradients).unwrap();
        let nonzero = |values: &[f32]| values.iter().filter(|v| **v != 0.0).count();
        let logical = |weights: &Weights| weights.iter().map(|(_, a)| nonzero(a.data())).sum::<usize>();
        assert_eq!(nonzero(executor.params.gradients.as_slice()), logical(&gradients), "seed {seed}");
        executor.update(&rule).unwrap();
        let params = &executor.params;
        for (buffer, memories) in [
            (Buffer::Params, vec![&params.trained, &params.statistics]),
            (Buffer::Momentum, vec![&params.momentum]),
            (Buffer::Ema, vec![&params.ema_trained, &params.ema_statistics]),
        ] {
            let physical: usize = memories.iter().map(|m| nonzero(m.as_slice())).sum();
            assert_eq!(physical, logical(&params.read(buffer)), "{buffer:?}, seed {seed}");
        }
        assert_eq!(nonzero(params.gradients.as_slice()), 0);
    }
}

#[test]
fn yolov8n_needs_little_memory() {
    const MIB: usize = 1 << 18;
    let names: Vec<String> = (0..80).map(|i| format!("class{i}")).collect();
    let model = bonsai_yolov8::build(bonsai_yolov8::Scale::N, &names).unwrap();
    let network = Network::new(model.graph());
    let params = ParamMap::new(model.graph(), &network.channels);
    let backend = CpuBackend { isa: Isa::PORTABLE, winograd: WinogradMode::Off };
    let planner = Planner { network: &network, params: &params, backend };
    let len = |mode, n, side| {
        let key = Key { mode, n, h: side, w: side, taps: Vec::new() };
        let folded = (mode == Mode::Eval).then(|| planner.fold(&key).unwrap());
        planner.plan(&key, folded.as_ref()).unwrap().activations_len
    };
    // Measured: 250 and 10.
    let train = len(Mode::Train, 8, 320);
    let eval = len(Mode::Eval, 1, 640);
    assert!(train < 280 * MIB && eval < 14 * MIB, "{} and {} MiB", train / MIB, eval / MIB);
}
