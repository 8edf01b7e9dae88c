//! Any bytes as an engine: an error, or metadata and plan that can be put together again.
#![no_main]

use bonsai_tensorrt::{EngineFile, metadata_prefix};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(engine) = EngineFile::read(bytes) else { return };
    assert!(bytes.ends_with(engine.plan));
    let Some(metadata) = engine.metadata else {
        assert_eq!(engine.plan, bytes);
        return;
    };
    let mut written = metadata_prefix(&metadata).expect("what was read is not too long");
    written.extend(engine.plan);
    let again = EngineFile::read(&written).expect("what was written can be read");
    assert_eq!((again.metadata, again.plan), (Some(metadata), engine.plan));
});
