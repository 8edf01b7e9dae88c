//! Tests of AdamW against `torch.optim.AdamW`, and of the executors against each other.
//!
//! This program prints the tables, for decay 0 and 0.5 (PyTorch 2.15):
//!
//! ```python
//! w, b = torch.tensor([2.0], requires_grad=True), torch.tensor([1.0], requires_grad=True)
//! groups = [{"params": [w], "lr": 0.1, "weight_decay": decay},
//!           {"params": [b], "lr": 0.05, "weight_decay": 0.0}]
//! optimiser = torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8)
//! for x, u in [(3.0, 1.0), (-1.0, 2.0), (0.5, -1.0), (2.0, 0.25), (-4.0, 0.5)]:
//!     w.grad, b.grad = torch.tensor([x * u]), torch.tensor([u])
//!     optimiser.step()
//!     print(f"[{w.item():.8}, {b.item():.8}],")
//! ```

use bonsai_checkpoint::Array;
use bonsai_exec::{Buffer, L1Placement, Method, Mode, RoleRule, UpdateRule};
use bonsai_graph::Graph;
use bonsai_testkit::{Tolerance, assert_arrays_close, random_array, random_weights};

use crate::engines::Engine;
use crate::optimiser::{executor, near, step, value};

/// Pixel and upstream gradient of each step.
const STEPS: [(f32, f32); 5] = [(3.0, 1.0), (-1.0, 2.0), (0.5, -1.0), (2.0, 0.25), (-4.0, 0.5)];

const WITHOUT_DECAY: [[f32; 2]; 5] = [
    [1.9, 0.95],
    [1.885_547_9, 0.901_740_9],
    [1.883_264_5, 0.880_736_5],
    [1.873_493_1, 0.860_666_8],
    [1.892_357_8, 0.838_608_1],
];

const WITH_DECAY: [[f32; 2]; 5] = [
    [1.8, 0.95],
    [1.695_547_8, 0.901_740_9],
    [1.608_487_1, 0.880_736_5],
    [1.518_291_2, 0.860_666_8],
    [1.461_241_4, 0.838_608_1],
];

fn rule(number: u64, decay: f32) -> UpdateRule {
    UpdateRule {
        method: Method::AdamW { beta2: 0.999, eps: 1e-8, step: number },
        momentum: 0.9,
        conv_weight: RoleRule { lr: 0.1, weight_decay: decay, l1: 0.0 },
        ..UpdateRule::sgd(0.05)
    }
}

#[test]
fn five_steps_of_pytorch() {
    for engine in Engine::all() {
        for (decay, table) in [(0.0, WITHOUT_DECAY), (0.5, WITH_DECAY)] {
            let mut executor = executor(engine, 2.0, 1.0);
            for (number, ((x, upstream), [w, b])) in (1..).zip(STEPS.into_iter().zip(table)) {
                step(&mut *executor, x, upstream, &rule(number, decay));
                near(value(&*executor, Buffer::Params, "y.weight"), w);
                near(value(&*executor, Buffer::Params, "y.bias"), b);
            }
        }
    }
}

#[test]
fn moments_survive_a_round_trip_and_cost_nothing_before() {
    for engine in Engine::all() {
        let mut first = executor(engine, 2.0, 1.0);
        assert_eq!(value(&*first, Buffer::SecondMoment, "y.weight"), 0.0);
        // A step of SGD does not create it either.
        step(&mut *first, 0.0, 0.0, &UpdateRule::sgd(0.1));
        assert_eq!(value(&*first, Buffer::SecondMoment, "y.weight"), 0.0);
        step(&mut *first, 3.0, 1.0, &rule(1, 0.5));
        near(value(&*first, Buffer::SecondMoment, "y.weight"), 0.009);
        near(value(&*first, Buffer::Momentum, "y.weight"), 0.3);
        let mut second = executor(engine, 0.0, 0.0);
        let buffers = [Buffer::Params, Buffer::Momentum, Buffer::SecondMoment, Buffer::Ema];
        for buffer in buffers {
            second.write(buffer, &first.read(buffer).unwrap()).unwrap();
        }
        for executor in [&mut first, &mut second] {
            step(&mut **executor, -1.0, 2.0, &rule(2, 0.5));
        }
        for buffer in buffers {
            assert_eq!(first.read(buffer).unwrap(), second.read(buffer).unwrap());
        }
    }
}

#[test]
fn clipping_and_l1_come_before_the_moments() {
    for engine in Engine::all() {
        // Gradient (3, 4) is clipped to (0.6, 0.8). L1 with strength 2 acts on the bias, before or after
        // clipping.
        for (placement, w, b) in [
            (L1Placement::AfterClip, 3.0 / 13.0f32.sqrt(), 2.0 / 13.0f32.sqrt() + 2.0),
            (L1Placement::BeforeClip, 0.6, 0.8),
        ] {
            let mut executor = executor(engine, 2.0, 1.0);
            let rule = UpdateRule {
                clip_norm: Some(1.0),
                l1_placement: placement,
                conv_bias: RoleRule { lr: 0.05, weight_decay: 0.0, l1: 2.0 },
                ..rule(1, 0.0)
            };
            step(&mut *executor, 1.5, 2.0, &rule);
            near(value(&*executor, Buffer::Momentum, "y.weight"), 0.1 * w);
            near(value(&*executor, Buffer::Momentum, "y.bias"), 0.1 * b);
            near(value(&*executor, Buffer::SecondMoment, "y.bias"), 0.001 * b * b);
        }
    }
}

#[test]
fn the_executors_agree_with_frozen_parameters_too() {
    let graph: Graph = "
        x = input() channels=3
        a.conv = conv2d(x) out_channels=13 kernel=3 stride=1 padding=1 bias=false
        a.bn = batch_norm(a.conv) eps=0.001 momentum=0.03
        b = conv2d(a.bn) out_channels=20 kernel=1 stride=1 padding=0 bias=true
        outputs = b"
        .parse()
        .unwrap();
    let weights = random_weights(3, &graph);
    let run = |engine: Engine| {
        let mut executor = engine.start(&graph, &weights);
        executor.freeze(&["a.bn.weight".to_owned(), "b.bias".to_owned()]).unwrap();
        for number in 1..4 {
            executor.forward(Mode::Train, &random_array(number, &[2, 3, 6, 5])).unwrap();
            executor.backward(&[random_array(number + 100, &[2, 20, 6, 5])]).unwrap();
            let rule = UpdateRule { ema_decay: 0.9, clip_norm: Some(1.0), ..rule(number, 0.1) };
            executor.update(&rule).unwrap();
        }
        executor
    };
    let (first, others) = Engine::first_and_others();
    let expected = run(first);
    for engine in others {
        let seen = run(engine);
        for buffer in [Buffer::Params, Buffer::Momentum, Buffer::SecondMoment, Buffer::Ema] {
            let seen = seen.read(buffer).unwrap();
            let expected = expected.read(buffer).unwrap();
            for (name, array) in seen.iter() {
                let what = format!("{engine:?}, {buffer:?} of {name}");
                assert_arrays_close(array, expected.get(name).unwrap(), Tolerance::Close, &what);
                if ["a.bn.weight", "b.bias"].contains(&name) {
                    let start = weights.get(name).unwrap();
                    let still = if buffer == Buffer::Params || buffer == Buffer::Ema {
                        start.clone()
                    } else {
                        Array::zeros(start.shape())
                    };
                    assert_eq!(*array, still, "{what}");
                }
            }
        }
    }
}
