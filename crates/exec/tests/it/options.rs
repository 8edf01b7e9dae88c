//! Tests of the choice of executor, its threads and its clock.

#![expect(clippy::result_large_err, reason = "an executor's error holds those of graphs and checkpoints")]

use bonsai_exec::{Device, ExecError, Executor, ExecutorKind, ExecutorOptions, Mode, build_executor};
#[cfg(not(feature = "candle"))]
use bonsai_exec::{build_inference, memory_need};
use bonsai_testkit::{
    RandomGraphConfig, RandomModel, Tolerance, assert_arrays_close, random_array, random_model,
    reference_forward,
};

use crate::engines::KINDS;

fn build(model: &RandomModel, options: &ExecutorOptions) -> Result<Box<dyn Executor + Send>, ExecError> {
    build_executor(model.spec().graph(), &model.checkpoint.weights, options)
}

fn options(kind: Option<ExecutorKind>, threads: usize) -> ExecutorOptions {
    ExecutorOptions { kind, threads, ..ExecutorOptions::default() }
}

#[test]
fn every_choice_computes_the_same_function() {
    let model = random_model(3, &RandomGraphConfig::default());
    let images = random_array(5, &[2, 3, model.h, model.w]);
    let expected = reference_forward(model.spec().graph(), &model.checkpoint.weights, &images, false);
    let named = KINDS.iter().flat_map(|&kind| [(Some(kind), 1), (Some(kind), 3)]);
    for (kind, threads) in [(None, 0)].into_iter().chain(named) {
        let mut executor = build(&model, &options(kind, threads)).unwrap();
        let outputs = executor.forward(Mode::Eval, &images).unwrap();
        for (actual, expected) in outputs.iter().zip(&expected) {
            let what = format!("{kind:?} with {threads} threads");
            assert_arrays_close(actual, expected, Tolerance::Close, &what);
        }
    }
}

#[test]
fn the_cpu_executor_refuses_a_gpu() {
    let model = random_model(0, &RandomGraphConfig::default());
    let refused =
        build(&model, &ExecutorOptions { device: Device::Cuda(0), ..options(Some(ExecutorKind::Cpu), 0) });
    let error = refused.err().expect("there is no such executor");
    assert!(matches!(error, ExecError::Executor { .. }), "{error}");
}

#[cfg(not(feature = "candle"))]
#[test]
fn candle_is_refused_where_the_program_has_none() {
    let model = random_model(0, &RandomGraphConfig::default());
    let options = options(Some(ExecutorKind::Candle), 0);
    let graph = model.spec().graph();
    let weights = &model.checkpoint.weights;
    let size = [1, model.h, model.w];
    for error in [
        build_executor(graph, weights, &options).err(),
        build_inference(graph, weights.clone(), &options).err(),
        memory_need(graph, Mode::Eval, size, &options).err(),
    ] {
        assert!(matches!(error, Some(ExecError::NoCandle)), "{error:?}");
    }
}

#[test]
fn the_clock_runs_only_when_it_is_on() {
    let model = random_model(1, &RandomGraphConfig::default());
    let graph = model.spec().graph();
    let images = random_array(2, &[1, 3, model.h, model.w]);
    for &kind in KINDS {
        let mut executor = build(&model, &options(Some(kind), 0)).unwrap();
        let pass = |executor: &mut dyn Executor| {
            let outputs = executor.forward(Mode::Train, &images).unwrap();
            executor.backward(&outputs).unwrap();
        };
        pass(&mut *executor);
        assert!(executor.timings().is_empty());
        executor.set_timing(true);
        pass(&mut *executor);
        let timings = executor.timings();
        for node in graph.nodes().iter().filter(|n| n.op().keyword() == "conv2d") {
            let named = timings.iter().any(|(label, _)| label.starts_with(node.name()));
            assert!(named, "{kind}: no time of `{}` in {timings:?}", node.name());
        }
        executor.set_timing(false);
        assert!(executor.timings().is_empty());
    }
}
