//! Any bytes as the pickle in an archive, whose checksums the fuzzer could not keep right.
#![no_main]

use std::io::{Cursor, Write};

use bonsai_checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Storages that tensors can refer to, of a kilobyte each.
const STORAGES: usize = 400;

fuzz_target!(|pickle: &[u8]| {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut entry = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).expect("memory can be written to");
        zip.write_all(bytes).expect("memory can be written to");
    };
    entry("a/data.pkl", pickle);
    for key in 0..STORAGES {
        entry(&format!("a/data/{key}"), &[0; 1024]);
    }
    let file = zip.finish().expect("memory can be written to").into_inner();
    let Ok(checkpoint) = Checkpoint::import_bytes(&file) else { return };
    let written = checkpoint.to_bytes().expect("what was read can be written");
    // Bytes, because a weight may be NaN.
    let read = Checkpoint::from_bytes(&written).expect("what was written can be read");
    assert_eq!(read.to_bytes().expect("and written again"), written);
});
