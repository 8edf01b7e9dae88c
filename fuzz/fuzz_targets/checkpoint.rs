//! Any bytes as a checkpoint: an error, or a checkpoint that can be written, read again and folded.
//!
//! The checkpoint also runs, if its plan needs little memory: in 8-bit codes if it has them.
#![no_main]

use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_exec::{
    CpuInference, CpuOptions, ExecError, ExecutorOptions, Inference, Int8Inference, Int8Options, Mode, memory_need,
};
use bonsai_graph::Size;
use libfuzzer_sys::fuzz_target;

/// Side of the images in pixels, and most bytes, multiply-accumulates and layers of a network that is run.
const SIDE: usize = 32;
const LITTLE: u64 = 64 << 20;
const WORK: u64 = 20_000_000;
const LAYERS: usize = 500;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else { return };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    let read = Checkpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(read.to_bytes().expect("and written again"), written);
    let folded = checkpoint.fold_batch_norm().expect("its weights belong to its graph");
    let graph = folded.model.graph();
    let little = graph.cost(Size::square(SIDE)).is_ok_and(|cost| cost.macs <= WORK) && graph.nodes().len() <= LAYERS;
    let need = || memory_need(graph, Mode::Eval, [1, SIDE, SIDE], &ExecutorOptions::default());
    if little && need().is_ok_and(|need| need.reserved <= LITTLE) {
        let channels = graph.node(graph.input()).channels();
        let images = Array::zeros(&[1, channels, SIDE, SIDE]);
        if let Some(quantization) = &folded.quantization {
            let options = Int8Options { threads: 1, isa: None };
            match Int8Inference::new(graph, &folded.weights, quantization, options) {
                Ok(mut network) => drop(network.infer(&images)),
                Err(error) => assert!(matches!(error, ExecError::Codes { .. } | ExecError::Kernel(_)), "{error}"),
            }
            return;
        }
        let options = CpuOptions { threads: 1, ..CpuOptions::default() };
        let mut network = CpuInference::new(graph, folded.weights.clone(), options).expect("it was planned");
        network.infer(&images).expect("what can be planned runs");
    }
});
