//! Files of networks in 8-bit codes: small, faithful and strict.

use std::collections::BTreeMap;

use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Quantization;
use safetensors::tensor::Dtype;
use serde_json::json;

use crate::deployed;
use crate::tampered::tampered;

/// A folded network with codes for values from -1 to 3.
fn quantized(seed: u64) -> Checkpoint {
    let folded = deployed(seed).fold_batch_norm().unwrap();
    let graph = folded.model.graph();
    let ranges: BTreeMap<String, (f32, f32)> =
        graph.iter().map(|(_, node)| (node.name().to_owned(), (-1.0, 3.0))).collect();
    let quantization = Quantization::from_ranges(graph, &ranges).unwrap();
    Checkpoint { quantization: Some(quantization), ..folded }
}

/// Name of a kernel in the file.
fn kernel(checkpoint: &Checkpoint) -> String {
    let kernel = checkpoint.weights.iter().find(|(_, array)| array.shape().len() == 4).unwrap();
    kernel.0.to_owned()
}

#[test]
fn kernels_are_rounded_once() {
    for seed in 0..20 {
        let original = quantized(seed);
        let bytes = original.to_bytes().unwrap();
        let read = Checkpoint::from_bytes(&bytes).unwrap();
        assert_eq!(read.quantization, original.quantization);
        for (name, array) in original.weights.iter() {
            let rounded = read.weights.require(name).unwrap();
            let largest = array.data().iter().fold(0.0f32, |most, w| w.abs().max(most));
            // A code is off by at most half a step, and a step is at most the largest weight over 127.
            let bound = if array.shape().len() == 4 { 0.501 * largest / 127.0 } else { 0.0 };
            for (a, b) in array.data().iter().zip(rounded.data()) {
                assert!((a - b).abs() <= bound, "{name}: {a} became {b}");
            }
        }
        assert!(read.to_bytes().unwrap() == bytes, "seed {seed}: the file changes when it is written again");
    }
}

#[test]
fn a_file_of_values_does_not_change() {
    let text = String::from_utf8_lossy(&deployed(1).to_bytes().unwrap()).into_owned();
    assert!(!text.contains("quantization") && !text.contains(".scale"));
    let text = String::from_utf8_lossy(&quantized(1).to_bytes().unwrap()).into_owned();
    assert!(text.contains("quantization") && text.contains(".scale"));
}

#[test]
fn damaged_codes_are_refused() {
    let original = quantized(3);
    let kernel = kernel(&original);
    let scale = format!("{kernel}.scale");
    let refused = |bytes: Vec<u8>| {
        let error = Checkpoint::from_bytes(&bytes).unwrap_err();
        let source = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", source.unwrap_or_default())
    };
    let missing = tampered(&original, |parts| drop(parts.tensors.remove(&scale)));
    assert!(refused(missing).contains("scale"));
    for bad in [0.0f32, -1.0, f32::NAN, f32::INFINITY] {
        let bytes = tampered(&original, |p| {
            p.tensors.get_mut(&scale).unwrap().2[..4].copy_from_slice(&bad.to_le_bytes());
        });
        assert!(refused(bytes).contains("positive scales"), "{bad}");
    }
    let longer = tampered(&original, |parts| {
        let (_, shape, data) = parts.tensors.get_mut(&scale).unwrap();
        shape[0] += 1;
        data.extend([0, 0, 128, 63]);
    });
    assert!(refused(longer).contains("positive scales"));
    // Codes without a description of the wires, and the other way round.
    let no_wires = tampered(&original, |parts| {
        parts.header.as_object_mut().unwrap().remove("quantization");
    });
    assert!(refused(no_wires).contains("F32"));
    let no_codes = tampered(&original, |parts| parts.header["quantization"] = json!({}));
    assert!(refused(no_codes).contains("calibrate"));
    let zero = tampered(&original, |parts| {
        let wires = parts.header["quantization"].as_object_mut().unwrap();
        wires.values_mut().for_each(|codes| codes["scale"] = json!(0.0));
    });
    assert!(refused(zero).contains("positive number"));
    // A kernel may also be given as values; then it has no scales.
    let values = |scales: bool| {
        tampered(&original, |parts| {
            let (dtype, _, data) = parts.tensors.get_mut(&kernel).unwrap();
            *dtype = Dtype::F32;
            *data = vec![0; 4 * data.len()];
            if !scales {
                parts.tensors.remove(&scale);
            }
        })
    };
    assert!(Checkpoint::from_bytes(&values(false)).is_ok());
    assert!(refused(values(true)).contains(&scale));
}
