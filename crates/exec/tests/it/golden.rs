//! Tests against `fixtures/exec/golden.safetensors.gz`: a small network with every layer kind, computed by
//! PyTorch in `f64`.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{Buffer, Executor, Mode};
use bonsai_graph::Graph;
use bonsai_testkit::{Golden, Tolerance, assert_arrays_close};

use crate::engines::Engine;

const NETWORK: &str = include_str!("golden_network.txt");
const BATCH_NORMS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

struct Case {
    golden: Golden,
    executor: Box<dyn Executor>,
}

impl Case {
    fn all() -> impl Iterator<Item = Self> {
        Engine::all().into_iter().map(Self::load)
    }

    fn load(engine: Engine) -> Self {
        let golden = Golden::load("fixtures/exec/golden.safetensors.gz");
        let graph: Graph = NETWORK.parse().unwrap();
        let params =
            golden.iter().filter_map(|(n, a)| Some((n.strip_prefix("param.")?.to_owned(), a.clone())));
        let weights: Weights = params.collect();
        Self { golden, executor: engine.start(&graph, &weights) }
    }

    fn check(&self, actual: &Array, name: &str) {
        assert_arrays_close(actual, self.golden.get(name), Tolerance::Close, name);
    }

    fn train_pass(&mut self) -> Vec<Array> {
        let node = |name| self.executor.graph().find(name).unwrap();
        let taps = ["images", "cat1", "up", "p2"].map(node);
        self.executor.set_taps(&taps);
        self.executor.forward(Mode::Train, self.golden.get("input")).unwrap()
    }
}

#[test]
fn evaluation_equals_pytorch() {
    for mut case in Case::all() {
        let outputs = case.executor.forward(Mode::Eval, case.golden.get("input")).unwrap();
        case.check(&outputs[0], "eval.out1");
        case.check(&outputs[1], "eval.out2");
    }
}

#[test]
fn training_forward_taps_and_running_statistics_equal_pytorch() {
    for mut case in Case::all() {
        let outputs = case.train_pass();
        case.check(&outputs[0], "train.out1");
        case.check(&outputs[1], "train.out2");
        for name in ["cat1", "up", "p2"] {
            let tap = case.executor.tap(case.executor.graph().find(name).unwrap()).unwrap();
            case.check(&tap, &format!("tap.{name}"));
        }
        let params = case.executor.read(Buffer::Params).unwrap();
        for bn in BATCH_NORMS {
            for statistic in ["running_mean", "running_var"] {
                let name = format!("{bn}.bn.{statistic}");
                case.check(params.get(&name).unwrap(), &format!("after.{name}"));
            }
        }
    }
}

#[test]
fn every_gradient_equals_pytorch() {
    for mut case in Case::all() {
        case.train_pass();
        let upstream = ["upstream.out1", "upstream.out2"].map(|n| case.golden.get(n).clone());
        case.executor.backward(&upstream).unwrap();
        let gradients = case.executor.read(Buffer::Gradients).unwrap();
        for (name, gradient) in gradients.iter() {
            case.check(gradient, &format!("grad.{name}"));
        }
        assert_eq!(gradients.len(), 6 * 3 + 4, "six convolutions with gamma and beta, two with a bias");
        case.check(&case.executor.input_gradient().unwrap(), "grad.input");
    }
}

#[test]
fn two_backward_passes_accumulate() {
    for mut case in Case::all() {
        let upstream = ["upstream.out1", "upstream.out2"].map(|n| case.golden.get(n).clone());
        for _ in 0..2 {
            case.train_pass();
            case.executor.backward(&upstream).unwrap();
        }
        let gradients = case.executor.read(Buffer::Gradients).unwrap();
        let expected = case.golden.get("grad.a.conv.weight");
        let doubled = Array::new(expected.shape(), expected.data().iter().map(|v| 2.0 * v).collect());
        assert_arrays_close(gradients.get("a.conv.weight").unwrap(), &doubled, Tolerance::Close, "doubled");
        case.executor.zero_gradients().unwrap();
        let zero = case.executor.read(Buffer::Gradients).unwrap();
        assert!(zero.iter().all(|(_, a)| a.data().iter().all(|v| *v == 0.0)));
    }
}
