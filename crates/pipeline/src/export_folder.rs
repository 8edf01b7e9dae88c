//! [`fill_export_folder`]: writes the ONNX files of a run to the folder of stage `export`.

use std::path::Path;

use anyhow::{Result, bail};
use bonsai_checkpoint::Checkpoint;
use bonsai_graph::Size;
use bonsai_onnx::{ExportOptions, Io, Precision};
use bonsai_stages::{Data, RunContext, calibrate_stage, save_json};
use bonsai_tensorrt::EnginePrecision;
use bonsai_yolov8::NmsOptions;
use serde::{Deserialize, Serialize};

use crate::{ExportConfig, Parity, Progress, Stage, check_parity};

/// A network that is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Network {
    Baseline,
    Finetuned,
}

impl Network {
    pub(crate) const ALL: [Self; 2] = [Self::Baseline, Self::Finetuned];

    /// The stage that made its weights.
    pub(crate) const fn stage(self) -> Stage {
        match self {
            Self::Baseline => Stage::Baseline,
            Self::Finetuned => Stage::Finetune,
        }
    }

    /// Its name in a report.
    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Finetuned => "fine-tuned",
        }
    }

    /// Beginning of its file names.
    pub(crate) const fn stem(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Finetuned => "finetuned",
        }
    }

    /// Its file name, for example `baseline.onnx`, `baseline.fp16.onnx`, `baseline.int8.onnx`.
    pub(crate) fn onnx(self, precision: EnginePrecision) -> String {
        if precision == EnginePrecision::Fp32 {
            return format!("{}.onnx", self.stem());
        }
        format!("{}.{precision}.onnx", self.stem())
    }
}

/// Writes the files of one network, and beside each how far its outputs are from the checkpoint.
///
/// # Errors
/// If a file cannot be made, or a file of 32 or 16 bits exceeds its limits. A file of 8 bits beyond its
/// limits is imprecise, not wrong, so it only gives a warning, here and in the report.
pub(crate) fn fill_export_folder(
    folder: &Path,
    (network, checkpoint): (Network, &Checkpoint),
    settings: &ExportConfig,
    data: &Data,
    context: &RunContext,
    progress: &mut dyn Progress,
) -> Result<()> {
    let float = checkpoint.without_codes();
    for precision in settings.precisions() {
        let in_codes = precision == EnginePrecision::Int8 && checkpoint.quantization.is_some();
        let source = if in_codes { checkpoint } else { &float };
        let arithmetic = match precision {
            // The file gets the codes of the training.
            EnginePrecision::Int8 if in_codes => Precision::Fp32,
            EnginePrecision::Int8 => {
                Precision::Int8(calibrate_stage(source, &settings.into(), &data.train, context)?)
            }
            EnginePrecision::Fp16 => Precision::Half { io: Io::Fp32 },
            // The settings offer no other precision.
            _ => Precision::Fp32,
        };
        let options =
            ExportOptions { precision: arithmetic, ..ExportOptions::new(Size::square(context.imgsz)) };
        let file = folder.join(network.onnx(precision));
        bonsai_onnx::export(source, &options)?.save(&file)?;
        let split = (precision == EnginePrecision::Int8).then_some(&*data.val);
        let parity = check_parity(source, &file, &NmsOptions::PREDICT, split)?;
        save_json(&Parity::path(&file), &parity)?;
        if !parity.agrees {
            let refused = parity.refusal(&file);
            if precision != EnginePrecision::Int8 {
                bail!(refused);
            }
            progress.note(&format!("warning: {refused}"));
        }
    }
    Ok(())
}
