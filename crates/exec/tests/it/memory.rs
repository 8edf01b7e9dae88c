//! Tests of memory needs and budgets: the need is known before allocation, and a pass that exceeds the budget
//! is an error.

use std::thread;

use bonsai_checkpoint::Array;
use bonsai_exec::{
    CpuExecutor, CpuInference, CpuOptions, ExecError, Executor, ExecutorKind, ExecutorOptions, Inference,
    MemoryBudget, MemoryLimit, Mode, build_executor, build_inference, check_memory, memory_need,
};
use bonsai_graph::Graph;
use bonsai_testkit::{deep_model, enlarging_model};
use bonsai_yolov8::{Scale, build, init};

use crate::engines::KINDS;

fn options(kind: ExecutorKind, bytes: Option<u64>) -> ExecutorOptions {
    let budget = bytes.map(|bytes| MemoryBudget { bytes, limit: MemoryLimit::Machine });
    ExecutorOptions { kind: Some(kind), threads: 2, budget, ..ExecutorOptions::default() }
}

#[test]
#[expect(clippy::result_large_err, reason = "a test passes few errors on")]
fn a_pass_runs_on_what_it_said_and_is_refused_on_a_byte_less() {
    let checkpoint = init(&build(Scale::N, &["a".to_owned()]).unwrap(), 1).unwrap();
    let graph = checkpoint.model.graph();
    let weights = &checkpoint.weights;
    let images = Array::zeros(&[2, 3, 64, 96]);
    for &kind in KINDS {
        let needed = |mode| memory_need(graph, mode, [2, 64, 96], &options(kind, None)).unwrap().touched;
        let train = |bytes| {
            let mut executor = build_executor(graph, weights, &options(kind, Some(bytes))).unwrap();
            executor.forward(Mode::Train, &images)
        };
        let infer = |bytes| {
            let mut network = build_inference(graph, weights.clone(), &options(kind, Some(bytes))).unwrap();
            network.infer(&images).map(<[Array]>::to_vec)
        };
        let training = needed(Mode::Train);
        let inference = needed(Mode::Eval);
        assert!(training > inference, "{kind}: {training} and {inference}");
        assert_eq!(train(training).unwrap().len(), infer(inference).unwrap().len());
        for refused in [train(training - 1), infer(inference - 1)] {
            let Err(ExecError::Memory { needed, budget, .. }) = refused else { panic!("{kind}: it ran") };
            assert_eq!(needed, budget.bytes + 1, "{kind}");
        }
        let few = check_memory(graph, Mode::Train, [2, 64, 96], &options(kind, Some(1 << 20)));
        let message = few.unwrap_err().to_string();
        for part in ["training on 2 images of 64x96", "1.0 MiB", "this machine", "--batch", "--imgsz"] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
}

/// Largest accepted ratio, in percent, of the reported need to the measured lower bound. The difference is
/// scratch, padding and, in inference, folded weights and weights packed for Winograd's algorithm, which are
/// up to four times as large.
const MOST: [(Mode, usize); 2] = [(Mode::Train, 125), (Mode::Eval, 600)];

#[test]
fn the_cpu_executor_counts_what_it_then_takes() {
    let checkpoint = init(&build(Scale::N, &["a".to_owned()]).unwrap(), 1).unwrap();
    let graph = checkpoint.model.graph();
    let weights = &checkpoint.weights;
    let options = CpuOptions { threads: 1, ..CpuOptions::default() };
    let trained: usize = graph.params().iter().filter(|p| p.role.is_trained()).map(|p| p.len() * 4).sum();
    let images = 3 * 64 * 64 * 4;
    let outputs = (64 + 16 + 4) * (64 + 1) * 4;
    let mut executor = CpuExecutor::new(graph, weights, options).unwrap();
    let mut network = CpuInference::new(graph, weights.clone(), options).unwrap();
    for n in [1, 4, 8] {
        executor.forward(Mode::Train, &Array::zeros(&[n, 3, 64, 64])).unwrap();
        network.infer(&Array::zeros(&[n, 3, 64, 64])).unwrap();
        for (mode, most) in MOST {
            // Training has weights, gradients, momentum and average; inference only weights. Training has
            // outputs, their gradients and the loss's copies.
            let (used, copies, host) = match mode {
                Mode::Train => (executor.activation_bytes(), 4, images + 3 * outputs),
                Mode::Eval => (network.activation_bytes(), 1, images + outputs),
            };
            let least = used + copies * trained + n * host;
            let options =
                ExecutorOptions { kind: Some(ExecutorKind::Cpu), threads: 1, ..ExecutorOptions::default() };
            let said = memory_need(graph, mode, [n, 64, 64], &options).unwrap().touched as usize;
            assert!(said >= least && said <= least / 100 * most, "{mode:?}, {n}: {said} and {least}");
        }
    }
}

#[test]
fn a_network_that_makes_much_of_little_is_refused_and_not_asked_for() {
    let model = enlarging_model();
    let graph = model.model.graph();
    let weights = &model.weights;
    for &kind in KINDS {
        // 64 GiB would be a large machine; for 64 pixels the network needs four times as much.
        let mut network = build_inference(graph, weights.clone(), &options(kind, Some(64 << 30))).unwrap();
        let refused = network.check_memory([1, 64, 64]).unwrap_err();
        assert!(matches!(refused, ExecError::Memory { needed, .. } if needed >= 256 << 30), "{refused}");
        let refused = network.infer(&Array::zeros(&[1, 3, 64, 64])).unwrap_err();
        assert!(matches!(refused, ExecError::Memory { .. }), "{refused}");
        let mut executor = build_executor(graph, weights, &options(kind, Some(64 << 30))).unwrap();
        let refused = executor.forward(Mode::Train, &Array::zeros(&[1, 3, 64, 64])).unwrap_err();
        assert!(matches!(refused, ExecError::Memory { .. }), "{refused}");
    }
    // Sizes that overflow are errors even without a budget.
    let sizes = [[16, 1024, 1024], [1 << 40, 64, 64], [usize::MAX, 1024, 1024]];
    for size in sizes {
        for mode in [Mode::Train, Mode::Eval] {
            let error = memory_need(graph, mode, size, &options(ExecutorKind::Cpu, None)).unwrap_err();
            assert!(matches!(error, ExecError::Kernel(_)), "{error}");
            if cfg!(feature = "candle") {
                let candle = memory_need(graph, mode, size, &options(ExecutorKind::Candle, None)).unwrap();
                assert!(candle.touched >= 1 << 46);
            }
        }
    }
}

#[test]
fn a_deep_network_runs_on_a_small_stack() {
    let test = || {
        let model = deep_model(2000);
        let graph: &Graph = model.model.graph();
        let images = Array::zeros(&[1, 3, 16, 16]);
        for &kind in KINDS {
            let options = options(kind, Some(8 << 30));
            let mut executor = build_executor(graph, &model.weights, &options).unwrap();
            let outputs = executor.forward(Mode::Train, &images).unwrap();
            executor.backward(&outputs).unwrap();
            let mut network = build_inference(graph, model.weights.clone(), &options).unwrap();
            assert_eq!(network.infer(&images).unwrap().len(), 2);
        }
    };
    thread::Builder::new().stack_size(512 << 10).spawn(test).unwrap().join().unwrap();
}
