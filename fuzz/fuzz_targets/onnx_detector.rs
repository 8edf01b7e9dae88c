//! Any bytes as an ONNX file of a detector: what it takes and gives or an error; what outputs of any shape then mean; and a run
//! in rten, in a process of its own, which must end by itself.
//!
//! A file that was admitted and then ends that process by a signal or does not end is a finding: so is one that takes more
//! memory than its footprint says, for the process has a limit. AddressSanitizer needs more address space than that limit, so
//! this target runs without it:
//!
//! ```sh
//! cargo +nightly fuzz run -s none onnx_detector -- -rss_limit_mb=2048 -max_len=65536
//! ```
//!
//! Start it with small files (some kilobytes): from nothing it does not find the way to a graph.
#![no_main]

use std::ffi::OsString;
use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_detector::{Detector, DetectorError, LoadOptions, OnnxSignature, Runtime, Trial, try_onnx};
use bonsai_exec::{ExecutorOptions, MemoryBudget, MemoryLimit};
use bonsai_onnx::OnnxInfo;
use libfuzzer_sys::fuzz_target;

/// Rows or columns beside those that the classes need.
const ANCHORS: usize = 3;
/// What a file may take: one that takes more is refused, so that a run ends soon on any machine.
const BUDGET: MemoryBudget = MemoryBudget { bytes: 1 << 30, limit: MemoryLimit::Machine };
/// The word with which this program is started to run a file.
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

/// Has the file checked, and tried by another process.
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

/// Runs a file and ends, if this program was started for that.
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
