//! Tests of Adam, `NAdam` and `RMSprop` against PyTorch (`fixtures/exec/generate_optimizers.py`), and of the executors
//! against each other.

use bonsai_exec::{Buffer, L1Method, Method, Mode, RoleRule, UpdateRule};
use bonsai_graph::Graph;
use bonsai_testkit::{Tolerance, assert_arrays_close, random_array, random_weights};
use serde_json::Value;

use crate::engines::Engine;
use crate::optimiser::{executor, step, value};

/// PyTorch computed in 64 bits. In 32 bits, 1 - 0.99 has a relative error of 1e-6, which moves each of eight steps of
/// `RMSprop` by half of it.
const TOLERANCE: f32 = 4e-6;

/// The engines that have these methods.
fn engines() -> impl Iterator<Item = Engine> {
    #[cfg(feature = "cuda")]
    return Engine::all().into_iter().filter(|engine| !matches!(engine, Engine::Cuda(_)));
    #[cfg(not(feature = "cuda"))]
    Engine::all().into_iter()
}

fn method(name: &str, step: u64) -> Method {
    match name {
        "Adam" => Method::Adam { beta2: 0.999, eps: 1e-8, step },
        "NAdam" => Method::NAdam { beta2: 0.999, eps: 1e-8, step },
        "RMSProp" => Method::RmsProp { alpha: 0.99, eps: 1e-8 },
        other => panic!("{other} is not a method"),
    }
}

fn rule(method: Method, decay: f32) -> UpdateRule {
    UpdateRule {
        method,
        momentum: 0.9,
        conv_weight: RoleRule { lr: 0.1, weight_decay: decay, l1: 0.0 },
        ..UpdateRule::sgd(0.05)
    }
}

#[test]
fn eight_steps_of_pytorch() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/exec/optimizers.json");
    let golden: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let steps = golden["steps"].as_array().unwrap();
    let runs = golden["runs"].as_array().unwrap();
    assert_eq!((steps.len(), runs.len()), (8, 6));
    for engine in engines() {
        for run in runs {
            let name = run["optimizer"].as_str().unwrap();
            let mut executor = executor(engine, 2.0, 1.0);
            for (at, given) in steps.iter().enumerate() {
                let rule = rule(method(name, at as u64 + 1), number(&run["decay"]));
                step(&mut *executor, number(&given[0]), number(&given[1]), &rule);
                for (name, expected) in
                    [("y.weight", &run["values"][at][0]), ("y.bias", &run["values"][at][1])]
                {
                    let (found, expected) = (value(&*executor, Buffer::Params, name), number(expected));
                    let error = (found - expected).abs() / expected.abs().max(1.0);
                    assert!(error < TOLERANCE, "{:?}, step {at}: {found} is not {expected}", rule.method);
                }
            }
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
    for name in ["Adam", "NAdam", "RMSProp"] {
        let run = |engine: Engine| {
            let mut executor = engine.start(&graph, &weights);
            executor.freeze(&["a.bn.bias".to_owned(), "b.bias".to_owned()]).unwrap();
            for number in 1..4 {
                executor.forward(Mode::Train, &random_array(number, &[2, 3, 6, 5])).unwrap();
                executor.backward(&[random_array(number + 100, &[2, 20, 6, 5])]).unwrap();
                let rule = rule(method(name, number), 0.1);
                let rule = UpdateRule {
                    ema_decay: 0.9,
                    clip_norm: Some(1.0),
                    l1_method: L1Method::Proximal,
                    ..rule
                };
                let rule = UpdateRule { bn_gamma: RoleRule { l1: 0.1, ..rule.bn_gamma }, ..rule };
                assert!(executor.update(&rule).unwrap().gradient_norm > 0.0);
            }
            executor
        };
        let mut engines = engines();
        let expected = run(engines.next().unwrap());
        for engine in engines {
            let seen = run(engine);
            for buffer in [Buffer::Params, Buffer::Momentum, Buffer::SecondMoment, Buffer::Ema] {
                let seen = seen.read(buffer).unwrap();
                let expected = expected.read(buffer).unwrap();
                for (parameter, array) in seen.iter() {
                    let what = format!("{name} on {engine:?}, {buffer:?} of {parameter}");
                    assert_arrays_close(array, expected.get(parameter).unwrap(), Tolerance::Close, &what);
                    if ["a.bn.bias", "b.bias"].contains(&parameter) && buffer == Buffer::Params {
                        assert_eq!(array, weights.get(parameter).unwrap(), "{what}");
                    }
                }
            }
        }
    }
}

/// The state of these methods is in the buffers, so that a training can go on from a checkpoint.
#[test]
fn moments_survive_a_round_trip() {
    for engine in engines() {
        for name in ["Adam", "NAdam", "RMSProp"] {
            let mut first = executor(engine, 2.0, 1.0);
            step(&mut *first, 3.0, 1.0, &rule(method(name, 1), 0.5));
            assert_ne!(value(&*first, Buffer::SecondMoment, "y.weight"), 0.0);
            let mut second = executor(engine, 0.0, 0.0);
            let buffers = [Buffer::Params, Buffer::Momentum, Buffer::SecondMoment, Buffer::Ema];
            for buffer in buffers {
                second.write(buffer, &first.read(buffer).unwrap()).unwrap();
            }
            for executor in [&mut first, &mut second] {
                step(&mut **executor, -1.0, 2.0, &rule(method(name, 2), 0.5));
            }
            for buffer in buffers {
                assert_eq!(first.read(buffer).unwrap(), second.read(buffer).unwrap());
            }
        }
    }
}

#[cfg(feature = "cuda")]
#[test]
fn the_cuda_executor_refuses_them_by_name() {
    for engine in Engine::all().into_iter().filter(|engine| matches!(engine, Engine::Cuda(_))) {
        let mut executor = executor(engine, 2.0, 1.0);
        let error = executor.update(&rule(method("NAdam", 1), 0.0)).unwrap_err().to_string();
        assert!(error.contains("cuda") && error.contains("NAdam"), "{error}");
    }
}
