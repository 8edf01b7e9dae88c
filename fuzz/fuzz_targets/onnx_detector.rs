//! Any bytes as an ONNX detector: its signature or an error, decoded outputs, and a run in rten.
//!
//! The run is in a process of its own, which must end by itself. It is a finding if a file is admitted and
//! that process is then ended by a signal or does not end. It is also a finding if the file takes more memory
//! than its footprint, because the process has a memory limit. AddressSanitizer needs more address space than
//! that limit, so this target runs without it:
//!
//! ```sh
//! cargo +nightly fuzz run -s none onnx_detector -- -rss_limit_mb=2048 -max_len=65536
//! ```
//!
//! Start it with small files (a few kilobytes): from an empty corpus it does not find a valid graph.
#![no_main]

use std::ffi::OsString;
use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_detector::{Detector, DetectorError, LoadOptions, OnnxSignature, Runtime, Trial, try_onnx};
use bonsai_exec::{ExecutorOptions, MemoryBudget, MemoryLimit};
use bonsai_onnx::OnnxInfo;
use libfuzzer_sys::fuzz_target;

/// Rows or columns in addition to those that the classes need.
const ANCHORS: usize = 3;
/// Memory limit of a file: one that takes more is refused, so that a run ends soon on any machine.
const BUDGET: MemoryBudget = MemoryBudget { bytes: 1 << 30, limit: MemoryLimit::Machine };
/// The argument with which this program is started to run a file.
const WORD: &str = "try-onnx";

fuzz_target!(init: serve(), |bytes: &[u8]| {
    let Ok(info) = OnnxInfo::read(bytes) else { return };
    let Ok(signature) = OnnxSignature::read(&info) else { return };
    let classes = signature.classes();
    let shapes: [&[usize]; 6] = [
        &[1, 4 + classes, ANCHORS],
        &[1, ANCHORS, 5 + classes],
        &[2, ANCHORS, 6],
        &[1, 0, 6],
        &[1, ANCHORS],
        &[0, 4 + classes, 0],
    ];
    for shape in shapes {
        let values = shape.iter().product();
        // Numbers of every kind, from the file itself.
        let data = bytes.iter().cycle().take(values).map(|byte| f32::from(*byte) - 3.0).collect();
        let _ = signature.clone().outputs(Array::new(shape, data), shape[0]);
    }
    run(bytes);
});

/// Checks the file, and lets another process run it.
fn run(bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for the file");
    let path = folder.path().join("fuzzed.onnx");
    std::fs::write(&path, bytes).expect("the file is written");
    let program = std::env::current_exe().expect("this program has a path");
    let trial = Some(Trial { program, words: vec![WORD.into()] });
    let executor = ExecutorOptions { budget: Some(BUDGET), ..ExecutorOptions::default() };
    let loaded = Detector::load(&path, LoadOptions { trial, executor, ..LoadOptions::default() });
    let Err(DetectorError::Load { source, .. }) = loaded else { return };
    if let DetectorError::Trial { what, .. } = *source {
        let ended = ["ended its process", "took longer"].iter().any(|how| what.contains(how));
        assert!(!ended, "admitted, and then it {what}");
    }
}

/// Runs a file and exits, if this program was started for that.
fn serve() {
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let [word, runtime, threads, memory, _, path] = &words[..] else { return };
    if word != WORD {
        return;
    }
    let [runtime, threads, memory] = [runtime, threads, memory].map(|word| word.to_string_lossy());
    let (runtime, _, memory) = Runtime::tried([&runtime, &threads, &memory]).expect("words of a trial");
    let options = LoadOptions { runtime: Some(runtime), ..LoadOptions::default() };
    let (code, message) = try_onnx(Path::new(path), &options, memory);
    println!("{message}");
    std::process::exit(code.into());
}
