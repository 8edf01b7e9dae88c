//! [`TrainKeys`]: one option for every key of [`TrainRunConfig`], with its default.

use std::ffi::OsString;
use std::path::PathBuf;

use bonsai_pipeline::training::TrainRunConfig;
use bonsai_pipeline::{ComputePrecision, ExecutorKind, path_of_text, path_text};
use clap::builder::{BoolValueParser, OsStringValueParser, TypedValueParser as _, ValueParser};
use clap::{Arg, ArgMatches, Args, Command, Error, FromArgMatches};
use toml::{Table, Value};

use crate::numbers;

/// The keys that were given on the command line, with their values.
#[derive(Debug, Clone)]
pub(crate) struct TrainKeys(pub(crate) Table);

/// An option of the command line for a key of a training.
struct Key {
    option: &'static str,
    kind: Kind,
    value_name: &'static str,
    help: &'static str,
    heading: Option<&'static str>,
}

/// What an option accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Path,
    Text,
    Executor,
    ComputePrecision,
    Batch,
    Count,
    Seed,
    Number,
    Flag,
    Layers,
}

const fn key(option: &'static str, kind: Kind, value_name: &'static str, help: &'static str) -> Key {
    Key { option, kind, value_name, help, heading: None }
}

/// All keys but `l1`, whose parts are set by `--set` or in a file.
const KEYS: [Key; 57] = [
    key("model", Kind::Path, "MODEL", "yolov8n to yolov8x, a checkpoint, or an Ultralytics .pt"),
    key("data", Kind::Path, "FILE", "data.yaml, folder or COCO file of a dataset"),
    key("epochs", Kind::Count, "EPOCHS", "Passes over the training split"),
    key(
        "patience",
        Kind::Count,
        "PATIENCE",
        "Epochs without better fitness after which training ends; 0 for never",
    ),
    key("batch", Kind::Batch, "BATCH", "Images per forward pass; -1 for as many as fit the memory"),
    key("imgsz", Kind::Count, "IMGSZ", "Side of the images in pixels, a multiple of 32"),
    key("project", Kind::Path, "DIR", "Folder of the runs"),
    key("name", Kind::Text, "NAME", "Folder of this run in --project"),
    key("exist-ok", Kind::Flag, "BOOL", "Overwrite an existing folder of this name"),
    key("seed", Kind::Seed, "SEED", "Seed of all randomness"),
    key("device", Kind::Text, "DEVICE", "cpu or cuda:0"),
    key(
        "executor",
        Kind::Executor,
        "EXECUTOR",
        "cpu or cuda (Bonsai's kernels), or candle [default: cpu on the CPU, cuda on a GPU]",
    ),
    key(
        "compute-precision",
        Kind::ComputePrecision,
        "PRECISION",
        "How executor cuda computes: f32, tf32 or bf16 [default: tf32]",
    ),
    key("threads", Kind::Count, "N", "CPU threads, at most one per core; 0 for one per core"),
    key("workers", Kind::Count, "N", "Background threads that prepare batches"),
    key("cache-mib", Kind::Count, "MIB", "Maximum MiB of decoded images kept between epochs; 0 for none"),
    key("fraction", Kind::Number, "FRACTION", "Fraction of the training split to use"),
    key(
        "val-period",
        Kind::Count,
        "EPOCHS",
        "Epochs between evaluations; the last epoch is always evaluated",
    ),
    key(
        "rect",
        Kind::Flag,
        "BOOL",
        "Batches of similar shapes on small canvases, without mosaic and shuffling",
    ),
    key("multi-scale", Kind::Number, "FRACTION", "Largest change of the size of batches; 0 for none"),
    key("single-cls", Kind::Flag, "BOOL", "Train all classes as one, called `item`"),
    key("save-period", Kind::Count, "EPOCHS", "Epochs between further checkpoints; 0 for none"),
    key("plots", Kind::Flag, "BOOL", "Draw plots and sample pictures"),
    key(
        "optimizer",
        Kind::Text,
        "OPTIMIZER",
        "SGD, AdamW, Adam, NAdam, RMSProp, or auto (AdamW, or SGD for over 10000 steps)",
    ),
    key("lr0", Kind::Number, "LR0", "Learning rate after warm-up"),
    key("lrf", Kind::Number, "LRF", "Learning rate at the end, as a fraction of lr0"),
    key("cos-lr", Kind::Flag, "BOOL", "Cosine instead of linear decay of the learning rate"),
    key("momentum", Kind::Number, "MOMENTUM", "Momentum of SGD and RMSProp, or the first beta of the Adams"),
    key(
        "weight-decay",
        Kind::Number,
        "WEIGHT_DECAY",
        "Weight decay of convolution kernels at nbs images per step",
    ),
    key("warmup-epochs", Kind::Number, "WARMUP_EPOCHS", "Epochs of warm-up"),
    key("warmup-min-batches", Kind::Count, "WARMUP_MIN_BATCHES", "Minimum batches of warm-up"),
    key("warmup-momentum", Kind::Number, "WARMUP_MOMENTUM", "Momentum at the start of warm-up"),
    key("warmup-bias-lr", Kind::Number, "WARMUP_BIAS_LR", "Learning rate of biases at the start of warm-up"),
    key("nbs", Kind::Count, "NBS", "Images per optimiser step"),
    key(
        "freeze",
        Kind::Layers,
        "LAYERS",
        "Layers to freeze: the number of first layers, or a list such as `0,1,4`",
    ),
    key("clip-norm", Kind::Number, "NORM", "Largest global norm of the gradients"),
    key("box", Kind::Number, "GAIN", "Gain of the box loss"),
    key("cls", Kind::Number, "GAIN", "Gain of the class loss"),
    key(
        "cls-pw",
        Kind::Number,
        "POWER",
        "Weight classes in the loss by (1 / objects)^POWER; 0 for equal weights, at most 1",
    ),
    key("dfl", Kind::Number, "GAIN", "Gain of the distribution loss"),
    key(
        "teacher",
        Kind::Path,
        "FILE",
        "Checkpoint with the same classes, whose raw outputs the training also imitates",
    ),
    key("qat", Kind::Flag, "BOOL", "Round to 8-bit codes in training; the result computes in codes"),
    key("close-mosaic", Kind::Count, "EPOCHS", "Number of last epochs without mosaic, mixup and cutmix")
        .augmentation(),
    key("mosaic", Kind::Number, "MOSAIC", "Probability of a mosaic").augmentation(),
    key("mixup", Kind::Number, "MIXUP", "Probability of mixup").augmentation(),
    key("cutmix", Kind::Number, "CUTMIX", "Probability of pasting a rectangle of another image")
        .augmentation(),
    key("degrees", Kind::Number, "DEGREES", "Largest rotation in degrees").augmentation(),
    key("translate", Kind::Number, "TRANSLATE", "Largest shift as a fraction of the image").augmentation(),
    key("scale", Kind::Number, "SCALE", "Largest relative change of size").augmentation(),
    key("shear", Kind::Number, "SHEAR", "Largest shear in degrees").augmentation(),
    key("perspective", Kind::Number, "PERSPECTIVE", "Largest perspective in 1 / px").augmentation(),
    key("hsv-h", Kind::Number, "HSV_H", "Largest relative change of hue").augmentation(),
    key("hsv-s", Kind::Number, "HSV_S", "Largest relative change of saturation").augmentation(),
    key("hsv-v", Kind::Number, "HSV_V", "Largest relative change of brightness").augmentation(),
    key("flipud", Kind::Number, "FLIPUD", "Probability of a vertical flip").augmentation(),
    key("fliplr", Kind::Number, "FLIPLR", "Probability of a horizontal flip").augmentation(),
    key("bgr", Kind::Number, "BGR", "Probability of exchanging red and blue").augmentation(),
];

/// The file that an option names; `None` if the option is not given, or is no option of a training for a file.
pub(crate) fn file(matches: &ArgMatches, option: &str) -> Option<PathBuf> {
    KEYS.iter().find(|key| key.option == option && key.kind == Kind::Path)?;
    match matches.try_get_one::<Value>(option).ok().flatten()? {
        Value::String(text) => Some(path_of_text(text)),
        _ => None,
    }
}

impl Key {
    const fn augmentation(self) -> Self {
        Self { heading: Some("Augmentation"), ..self }
    }

    /// The key in TOML.
    fn name(&self) -> String {
        self.option.replace('-', "_")
    }

    fn arg(&self, defaults: &Table) -> Arg {
        let help = match defaults.get(&self.name()) {
            // Each command has a default of its own.
            Some(_) if self.option == "name" => format!("{} [default: the command]", self.help),
            Some(Value::String(text)) => format!("{} [default: {text}]", self.help),
            Some(Value::Float(number)) => format!("{} [default: {number}]", self.help),
            Some(value) => format!("{} [default: {value}]", self.help),
            None => self.help.to_owned(),
        };
        let arg = Arg::new(self.option).long(self.option).value_name(self.value_name).help(help);
        let arg = arg.value_parser(self.kind.parser());
        let arg = arg.allow_negative_numbers(self.kind == Kind::Batch);
        let arg =
            if self.kind == Kind::Flag { arg.num_args(0..=1).default_missing_value("true") } else { arg };
        match self.heading {
            Some(heading) => arg.help_heading(heading),
            None => arg,
        }
    }
}

impl Kind {
    /// A parser whose result is a [`Value`].
    fn parser(self) -> ValueParser {
        let integer = |number: u64| Value::Integer(i64::try_from(number).unwrap_or(i64::MAX));
        match self {
            Self::Path => {
                let text = |path: OsString| Value::String(path_text(path.as_ref()));
                ValueParser::new(OsStringValueParser::new().map(text))
            }
            Self::Text => ValueParser::new(clap::builder::StringValueParser::new().map(Value::String)),
            Self::Executor => {
                let name = |executor: ExecutorKind| Value::String(executor.to_string());
                ValueParser::new(move |text: &str| text.parse::<ExecutorKind>().map(name))
            }
            Self::ComputePrecision => {
                let name = |precision: ComputePrecision| Value::String(precision.to_string());
                ValueParser::new(move |text: &str| text.parse::<ComputePrecision>().map(name))
            }
            Self::Batch => ValueParser::new(batch),
            Self::Count => {
                let count = move |count: usize| integer(count as u64);
                ValueParser::new(move |text: &str| text.parse::<usize>().map(count))
            }
            Self::Seed => ValueParser::new(move |text: &str| numbers::seed(text).map(integer)),
            Self::Number => ValueParser::new(|text: &str| text.parse::<f64>().map(Value::Float)),
            Self::Flag => ValueParser::new(BoolValueParser::new().map(Value::Boolean)),
            Self::Layers => ValueParser::new(freeze),
        }
    }
}

impl Args for TrainKeys {
    fn augment_args(command: Command) -> Command {
        let defaults = Table::try_from(TrainRunConfig::default()).unwrap_or_default();
        KEYS.iter().fold(command, |command, key| command.arg(key.arg(&defaults)))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for TrainKeys {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, Error> {
        let mut keys = Self(Table::new());
        keys.update_from_arg_matches(matches)?;
        Ok(keys)
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), Error> {
        for key in &KEYS {
            if let Some(value) = matches.get_one::<Value>(key.option) {
                self.0.insert(key.name(), value.clone());
            }
        }
        Ok(())
    }
}

/// Parses a number of images, or -1.
fn batch(text: &str) -> Result<Value, String> {
    let wrong = || format!("expected a number of images, or -1 for as many as fit the memory, not `{text}`");
    match text.parse::<i64>() {
        Ok(number) if number == -1 || number > 0 => Ok(Value::Integer(number)),
        _ => Err(wrong()),
    }
}

/// Parses a number, or a list separated by commas.
fn freeze(text: &str) -> Result<Value, String> {
    let item = |item: &str| item.parse().map_or_else(|_| Value::String(item.to_owned()), Value::Integer);
    match text.split(',').map(str::trim).collect::<Vec<_>>()[..] {
        [""] => Err("expected a number of layers, or a list such as `0,1,4`".to_owned()),
        [only] if only.parse::<u32>().is_ok() => Ok(item(only)),
        ref several => Ok(Value::Array(several.iter().map(|text| item(text)).collect())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_training_has_an_option() {
        let mut keys: Vec<String> =
            Table::try_from(TrainRunConfig::default()).unwrap().keys().cloned().collect();
        // Keys without a default.
        keys.extend(["data", "executor", "compute_precision", "teacher"].map(str::to_owned));
        let mut options: Vec<String> = KEYS.iter().map(Key::name).collect();
        keys.sort_unstable();
        options.sort_unstable();
        assert_eq!(options, keys);
    }

    #[test]
    fn help_has_the_defaults() {
        let help = TrainKeys::augment_args(Command::new("train")).render_help().to_string();
        for part in [
            "[default: 0.937]",
            "[default: SGD]",
            "[default: true]",
            "--box <GAIN>",
            "[default: the command]",
        ] {
            assert!(help.contains(part), "{part}: {help}");
        }
    }
}
