//! [`DetectArgs`]: options of the detection, for `predict` and `serve`.

use clap::Args;

use crate::numbers::side;
use crate::predict_files::DetectSettings;

/// Options of the detection.
#[derive(Args)]
pub(crate) struct DetectArgs {
    /// Side of the network's input in pixels [default: as trained]
    #[arg(long, value_parser = side)]
    imgsz: Option<usize>,
    /// Lowest score [default: 0.25]
    #[arg(long)]
    conf: Option<f32>,
    /// Overlap above which the lower-scored box is removed [default: 0.7]
    #[arg(long)]
    iou: Option<f32>,
    /// Remove the lower-scored of two boxes that overlap even if their classes differ
    #[arg(long)]
    agnostic_nms: bool,
    /// Maximum number of objects per image
    #[arg(long)]
    max_det: Option<usize>,
    /// Classes to report, by number or name, such as `0,dog` [default: all]
    #[arg(long, value_delimiter = ',')]
    classes: Option<Vec<String>>,
}

impl DetectArgs {
    /// The settings that these options give.
    pub(crate) fn settings(&self) -> DetectSettings {
        DetectSettings {
            imgsz: self.imgsz,
            confidence: self.conf,
            iou: self.iou,
            agnostic: self.agnostic_nms,
            max_detections: self.max_det,
            classes: self.classes.clone(),
        }
    }
}
