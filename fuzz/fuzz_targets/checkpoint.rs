//! Any bytes as a checkpoint: an error, or a checkpoint that can be written, read again and folded.
#![no_main]

use bonsai_checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::from_bytes(bytes) else { return };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    let read = Checkpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(read.to_bytes().expect("and written again"), written);
    checkpoint.fold_batch_norm().expect("its weights belong to its graph");
});
