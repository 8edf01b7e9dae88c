//! Any bytes as a plan: a header that agrees with them, or an error.
#![no_main]

use bonsai_tensorrt::{EngineKind, PlanHeader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(header) = PlanHeader::read(bytes, bytes.len() as u64) {
        assert_eq!(header.bytes, bytes.len() as u64);
        let magic: &[u8] = if header.kind == EngineKind::TensorRt { b"ftrt" } else { b"vtrt" };
        assert!(bytes.starts_with(magic));
        let _ = header.version.to_string();
    }
});
