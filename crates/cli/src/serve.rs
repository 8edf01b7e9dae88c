//! `serve`: finds objects in the images that another program sends.
//!
//! A thread reads requests and their images while the network runs on the one before, so a program may write its next
//! request before it reads an answer.

use std::io::stdin;
use std::path::PathBuf;
use std::sync::mpsc::sync_channel;
use std::time::Instant;

use anyhow::{Error, Result};
use bonsai_detector::DrawOptions;
use clap::Args;
use serde_json::{Value, json};

use crate::failure::DONE;
use crate::onnx_args::OnnxRuntime;
use crate::output::{say_bytes, visible};
use crate::predict_files::{Found, PredictSettings, Predictor};
use crate::predict_options::DetectArgs;
use crate::serve_request::{MOST_BYTES, Request, read_request};
use crate::settings_args::Machine;

/// Version of the lines that are read and written.
const PROTOCOL: u32 = 1;
/// Requests that wait, with their images, while the network runs.
const WAITING: usize = 1;

/// Arguments of `serve`.
#[derive(Args)]
pub(crate) struct Serve {
    /// Read requests from standard input, until it ends, and answer on standard output
    #[arg(long, required = true)]
    stdin: bool,
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[command(flatten)]
    detect: DetectArgs,
    #[command(flatten)]
    onnx: OnnxRuntime,
    #[command(flatten)]
    machine: Machine,
}

/// Answers requests until the input ends.
pub(crate) fn serve(args: &Serve) -> Result<u8> {
    let settings = PredictSettings {
        detect: args.detect.settings(),
        out: None,
        labels: None,
        confidences: false,
        crops: None,
        draw: DrawOptions::default(),
        load: args.onnx.choice().with(args.machine.options()?),
    };
    let mut predictor = Predictor::open(&args.weights, &settings)?;
    write(&json!({
        "ready": true,
        "protocol": PROTOCOL,
        "version": env!("CARGO_PKG_VERSION"),
        "names": predictor.class_names(),
        "imgsz": predictor.imgsz(),
        "max_bytes": MOST_BYTES,
    }));
    let (sender, requests) = sync_channel(WAITING);
    // Not joined: after an error of the output, it may still wait for input.
    std::thread::spawn(move || {
        let mut input = stdin().lock();
        loop {
            let next = read_request(&mut input).transpose();
            let is_last = !matches!(next, Some(Ok(_)));
            if next.is_none_or(|next| sender.send(next).is_err()) || is_last {
                break;
            }
        }
    });
    for request in requests {
        let Request { id, image } =
            request.inspect_err(|error| write(&refused(&Value::Null, error, true)))?;
        let start = Instant::now();
        match image.and_then(|image| predictor.find(&image)) {
            Ok(found) => write(&answered(&id, &found, start.elapsed().as_secs_f64() * 1e3)),
            Err(error) => write(&refused(&id, &error, false)),
        }
    }
    Ok(DONE)
}

/// The answer with the objects of an image, and the milliseconds from its pixels to the objects.
fn answered(id: &Value, found: &[Found], milliseconds: f64) -> Value {
    json!({ "id": id, "detections": found, "milliseconds": milliseconds })
}

/// The answer to a request that could not be served. After a fatal one, the program ends.
fn refused(id: &Value, error: &Error, fatal: bool) -> Value {
    let mut answer = json!({ "id": id, "error": format!("{error:#}") });
    if fatal {
        answer["fatal"] = true.into();
    }
    answer
}

/// Writes a line at once, because the other program waits for it.
fn write(line: &Value) {
    say_bytes(format!("{}\n", visible(&line.to_string())).as_bytes());
}
