//! Reads the blueprint from pickled modules of Ultralytics 8.0 to 8.4.
//!
//! Only class names, attributes and shapes of tensors are looked at; what has another meaning than in a YOLOv8 detector is
//! refused with its place.

use super::blueprint::{Blueprint, Bottleneck, C2f, ConvBlock, Detect, Layer, Part, Sppf};
use super::error::PtError;
use super::module::Module;
use super::pickle::{Id, Node};

/// Most modules in a list; YOLOv8 has 23.
const MOST_CHILDREN: usize = 256;

/// The blueprint of a `DetectionModel`.
pub(super) fn blueprint(model: Module<'_>) -> Result<Blueprint, PtError> {
    let layers = few(child(model, "model", "model")?, "model")?;
    let layers = layers.into_iter().enumerate().map(|(index, (_, module))| {
        let place = format!("model.{index}");
        Ok(Layer { from: from(module, &place)?, part: part(module, &place)? })
    });
    let layers = layers.collect::<Result<Vec<_>, PtError>>()?;
    let Some(Layer { part: Part::Detect(head), .. }) = layers.last() else {
        let what = format!("the last of {} modules is no `Detect`", layers.len());
        return Err(PtError::Unsupported { place: "model".to_owned(), what });
    };
    let num_classes = head.classes.first().map_or(0, |level| level[2].outputs);
    let class_names = class_names(model, num_classes)?;
    Ok(Blueprint { layers, class_names })
}

fn unsupported<T>(place: &str, what: impl Into<String>) -> Result<T, PtError> {
    Err(PtError::Unsupported { place: place.to_owned(), what: what.into() })
}

fn wrong<T>(place: &str, module: Module<'_>) -> Result<T, PtError> {
    Err(PtError::Module { place: place.to_owned(), class: module.class().to_owned() })
}

fn child<'a>(module: Module<'a>, place: &str, name: &str) -> Result<Module<'a>, PtError> {
    match module.child(name) {
        Some(child) => Ok(child),
        None => unsupported(place, format!("a `{}` without `{name}`", module.class())),
    }
}

/// The modules in a list of modules, which may not be endless.
fn few<'a>(list: Module<'a>, place: &str) -> Result<Vec<(&'a str, Module<'a>)>, PtError> {
    let children = list.children();
    if children.len() > MOST_CHILDREN {
        return unsupported(place, format!("{} modules, at most {MOST_CHILDREN} are read", children.len()));
    }
    Ok(children)
}

fn from(module: Module<'_>, place: &str) -> Result<Vec<i64>, PtError> {
    let pickle = module.pickle();
    let read = module.attribute("f").and_then(|id| match pickle.members(id) {
        Some(members) => members.iter().map(|id| pickle.int(*id)).collect(),
        None => pickle.int(id).map(|from| vec![from]),
    });
    match read {
        Some(from) => Ok(from),
        None => unsupported(place, "it does not say which module it reads (`f`)"),
    }
}

fn part(module: Module<'_>, place: &str) -> Result<Part, PtError> {
    match module.class() {
        "Conv" => Ok(Part::Conv(conv_block(module, place)?)),
        "C2f" | "C2f_v2" => Ok(Part::C2f(c2f(module, place)?)),
        "SPPF" => Ok(Part::Sppf(sppf(module, place)?)),
        "Upsample" => upsample(module, place),
        "Concat" => match module.size("d") {
            Some(1) => Ok(Part::Concat),
            _ => unsupported(place, format!("joins along dimension {}, not channels", module.shown("d"))),
        },
        "Detect" => Ok(Part::Detect(detect(module, place)?)),
        _ => wrong(place, module),
    }
}

/// `Conv`: convolution, batch norm, activation.
fn conv_block(module: Module<'_>, place: &str) -> Result<ConvBlock, PtError> {
    if module.class() != "Conv" {
        return wrong(place, module);
    }
    let conv = conv2d(child(module, place, "conv")?, &format!("{place}.conv"))?;
    let norm = match module.child("bn") {
        Some(bn) => Some(batch_norm(bn, &format!("{place}.bn"))?),
        None => None,
    };
    let silu = match module.child("act") {
        Some(act) if act.class() == "SiLU" => true,
        Some(act) if act.class() == "Identity" => false,
        Some(act) => return wrong(&format!("{place}.act"), act),
        None => return unsupported(place, "a `Conv` without `act`"),
    };
    Ok(ConvBlock { norm, silu, ..conv })
}

fn conv2d(module: Module<'_>, place: &str) -> Result<ConvBlock, PtError> {
    if module.class() != "Conv2d" {
        return wrong(place, module);
    }
    let pickle = module.pickle();
    for (attribute, plain) in [("groups", 1), ("dilation", 1)] {
        if module.size(attribute).is_some_and(|value| value != plain) {
            return unsupported(
                place,
                format!("{attribute} is {}, only 1 is possible", module.shown(attribute)),
            );
        }
    }
    if module.attribute("padding_mode").is_some_and(|id| pickle.str(id) != Some("zeros")) {
        return unsupported(place, "padded with something else than zeros");
    }
    let tensors = module.tensors();
    let tensor = |name: &str| {
        tensors.iter().find(|(n, _)| *n == name).and_then(|(_, id)| match pickle.node(*id) {
            Node::Tensor(tensor) => Some(tensor.shape.as_slice()),
            _ => None,
        })
    };
    let (outputs, inputs, kernel) = match tensor("weight") {
        Some(&[outputs, inputs, h, w]) if h == w => (outputs, inputs, h),
        Some(shape) => {
            let (name, expected) = (format!("{place}.weight"), "a square kernel, [out, in, k, k]".to_owned());
            return Err(PtError::Shape { name, found: shape.to_vec(), expected });
        }
        None => return Err(PtError::Missing { name: format!("{place}.weight") }),
    };
    let (Some(stride), Some(padding)) = (module.size("stride"), module.size("padding")) else {
        let (stride, padding) = (module.shown("stride"), module.shown("padding"));
        return unsupported(
            place,
            format!("stride {stride}, padding {padding}: one number each is possible"),
        );
    };
    let bias = tensor("bias").is_some();
    Ok(ConvBlock { inputs, outputs, kernel, stride, padding, bias, norm: None, silu: false })
}

fn batch_norm(module: Module<'_>, place: &str) -> Result<(f32, f32), PtError> {
    if module.class() != "BatchNorm2d" {
        return wrong(place, module);
    }
    match (module.float("eps"), module.float("momentum")) {
        (Some(eps), Some(momentum)) => Ok((eps as f32, momentum as f32)),
        _ => unsupported(
            place,
            format!(
                "eps {}, momentum {}: both must be numbers",
                module.shown("eps"),
                module.shown("momentum")
            ),
        ),
    }
}

fn c2f(module: Module<'_>, place: &str) -> Result<C2f, PtError> {
    let block = |name: &str| conv_block(child(module, place, name)?, &format!("{place}.{name}"));
    let cv0 = match module.child("cv0") {
        Some(cv0) => Some(conv_block(cv0, &format!("{place}.cv0"))?),
        None => None,
    };
    let bottlenecks = few(child(module, place, "m")?, &format!("{place}.m"))?;
    let m = bottlenecks
        .into_iter()
        .map(|(name, m)| bottleneck(m, &format!("{place}.m.{name}")))
        .collect::<Result<_, _>>()?;
    Ok(C2f { cv0, cv1: block("cv1")?, cv2: block("cv2")?, m })
}

fn bottleneck(module: Module<'_>, place: &str) -> Result<Bottleneck, PtError> {
    if module.class() != "Bottleneck" {
        return wrong(place, module);
    }
    let block = |name: &str| conv_block(child(module, place, name)?, &format!("{place}.{name}"));
    let Some(shortcut) = module.flag("add") else {
        return unsupported(place, "it does not say whether it adds its input (`add`)");
    };
    Ok(Bottleneck { cv1: block("cv1")?, cv2: block("cv2")?, shortcut })
}

fn sppf(module: Module<'_>, place: &str) -> Result<Sppf, PtError> {
    let block = |name: &str| conv_block(child(module, place, name)?, &format!("{place}.{name}"));
    let pool = child(module, place, "m")?;
    if pool.class() != "MaxPool2d" {
        return wrong(&format!("{place}.m"), pool);
    }
    if module.flag("add") == Some(true) {
        return unsupported(place, "adds its input, which YOLOv8's does not");
    }
    let sizes = [pool.size("kernel_size"), pool.size("stride"), pool.size("padding")];
    let [Some(kernel), Some(1), Some(padding)] = sizes else {
        let shown = ["kernel_size", "stride", "padding"].map(|name| pool.shown(name)).join(", ");
        return unsupported(place, format!("kernel, stride and padding are {shown}; the stride must be 1"));
    };
    if padding != kernel / 2 {
        return unsupported(place, format!("padding {padding} at kernel {kernel} changes the size"));
    }
    // Versions before 8.4 always have three.
    let pools = module.size("n").unwrap_or(3);
    Ok(Sppf { cv1: block("cv1")?, cv2: block("cv2")?, kernel, pools })
}

fn upsample(module: Module<'_>, place: &str) -> Result<Part, PtError> {
    let nearest = module.attribute("mode").and_then(|id| module.pickle().str(id)) == Some("nearest");
    let scale = module.float("scale_factor").filter(|scale| scale.fract() == 0.0 && *scale >= 1.0);
    match scale {
        Some(scale) if nearest && scale <= 16.0 => Ok(Part::Upsample { scale: scale as usize }),
        _ => {
            let (mode, scale) = (module.shown("mode"), module.shown("scale_factor"));
            unsupported(
                place,
                format!("mode {mode}, scale {scale}: only nearest by a whole number is possible"),
            )
        }
    }
}

fn detect(module: Module<'_>, place: &str) -> Result<Detect, PtError> {
    if module.flag("end2end") == Some(true) {
        return unsupported(place, "a head without suppression (`end2end`), which YOLOv8 does not have");
    }
    let branch = |name: &str| -> Result<Vec<[ConvBlock; 3]>, PtError> {
        let levels = few(child(module, place, name)?, &format!("{place}.{name}"))?;
        levels.into_iter().map(|(level, m)| head_level(m, &format!("{place}.{name}.{level}"))).collect()
    };
    let (boxes, classes) = (branch("cv2")?, branch("cv3")?);
    let Some(reg_max) = module.size("reg_max") else {
        return unsupported(place, "it does not say how many bins a side has (`reg_max`)");
    };
    if boxes.len() != classes.len() || boxes.is_empty() {
        return unsupported(
            place,
            format!("{} levels for boxes, {} for classes", boxes.len(), classes.len()),
        );
    }
    for (level, block) in boxes.iter().enumerate() {
        if block[2].outputs != 4 * reg_max {
            let what =
                format!("level {level} has {} box channels, 4 x {reg_max} are needed", block[2].outputs);
            return unsupported(place, what);
        }
    }
    Ok(Detect { boxes, classes, strides: Vec::new(), reg_max })
}

/// The tensor of pixels per cell: the head's, or the model's.
pub(super) fn strides(model: Module<'_>) -> Option<Id> {
    let head = model.child("model").and_then(|layers| layers.children().pop());
    head.and_then(|(_, head)| head.attribute("stride")).or_else(|| model.attribute("stride"))
}

/// Two `Conv` and a plain convolution.
fn head_level(module: Module<'_>, place: &str) -> Result<[ConvBlock; 3], PtError> {
    let children = module.children();
    let [first, second, last] = children[..] else {
        return unsupported(place, format!("{} modules, expected 3", children.len()));
    };
    let at = |i: usize| format!("{place}.{i}");
    Ok([conv_block(first.1, &at(0))?, conv_block(second.1, &at(1))?, conv2d(last.1, &at(2))?])
}

/// Names by class: a dictionary from numbers, or a list.
fn class_names(model: Module<'_>, num_classes: usize) -> Result<Vec<String>, PtError> {
    let pickle = model.pickle();
    let names = model.attribute("names").and_then(|id| match pickle.entries(id) {
        Some(entries) => (0..num_classes)
            .map(|class| {
                let named = entries.iter().rev().find(|(key, _)| pickle.int(*key) == Some(class as i64));
                named.and_then(|(_, name)| pickle.str(*name)).map(str::to_owned)
            })
            .collect::<Option<Vec<_>>>(),
        None => pickle.members(id)?.iter().map(|name| pickle.str(*name).map(str::to_owned)).collect(),
    });
    match names {
        Some(names) if names.len() == num_classes => Ok(names),
        _ => unsupported(
            "model",
            format!("`names` is {}, {num_classes} names are needed", model.shown("names")),
        ),
    }
}
