//! [`choices`]: which file of the run to deploy, for each place where it can run.
//!
//! In each place, the fastest measured file is chosen among those whose mAP50-95 is close to that of the
//! fine-tuned network, and of files that are almost equally fast, the one in the highest precision. If none is
//! close, the most accurate file is chosen.

use crate::{Report, Row};

/// Largest loss of mAP50-95 against the fine-tuned network of a file that is chosen for its speed.
const LOSS: f64 = 0.01;

/// A smaller difference of speeds, as a fraction, is not worth another precision.
const SAME_SPEED: f64 = 0.05;

/// A file to deploy.
pub(crate) struct Choice<'a> {
    /// Where it runs.
    pub(crate) place: &'static str,
    /// The measured file.
    pub(crate) row: &'a Row,
    /// A command or program that runs it.
    pub(crate) how: String,
}

/// The files to deploy: the engine for this CPU, and the ONNX file for other runtimes.
pub(crate) fn choices(report: &Report) -> Vec<Choice<'_>> {
    let Some(tuned) = report.row("fine-tuned") else { return Vec::new() };
    let best = |is_here: &dyn Fn(&Row) -> bool| {
        let files = report.rows.iter().filter(|row| row.network == "fine-tuned" && is_here(row));
        let files: Vec<&Row> = files.filter(|row| !row.file.is_empty()).collect();
        let is_close = |row: &&&Row| row.map50_95 >= tuned.map50_95 - LOSS;
        let fastest = files.iter().filter(is_close).map(|row| row.speed.times).fold(0.0, f64::max);
        // The rows come in the order fp32, fp16, int8.
        let fast = |row: &&&Row| row.speed.times >= (1.0 - SAME_SPEED) * fastest;
        let chosen = files.iter().filter(is_close).find(fast);
        chosen.or_else(|| files.iter().max_by(|a, b| a.map50_95.total_cmp(&b.map50_95))).copied()
    };
    let engine = best(&|row| row.is_cpu_engine()).map(|row| Choice {
        place: "this CPU, in Bonsai",
        row,
        how: format!("cargo xtask predict --weights {} --source photos --out seen", row.file),
    });
    let onnx = best(&|row| row.name.starts_with("ONNX")).map(|row| Choice {
        place: "onnxruntime, OpenVINO and other runtimes of ONNX",
        row,
        how: onnxruntime(report, row),
    });
    engine.into_iter().chain(onnx).collect()
}

/// A program that runs an ONNX file in onnxruntime.
fn onnxruntime(report: &Report, row: &Row) -> String {
    let side = report.imgsz;
    format!(
        "import numpy, onnxruntime\n\
         session = onnxruntime.InferenceSession(\"{}\")\n\
         # RGB from 0 to 1; the picture keeps its shape, the rest is grey (114 / 255)\n\
         images = numpy.full((1, 3, {side}, {side}), 114 / 255, numpy.float32)\n\
         output, = session.run(None, {{session.get_inputs()[0].name: images}})\n\
         boxes, scores = output[0, :4].T, output[0, 4:].T  # centre x, centre y, width, height in pixels\n\
         # then non-maximum suppression, for example cv2.dnn.NMSBoxes",
        row.file
    )
}
