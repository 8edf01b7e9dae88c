//! Any bytes as a serialised model: an error, or a model that is written and read without loss.
#![no_main]

use bonsai_graph::{ModelSpec, Size};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(model) = serde_json::from_slice::<ModelSpec>(bytes) else { return };
    let json = serde_json::to_string(&model).expect("what was read can be written");
    assert_eq!(serde_json::from_str::<ModelSpec>(&json).expect("what was written can be read"), model);
    let _ = model.graph().cost(Size::square(64));
    let folded = model.graph().fold_batch_norm().graph;
    assert!(model.with_graph(folded).is_ok(), "folding keeps the outputs");
});
