//! From a picture to objects.
//!
//! Letterbox, network, decode, suppression, and back to the picture's own pixels: each step is another
//! crate's; here they meet. A network of ours is run folded, whatever it was loaded from; an ONNX file is run as it is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Letterbox, LetterboxTransform, RgbImage, write_planes};
use bonsai_exec::ExecutorOptions;
use bonsai_graph::ModelSpec;
use bonsai_yolov8::{HeadOutput, Predictions, decode};

use crate::config::{DEFAULT_IMGSZ, InputLimits, check_imgsz};
use crate::network::{Network, stride};
use crate::onnx::Artefact;
use crate::origin::{FileKind, Origin};
use crate::{DetectConfig, DetectorError, LoadOptions, Outputs, engine};

const IMGSZ: &str = "imgsz";

/// Something that finds objects, ready to look at pictures.
pub struct Detector {
    backend: Backend,
    class_names: Vec<String>,
    limits: InputLimits,
    imgsz: usize,
    origin: Origin,
}

/// What finds them.
enum Backend {
    /// Raw outputs, decoded here.
    Network(Box<Network>),
    /// Decoded outputs.
    Artefact(Box<Artefact>),
}

impl fmt::Debug for Detector {
    /// Without the network, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Detector");
        out.field("class_names", &self.class_names).field("imgsz", &self.imgsz).field("origin", &self.origin);
        out.finish_non_exhaustive()
    }
}

impl Detector {
    /// Loads a checkpoint, a CPU engine, what [`Checkpoint::import`] reads (an Ultralytics `.pt` or a state dict), or an ONNX
    /// file of a detector, ours or another's. Which of them it is, the content tells.
    ///
    /// `options` say what runs it: a [`Device`](bonsai_exec::Device), [`ExecutorOptions`], or in full [`LoadOptions`].
    ///
    /// # Errors
    /// [`DetectorError::Io`] if there is no such file, [`DetectorError::Unsupported`] for TensorRT
    /// engines, [`DetectorError::Unknown`] for anything else, [`DetectorError::Checkpoint`] if a checkpoint is
    /// cut off or inconsistent, [`DetectorError::Choice`] if the options are for another kind of file, and
    /// [`DetectorError::Load`] around what [`Detector::from_checkpoint`] found, or around what is wrong with an ONNX
    /// file: [`DetectorError::Onnx`], [`DetectorError::Tensor`], [`DetectorError::Metadata`], [`DetectorError::Run`], or
    /// [`DetectorError::NotRun`] where the runtime is missing.
    /// Each names the file.
    pub fn load(path: &Path, options: impl Into<LoadOptions>) -> Result<Self, DetectorError> {
        let options = options.into();
        let named = |source| DetectorError::Load { path: path.to_owned(), source: Box::new(source) };
        match FileKind::from_path(path)? {
            FileKind::Checkpoint => {
                if let Some(runtime) = options.runtime {
                    let given = format!("the runtime {runtime}");
                    return Err(named(DetectorError::Choice {
                        given,
                        wanted: "`--executor`",
                        kind: "a network",
                    }));
                }
                let checkpoint = Checkpoint::open(path)?;
                Self::from_checkpoint(checkpoint, options.executor).map_err(named)
            }
            FileKind::Onnx => {
                let ExecutorOptions { kind, device, .. } = options.executor;
                if kind.is_some() || device != ExecutorOptions::default().device {
                    let executor = kind.map_or_else(String::new, |kind| format!(" {kind}"));
                    let given = format!("the executor{executor} on {device}");
                    return Err(named(DetectorError::Choice {
                        given,
                        wanted: "`--runtime`",
                        kind: "an ONNX file",
                    }));
                }
                Ok(Self::from_artefact(Artefact::open(path, &options).map_err(named)?))
            }
        }
    }

    /// Folds a checkpoint and puts it where the options say.
    ///
    /// # Errors
    /// [`DetectorError::Channels`] if the network does not read RGB, [`DetectorError::Metadata`] if the note
    /// `imgsz` is no size for it, [`DetectorError::Exec`] if there is no such device or executor.
    pub fn from_checkpoint(
        checkpoint: Checkpoint,
        options: impl Into<ExecutorOptions>,
    ) -> Result<Self, DetectorError> {
        let origin = engine::origin(&checkpoint);
        let folded = checkpoint.fold_batch_norm()?;
        let noted = folded.metadata.get(IMGSZ).cloned();
        let network = Network::new(folded, &options.into())?;
        let stride = stride(&network.model);
        let imgsz = noted.map_or(Ok(DEFAULT_IMGSZ), |value| read_imgsz(&value, stride))?;
        let class_names = network.model.class_names().to_vec();
        let limits = InputLimits { stride, fixed: None };
        Ok(Self { backend: Backend::Network(Box::new(network)), class_names, limits, imgsz, origin })
    }

    fn from_artefact(artefact: Artefact) -> Self {
        let signature = &artefact.signature;
        Self {
            class_names: artefact.class_names(),
            limits: InputLimits { stride: signature.stride, fixed: signature.size },
            imgsz: signature.imgsz,
            origin: Origin::Onnx(artefact.runtime),
            backend: Backend::Artefact(Box::new(artefact)),
        }
    }

    /// The network as it is run (folded), its head and its class names; an ONNX file shows none.
    pub const fn model(&self) -> Option<&ModelSpec> {
        match &self.backend {
            Backend::Network(network) => Some(&network.model),
            Backend::Artefact(_) => None,
        }
    }

    /// Names of the classes, by [`Detection::class_id`]; numbers where an ONNX file has no names.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// What height and width of an input must be multiples of, in pixels.
    pub const fn stride(&self) -> usize {
        self.limits.stride
    }

    /// Height and width of the input in pixels, if only one size will do: that of an ONNX file exported for it.
    pub const fn fixed_size(&self) -> Option<(usize, usize)> {
        self.limits.fixed
    }

    /// Side of the square input that the network was trained for, in pixels; 640 where the file does not say. Of a
    /// [`fixed_size`](Self::fixed_size), the longer side.
    pub const fn imgsz(&self) -> usize {
        self.imgsz
    }

    /// What it was made of.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The default settings at this detector's [`imgsz`](Self::imgsz).
    pub fn config(&self) -> DetectConfig {
        DetectConfig { imgsz: self.imgsz, ..DetectConfig::default() }
    }

    /// Whether it can look as the settings say, before there is a picture.
    ///
    /// # Errors
    /// [`DetectorError::Config`] with the field, its value and what it may be.
    pub fn accepts(&self, config: &DetectConfig) -> Result<(), DetectorError> {
        config.check(&self.limits, self.class_names.len())
    }

    /// Runs prepared images: what is found of each, in pixels of these images, nothing filtered that the file itself does
    /// not filter.
    ///
    /// # Shapes
    /// `images` `[n, 3, h, w]`, RGB in 0..=1, `h` and `w` multiples of [`stride`](Self::stride), or the
    /// [`fixed_size`](Self::fixed_size); they need not be equal.
    ///
    /// # Errors
    /// [`DetectorError::InputShape`], [`DetectorError::NotFinite`] if the weights are damaged,
    /// [`DetectorError::Exec`] or [`DetectorError::Head`] if a network does not fit the size, and
    /// [`DetectorError::Run`] or [`DetectorError::Tensor`] if an ONNX file does not keep what it promised.
    pub fn run(&mut self, images: &Array) -> Result<Outputs, DetectorError> {
        match &mut self.backend {
            Backend::Network(network) => Ok(Outputs::Predictions(network.read_head(images, decode)?)),
            Backend::Artefact(artefact) => artefact.run(images),
        }
    }

    /// Whether `[n, h, w]` images and pixels fit into the memory that the options name
    /// ([`ExecutorOptions::budget`]), before anybody makes them. Of an ONNX file nothing is known.
    ///
    /// # Errors
    /// [`DetectorError::Exec`] with what it takes and what there is.
    pub fn check_memory(&mut self, size: [usize; 3]) -> Result<(), DetectorError> {
        match &mut self.backend {
            Backend::Network(network) => network.check_memory(size),
            Backend::Artefact(_) => Ok(()),
        }
    }

    /// As [`run`](Self::run) for a box and scores of each anchor, before suppression.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`DetectorError::Suppressed`] for a file that suppresses by itself.
    pub fn predict(&mut self, images: &Array) -> Result<Predictions, DetectorError> {
        match self.run(images)? {
            Outputs::Predictions(predictions) => Ok(predictions),
            Outputs::Detections(_) => Err(DetectorError::Suppressed),
        }
    }

    /// As [`predict`](Self::predict) for a reader of the raw outputs in place of the decoder: a loss, for example.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`DetectorError::NoHead`] for an ONNX file, which decodes by itself.
    pub fn read_head<T>(
        &mut self,
        images: &Array,
        read: impl FnOnce(&HeadOutput<'_>) -> T,
    ) -> Result<T, DetectorError> {
        match &mut self.backend {
            Backend::Network(network) => network.read_head(images, read),
            Backend::Artefact(_) => Err(DetectorError::NoHead),
        }
    }

    /// The objects in a picture of any size, most confident first, in its own pixels and clipped to it.
    ///
    /// # Errors
    /// [`DetectorError::Config`] for a setting out of range, [`DetectorError::EmptyImage`] for a picture
    /// without pixels, and as [`Detector::predict`].
    pub fn detect(
        &mut self,
        image: &RgbImage,
        config: &DetectConfig,
    ) -> Result<Vec<Detection>, DetectorError> {
        let found = self.detect_batch(std::slice::from_ref(image), config)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// As [`Detector::detect`] for several pictures, which may differ in size, in one pass of the network for each canvas.
    ///
    /// The whole batch is in memory at once; for a folder, pass a few at a time.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_batch(
        &mut self,
        images: &[RgbImage],
        config: &DetectConfig,
    ) -> Result<Vec<Vec<Detection>>, DetectorError> {
        self.accepts(config)?;
        if images.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(index) = images.iter().position(|i| i.width() == 0 || i.height() == 0) {
            let (width, height) = images[index].dimensions();
            return Err(DetectorError::EmptyImage { index, width, height });
        }
        // The check above keeps sides and strides far below what 32 bits hold.
        let square = Letterbox::square(config.imgsz as u32);
        let letterbox = match self.limits.fixed {
            Some((h, w)) => Letterbox { width: w as u32, height: h as u32, ..square },
            None => square,
        };
        let tight = config.rect && self.limits.fixed.is_none();
        let stride = self.limits.stride as u32;
        let plan = |image: &RgbImage| {
            let transform = letterbox.plan(image.dimensions());
            if tight { transform.tight(stride) } else { transform }
        };
        // Pictures of one canvas go through the network together.
        let mut groups: BTreeMap<(u32, u32), Vec<(usize, LetterboxTransform)>> = BTreeMap::new();
        for (index, image) in images.iter().enumerate() {
            let transform = plan(image);
            groups.entry(transform.canvas).or_default().push((index, transform));
        }
        let mut found = vec![Vec::new(); images.len()];
        for ((w, h), members) in groups {
            for ((index, _), native) in
                members.iter().zip(self.detect_canvases(images, (w, h), &members, config)?)
            {
                found[*index] = native;
            }
        }
        Ok(found)
    }

    /// The objects in pictures that share a canvas.
    fn detect_canvases(
        &mut self,
        images: &[RgbImage],
        (w, h): (u32, u32),
        members: &[(usize, LetterboxTransform)],
        config: &DetectConfig,
    ) -> Result<Vec<Vec<Detection>>, DetectorError> {
        let w = w as usize;
        let h = h as usize;
        self.check_memory([members.len(), h, w])?;
        let mut batch = Array::zeros(&[members.len(), 3, h, w]);
        for ((index, transform), planes) in members.iter().zip(batch.data.chunks_exact_mut(3 * h * w)) {
            write_planes(&transform.apply(&images[*index]), planes);
        }
        let mut outputs = self.run(&batch)?;
        if let Some(classes) = &config.classes {
            outputs = outputs.keep_classes(classes)?;
        }
        let found = outputs.suppress(&config.nms());
        let native = found.into_iter().zip(members).map(|(detections, (_, transform))| {
            detections.into_iter().map(|d| transform.detection_to_native(d)).collect()
        });
        Ok(native.collect())
    }
}

fn read_imgsz(value: &str, stride: usize) -> Result<usize, DetectorError> {
    let wrong = |expected| DetectorError::Metadata { key: IMGSZ, value: value.to_owned(), expected };
    let imgsz = value.parse().map_err(|_| wrong("a number of pixels, such as 640".to_owned()))?;
    check_imgsz(imgsz, stride).map_err(wrong)?;
    Ok(imgsz)
}
