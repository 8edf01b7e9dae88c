//! `bench`: one line of measurements that a script can read, and the text of the timed network.

use crate::program::{answer, misuse, xtask};

/// The line of measurements, which must be the only line.
fn figures(arguments: &[&str]) -> serde_json::Value {
    let line = answer(arguments);
    assert_eq!(line.lines().count(), 1, "{line}");
    serde_json::from_str(&line).unwrap()
}

fn positive(figures: &serde_json::Value, keys: &[&str]) {
    for key in keys {
        assert!(figures[key].as_f64().unwrap() > 0.0, "{key} in {figures}");
    }
}

#[test]
fn a_step_as_json() {
    let small =
        ["bench", "step", "--imgsz", "32", "--batch", "2", "--steps", "2", "--threads", "1", "--json"];
    let found = figures(&small);
    positive(&found, &["step_ms_median", "step_ms_min", "loss_ms_median"]);
    assert!(found["step_ms_min"].as_f64() <= found["step_ms_median"].as_f64());
    assert_eq!((found["executor"].as_str(), found["threads"].as_u64()), (Some("cpu"), Some(1)));
    assert!(["portable", "avx2", "avx512"].contains(&found["isa"].as_str().unwrap()));
    if cfg!(target_os = "linux") {
        positive(&found, &["peak_rss_mb"]);
    }
    let candle = [&small[..], &["--executor", "candle", "--dummy-loss", "--layers"]].concat();
    let found = figures(&candle);
    assert_eq!(found["executor"].as_str(), Some("candle"));
    assert!(found["layers"].as_array().unwrap().len() > 100);
}

#[test]
fn an_inference_as_json_and_as_text() {
    let small = ["bench", "infer", "--imgsz", "32", "--runs", "2"];
    let found = figures(&[&small[..], &["--json"]].concat());
    positive(&found, &["latency_ms_median", "latency_ms_min"]);
    let words = answer(&[&small[..], &["--layers"]].concat());
    for part in ["model.22.cv3.2.2", "suppression", "yolov8n", "executor cpu"] {
        assert!(words.contains(part), "`{part}` is not in: {words}");
    }
}

#[test]
fn a_narrow_network_prints_itself() {
    let text = answer(&["bench", "step", "--narrow", "3", "--print-graph"]);
    assert!(
        text.starts_with("images = input() channels=3") || text.contains(" = input() channels=3"),
        "{text}"
    );
    let widths = |text: &str| -> Vec<usize> {
        let fields = text.split_whitespace().filter_map(|word| word.strip_prefix("out_channels="));
        fields.map(|width| width.parse().unwrap()).collect()
    };
    let full = answer(&["bench", "step", "--print-graph"]);
    let rounded = answer(&["bench", "step", "--narrow-rounded", "3", "--print-graph"]);
    let cut: Vec<usize> =
        widths(&text).into_iter().zip(widths(&full)).filter(|(a, b)| a != b).map(|(a, _)| a).collect();
    assert!(cut.len() > 50 && cut.iter().all(|width| width % 8 != 0), "{cut:?}");
    assert!(widths(&rounded).iter().zip(widths(&text)).all(|(rounded, exact)| *rounded >= exact));
}

#[test]
fn options_that_do_not_fit_together_are_refused() {
    let message = misuse(&["bench", "step", "--executor", "cpu", "--device", "cuda:0"]);
    assert!(message.contains("`cpu`") && message.contains("`cuda:0`"), "{message}");
    let message = misuse(&["bench", "infer", "--imgsz", "36"]);
    assert!(message.contains("imgsz is 36") && message.contains("multiple of 32"), "{message}");
    // Errors of the argument parser have its own exit code.
    for wrong in [["--executor", "onnx"], ["--threads", "two"]] {
        let output = xtask(&[&["bench", "step"][..], &wrong].concat());
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && message.contains(wrong[1]), "{message}");
    }
}
