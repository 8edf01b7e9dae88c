//! `compress`: a trained network made to meet a budget.

use std::path::{Path, PathBuf};

use anyhow::Result;
use bonsai_compress::{Budget, CompressOptions, compress};
use bonsai_pipeline::{EnginePrecision, Interrupted, path_text};
use clap::Args;

use crate::events::set_result;
use crate::failure::{DONE, MISSED, ensure_usage};
use crate::interrupt::Interrupt;
use crate::invocation::program;
use crate::output::{eprint_line, say};
use crate::settings_args::{Settings, for_file};
use crate::terminal::Terminal;

/// Arguments of `compress`.
#[derive(Args)]
pub(crate) struct Compress {
    /// Trained checkpoint of Bonsai or Ultralytics; the baseline, which is not trained further
    #[arg(value_name = "WEIGHTS")]
    weights: PathBuf,
    /// Largest median latency of one image on this machine, such as 8ms
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    max_latency: Option<f64>,
    /// Largest fraction of the multiply-accumulates of the given network, such as 0.5
    #[arg(long, value_name = "FRACTION")]
    max_macs: Option<f64>,
    /// Largest engine file, such as 2MB or 800kB
    #[arg(long, value_name = "SIZE", value_parser = bytes)]
    max_size: Option<u64>,
    /// Largest loss of mAP50-95 against the given network in fp32; if it is the only limit, Bonsai keeps the fastest
    /// engine within it
    #[arg(long, value_name = "FRACTION")]
    max_drop: Option<f64>,
    /// Precisions of engines to try
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "fp32,int8", value_parser = precision)]
    precision: Vec<EnginePrecision>,
    /// Folder of the runs and the result [default: runs/compress-NAME]
    #[arg(long, value_name = "DIR")]
    project: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Compresses; the exit code says whether the budget was met.
pub(crate) fn run(args: &Compress) -> Result<u8> {
    ensure_usage!(
        args.settings.model.is_none(),
        "`compress` takes the network as its first argument: leave --model out"
    );
    let config = args.settings.resolve_with(for_file(&args.weights), |config| {
        config.model = path_text(&args.weights);
        config.baseline.epochs = 0;
    })?;
    ensure_usage!(
        config.model == path_text(&args.weights) && config.baseline.epochs == 0,
        "`compress` takes the network from its first argument and does not train it: leave `model` and `baseline.epochs` \
         out of --set"
    );
    ensure_usage!(config.data.is_some(), "`compress` needs a dataset: pass --data DATA.yaml");
    let options = CompressOptions {
        config,
        budget: Budget {
            latency_ms: args.max_latency,
            macs: args.max_macs,
            bytes: args.max_size,
            drop: args.max_drop,
        },
        precisions: args.precision.clone(),
    };
    let folder = args.project.clone().unwrap_or_else(|| {
        let name = args.weights.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Path::new("runs").join(format!("compress-{name}"))
    });
    let interrupt = Interrupt::listen()?;
    match compress(&options, &folder, &mut Terminal::stopping_at(interrupt.clone())) {
        Ok(outcome) => {
            set_result(serde_json::to_value(&outcome)?);
            say!("\n{}", outcome.markdown());
            if let Some(file) = &outcome.file {
                say!("find objects with: {} predict --weights {} --source IMAGE", program(), file.display());
            }
            say!("everything is in {}", folder.display());
            Ok(if outcome.is_met() { DONE } else { MISSED })
        }
        Err(error) if error.is::<Interrupted>() => {
            eprint_line!("{error:#}");
            Ok(interrupt.exit_code())
        }
        Err(error) => Err(error),
    }
}

/// Parses a latency, such as `8ms`, `8` or `0.008s`.
fn milliseconds(text: &str) -> Result<f64, String> {
    let (number, factor) = match (text.strip_suffix("ms"), text.strip_suffix('s')) {
        (Some(number), _) => (number, 1.0),
        (None, Some(number)) => (number, 1e3),
        (None, None) => (text, 1.0),
    };
    let value: Option<f64> = number.trim().parse().ok();
    value
        .map(|value| value * factor)
        .filter(|ms| *ms > 0.0 && ms.is_finite())
        .ok_or_else(|| "expected milliseconds above 0, such as 8ms".to_owned())
}

/// Parses a size, such as `2MB`, `800kB`, `1.5MiB` or a number of bytes.
fn bytes(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 5] =
        [("MiB", 1_048_576.0), ("KiB", 1024.0), ("MB", 1e6), ("kB", 1e3), ("B", 1.0)];
    let found = UNITS.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, factor) = found.unwrap_or((text, 1.0));
    let value: Option<f64> = number.trim().parse().ok();
    value
        .map(|value| value * factor)
        .filter(|bytes| *bytes >= 1.0 && *bytes < 1e15)
        .map(|bytes| bytes as u64)
        .ok_or_else(|| "expected a size, such as 2MB, 800kB or 1.5MiB".to_owned())
}

/// Parses a precision of CPU engines.
fn precision(text: &str) -> Result<EnginePrecision, String> {
    match text {
        "fp32" | "f32" => Ok(EnginePrecision::Fp32),
        "int8" => Ok(EnginePrecision::Int8),
        _ => Err("expected fp32 or int8".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_with_their_units() {
        assert!(["8ms", "8", "0.008s"].iter().all(|text| milliseconds(text) == Ok(8.0)));
        assert!(["", "ms", "-1", "0", "nan", "8m"].iter().all(|text| milliseconds(text).is_err()));
        assert_eq!(bytes("2MB"), Ok(2_000_000));
        assert_eq!(bytes("1.5MiB"), Ok(1_572_864));
        assert!(["800kB", "800000"].iter().all(|text| bytes(text) == Ok(800_000)));
        assert!(["", "MB", "-1", "0", "1e99"].iter().all(|text| bytes(text).is_err()));
        assert!(["f32", "fp32"].iter().all(|text| precision(text) == Ok(EnginePrecision::Fp32)));
        assert!(precision("fp16").is_err());
    }
}
