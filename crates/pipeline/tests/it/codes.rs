//! Tests of 8-bit codes in a run: fine-tuning with their rounding, and the files that compute in them.

use bonsai_checkpoint::Checkpoint;
use bonsai_onnx::OnnxInfo;
use bonsai_pipeline::Stage;
use bonsai_tensorrt::EnginePrecision;

use crate::tiny_run::TinyRun;

fn engine(tiny: &TinyRun, name: &str) -> Checkpoint {
    tiny.checkpoint(Stage::Engine, name)
}

#[test]
fn files_in_codes_keep_those_of_the_training() {
    let mut tiny = TinyRun::new();
    tiny.config.finetune.qat = true;
    tiny.config.control.dense = true;
    let (report, _) = tiny.run();

    let trained = tiny.checkpoint(Stage::Finetune, "best.safetensors");
    assert!(trained.quantization.is_some());
    assert_eq!(engine(&tiny, "finetuned.int8.cpu.safetensors").quantization, trained.quantization);
    assert!(engine(&tiny, "finetuned.cpu.safetensors").quantization.is_none());
    assert!(engine(&tiny, "baseline.int8.cpu.safetensors").quantization.is_some());
    assert!(tiny.checkpoint(Stage::Control, "best.safetensors").quantization.is_none());

    let info = OnnxInfo::open(tiny.file(Stage::Export, "finetuned.int8.onnx")).unwrap();
    assert!(info.op_counts["QuantizeLinear"] > 0);
    let info = OnnxInfo::open(tiny.file(Stage::Export, "finetuned.onnx")).unwrap();
    assert!(!info.op_counts.contains_key("QuantizeLinear"));

    let row = |name: &str| report.rows.iter().find(|row| row.name == name).unwrap();
    let (network, engine) = (row("fine-tuned"), row("CPU engine int8, fine-tuned"));
    assert_eq!([network.precision, engine.precision], [EnginePrecision::Int8; 2]);
    // Folding and rounding are the same in both.
    assert_eq!(network.map50_95, engine.map50_95);

    // Other codes are another training, but the same pruned network.
    tiny.config.finetune.qat = false;
    let (_, told) = tiny.run();
    assert_eq!(told.ran[0], Stage::Finetune);
    assert!(tiny.checkpoint(Stage::Finetune, "best.safetensors").quantization.is_none());
}
