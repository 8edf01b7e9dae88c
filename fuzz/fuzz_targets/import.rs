//! Any bytes as a PyTorch file or a state dict: an error, or a checkpoint that can be written and read again.
#![no_main]

use bonsai_checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(checkpoint) = Checkpoint::import_bytes(bytes) else { return };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    // Bytes, because a weight may be NaN.
    let read = Checkpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(read.to_bytes().expect("and written again"), written);
});
