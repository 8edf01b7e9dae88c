//! [`training_keys`]: reads `args.yaml`, which Ultralytics writes into the folder of every training.
//!
//! A key is taken, is left out because it changes nothing here, or is refused: a setting that would train another
//! network must not be ignored in silence.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use toml::{Table, Value};

/// Keys that Bonsai has under the same name and with the same meaning.
const SAME: [&str; 46] = [
    "model",
    "data",
    "epochs",
    "patience",
    "batch",
    "imgsz",
    "project",
    "name",
    "exist_ok",
    "seed",
    "device",
    "workers",
    "fraction",
    "plots",
    "optimizer",
    "lr0",
    "lrf",
    "cos_lr",
    "momentum",
    "weight_decay",
    "warmup_epochs",
    "warmup_momentum",
    "warmup_bias_lr",
    "nbs",
    "freeze",
    "box",
    "cls",
    "cls_pw",
    "dfl",
    "close_mosaic",
    "mosaic",
    "mixup",
    "cutmix",
    "degrees",
    "translate",
    "scale",
    "shear",
    "perspective",
    "hsv_h",
    "hsv_s",
    "hsv_v",
    "flipud",
    "fliplr",
    "bgr",
    "single_cls",
    "rect",
];

/// Keys that would change the trained network, with the only value that Bonsai supports, as it is written.
const ONLY: [(&str, &[&str]); 8] = [
    ("task", &["detect"]),
    ("mode", &["train"]),
    ("copy_paste", &["0", "0.0"]),
    ("time", &["null"]),
    ("classes", &["null"]),
    ("distill_model", &["null"]),
    ("resume", &["null", "false"]),
    ("cls_remap", &["true", "false", "null"]),
];

/// Keys of other modes and tasks, and keys that do not change what is trained.
const NO_INFLUENCE: [&str; 69] = [
    "agnostic_nms",
    "amp",
    "angle",
    "augment",
    "auto_augment",
    "cache",
    "cfg",
    "channels_last",
    "compile",
    "conf",
    "copy_paste_mode",
    "crop_fraction",
    "deterministic",
    "dfl_pose",
    "dgrad",
    "dis",
    "dlam",
    "dlog",
    "dnn",
    "dropout",
    "dynamic",
    "embed",
    "end2end",
    "erasing",
    "format",
    "half",
    "int8",
    "iou",
    "keras",
    "kobj",
    "label_smoothing",
    "line_width",
    "mask_ratio",
    "max_det",
    "nms",
    "opset",
    "optimize",
    "overlap_mask",
    "pose",
    "profile",
    "quantize",
    "retina_masks",
    "rle",
    "save",
    "save_conf",
    "save_crop",
    "save_dir",
    "save_frames",
    "save_hybrid",
    "save_json",
    "save_txt",
    "show",
    "show_boxes",
    "show_conf",
    "show_labels",
    "simplify",
    "source",
    "split",
    "stream_buffer",
    "tracker",
    "val",
    "verbose",
    "vid_stride",
    "visualize",
    "workspace",
    "boxes",
    "line_thickness",
    "v5loader",
    "hide_labels",
];

/// The keys of a training in an `args.yaml`, and notes about what is done otherwise.
///
/// # Errors
/// If the file cannot be read, is no YAML map, or a key has a value that Bonsai does not support.
pub(crate) fn training_keys(path: &Path) -> Result<(Table, Vec<String>)> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    read(&text).with_context(|| format!("in {}", path.display()))
}

fn read(text: &str) -> Result<(Table, Vec<String>)> {
    let yaml: serde_yaml_ng::Mapping = serde_yaml_ng::from_str(text)
        .context("not the arguments of a training: expected lines `key: value`")?;
    let mut keys = Table::new();
    let mut notes = Vec::new();
    for (key, value) in &yaml {
        let Some(key) = key.as_str() else { bail!("a key is {key:?}; expected names such as `lr0`") };
        let written = serde_yaml_ng::to_string(value).unwrap_or_default().trim().to_owned();
        if let Some((_, supported)) = ONLY.iter().find(|(only, _)| *only == key) {
            if !supported.contains(&written.as_str()) {
                bail!(
                    "`{key}` is `{written}`, but Bonsai only has `{}`: remove the line to train without it",
                    supported[0]
                );
            }
        } else if key == "multi_scale" {
            // Before 8.4, `true` stood for a half.
            let fraction = value.as_f64().or_else(|| value.as_bool().map(|on| if on { 0.5 } else { 0.0 }));
            let fraction =
                fraction.with_context(|| format!("`multi_scale` is `{written}`, expected a fraction"))?;
            keys.insert(key.to_owned(), Value::Float(fraction));
        } else if key == "pretrained" {
            // `true` and `false` say no more than `model` does.
            if value.is_string() {
                bail!("`pretrained` is `{written}`: give that file as `model`, and remove the line");
            }
        } else if key == "save_period" {
            // Ultralytics writes -1 for none.
            let period = value.as_i64().filter(|period| *period > 0).unwrap_or(0);
            keys.insert("save_period".to_owned(), Value::Integer(period));
        } else if key == "val" && written == "false" {
            keys.insert("val_period".to_owned(), Value::Integer(i64::from(i32::MAX)));
        } else if SAME.contains(&key) {
            // Ultralytics writes `null` for a key that was not given.
            if written != "null" {
                keys.insert(key.to_owned(), value_of(key, value)?);
            }
        } else if !NO_INFLUENCE.contains(&key) {
            notes.push(format!("`{key}` is not a known argument of Ultralytics; Bonsai leaves it out"));
        }
    }
    Ok((keys, notes))
}

/// A value as the same key of Bonsai takes it.
fn value_of(key: &str, value: &serde_yaml_ng::Value) -> Result<Value> {
    Ok(match value {
        serde_yaml_ng::Value::Bool(flag) => Value::Boolean(*flag),
        serde_yaml_ng::Value::String(text) if key == "model" => {
            // `yolov8n.yaml` is the network without weights.
            Value::String(text.strip_suffix(".yaml").unwrap_or(text).to_owned())
        }
        serde_yaml_ng::Value::String(text) => Value::String(text.clone()),
        serde_yaml_ng::Value::Number(number) => match number.as_i64() {
            Some(whole) if key == "device" => Value::String(whole.to_string()),
            Some(whole) => Value::Integer(whole),
            None => Value::Float(number.as_f64().context("not a number")?),
        },
        serde_yaml_ng::Value::Sequence(items) => {
            Value::Array(items.iter().map(|item| value_of(key, item)).collect::<Result<_>>()?)
        }
        _ => bail!("`{key}` has a value that Bonsai does not take: {value:?}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use bonsai_pipeline::overlay;
    use bonsai_pipeline::training::TrainRunConfig;

    /// A file as version 8.4 writes it, shortened to a key of each kind.
    const FILE: &str = "task: detect\nmode: train\nmodel: yolov8n.yaml\ndata: D/data.yaml\nepochs: 7\ntime: null\n\
        patience: 100\nbatch: 8\nimgsz: 320\nsave: true\ncache: false\ndevice: null\nworkers: 2\nproject: null\nname: train3\n\
        optimizer: auto\nsingle_cls: false\nrect: false\nfreeze: null\nmulti_scale: 0.0\nlr0: 0.02\nlrf: 0.01\n\
        momentum: 0.937\nwarmup_epochs: 3.0\nbox: 7.5\ndfl: 1.5\npose: 12.0\nhsv_h: 0.015\nfliplr: 0.5\nmosaic: 1.0\n\
        copy_paste_mode: flip\nauto_augment: randaugment\nerasing: 0.4\ncfg: null\ntracker: botsort.yaml\nsave_dir: runs/x\n";

    #[test]
    fn the_file_of_a_training_is_taken() {
        let (keys, notes) = read(FILE).unwrap();
        let config = overlay(&TrainRunConfig::default(), keys).unwrap();
        config.check().unwrap();
        assert_eq!((config.train.epochs, config.train.lr0, config.train.patience), (7, 0.02, 100));
        assert_eq!((config.model.as_str(), config.name.as_str()), ("yolov8n", "train3"));
        assert_eq!(config.train.optimizer, bonsai_pipeline::Optimizer::Auto);
        assert!(notes.is_empty(), "{notes:?}");
        assert!(read("lr00: 1").unwrap().1[0].contains("`lr00` is not a known argument"));
        let freeze = read("freeze: [0, 2]\ndevice: 0\nval: false\n").unwrap().0;
        assert_eq!(freeze["device"].as_str(), Some("0"));
        overlay(&TrainRunConfig::default(), freeze).unwrap();
    }

    #[test]
    fn what_would_train_another_network_is_refused() {
        for (line, part) in [
            ("copy_paste: 1.0", "`copy_paste` is `1.0`, but Bonsai only has `0`"),
            ("task: segment", "`task` is `segment`"),
            ("time: 1.5", "`time` is `1.5`"),
            ("multi_scale: x", "`multi_scale` is `x`"),
            ("- a", "lines `key: value`"),
            ("7: a", "expected names"),
            ("scale: {a: 1}", "`scale` has a value"),
            ("pretrained: yolov8n.pt", "give that file as `model`"),
            ("copy_paste: 0.5", "`copy_paste` is `0.5`"),
        ] {
            let error = format!("{:#}", read(line).unwrap_err());
            assert!(error.contains(part), "{line}: {error}");
        }
        // A value of the wrong kind is refused by the settings themselves.
        let batch = read("batch: 0.7").unwrap().0;
        assert!(overlay(&TrainRunConfig::default(), batch).is_err());
    }
}
