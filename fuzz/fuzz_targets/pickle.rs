//! Any bytes as the pickle in an archive.
//!
//! The target writes the archive, because the fuzzer could not keep its checksums valid.
//!
//! Bytes that do not begin like a pickle are put after instructions that fill the memo with the parts of a
//! network, so that short inputs reach the reader of modules and tensors.
#![no_main]

use std::io::{Cursor, Write};

use bonsai_checkpoint::Checkpoint;
use libfuzzer_sys::fuzz_target;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// Number of storages that tensors can refer to, of a kilobyte each.
const STORAGES: usize = 400;

/// Puts a tensor, a model's class, a list of modules, and names of modules and attributes into the memo, as 1
/// to 9.
const BEFORE: &[u8] = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n\
    ((U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuK\x10tQK\x00K\x04\x85K\x01\x85\x89NtRq\x010\
    cultralytics.nn.tasks\nDetectionModel\nq\x020ctorch.nn.modules.container\nSequential\nq\x030\
    cultralytics.nn.modules.conv\nConv\nq\x040ctorch.nn.modules.conv\nConv2d\nq\x050\
    U\x08_modulesq\x060U\x0b_parametersq\x070U\x05modelq\x080U\x06weightq\x090";

fuzz_target!(|input: &[u8]| {
    let pickle = if input.first() == Some(&0x80) { input.to_vec() } else { [BEFORE, input].concat() };
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut entry = |name: &str, bytes: &[u8]| {
        zip.start_file(name, options).expect("memory can be written to");
        zip.write_all(bytes).expect("memory can be written to");
    };
    entry("a/data.pkl", &pickle);
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
