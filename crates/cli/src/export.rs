//! `export`: writes a checkpoint as ONNX, as a `.pt` file for Ultralytics, or as a state dict for PyTorch.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_graph::Size;
use bonsai_pipeline::{
    Dynamic, ExportNms, ExportOptions, Io, Layout, Parity, Placement, Precision, check_imgsz, jobs, path_text,
};
use bonsai_stages::{Calibration, Range};
use clap::{Args, ValueEnum};

use crate::events::set_result;
use crate::failure::{DONE, ErrorExt as _, ensure_usage};
use crate::image_size::ImageSize;
use crate::output::{say, tell};
use crate::settings_args::{Settings, for_file};
use crate::terminal::Terminal;

/// Values of `--format`.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// ONNX, including decoding
    Onnx,
    /// `.pt` file that `YOLO("file.pt")` loads, pruned or not
    Ultralytics,
    /// State dict in safetensors, with Ultralytics' names
    PtState,
}

/// Values of `--dynamic`.
#[derive(Clone, Copy, ValueEnum)]
enum Chosen {
    /// The number of images
    Batch,
    /// Number, height and width of the images
    Shape,
}

/// Values of `--layout`.
#[derive(Clone, Copy, ValueEnum)]
enum Form {
    /// `output0 [n, 4 + classes, anchors]`
    Ultralytics,
    /// `outputs [n, anchors, 5 + classes]`, objectness 1
    #[value(name = "yolo_trt_sim")]
    YoloTrtSim,
}

/// Values of `--io`.
#[derive(Clone, Copy, ValueEnum)]
enum Width {
    /// 32 bits
    Fp32,
    /// 16 bits
    Fp16,
}

/// Values of `--nms`.
#[derive(Clone, Copy, ValueEnum)]
enum Suppression {
    /// No suppression in the file
    None,
    /// `NonMaxSuppression` in the graph
    Onnx,
}

/// Values of `--quantise`.
#[derive(Clone, Copy, ValueEnum)]
enum Sides {
    /// Inputs of convolutions
    Inputs,
    /// Inputs and outputs of convolutions
    Both,
}

/// Options of ONNX files.
#[derive(Args)]
#[command(next_help_heading = "ONNX")]
struct Onnx {
    /// Operator set, 11 to 17 [default: 13]
    #[arg(long, value_name = "N")]
    opset: Option<u32>,
    /// Weights and arithmetic in 16 bits, decoding in 32
    #[arg(long, conflicts_with = "int8")]
    half: bool,
    /// Type of input and output with --half [default: fp32]
    #[arg(long, requires = "half")]
    io: Option<Width>,
    /// Dimensions that are chosen when the model runs [default: none]
    #[arg(long)]
    dynamic: Option<Chosen>,
    /// Layout of the output
    #[arg(long, default_value = "ultralytics")]
    layout: Form,
    /// Suppression in the file; with onnx the output is `[n, max-det, 6]`
    #[arg(long, default_value = "none")]
    nms: Suppression,
    /// Lowest score, with --nms onnx [default: 0.25]
    #[arg(long)]
    conf: Option<f32>,
    /// Overlap above which the lower-scored box is removed, with --nms onnx [default: 0.7]
    #[arg(long)]
    iou: Option<f32>,
    /// Rows per image, with --nms onnx [default: 300]
    #[arg(long, value_name = "N")]
    max_det: Option<usize>,
    /// Convolutions in 8-bit integers, calibrated on training images of --data
    #[arg(long)]
    int8: bool,
    /// Range of a wire's values: minmax, percentile (99.99), percentile:99.9 [default: minmax]
    #[arg(long, value_name = "RANGE", requires = "int8")]
    calibration: Option<Range>,
    /// Training images for the calibration of --int8 [default: 128]
    #[arg(long, value_name = "N", requires = "int8", value_parser = crate::numbers::count)]
    calibration_images: Option<usize>,
    /// Sides of a convolution on which --int8 rounds [default: both, which onnxruntime needs]
    #[arg(long, value_name = "SIDES", requires = "int8")]
    quantise: Option<Sides>,
    /// Metadata: licence of the weights [default: unspecified]
    #[arg(long, value_name = "NAME")]
    license: Option<String>,
}

/// Arguments of `export`.
#[derive(Args)]
pub(crate) struct Export {
    /// Format of the file
    #[arg(long, default_value = "onnx")]
    format: Format,
    /// Checkpoint to export
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// File to write
    #[arg(long, short, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    onnx: Onnx,
    #[command(flatten)]
    settings: Settings,
}

impl Export {
    /// Checks that no option was given that only ONNX files have.
    fn refuse_onnx_options(&self, command: &str) -> Result<()> {
        self.settings.only(command, &[])?;
        ensure_usage!(
            !self.onnx.is_given(),
            "`{command}` does not use options of ONNX files: leave them out"
        );
        Ok(())
    }
}

impl Onnx {
    /// Whether any of these options was given.
    fn is_given(&self) -> bool {
        let Self { opset, half, io, dynamic, layout, nms, conf, iou, max_det, int8, .. } = self;
        let numbers = opset.is_some() || conf.is_some() || iou.is_some() || max_det.is_some();
        let forms =
            !matches!(layout, Form::Ultralytics) || !matches!(nms, Suppression::None) || dynamic.is_some();
        // The options of --int8 require --int8, so it alone is checked.
        numbers || forms || *half || io.is_some() || *int8 || self.license.is_some()
    }

    fn options(&self, size: Size, batch: usize) -> Result<ExportOptions> {
        let mut options = ExportOptions::new(size);
        options.batch = batch;
        options.opset = self.opset.unwrap_or(options.opset);
        options.license = self.license.clone().unwrap_or(options.license);
        if self.half {
            let io = match self.io {
                None | Some(Width::Fp32) => Io::Fp32,
                Some(Width::Fp16) => Io::Fp16,
            };
            options.precision = Precision::Half { io };
        }
        options.dynamic = match self.dynamic {
            None => Dynamic::None,
            Some(Chosen::Batch) => Dynamic::Batch,
            Some(Chosen::Shape) => Dynamic::Shape,
        };
        options.layout = match self.layout {
            Form::Ultralytics => Layout::Ultralytics,
            Form::YoloTrtSim => Layout::YoloTrtSim,
        };
        let standard = ExportNms::default();
        match self.nms {
            Suppression::Onnx => {
                options.nms = Some(ExportNms {
                    confidence: self.conf.unwrap_or(standard.confidence),
                    iou: self.iou.unwrap_or(standard.iou),
                    max_detections: self.max_det.unwrap_or(standard.max_detections),
                });
            }
            Suppression::None => ensure_usage!(
                self.conf.is_none() && self.iou.is_none() && self.max_det.is_none(),
                "--conf, --iou and --max-det need --nms onnx: add it, or leave them out"
            ),
        }
        Ok(options)
    }

    fn calibration(&self) -> Option<Calibration> {
        let standard = Calibration::default();
        self.int8.then(|| Calibration {
            range: self.calibration.unwrap_or(standard.range),
            images: self.calibration_images.unwrap_or(standard.images),
            placement: match self.quantise {
                None => standard.placement,
                Some(Sides::Inputs) => Placement::Inputs,
                Some(Sides::Both) => Placement::InputsAndOutputs,
            },
        })
    }
}

/// Prints the differences between an exported file and its checkpoint.
fn print_parity(parity: &Parity) {
    say!(
        "run by {}: boxes differ from the checkpoint's by at most {}, scores by {:.1e} (limit {}); {} boxes compared",
        parity.reader,
        parity.box_difference(),
        parity.worst_score,
        parity.limits.score,
        parity.boxes
    );
    if parity.boxes == 0 {
        tell!(
            "warning: no box was compared, because the network sees no object in the pictures of the comparison (score {} \
             or more): evaluate the file with `val`",
            parity.limits.least_score
        );
    }
    if let Some(confidence) = parity.confidence {
        say!("objects were compared above a confidence of {confidence:.2e}, so that the pictures have some");
    }
    if !parity.agrees {
        tell!(
            "warning: the differences exceed the limits, because 8 bits are imprecise for this network: evaluate the \
             file with `val`"
        );
    }
}

pub(crate) fn export(args: &Export) -> Result<u8> {
    match args.format {
        Format::Onnx => export_onnx(args),
        Format::Ultralytics => {
            args.refuse_onnx_options("export --format ultralytics")?;
            export_ultralytics(&args.weights, &args.out)
        }
        Format::PtState => {
            args.refuse_onnx_options("export --format pt-state")?;
            jobs::export_state_dict(&args.weights, &args.out)?;
            say!("{}: state dict for PyTorch, see examples/load_state_dict.py", args.out.display());
            Ok(DONE)
        }
    }
}

fn export_ultralytics(weights: &Path, out: &Path) -> Result<u8> {
    let written = jobs::export_ultralytics(weights, out)?;
    let shown = out.display();
    say!("{shown} for Ultralytics: `YOLO(\"{shown}\")` in Python, `yolo val model={shown}` and so on");
    print_parity(&written.parity);
    if written.added_channels > 0 {
        let channels = written.added_channels;
        say!(
            "{channels} channels of zeros were added, because Ultralytics cuts every C2f in two equal halves; the outputs \
             stay the same"
        );
    }
    if written.was_folded {
        tell!(
            "warning: the batch norm of this network is folded into its convolutions, as in an engine: the file is right \
             for `val`, `predict` and `export`; to train it on, export the checkpoint that the engine was made from"
        );
    } else if !written.can_be_rebuilt {
        tell!(
            "note: Ultralytics' `train` builds networks of regular widths only, so it stops at this file: \
             examples/train_pruned.py trains it as it is"
        );
    }
    if written.leaves_codes_out {
        tell!(
            "warning: the checkpoint computes in 8-bit codes, which the file does not have: evaluate the file with `val` \
             before you use it"
        );
    }
    let without_codes = written.leaves_codes_out;
    set_result(serde_json::json!({
        "file": path_text(out),
        "parity": written.parity,
        "added_channels": written.added_channels,
        "was_folded": written.was_folded,
        "can_be_rebuilt": written.can_be_rebuilt,
        "leaves_codes_out": without_codes,
    }));
    Ok(DONE)
}

fn export_onnx(args: &Export) -> Result<u8> {
    let mut used = vec!["imgsz", "baseline.batch", "device", "executor", "compute_precision", "threads"];
    if args.onnx.int8 {
        used.extend(["data", "seed", "loader"]);
    }
    args.settings.only(if args.onnx.int8 { "export --int8" } else { "export" }, &used)?;
    // Only here may the size be a rectangle; the shared settings take squares.
    let settings = Settings { imgsz: None, ..args.settings.clone() };
    let config = settings.resolve(for_file(&args.weights))?;
    let size = args.settings.imgsz.unwrap_or(ImageSize(Size::square(config.imgsz))).0;
    check_imgsz(size.height).and_then(|()| check_imgsz(size.width)).misuse()?;
    let options = args.onnx.options(size, args.settings.batch.unwrap_or(1))?;
    let parity = jobs::export(
        &config,
        &args.weights,
        &args.out,
        &options,
        args.onnx.calibration().as_ref(),
        &mut Terminal::new(),
    )?;
    say!("{} for images of {size} px", args.out.display());
    print_parity(&parity);
    if matches!(args.onnx.dynamic, Some(Chosen::Batch)) {
        // Ultralytics looks at the output's shape, not at `dynamic` in the metadata.
        tell!(
            "note: Ultralytics assumes that a file exported with --dynamic batch accepts any picture size: for its `val`, \
             use --dynamic shape or leave --dynamic out"
        );
    }
    set_result(serde_json::json!({ "file": path_text(&args.out), "parity": parity }));
    Ok(DONE)
}
