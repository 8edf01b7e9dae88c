//! [`module`]: objects of `torch.nn`, with the attributes that PyTorch 1.8 to 2 expect in every module.

use super::value::{Class, Numbers, Value};
use crate::pt::blueprint::ConvBlock;
use crate::{CheckpointError, Weights};

/// Tensors or modules by name.
pub(super) type Members = Vec<(String, Value)>;

/// Parameters, buffers and modules of a module.
#[derive(Default)]
pub(super) struct Parts {
    pub(super) parameters: Members,
    pub(super) buffers: Members,
    pub(super) modules: Members,
}

/// A module of this class with these parts and more attributes.
pub(super) fn module(class: Class, parts: Parts, more: Vec<(&'static str, Value)>) -> Value {
    let hooks = || Value::Ordered(Vec::new());
    let mut attributes = vec![
        ("training", Value::Bool(false)),
        ("_parameters", Value::Ordered(parts.parameters)),
        ("_buffers", Value::Ordered(parts.buffers)),
        ("_non_persistent_buffers_set", Value::EmptySet),
        ("_backward_pre_hooks", hooks()),
        ("_backward_hooks", hooks()),
        ("_is_full_backward_hook", Value::None),
        ("_forward_hooks", hooks()),
        ("_forward_hooks_with_kwargs", hooks()),
        ("_forward_hooks_always_called", hooks()),
        ("_forward_pre_hooks", hooks()),
        ("_forward_pre_hooks_with_kwargs", hooks()),
        ("_state_dict_hooks", hooks()),
        ("_state_dict_pre_hooks", hooks()),
        ("_load_state_dict_pre_hooks", hooks()),
        ("_load_state_dict_post_hooks", hooks()),
        ("_modules", Value::Ordered(parts.modules)),
    ];
    attributes.extend(more);
    Value::Object { class, attributes }
}

/// A `Sequential` or `ModuleList` of these modules, numbered from 0.
pub(super) fn list(name: &'static str, modules: Vec<Value>) -> Value {
    let modules = modules.into_iter().enumerate().map(|(i, module)| (i.to_string(), module)).collect();
    module(Class("torch.nn.modules.container", name), Parts { modules, ..Parts::default() }, Vec::new())
}

/// A convolution with these weights.
pub(super) fn conv2d(block: &ConvBlock, weight: Numbers, bias: Option<Numbers>, is_trained: bool) -> Value {
    let parameter = |numbers| Value::Parameter { numbers, is_trained };
    let parameters = vec![
        ("weight".to_owned(), parameter(weight)),
        ("bias".to_owned(), bias.map_or(Value::None, parameter)),
    ];
    // PyTorch pads left, right, top and bottom by these.
    let padding = Value::Tuple(vec![Value::size(block.padding); 4]);
    module(
        Class("torch.nn.modules.conv", "Conv2d"),
        Parts { parameters, ..Parts::default() },
        vec![
            ("in_channels", Value::size(block.inputs)),
            ("out_channels", Value::size(block.outputs)),
            ("kernel_size", Value::pair(block.kernel)),
            ("stride", Value::pair(block.stride)),
            ("padding", Value::pair(block.padding)),
            ("dilation", Value::pair(1)),
            ("transposed", Value::Bool(false)),
            ("output_padding", Value::pair(0)),
            ("groups", Value::size(block.groups)),
            ("padding_mode", Value::text("zeros")),
            ("_reversed_padding_repeated_twice", padding),
        ],
    )
}

/// A batch norm whose tensors have these values, in the order weight, bias, mean and variance.
pub(super) fn batch_norm(channels: usize, (eps, momentum): (f32, f32), values: [Vec<f32>; 4]) -> Value {
    let [weight, bias, mean, var] = values.map(|values| Numbers::F32 { shape: vec![channels], values });
    let parameter = |numbers| Value::Parameter { numbers, is_trained: true };
    let parts = Parts {
        parameters: vec![("weight".to_owned(), parameter(weight)), ("bias".to_owned(), parameter(bias))],
        buffers: vec![
            ("running_mean".to_owned(), Value::Tensor(mean)),
            ("running_var".to_owned(), Value::Tensor(var)),
            ("num_batches_tracked".to_owned(), Value::Tensor(Numbers::I64(0))),
        ],
        modules: Vec::new(),
    };
    module(
        Class("torch.nn.modules.batchnorm", "BatchNorm2d"),
        parts,
        vec![
            ("num_features", Value::size(channels)),
            ("eps", decimal(eps)),
            ("momentum", decimal(momentum)),
            ("affine", Value::Bool(true)),
            ("track_running_stats", Value::Bool(true)),
        ],
    )
}

/// SiLU, or no activation.
pub(super) fn activation(silu: bool) -> Value {
    if silu {
        let class = Class("torch.nn.modules.activation", "SiLU");
        module(class, Parts::default(), vec![("inplace", Value::Bool(true))])
    } else {
        module(Class("torch.nn.modules.linear", "Identity"), Parts::default(), Vec::new())
    }
}

/// A max pooling with stride 1.
pub(super) fn max_pool(kernel: usize) -> Value {
    module(
        Class("torch.nn.modules.pooling", "MaxPool2d"),
        Parts::default(),
        vec![
            ("kernel_size", Value::size(kernel)),
            ("stride", Value::Int(1)),
            ("padding", Value::size(kernel / 2)),
            ("dilation", Value::Int(1)),
            ("return_indices", Value::Bool(false)),
            ("ceil_mode", Value::Bool(false)),
        ],
    )
}

/// Nearest upsampling, with the attributes that Ultralytics adds to a layer.
pub(super) fn upsample(scale: usize, placing: Vec<(&'static str, Value)>) -> Value {
    let mut attributes = vec![
        ("name", Value::text("Upsample")),
        ("size", Value::None),
        ("scale_factor", Value::Float(scale as f64)),
        ("mode", Value::text("nearest")),
        ("align_corners", Value::None),
        ("recompute_scale_factor", Value::None),
    ];
    attributes.extend(placing);
    module(Class("torch.nn.modules.upsampling", "Upsample"), Parts::default(), attributes)
}

/// A number as the shortest decimal that denotes it: 0.001, not its nearest 32-bit float.
fn decimal(value: f32) -> Value {
    Value::Float(value.to_string().parse().unwrap_or_else(|_| f64::from(value)))
}

/// The numbers of a parameter.
pub(super) fn numbers(weights: &Weights, name: &str) -> Result<Numbers, CheckpointError> {
    let array = weights.require(name)?;
    Ok(Numbers::F32 { shape: array.shape().to_vec(), values: array.data().to_vec() })
}
