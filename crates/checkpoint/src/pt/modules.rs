//! [`blueprint`]: makes a blueprint from pickled modules of Ultralytics 8.0 to 8.4.
//!
//! It reads only class names, attributes and tensor shapes. Anything with another meaning than in a YOLOv8
//! detector is refused with its place.

use super::blueprint::{Blueprint, Bottleneck, Branch, C2f, ConvBlock, Detect, Layer, Part, Sppf};
use super::error::PtError;
use super::module::Module;
use super::names;
use super::pickle::Id;

/// Most modules that are read from a list; YOLOv8 has 23.
const MOST_CHILDREN: usize = 256;
/// Most poolings in a chain; YOLOv8 has three.
const MOST_POOLS: usize = 64;

/// The blueprint of a `DetectionModel`; assumptions are added to `notes`.
pub(super) fn blueprint(model: Module<'_>, notes: &mut Vec<String>) -> Result<Blueprint, PtError> {
    let layers = few(child(model, "model", "model")?, "model")?;
    let layers = layers.into_iter().enumerate().map(|(index, (_, module))| {
        let place = format!("model.{index}");
        let part = part(module, &place)?;
        let from = from(module, &place)?;
        check_wires(&from, index, &place)?;
        Ok(Layer { from, part })
    });
    let layers = layers.collect::<Result<Vec<_>, PtError>>()?;
    let Some(Layer { part: Part::Detect(head), .. }) = layers.last() else {
        let what = format!("the last of {} modules is no `Detect`", layers.len());
        return Err(PtError::Unsupported { place: "model".to_owned(), what });
    };
    let num_classes = head.classes.first().map_or(0, |level| level.last.outputs);
    let class_names = names::of(model, num_classes, notes)?;
    Ok(Blueprint { layers, class_names })
}

fn unsupported<T>(place: &str, what: impl Into<String>) -> Result<T, PtError> {
    Err(PtError::Unsupported { place: place.to_owned(), what: what.into() })
}

/// Checks that the module is of one of these classes and computes as the class does.
fn expect(module: Module<'_>, place: &str, classes: &[&str]) -> Result<(), PtError> {
    if !classes.iter().any(|class| module.is(class)) {
        return Err(module.stranger(place));
    }
    match module.own_forward() {
        // Ultralytics itself sets these in fused and exported modules, which compute the same.
        Some(name) if !["forward", "forward_fuse", "forward_split"].contains(&name.as_str()) => {
            unsupported(place, format!("its `forward` was replaced by {name}, which is not run here"))
        }
        _ => Ok(()),
    }
}

fn child<'a>(module: Module<'a>, place: &str, name: &str) -> Result<Module<'a>, PtError> {
    match module.child(name) {
        Some(child) => Ok(child),
        None => unsupported(place, format!("a `{}` without `{name}`", module.class())),
    }
}

/// The modules in a list of modules, up to a limit.
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

/// Checks that a module reads only modules before it; -1 of the first module means the images.
fn check_wires(from: &[i64], index: usize, place: &str) -> Result<(), PtError> {
    let index = index as i64;
    let is_there =
        |from: &i64| (0..index).contains(from) || (-index..0).contains(from) || (index, *from) == (0, -1);
    match from.iter().find(|from| !is_there(from)) {
        Some(from) => {
            unsupported(place, format!("it reads module {from} (`f`), which does not come before it"))
        }
        None if from.is_empty() => unsupported(place, "it reads no module (`f`)"),
        None => Ok(()),
    }
}

fn part(module: Module<'_>, place: &str) -> Result<Part, PtError> {
    expect(module, place, &["Conv", "C2f", "C2f_v2", "SPPF", "Upsample", "Concat", "Detect"])?;
    match module.class() {
        "Conv" => Ok(Part::Conv(conv_block(module, place)?)),
        "C2f" | "C2f_v2" => Ok(Part::C2f(c2f(module, place)?)),
        "SPPF" => Ok(Part::Sppf(sppf(module, place)?)),
        "Upsample" => upsample(module, place),
        "Concat" => match module.size("d") {
            Some(1) => Ok(Part::Concat),
            _ => unsupported(place, format!("joins along dimension {}, not channels", module.shown("d"))),
        },
        _ => Ok(Part::Detect(detect(module, place)?)),
    }
}

/// `Conv` and `DWConv`: convolution, batch norm unless it was fused, activation.
fn conv_block(module: Module<'_>, place: &str) -> Result<ConvBlock, PtError> {
    expect(module, place, &["Conv", "DWConv"])?;
    let conv = conv2d(child(module, place, "conv")?, &format!("{place}.conv"))?;
    let norm = match module.child("bn") {
        Some(bn) if bn.is("Identity") => None,
        Some(bn) => Some(batch_norm(bn, &format!("{place}.bn"))?),
        None => None,
    };
    if norm.is_some() && module.own_forward().is_some_and(|name| name == "forward_fuse") {
        return unsupported(place, "it has a batch norm that its `forward` (`forward_fuse`) leaves out");
    }
    let silu = match module.child("act") {
        Some(act) if act.is("SiLU") => true,
        Some(act) if act.is("Identity") => false,
        Some(act) => {
            return unsupported(
                &format!("{place}.act"),
                format!("the activation `{}`; SiLU is possible, or none", act.class().escape_debug()),
            );
        }
        None => return unsupported(place, "a `Conv` without `act`"),
    };
    Ok(ConvBlock { norm, silu, ..conv })
}

fn conv2d(module: Module<'_>, place: &str) -> Result<ConvBlock, PtError> {
    expect(module, place, &["Conv2d"])?;
    let pickle = module.pickle();
    if module.size("dilation").is_some_and(|dilation| dilation != 1) {
        return unsupported(place, format!("dilation is {}, only 1 is possible", module.shown("dilation")));
    }
    if module.attribute("padding_mode").is_some_and(|id| pickle.str(id) != Some("zeros")) {
        return unsupported(place, "padded with something else than zeros");
    }
    let groups = match module.attribute("groups") {
        Some(_) => module.size("groups").filter(|groups| *groups > 0),
        None => Some(1),
    };
    let Some(groups) = groups else {
        return unsupported(place, format!("groups is {}", module.shown("groups")));
    };
    let (outputs, inputs, kernel) = match module.shape("weight") {
        // The kernel has only the inputs of one group.
        Some(&[outputs, inputs, h, w]) if h == w => (outputs, inputs.saturating_mul(groups), h),
        Some(shape) => {
            let name = format!("{place}.weight");
            let expected = "a square kernel, [out, in, k, k]".to_owned();
            return Err(PtError::Shape { name, found: shape.to_vec(), expected });
        }
        None if module.shape("weight_orig").is_some() => {
            return unsupported(
                place,
                "its weight is masked by `torch.nn.utils.prune`: call `prune.remove(module, \"weight\")` and save again",
            );
        }
        None => return Err(PtError::Missing { name: format!("{place}.weight") }),
    };
    let (Some(stride), Some(padding)) = (module.size("stride"), module.size("padding")) else {
        let stride = module.shown("stride");
        let padding = module.shown("padding");
        return unsupported(
            place,
            format!("stride {stride}, padding {padding}: one number each is possible"),
        );
    };
    let bias = module.shape("bias").is_some();
    Ok(ConvBlock { inputs, outputs, kernel, stride, padding, groups, bias, norm: None, silu: false })
}

fn batch_norm(module: Module<'_>, place: &str) -> Result<(f32, f32), PtError> {
    expect(module, place, &["BatchNorm2d"])?;
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
    expect(module, place, &["Bottleneck"])?;
    let block = |name: &str| conv_block(child(module, place, name)?, &format!("{place}.{name}"));
    let Some(shortcut) = module.flag("add") else {
        return unsupported(place, "it does not say whether it adds its input (`add`)");
    };
    Ok(Bottleneck { cv1: block("cv1")?, cv2: block("cv2")?, shortcut })
}

fn sppf(module: Module<'_>, place: &str) -> Result<Sppf, PtError> {
    let block = |name: &str| conv_block(child(module, place, name)?, &format!("{place}.{name}"));
    let pool = child(module, place, "m")?;
    expect(pool, &format!("{place}.m"), &["MaxPool2d"])?;
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
    // Versions before 8.4 always have three poolings.
    let pools = module.size("n").unwrap_or(3);
    if pools > MOST_POOLS {
        return unsupported(place, format!("{pools} poolings in a row, at most {MOST_POOLS} are read"));
    }
    Ok(Sppf { cv1: block("cv1")?, cv2: block("cv2")?, kernel, pools })
}

fn upsample(module: Module<'_>, place: &str) -> Result<Part, PtError> {
    let nearest = module.attribute("mode").and_then(|id| module.pickle().str(id)) == Some("nearest");
    let scale = module.float("scale_factor").filter(|scale| scale.fract() == 0.0 && *scale >= 1.0);
    match scale {
        Some(scale) if nearest && scale <= 16.0 => Ok(Part::Upsample { scale: scale as usize }),
        _ => {
            let mode = module.shown("mode");
            let scale = module.shown("scale_factor");
            unsupported(
                place,
                format!("mode {mode}, scale {scale}: only nearest by a whole number is possible"),
            )
        }
    }
}

fn detect(module: Module<'_>, place: &str) -> Result<Detect, PtError> {
    // `end2end` is a property of the class and never in the file; the second pair of branches is in the file.
    if let Some(name) = ["one2one_cv2", "one2one_cv3"].into_iter().find(|name| module.child(name).is_some()) {
        return unsupported(place, end_to_end(name));
    }
    let branch = |name: &str| -> Result<Vec<Branch>, PtError> {
        let levels = few(child(module, place, name)?, &format!("{place}.{name}"))?;
        levels.into_iter().map(|(level, m)| head_level(m, &format!("{place}.{name}.{level}"))).collect()
    };
    let boxes = branch("cv2")?;
    let classes = branch("cv3")?;
    let Some(reg_max) = module.size("reg_max") else {
        return unsupported(place, "it does not say how many bins a side has (`reg_max`)");
    };
    if reg_max < 2 || module.child("dfl").is_some_and(|dfl| !dfl.is("DFL")) {
        return unsupported(place, format!("{reg_max} bins a side (`reg_max`) without `DFL`, as YOLOv8 has"));
    }
    if boxes.len() != classes.len() || boxes.is_empty() {
        return unsupported(
            place,
            format!("{} levels for boxes, {} for classes", boxes.len(), classes.len()),
        );
    }
    for (level, block) in boxes.iter().enumerate() {
        if Some(block.last.outputs) != reg_max.checked_mul(4) {
            let what =
                format!("level {level} has {} box channels, 4 x {reg_max} are needed", block.last.outputs);
            return unsupported(place, what);
        }
    }
    Ok(Detect { boxes, classes, strides: Vec::new(), reg_max })
}

/// The tensor of strides (pixels per cell): that of the head, or that of the model.
pub(super) fn strides(model: Module<'_>) -> Option<Id> {
    let head = model.child("model").and_then(|layers| layers.children().pop());
    head.and_then(|(_, head)| head.attribute("stride")).or_else(|| model.attribute("stride"))
}

/// The reason why a head without non-maximum suppression cannot be read.
pub(super) fn end_to_end(branch: &str) -> String {
    format!("an end-to-end head (`{branch}`); only heads with non-maximum suppression after them are read")
}

/// Two `Conv`, or two pairs of a depthwise and a pointwise one (class branches of Ultralytics 8.3.0 to
/// 8.3.16), then a plain convolution.
fn head_level(module: Module<'_>, place: &str) -> Result<Branch, PtError> {
    let children = module.children();
    let [first, second, last] = children[..] else {
        return unsupported(place, format!("{} modules, expected 3", children.len()));
    };
    let mut blocks = Vec::new();
    for (i, (_, part)) in [first, second].into_iter().enumerate() {
        if !part.is("Sequential") {
            blocks.push((i.to_string(), conv_block(part, &format!("{place}.{i}"))?));
            continue;
        }
        for (j, (_, part)) in few(part, &format!("{place}.{i}"))?.into_iter().enumerate() {
            blocks.push((format!("{i}.{j}"), conv_block(part, &format!("{place}.{i}.{j}"))?));
        }
    }
    Ok(Branch { blocks, last: conv2d(last.1, &format!("{place}.2"))? })
}
