//! `predict`: finds objects in images.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use bonsai_pipeline::path_text;
use clap::Args;

use crate::failure::{DONE, FAILED};
use crate::numbers::side;
use crate::onnx_args::OnnxRuntime;
use crate::output::{eprint_line, is_json, name, say, tell};
use crate::predict_files::{DetectSettings, PredictSettings, Seen, predict as predict_files};
use crate::settings_args::Machine;

/// Arguments of `predict`.
#[derive(Args)]
pub(crate) struct Predict {
    /// Checkpoint, CPU engine, .pt or ONNX file
    #[arg(long, value_name = "FILE")]
    pub(crate) weights: PathBuf,
    /// An image, a folder of images, a pattern in quotes (`'photos/*.jpg'`), or a text file with one path per
    /// line
    #[arg(long, value_name = "PATH")]
    pub(crate) source: PathBuf,
    /// Side of the network's input in pixels [default: as trained]
    #[arg(long, value_parser = side)]
    pub(crate) imgsz: Option<usize>,
    /// Lowest score [default: 0.25]
    #[arg(long)]
    pub(crate) conf: Option<f32>,
    /// Overlap above which the lower-scored box is removed [default: 0.7]
    #[arg(long)]
    pub(crate) iou: Option<f32>,
    /// Maximum number of objects per image
    #[arg(long)]
    pub(crate) max_det: Option<usize>,
    /// Classes to report, by number or name, such as `0,dog` [default: all]
    #[arg(long, value_delimiter = ',')]
    pub(crate) classes: Option<Vec<String>>,
    /// Folder for pictures with boxes, each named like its image
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Write labels in YOLO format to OUT/labels
    #[arg(long, requires = "out")]
    pub(crate) save_txt: bool,
    /// Add the confidence to each line of the labels
    #[arg(long, requires = "save_txt")]
    pub(crate) save_conf: bool,
    /// Write a picture of each object to OUT/crops/CLASS
    #[arg(long, requires = "out")]
    pub(crate) save_crop: bool,
    #[command(flatten)]
    pub(crate) onnx: OnnxRuntime,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

pub(crate) fn predict(args: &Predict) -> Result<u8> {
    let detect = DetectSettings {
        imgsz: args.imgsz,
        confidence: args.conf,
        iou: args.iou,
        max_detections: args.max_det,
        classes: args.classes.clone(),
    };
    let labels = args.out.as_ref().filter(|_| args.save_txt).map(|out| out.join("labels"));
    let crops = args.out.as_ref().filter(|_| args.save_crop).map(|out| out.join("crops"));
    let load = args.onnx.choice().with(args.machine.options()?);
    let settings = PredictSettings {
        detect,
        out: args.out.as_deref(),
        labels: labels.as_deref(),
        confidences: args.save_conf,
        crops: crops.as_deref(),
        load,
    };
    let start = Instant::now();
    let mut count = 0;
    let mut unreadable = 0;
    predict_files(&args.weights, &args.source, &settings, &mut |path, seen| {
        count += 1;
        match seen {
            Seen::Unreadable(why) => {
                unreadable += 1;
                eprint_line!("warning: skipped {}: {why}", name(&path.display()));
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
