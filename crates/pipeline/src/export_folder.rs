//! The ONNX files of a run: what the stage `export` leaves in its folder.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_onnx::{ExportOptions, Io, Precision as Arithmetic};
use bonsai_stages::{Calibration, Data, RunContext, calibrate_stage, save_json};
use bonsai_tensorrt::Precision;
use bonsai_yolov8::NmsConfig;
use serde::{Deserialize, Serialize};

use crate::{ExportSettings, Parity, Progress, Stage, check_parity};

/// A network that is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Network {
    Baseline,
    Finetuned,
}

impl Network {
    pub(crate) const ALL: [Self; 2] = [Self::Baseline, Self::Finetuned];

    /// The stage whose best weights it has.
    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Baseline => Stage::Baseline,
            Self::Finetuned => Stage::Finetune,
        }
    }

    /// In a report.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Finetuned => "fine-tuned",
        }
    }

    /// What names of files begin with.
    pub(crate) const fn stem(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Finetuned => "finetuned",
        }
    }

    /// `baseline.onnx`, `baseline.fp16.onnx`, `baseline.int8.onnx`.
    pub(crate) fn onnx(self, precision: Precision) -> String {
        if precision == Precision::Fp32 {
            return format!("{}.onnx", self.stem());
        }
        format!("{}.{precision}.onnx", self.stem())
    }
}

/// Writes the files of one network, each with how far it is from its checkpoint beside it.
///
/// # Errors
/// If a file cannot be made, or one of 32 or 16 bits is not within its limits. One of 8 bits that is not is coarse rather than
/// wrong, so that it is told, here and in the report.
pub(crate) fn fill_export_folder(
    folder: &Path,
    (network, checkpoint): (Network, &Checkpoint),
    settings: &ExportSettings,
    data: &Data,
    context: &RunContext,
    progress: &mut dyn Progress,
) -> Result<()> {
    for precision in settings.precisions() {
        let arithmetic = match precision {
            Precision::Int8 => {
                let calibration =
                    Calibration { images: settings.calibration_images, ..Calibration::default() };
                Arithmetic::Int8(calibrate_stage(checkpoint, &calibration, &data.train, context)?)
            }
            Precision::Fp16 => Arithmetic::Half { io: Io::Fp32 },
            // No setting asks for another.
            _ => Arithmetic::Fp32,
        };
        let options =
            ExportOptions { precision: arithmetic, ..ExportOptions::new((context.imgsz, context.imgsz)) };
        let file = folder.join(network.onnx(precision));
        bonsai_onnx::export(checkpoint, &options)?.save(&file)?;
        let split = (precision == Precision::Int8).then_some(&*data.val);
        let parity = check_parity(checkpoint, &file, &NmsConfig::PREDICT, split)?;
        save_json(&Parity::path(&file), &parity)?;
        if !parity.agrees {
            let refused = parity.refusal(&file);
            if precision != Precision::Int8 {
                bail!(refused);
            }
            progress.note(&format!("warning: {refused}"));
        }
    }
    Ok(())
}
