//! [`Network`]: a small YOLOv8 as Ultralytics' modules, in the forms that users save.

use crate::python::{Py, call, class, dict, object, tensor};

/// Channels of all layers.
const WIDTH: usize = 8;

/// Variants of the network.
#[derive(Clone)]
pub(crate) struct Network {
    /// Convolutions have a bias and no batch norm, as `fuse` leaves them.
    pub(crate) fused: bool,
    /// The activation class in `SPPF.cv1`, without the package.
    pub(crate) sppf: &'static str,
    /// The activation class in all other blocks.
    pub(crate) act: &'static str,
    /// Class branches as in Ultralytics 8.3.0 to 8.3.16.
    pub(crate) depthwise: bool,
    pub(crate) names: Py,
}

impl Default for Network {
    fn default() -> Self {
        let names = ["cat", "dog", "sheep"].into_iter().enumerate();
        let names = Py::Dict(names.map(|(class, name)| ((class as i32).into(), name.into())).collect());
        Self { fused: false, sppf: "activation.SiLU", act: "activation.SiLU", depthwise: false, names }
    }
}

/// A module with modules in it, tensors and attributes.
pub(crate) fn module(
    name: &str,
    modules: Vec<(&str, Py)>,
    tensors: Vec<(&str, Py)>,
    attributes: Vec<(&str, Py)>,
) -> Py {
    let mut all =
        vec![("training", Py::Bool(false)), ("_parameters", dict(tensors)), ("_buffers", dict(vec![]))];
    all.push(("_modules", dict(modules)));
    all.extend(attributes);
    object(name, all)
}

pub(crate) fn sequential(members: Vec<Py>) -> Py {
    list("torch.nn.modules.container.Sequential", members)
}

fn list(name: &str, members: Vec<Py>) -> Py {
    let numbers: Vec<String> = (0..members.len()).map(|i| i.to_string()).collect();
    module(name, numbers.iter().map(String::as_str).zip(members).collect(), vec![], vec![])
}

fn conv2d(sizes: [usize; 4], groups: usize, bias: bool) -> Py {
    let [outputs, inputs, kernel, stride] = sizes;
    let pair = |value: usize| Py::Tuple(vec![(value as i32).into(), (value as i32).into()]);
    let attributes = vec![
        ("stride", pair(stride)),
        ("padding", pair(kernel / 2)),
        ("dilation", pair(1)),
        ("groups", (groups as i32).into()),
        ("padding_mode", "zeros".into()),
    ];
    let bias = if bias { tensor(&[outputs]) } else { Py::None };
    let tensors = vec![("weight", tensor(&[outputs, inputs / groups, kernel, kernel])), ("bias", bias)];
    module("torch.nn.modules.conv.Conv2d", vec![], tensors, attributes)
}

impl Network {
    fn block(&self, outputs: usize, inputs: usize, kernel: usize, stride: usize) -> Py {
        self.block_with("Conv", [outputs, inputs, kernel, stride], 1, self.act)
    }

    fn block_with(&self, name: &str, sizes: [usize; 4], groups: usize, act: &str) -> Py {
        let mut modules = vec![("conv", conv2d(sizes, groups, self.fused))];
        let mut attributes = vec![];
        if self.fused {
            // A bound method. A real file refers to the object itself by the memo; `None` stands for it here.
            attributes.push(("forward", call("__builtin__.getattr", vec![Py::None, "forward_fuse".into()])));
        } else {
            let tensors =
                ["weight", "bias", "running_mean", "running_var"].map(|name| (name, tensor(&sizes[..1])));
            let attributes = vec![("eps", Py::Float(1e-3)), ("momentum", Py::Float(0.03))];
            modules.push((
                "bn",
                module("torch.nn.modules.batchnorm.BatchNorm2d", vec![], tensors.into(), attributes),
            ));
        }
        modules.push(("act", module(&format!("torch.nn.modules.{act}"), vec![], vec![], vec![])));
        module(&format!("ultralytics.nn.modules.conv.{name}"), modules, vec![], attributes)
    }

    fn c2f(&self, inputs: usize, add: bool) -> Py {
        let half = WIDTH / 2;
        let m = module(
            "ultralytics.nn.modules.block.Bottleneck",
            vec![("cv1", self.block(half, half, 3, 1)), ("cv2", self.block(half, half, 3, 1))],
            vec![],
            vec![("add", Py::Bool(add))],
        );
        let modules = vec![
            ("cv1", self.block(WIDTH, inputs, 1, 1)),
            ("cv2", self.block(WIDTH, 3 * half, 1, 1)),
            ("m", list("torch.nn.modules.container.ModuleList", vec![m])),
        ];
        module("ultralytics.nn.modules.block.C2f", modules, vec![], vec![])
    }

    fn sppf(&self) -> Py {
        let half = WIDTH / 2;
        let sizes = vec![("kernel_size", 5.into()), ("stride", 1.into()), ("padding", 2.into())];
        let modules = vec![
            ("cv1", self.block_with("Conv", [half, WIDTH, 1, 1], 1, self.sppf)),
            ("cv2", self.block(WIDTH, 4 * half, 1, 1)),
            ("m", module("torch.nn.modules.pooling.MaxPool2d", vec![], vec![], sizes)),
        ];
        module("ultralytics.nn.modules.block.SPPF", modules, vec![], vec![])
    }

    fn detect(&self) -> Py {
        let plain = |outputs| {
            let block = || self.block(WIDTH, WIDTH, 3, 1);
            sequential(vec![block(), block(), conv2d([outputs, WIDTH, 1, 1], 1, true)])
        };
        let pair = || {
            let depthwise = self.block_with("DWConv", [WIDTH, WIDTH, 3, 1], WIDTH, self.act);
            sequential(vec![depthwise, self.block(WIDTH, WIDTH, 1, 1)])
        };
        let classes = || {
            if self.depthwise {
                sequential(vec![pair(), pair(), conv2d([3, WIDTH, 1, 1], 1, true)])
            } else {
                plain(3)
            }
        };
        let levels = |branch: &dyn Fn() -> Py| {
            list("torch.nn.modules.container.ModuleList", (0..3).map(|_| branch()).collect())
        };
        let bins = Py::Tensor(vec![1, 16, 1, 1], (0..16u8).map(f32::from).collect());
        let bins = module("torch.nn.modules.conv.Conv2d", vec![], vec![("weight", bins)], vec![]);
        let modules = vec![
            ("cv2", levels(&|| plain(64))),
            ("cv3", levels(&classes)),
            ("dfl", module("ultralytics.nn.modules.block.DFL", vec![("conv", bins)], vec![], vec![])),
        ];
        let strides = Py::Tensor(vec![3], vec![8.0, 16.0, 32.0]);
        let attributes = vec![("reg_max", 16.into()), ("stride", strides)];
        module("ultralytics.nn.modules.head.Detect", modules, vec![], attributes)
    }

    /// The 23 modules.
    pub(crate) fn layers(&self) -> Vec<Py> {
        let down = || self.block(WIDTH, WIDTH, 3, 2);
        let up = || {
            let attributes = vec![("mode", "nearest".into()), ("scale_factor", Py::Float(2.0))];
            module("torch.nn.modules.upsampling.Upsample", vec![], vec![], attributes)
        };
        let concat = || module("ultralytics.nn.modules.conv.Concat", vec![], vec![], vec![("d", 1.into())]);
        let (joint, straight) = (|| self.c2f(2 * WIDTH, false), || self.c2f(WIDTH, true));
        let layers = vec![
            (self.block(WIDTH, 3, 3, 2), vec![-1]),
            (down(), vec![-1]),
            (straight(), vec![-1]),
            (down(), vec![-1]),
            (straight(), vec![-1]),
            (down(), vec![-1]),
            (straight(), vec![-1]),
            (down(), vec![-1]),
            (straight(), vec![-1]),
            (self.sppf(), vec![-1]),
            (up(), vec![-1]),
            (concat(), vec![-1, 6]),
            (joint(), vec![-1]),
            (up(), vec![-1]),
            (concat(), vec![-1, 4]),
            (joint(), vec![-1]),
            (down(), vec![-1]),
            (concat(), vec![-1, 12]),
            (joint(), vec![-1]),
            (down(), vec![-1]),
            (concat(), vec![-1, 9]),
            (joint(), vec![-1]),
            (self.detect(), vec![15, 18, 21]),
        ];
        let from = |from: Vec<i32>| match from[..] {
            [one] => one.into(),
            _ => Py::List(from.into_iter().map(Py::Int).collect()),
        };
        layers.into_iter().map(|(layer, read)| with(layer, "f", from(read))).collect()
    }

    /// The network as a `DetectionModel`.
    pub(crate) fn model(&self) -> Py {
        self.model_of(self.layers())
    }

    /// A `DetectionModel` with other layers.
    pub(crate) fn model_of(&self, layers: Vec<Py>) -> Py {
        let modules = vec![("model", sequential(layers))];
        let attributes = vec![("names", self.names.clone())];
        module("ultralytics.nn.tasks.DetectionModel", modules, vec![], attributes)
    }
}

/// The dictionary that training saves, with additional entries.
pub(crate) fn checkpoint(model: Py, more: Vec<(&str, Py)>) -> Py {
    let mut entries = vec![("epoch", (-1).into()), ("model", model), ("ema", Py::None)];
    entries.extend(more);
    dict(entries)
}

/// The object with an additional attribute.
pub(crate) fn with(value: Py, name: &str, attribute: Py) -> Py {
    let Py::Object(of, attributes) = value else { panic!("an object") };
    let Py::Dict(mut entries) = *attributes else { panic!("a dictionary") };
    entries.push((name.into(), attribute));
    Py::Object(of, Box::new(Py::Dict(entries)))
}

/// The object with a module added or replaced.
pub(crate) fn with_module(value: Py, name: &str, inner: Py) -> Py {
    let Py::Object(of, attributes) = value else { panic!("an object") };
    let Py::Dict(mut entries) = *attributes else { panic!("a dictionary") };
    let modules = entries.iter_mut().find_map(|(key, value)| match (&*key, value) {
        (Py::Str(key), Py::Dict(modules)) if key == "_modules" => Some(modules),
        _ => None,
    });
    let modules = modules.expect("a module");
    modules.retain(|(key, _)| !matches!(key, Py::Str(key) if key == name));
    modules.push((name.into(), inner));
    Py::Object(of, Box::new(Py::Dict(entries)))
}

/// An object of another class with the same attributes.
pub(crate) fn reclassed(value: Py, name: &str) -> Py {
    let Py::Object(_, attributes) = value else { panic!("an object") };
    Py::Object(Box::new(class(name)), attributes)
}
