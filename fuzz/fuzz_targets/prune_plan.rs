//! Any bytes as a pruning plan in JSON: an error, or a plan that is written and read without loss.
//!
//! A network then accepts or refuses the plan.
#![no_main]

use std::sync::OnceLock;

use bonsai_checkpoint::Checkpoint;
use bonsai_prune::{PrunePlan, apply};
use bonsai_yolov8::{Scale, build, init};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    static NETWORK: OnceLock<Checkpoint> = OnceLock::new();
    let network = NETWORK.get_or_init(|| {
        let model = build(Scale::N, &["leaf".to_owned()]).expect("the standard network can be built");
        init(&model, 0).expect("the standard network can be filled")
    });
    let Some(plan) = std::str::from_utf8(bytes).ok().and_then(|text| PrunePlan::from_json(text).ok()) else {
        return;
    };
    let json = plan.to_json().expect("what was read can be written");
    assert_eq!(PrunePlan::from_json(&json).expect("what was written can be read"), plan);
    let _ = apply(&plan, network);
});
