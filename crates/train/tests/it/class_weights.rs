//! Trainings with class weights.

use bonsai_checkpoint::{Array, Weights};
use bonsai_exec::{
    Buffer, ExecError, Executor, ExecutorKind, ExecutorOptions, HeadGradient, HeadPass, HeadSummary, Mode,
    PenaltyMap, UpdateReport, UpdateRule, build_executor,
};
use bonsai_graph::{DetectHead, Graph, NodeId};
use bonsai_train::{Evaluation, NoObserver, PenaltyPlan, Services, TrainConfig, TrainError, Trained, train};
use bonsai_yolov8::ClassWeights;

use crate::noise::{KINDS, Noise, config, no_penalty, start};
use crate::resume::reloaded;

/// An executor that claims to leave the outputs of a head on its device.
struct OnDevice(Box<dyn Executor + Send>);

impl Executor for OnDevice {
    fn graph(&self) -> &Graph {
        self.0.graph()
    }
    fn forward(&mut self, mode: Mode, images: &Array) -> Result<Vec<Array>, ExecError> {
        self.0.forward(mode, images)
    }
    fn head_pass(&mut self) -> Option<&mut dyn HeadPass> {
        Some(self)
    }
    fn backward(&mut self, output_gradients: &[Array]) -> Result<(), ExecError> {
        self.0.backward(output_gradients)
    }
    fn set_taps(&mut self, nodes: &[NodeId]) {
        self.0.set_taps(nodes);
    }
    fn tap(&self, node: NodeId) -> Result<Array, ExecError> {
        self.0.tap(node)
    }
    fn input_gradient(&self) -> Result<Array, ExecError> {
        self.0.input_gradient()
    }
    fn read(&self, buffer: Buffer) -> Result<Weights, ExecError> {
        self.0.read(buffer)
    }
    fn write(&mut self, buffer: Buffer, weights: &Weights) -> Result<(), ExecError> {
        self.0.write(buffer, weights)
    }
    fn zero_gradients(&mut self) -> Result<(), ExecError> {
        self.0.zero_gradients()
    }
    fn update(&mut self, rule: &UpdateRule) -> Result<UpdateReport, ExecError> {
        self.0.update(rule)
    }
    fn freeze(&mut self, names: &[String]) -> Result<(), ExecError> {
        self.0.freeze(names)
    }
    fn penalise(&mut self, map: &PenaltyMap) -> Result<(), ExecError> {
        self.0.penalise(map)
    }
}

impl HeadPass for OnDevice {
    fn forward_head(
        &mut self,
        _: &Array,
        _: &DetectHead,
        _: &[[usize; 2]],
    ) -> Result<HeadSummary, ExecError> {
        Err(ExecError::NoForward)
    }
    fn box_logits(&mut self, _: &[[usize; 2]]) -> Result<Vec<f32>, ExecError> {
        Err(ExecError::NoForward)
    }
    fn backward_head(&mut self, _: &HeadGradient<'_>) -> Result<(), ExecError> {
        Err(ExecError::NoForward)
    }
}

fn go(
    kind: ExecutorKind,
    from: &bonsai_checkpoint::Checkpoint,
    power: f64,
    weights: Option<&ClassWeights>,
    on_device: bool,
) -> Result<Trained, TrainError> {
    let options = ExecutorOptions { kind: Some(kind), threads: 2, ..ExecutorOptions::default() };
    let mut executor = build_executor(from.model.graph(), &from.weights, &options).unwrap();
    if on_device {
        executor = Box::new(OnDevice(executor));
    }
    let services = Services {
        executor: &mut *executor,
        batches: &mut Noise,
        evaluate: &mut |_| Ok(Evaluation::default()),
        penalty: PenaltyPlan::ByEpoch(&no_penalty),
        distill: None,
        codes: None,
        ranks: None,
        class_weights: weights,
        observer: &mut NoObserver,
    };
    train(from, &TrainConfig { cls_pw: power, ..config(2) }, services)
}

#[test]
fn weights_change_a_training_repeatably() {
    for kind in KINDS {
        let weights = ClassWeights::inverse_frequency(&[100, 4], 1.0);
        let plain = go(kind, &start(), 0.0, Some(&weights), false).unwrap();
        assert!(plain.last == go(kind, &start(), 0.0, None, false).unwrap().last, "power 0 uses no weights");
        let weighted = go(kind, &start(), 1.0, Some(&weights), false).unwrap();
        assert!(weighted.last.weights != plain.last.weights);
        let again = go(kind, &reloaded(&start()), 1.0, Some(&weights), false).unwrap();
        assert!(weighted.last == again.last && weighted.history == again.history);
        assert_ne!(weighted.history[0].cls_loss, plain.history[0].cls_loss);
    }
}

#[test]
fn a_training_without_counts_is_refused() {
    let error = go(ExecutorKind::Cpu, &start(), 0.5, None, false).unwrap_err().to_string();
    assert_eq!(error, "cls_pw is 0.5, must be 0, because the caller counts no classes");
}

/// A device computes one factor for all classes, so the host computes the weighted loss.
#[test]
fn an_executor_with_a_device_does_not_leave_the_weights_out() {
    let weights = ClassWeights::inverse_frequency(&[100, 4], 1.0);
    let host = go(ExecutorKind::Cpu, &start(), 1.0, Some(&weights), false).unwrap();
    let device = go(ExecutorKind::Cpu, &start(), 1.0, Some(&weights), true).unwrap();
    assert!(host.last == device.last);
    assert!(go(ExecutorKind::Cpu, &start(), 0.0, Some(&weights), true).is_err(), "the device must be asked");
}
