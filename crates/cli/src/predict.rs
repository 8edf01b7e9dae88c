//! `predict`: finds objects in images.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use bonsai_detector::DrawOptions;
use bonsai_pipeline::path_text;
use clap::Args;

use crate::duration::remaining;
use crate::failure::{DONE, FAILED, ensure_usage};
use crate::interrupt::Interrupt;
use crate::onnx_args::OnnxRuntime;
use crate::output::{eprint_line, is_json, name, say, tell, warn_line};
use crate::predict_files::{Found, PredictSettings, Seen, predict as predict_files};
use crate::predict_options::DetectArgs;
use crate::predict_video::{Frame, is_video, predict_video, written};
use crate::settings_args::Machine;

/// Arguments of `predict`.
#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of the command line")]
pub(crate) struct Predict {
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// An image, a folder of images, a pattern in quotes (`'photos/*.jpg'`), a text file with one path per line; with
    /// ffmpeg, a video, a camera (0) or the address of a stream
    #[arg(long, value_name = "PATH")]
    pub(crate) source: PathBuf,
    #[command(flatten)]
    pub(crate) detect: DetectArgs,
    /// Folder for pictures with boxes, each named like its image
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Width of the boxes' lines in pixels [default: by the size of the picture]
    #[arg(long, value_name = "PIXELS", requires = "out", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) line_width: Option<u32>,
    /// Whether pictures have the names of classes
    #[arg(long, value_name = "BOOL", requires = "out", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) show_labels: bool,
    /// Whether pictures have the scores
    #[arg(long, value_name = "BOOL", requires = "out", default_value_t = true, action = clap::ArgAction::Set)]
    pub(crate) show_conf: bool,
    /// Write labels in YOLO format to OUT/labels
    #[arg(long, requires = "out")]
    pub(crate) save_txt: bool,
    /// Add the confidence to each line of the labels
    #[arg(long, requires = "save_txt")]
    pub(crate) save_conf: bool,
    /// Write a picture of each object to OUT/crops/CLASS
    #[arg(long, requires = "out")]
    pub(crate) save_crop: bool,
    /// Look at every Nth frame of a video
    #[arg(long, value_name = "N", default_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) vid_stride: u64,
    #[command(flatten)]
    pub(crate) onnx: OnnxRuntime,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

pub(crate) fn predict(args: &Predict) -> Result<u8> {
    let labels = args.out.as_ref().filter(|_| args.save_txt).map(|out| out.join("labels"));
    let crops = args.out.as_ref().filter(|_| args.save_crop).map(|out| out.join("crops"));
    let load = args.onnx.choice().with(args.machine.options()?);
    let settings = PredictSettings {
        detect: args.detect.settings(),
        out: args.out.as_deref(),
        labels: labels.as_deref(),
        confidences: args.save_conf,
        crops: crops.as_deref(),
        draw: DrawOptions { line: args.line_width, names: args.show_labels, scores: args.show_conf },
        load,
    };
    if is_video(&args.source) {
        return predict_frames(args, &settings);
    }
    ensure_usage!(args.vid_stride == 1, "--vid-stride is for videos, and {} is none", args.source.display());
    let start = Instant::now();
    let mut count = 0;
    let mut unreadable = 0;
    predict_files(&args.weights, &args.source, &settings, &mut |path, seen| {
        count += 1;
        match seen {
            Seen::Unreadable(why) => {
                unreadable += 1;
                warn_line!("skipped {}: {why}", name(&path.display()));
            }
            Seen::Found(found) if is_json() => {
                say!("{}", serde_json::json!({ "image": path_text(path), "detections": found }));
            }
            Seen::Found(found) => {
                say!("{}: {} objects", name(&path.display()), found.len());
                for object in found {
                    let [x1, y1, x2, y2] = object.xyxy;
                    let class = name(&object.name);
                    say!("  {class} {:.3} at {x1:.0},{y1:.0} to {x2:.0},{y2:.0}", object.confidence);
                }
            }
        }
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    tell!(
        "{count} images in {seconds:.2} s, {:.1} per second, including loading; {unreadable} could not be read",
        f64::from(count) / seconds
    );
    Ok(if unreadable == 0 { DONE } else { FAILED })
}

/// `predict` on a video.
fn predict_frames(args: &Predict, settings: &PredictSettings<'_>) -> Result<u8> {
    let start = Instant::now();
    let mut count = 0;
    let video = name(&args.source.display());
    let interrupt = Interrupt::listen()?;
    let source = (args.source.as_path(), args.vid_stride);
    predict_video(&args.weights, source, settings, &interrupt, &mut |frame, found| {
        count += 1;
        let Frame { number, of, seconds_left } = frame;
        if is_json() {
            let video = path_text(&args.source);
            say!("{}", serde_json::json!({ "image": video, "frame": number, "detections": found }));
            return Ok(());
        }
        let of = of.map_or_else(String::new, |of| format!(" of {of}"));
        let left = seconds_left.map_or_else(String::new, |left| format!(" ({} left)", remaining(left)));
        say!("{video} frame {number}{of}{left}: {}", counted(&found));
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = f64::from(count) / seconds;
    tell!("{count} frames in {seconds:.2} s, {rate:.1} per second, including decoding");
    if let Some(out) = &args.out {
        tell!("the video with boxes is {}", written(&args.source, out).display());
    }
    if interrupt.requested() {
        eprint_line!("stopped before the end of the video");
        return Ok(interrupt.exit_code());
    }
    Ok(DONE)
}

/// `3 objects: 2 person, 1 dog`.
fn counted(found: &[Found]) -> String {
    let mut classes: Vec<(&str, usize)> = Vec::new();
    for object in found {
        match classes.iter_mut().find(|(class, _)| *class == object.name) {
            Some((_, count)) => *count += 1,
            None => classes.push((&object.name, 1)),
        }
    }
    let each: Vec<String> =
        classes.into_iter().map(|(class, count)| format!("{count} {}", name(class))).collect();
    let colon = if each.is_empty() { "" } else { ": " };
    format!("{} objects{colon}{}", found.len(), each.join(", "))
}
