//! Tests of the optimiser step against numbers computed by hand.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, Executor, L1Placement, Mode, RoleRule, UpdateRule};
use bonsai_graph::{GraphBuilder, Op};

use crate::engines::Engine;

/// Tolerance for sums of a few `f32` products.
const EPS: f32 = 1e-6;

/// A 1x1 convolution with weight `w` and bias `b` on one pixel `x`: the gradients are `x` and 1, times the
/// upstream gradient.
pub(crate) fn executor(engine: Engine, w: f32, b: f32) -> Box<dyn Executor> {
    let mut builder = GraphBuilder::new();
    let x = builder.push("x", Op::Input { channels: 1 }, &[]).unwrap();
    let conv = Op::Conv2d { out_channels: 1, kernel: 1, stride: 1, padding: 0, bias: true, groups: 1 };
    let y = builder.push("y", conv, &[x]).unwrap();
    let graph = builder.finish(&[y]).unwrap();
    let weights: Weights = [
        ("y.weight".to_owned(), Array::new(&[1, 1, 1, 1], vec![w])),
        ("y.bias".to_owned(), Array::new(&[1], vec![b])),
    ]
    .into_iter()
    .collect();
    engine.start(&graph, &weights)
}

pub(crate) fn step(executor: &mut dyn Executor, x: f32, upstream: f32, rule: &UpdateRule) -> f32 {
    executor.forward(Mode::Train, &Array::new(&[1, 1, 1, 1], vec![x])).unwrap();
    executor.backward(&[Array::new(&[1, 1, 1, 1], vec![upstream])]).unwrap();
    executor.update(rule).unwrap().gradient_norm
}

pub(crate) fn value(executor: &dyn Executor, buffer: Buffer, name: &str) -> f32 {
    executor.read(buffer).unwrap().get(name).unwrap().data()[0]
}

pub(crate) fn near(actual: f32, expected: f32) {
    assert!((actual - expected).abs() < EPS * expected.abs().max(1.0), "{actual} is not {expected}");
}

#[test]
fn nesterov_with_weight_decay_and_average() {
    for engine in Engine::all() {
        let mut executor = executor(engine, 2.0, 1.0);
        let mut rule = UpdateRule { momentum: 0.9, nesterov: true, ema_decay: 0.75, ..UpdateRule::sgd(0.1) };
        rule.conv_weight.weight_decay = 0.5;
        // Gradient of the weight: 3; with decay 3 + 0.5 * 2 = 4. v = 4; step = 4 + 0.9 * 4 = 7.6; w = 2 -
        // 0.76.
        let norm = step(&mut *executor, 3.0, 1.0, &rule);
        near(norm, 10.0f32.sqrt());
        near(value(&*executor, Buffer::Params, "y.weight"), 1.24);
        near(value(&*executor, Buffer::Params, "y.bias"), 1.0 - 0.1 * 1.9);
        near(value(&*executor, Buffer::Ema, "y.weight"), 0.75 * 2.0 + 0.25 * 1.24);
        // Second step: g = 3 + 0.5 * 1.24 = 3.62; v = 0.9 * 4 + 3.62 = 7.22; step = 3.62 + 6.498; w = 1.24 -
        // 1.0118.
        step(&mut *executor, 3.0, 1.0, &rule);
        near(value(&*executor, Buffer::Momentum, "y.weight"), 7.22);
        near(value(&*executor, Buffer::Params, "y.weight"), 0.2282);
    }
}

#[test]
fn clipping_scales_the_whole_gradient() {
    for engine in Engine::all() {
        let mut executor = executor(engine, 2.0, 1.0);
        let rule = UpdateRule { clip_norm: Some(1.0), ..UpdateRule::sgd(1.0) };
        // x = 0.75 and upstream gradient 4 give the gradient (3, 4) with norm 5, which is clipped to (0.6,
        // 0.8).
        near(step(&mut *executor, 0.75, 4.0, &rule), 5.0);
        near(value(&*executor, Buffer::Params, "y.weight"), 2.0 - 0.6);
        near(value(&*executor, Buffer::Params, "y.bias"), 1.0 - 0.8);
    }
}

#[test]
fn l1_goes_before_or_after_clipping_and_is_nothing_at_zero() {
    for engine in Engine::all() {
        let with = |l1_placement| UpdateRule {
            clip_norm: Some(1.0),
            l1_placement,
            conv_bias: RoleRule { lr: 1.0, l1: 2.0, weight_decay: 0.0 },
            ..UpdateRule::sgd(1.0)
        };
        // Before: gradient (3, 2 + 2) clipped to (0.6, 0.8). After: (3, 2) / sqrt(13), then + 2.
        let mut before = executor(engine, 0.0, -1.0);
        step(&mut *before, 1.5, 2.0, &with(L1Placement::BeforeClip));
        near(value(&*before, Buffer::Params, "y.weight"), -3.0 / 3.0);
        near(value(&*before, Buffer::Params, "y.bias"), -1.0);
        let mut before = executor(engine, 0.0, 1.0);
        step(&mut *before, 1.5, 2.0, &with(L1Placement::BeforeClip));
        near(value(&*before, Buffer::Params, "y.bias"), 1.0 - 0.8);
        let mut after = executor(engine, 0.0, 1.0);
        step(&mut *after, 1.5, 2.0, &with(L1Placement::AfterClip));
        near(value(&*after, Buffer::Params, "y.bias"), 1.0 - 2.0 - 2.0 / 13.0f32.sqrt());
        let mut zero = executor(engine, 0.0, 0.0);
        step(&mut *zero, 0.0, 0.0, &with(L1Placement::AfterClip));
        assert_eq!(value(&*zero, Buffer::Params, "y.bias"), 0.0);
    }
}

#[test]
fn a_gradient_that_is_no_number_changes_nothing() {
    for engine in Engine::all() {
        for bad in [f32::NAN, f32::INFINITY] {
            let rule =
                UpdateRule { momentum: 0.9, ema_decay: 0.5, clip_norm: Some(1.0), ..UpdateRule::sgd(0.1) };
            let mut executor = executor(engine, 2.0, 1.0);
            step(&mut *executor, 3.0, 1.0, &rule);
            let buffers = [Buffer::Params, Buffer::Momentum, Buffer::Ema];
            let before = buffers.map(|b| executor.read(b).unwrap());
            assert!(!step(&mut *executor, 3.0, bad, &rule).is_finite());
            assert_eq!(buffers.map(|b| executor.read(b).unwrap()), before);
            assert_eq!(value(&*executor, Buffer::Gradients, "y.bias"), 0.0);
        }
    }
}

#[test]
fn buffers_survive_a_round_trip() {
    for engine in Engine::all() {
        let mut first = executor(engine, 2.0, 1.0);
        let rule = UpdateRule { momentum: 0.9, ema_decay: 0.5, ..UpdateRule::sgd(0.1) };
        step(&mut *first, 3.0, 1.0, &rule);
        let mut second = executor(engine, 0.0, 0.0);
        for buffer in [Buffer::Params, Buffer::Momentum, Buffer::Ema] {
            second.write(buffer, &first.read(buffer).unwrap()).unwrap();
        }
        step(&mut *first, 1.0, -1.0, &rule);
        step(&mut *second, 1.0, -1.0, &rule);
        for buffer in [Buffer::Params, Buffer::Momentum, Buffer::Ema] {
            assert_eq!(first.read(buffer).unwrap(), second.read(buffer).unwrap());
        }
    }
}
