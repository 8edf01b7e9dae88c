//! [`Writer`]: Ultralytics' modules of a blueprint.

use super::module::{Parts, activation, batch_norm, conv2d, list, max_pool, module, numbers, upsample};
use super::value::{Class, Numbers, Value};
use crate::pt::blueprint::{Bottleneck, Branch, C2f, ConvBlock, Detect, Layer, Part, Sppf};
use crate::pt::error::PtError;
use crate::{CheckpointError, Weights};

/// The Python module that has all classes, in Ultralytics 8.0 (a file) and 8.4 (a folder) alike.
const MODULES: &str = "ultralytics.nn.modules";
/// Epsilon and momentum of Ultralytics' batch norms, for blocks whose own was folded.
pub(super) const NORM: (f32, f32) = (1e-3, 0.03);
/// Poolings of an `SPPF` in every version.
const POOLS: usize = 3;

/// Makes modules with these weights.
pub(super) struct Writer<'a> {
    pub(super) weights: &'a Weights,
}

impl Writer<'_> {
    /// The layer `index` of the network.
    pub(super) fn layer(&self, index: usize, layer: &Layer) -> Result<Value, CheckpointError> {
        let place = format!("model.{index}");
        let (kind, parameters) = match &layer.part {
            Part::Conv(block) => (class_of(block), 0),
            Part::C2f(_) => ("C2f", 0),
            Part::Sppf(_) => ("SPPF", 0),
            Part::Upsample { .. } => ("Upsample", 0),
            Part::Concat => ("Concat", 0),
            Part::Detect(head) => ("Detect", head.reg_max),
        };
        let prefix = format!("{place}.");
        let trained = self.weights.iter().filter(|(name, _)| {
            name.starts_with(&prefix) && !name.ends_with(".running_mean") && !name.ends_with(".running_var")
        });
        let parameters = trained.map(|(_, array)| array.data().len()).sum::<usize>() + parameters;
        let module_name = if kind == "Upsample" { "torch.nn.modules.upsampling" } else { MODULES };
        let placing = vec![
            ("i", Value::size(index)),
            ("f", from(&layer.from)),
            ("type", Value::text(format!("{module_name}.{kind}"))),
            ("np", Value::size(parameters)),
        ];
        match &layer.part {
            Part::Conv(block) => self.conv(block, &place, placing),
            Part::C2f(block) => self.c2f(block, &place, placing),
            Part::Sppf(block) => self.sppf(block, &place, placing),
            Part::Upsample { scale } => Ok(upsample(*scale, placing)),
            Part::Concat => {
                let attributes = [vec![("d", Value::Int(1))], placing].concat();
                Ok(module(Class(MODULES, "Concat"), Parts::default(), attributes))
            }
            Part::Detect(head) => self.detect(head, &place, placing),
        }
    }

    /// `Conv`: convolution, batch norm and activation. A batch norm that was folded into the bias gets a place of
    /// its own again, because Ultralytics always has one.
    fn conv(
        &self,
        block: &ConvBlock,
        place: &str,
        placing: Vec<(&'static str, Value)>,
    ) -> Result<Value, CheckpointError> {
        let channels = block.outputs;
        let weight = numbers(self.weights, &format!("{place}.conv.weight"))?;
        let mut bias = if block.bias {
            Some(self.weights.require(&format!("{place}.conv.bias"))?.data().to_vec())
        } else {
            None
        };
        let norm = if let Some(constants) = block.norm {
            let values = ["weight", "bias", "running_mean", "running_var"]
                .map(|name| self.weights.require(&format!("{place}.bn.{name}")));
            let [weight, beta, mean, var] = values;
            let values = [weight?, beta?, mean?, var?].map(|array| array.data().to_vec());
            batch_norm(channels, constants, values)
        } else {
            let beta = bias.take().unwrap_or_else(|| vec![0.0; channels]);
            let values = [vec![1.0; channels], beta, vec![0.0; channels], vec![1.0 - NORM.0; channels]];
            batch_norm(channels, NORM, values)
        };
        let bias = bias.map(|values| Numbers::F32 { shape: vec![channels], values });
        let modules = vec![
            ("conv".to_owned(), conv2d(block, weight, bias, true)),
            ("bn".to_owned(), norm),
            ("act".to_owned(), activation(block.silu)),
        ];
        Ok(module(Class(MODULES, class_of(block)), Parts { modules, ..Parts::default() }, placing))
    }

    fn inner(&self, block: &ConvBlock, place: &str) -> Result<Value, CheckpointError> {
        self.conv(block, place, Vec::new())
    }

    fn c2f(
        &self,
        block: &C2f,
        place: &str,
        placing: Vec<(&'static str, Value)>,
    ) -> Result<Value, CheckpointError> {
        let bottlenecks = block.m.iter().enumerate();
        let bottlenecks = bottlenecks
            .map(|(i, m)| self.bottleneck(m, &format!("{place}.m.{i}")))
            .collect::<Result<_, CheckpointError>>()?;
        let modules = vec![
            ("cv1".to_owned(), self.inner(&block.cv1, &format!("{place}.cv1"))?),
            ("cv2".to_owned(), self.inner(&block.cv2, &format!("{place}.cv2"))?),
            ("m".to_owned(), list("ModuleList", bottlenecks)),
        ];
        let attributes = [vec![("c", Value::size(block.cv1.outputs / 2))], placing].concat();
        Ok(module(Class(MODULES, "C2f"), Parts { modules, ..Parts::default() }, attributes))
    }

    fn bottleneck(&self, block: &Bottleneck, place: &str) -> Result<Value, CheckpointError> {
        let modules = vec![
            ("cv1".to_owned(), self.inner(&block.cv1, &format!("{place}.cv1"))?),
            ("cv2".to_owned(), self.inner(&block.cv2, &format!("{place}.cv2"))?),
        ];
        let attributes = vec![("add", Value::Bool(block.shortcut))];
        Ok(module(Class(MODULES, "Bottleneck"), Parts { modules, ..Parts::default() }, attributes))
    }

    fn sppf(
        &self,
        block: &Sppf,
        place: &str,
        placing: Vec<(&'static str, Value)>,
    ) -> Result<Value, CheckpointError> {
        if block.pools != POOLS {
            let what = format!("{} poolings in a row, Ultralytics' `SPPF` has {POOLS}", block.pools);
            return Err(PtError::NotUltralytics { place: place.to_owned(), what }.into());
        }
        let modules = vec![
            ("cv1".to_owned(), self.inner(&block.cv1, &format!("{place}.cv1"))?),
            ("cv2".to_owned(), self.inner(&block.cv2, &format!("{place}.cv2"))?),
            ("m".to_owned(), max_pool(block.kernel)),
        ];
        // Read by 8.4 only.
        let attributes = [vec![("n", Value::size(POOLS)), ("add", Value::Bool(false))], placing].concat();
        Ok(module(Class(MODULES, "SPPF"), Parts { modules, ..Parts::default() }, attributes))
    }

    fn detect(
        &self,
        head: &Detect,
        place: &str,
        placing: Vec<(&'static str, Value)>,
    ) -> Result<Value, CheckpointError> {
        let levels = |branch: &str, levels: &[Branch]| {
            let levels = levels.iter().enumerate();
            let levels =
                levels.map(|(level, branches)| self.branch(branches, &format!("{place}.{branch}.{level}")));
            Ok::<_, CheckpointError>(list("ModuleList", levels.collect::<Result<_, CheckpointError>>()?))
        };
        let num_classes = head.classes.first().map_or(0, |level| level.last.outputs);
        let modules = vec![
            ("cv2".to_owned(), levels("cv2", &head.boxes)?),
            ("cv3".to_owned(), levels("cv3", &head.classes)?),
            ("dfl".to_owned(), expectation(head.reg_max)),
        ];
        let attributes = vec![
            ("nc", Value::size(num_classes)),
            ("nl", Value::size(head.boxes.len())),
            ("reg_max", Value::size(head.reg_max)),
            ("no", Value::size(num_classes + 4 * head.reg_max)),
            ("stride", strides(head)),
            ("inplace", Value::Bool(true)),
        ];
        let attributes = [attributes, placing].concat();
        Ok(module(Class(MODULES, "Detect"), Parts { modules, ..Parts::default() }, attributes))
    }

    /// Two blocks, each of one convolution or of a depthwise and a pointwise one, and the last convolution.
    fn branch(&self, branch: &Branch, place: &str) -> Result<Value, CheckpointError> {
        // Names are `0` and `1`, or `0.0`, `0.1`, `1.0` and `1.1` for pairs.
        let mut modules = Vec::new();
        for position in ["0", "1"] {
            let mut pair = Vec::new();
            for (name, block) in &branch.blocks {
                let value = || self.inner(block, &format!("{place}.{name}"));
                match name.split_once('.') {
                    Some((first, _)) if first == position => pair.push(value()?),
                    None if name == position => modules.push(value()?),
                    _ => {}
                }
            }
            if !pair.is_empty() {
                modules.push(list("Sequential", pair));
            }
        }
        let name = format!("{place}.2");
        let weight = numbers(self.weights, &format!("{name}.weight"))?;
        let bias = branch.last.bias.then(|| numbers(self.weights, &format!("{name}.bias"))).transpose()?;
        modules.push(conv2d(&branch.last, weight, bias, true));
        Ok(list("Sequential", modules))
    }
}

/// The class of a block.
fn class_of(block: &ConvBlock) -> &'static str {
    if block.groups > 1 { "DWConv" } else { "Conv" }
}

/// The fixed convolution that computes the expectation of a distribution.
fn expectation(reg_max: usize) -> Value {
    let block = ConvBlock {
        inputs: reg_max,
        outputs: 1,
        kernel: 1,
        stride: 1,
        padding: 0,
        groups: 1,
        bias: false,
        norm: None,
        silu: false,
    };
    let values = (0..reg_max).map(|bin| bin as f32).collect();
    let conv = conv2d(&block, Numbers::F32 { shape: vec![1, reg_max, 1, 1], values }, None, false);
    let modules = vec![("conv".to_owned(), conv)];
    module(Class(MODULES, "DFL"), Parts { modules, ..Parts::default() }, vec![("c1", Value::size(reg_max))])
}

/// Pixels per cell of each level, as a tensor.
pub(super) fn strides(head: &Detect) -> Value {
    let values = head.strides.iter().map(|stride| *stride as f32).collect();
    Value::Tensor(Numbers::F32 { shape: vec![head.strides.len()], values })
}

/// The inputs of a layer: a number, or a list of several.
fn from(from: &[i64]) -> Value {
    match from {
        [one] => Value::Int(*one),
        several => Value::List(several.iter().map(|index| Value::Int(*index)).collect()),
    }
}
