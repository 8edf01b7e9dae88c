//! Tests of wrong shapes and wrong call order: the error names the fault and both numbers.

use std::error::Error;

use bonsai_checkpoint::Array;
#[cfg(feature = "candle")]
use bonsai_exec::CandleExecutor;
#[cfg(all(feature = "candle", not(feature = "cuda")))]
use bonsai_exec::Device;
use bonsai_exec::{CpuExecutor, CpuOptions, ExecError, Mode};
use bonsai_testkit::{RandomGraphConfig, random_array, random_model};

use crate::engines::Engine;
#[cfg(feature = "candle")]
use crate::engines::device;

fn text(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(e) = source {
        text = format!("{text}: {e}");
        source = e.source();
    }
    text
}

#[test]
fn misuse_is_an_error_with_names_and_numbers() {
    for engine in Engine::all() {
        misuse(engine);
    }
}

fn misuse(engine: Engine) {
    let model = random_model(1, &RandomGraphConfig::default());
    let graph = model.checkpoint.model.graph();
    let mut executor = engine.start(graph, &model.checkpoint.weights);

    let wrong_channels = Array::zeros(&[1, 4, model.h, model.w]);
    let message = text(&executor.forward(Mode::Eval, &wrong_channels).unwrap_err());
    assert!(message.contains("[4, ") && message.contains("3 channels"), "{message}");

    let flat = Array::zeros(&[3, 4]);
    assert!(text(&executor.forward(Mode::Eval, &flat).unwrap_err()).contains("[n, c, h, w]"));

    let images = Array::zeros(&[1, 3, model.h, model.w]);
    let outputs = executor.forward(Mode::Eval, &images).unwrap();
    assert!(text(&executor.backward(&outputs).unwrap_err()).contains("training"));

    executor.forward(Mode::Train, &images).unwrap();
    let message = text(&executor.backward(&outputs[1..]).unwrap_err());
    assert!(message.contains(&format!("expected {}", outputs.len())), "{message}");

    let mut weights = model.checkpoint.weights.clone();
    let name = graph.params()[0].name.clone();
    weights.insert(name.clone(), Array::zeros(&[1]));
    let check = |message: String| {
        assert!(message.contains(&name) && message.contains("[1]"), "{message}");
    };
    check(text(&CpuExecutor::new(graph, &weights, CpuOptions::default()).unwrap_err()));
    #[cfg(feature = "candle")]
    check(text(&CandleExecutor::new(graph, &weights, device()).unwrap_err()));
}

#[test]
fn a_value_that_was_not_kept_needs_a_tap_and_any_forward_pass() {
    for engine in Engine::all() {
        let model = random_model(1, &RandomGraphConfig::default());
        let graph = model.checkpoint.model.graph();
        let mut executor = engine.start(graph, &model.checkpoint.weights);
        let images = random_array(3, &[1, 3, model.h, model.w]);
        let layer = graph.outputs()[0];
        let name = graph.node(layer).name();

        // A forward pass in training mode does not help without a tap, and one in evaluation does with it.
        let outputs = executor.forward(Mode::Train, &images).unwrap();
        let error = executor.tap(layer).unwrap_err();
        assert!(matches!(&error, ExecError::NotKept { node } if node == name), "{engine:?}: {error}");
        let message = error.to_string();
        assert!(message.contains("tap") && !message.contains("training"), "{message}");
        executor.backward(&outputs).unwrap();
        let error = executor.input_gradient().unwrap_err();
        assert!(matches!(error, ExecError::NoInputGradient), "{engine:?}: {error}");

        executor.set_taps(&[layer, graph.input()]);
        assert!(matches!(executor.tap(layer), Err(ExecError::NotKept { .. })), "{engine:?}");
        let outputs = executor.forward(Mode::Eval, &images).unwrap();
        assert_eq!(executor.tap(layer).unwrap(), outputs[0], "{engine:?}");
        let outputs = executor.forward(Mode::Train, &images).unwrap();
        executor.backward(&outputs).unwrap();
        assert_eq!(executor.input_gradient().unwrap().shape(), images.shape(), "{engine:?}");
        assert!(matches!(executor.tap(layer), Err(ExecError::NotKept { .. })), "{engine:?}");
    }
}

#[cfg(all(feature = "candle", not(feature = "cuda")))]
#[test]
fn a_device_that_is_not_there_is_named() {
    let model = random_model(1, &RandomGraphConfig::default());
    let weights = &model.checkpoint.weights;
    let error = CandleExecutor::new(model.checkpoint.model.graph(), weights, Device::Cuda(3)).unwrap_err();
    assert!(text(&error).contains("cuda:3"), "{}", text(&error));
}
