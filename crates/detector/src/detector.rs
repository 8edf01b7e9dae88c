//! [`Detector`]: finds objects in pictures.
//!
//! This module combines letterbox, network, decoding and suppression of other crates, and maps the detections
//! back to the picture's own pixels. A network is always run with folded batch norms; an ONNX file is run as
//! it is.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Letterbox, LetterboxTransform, RgbImage, write_planes};
use bonsai_exec::ExecutorOptions;
use bonsai_graph::{ModelSpec, Size};
use bonsai_yolov8::{HeadOutput, Predictions, decode};

use crate::config::{DEFAULT_IMGSZ, InputLimits, check_imgsz};
use crate::network::{Network, stride};
use crate::onnx::Artefact;
use crate::origin::{FileKind, Origin};
use crate::{DetectOptions, DetectorError, LoadOptions, Outputs, engine};

const IMGSZ: &str = "imgsz";

/// A loaded network or ONNX file that detects objects in pictures.
pub struct Detector {
    backend: Backend,
    class_names: Vec<String>,
    limits: InputLimits,
    imgsz: usize,
    origin: Origin,
}

/// The kind of model that detects the objects.
enum Backend {
    /// A network with raw outputs, which this crate decodes.
    Network(Box<Network>),
    /// An ONNX file with decoded outputs.
    Artefact(Box<Artefact>),
}

impl fmt::Debug for Detector {
    /// Omits the network, because its output would be long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Detector");
        out.field("class_names", &self.class_names).field("imgsz", &self.imgsz).field("origin", &self.origin);
        out.finish_non_exhaustive()
    }
}

impl Detector {
    /// Loads a checkpoint, a CPU engine, a file that [`Checkpoint::import`] reads (an Ultralytics `.pt` or a
    /// state dict), or an ONNX file of a detector, from Bonsai or another program. The content of the file
    /// decides its kind.
    ///
    /// `options` select the executor: a [`Device`](bonsai_exec::Device), [`ExecutorOptions`], or in full
    /// [`LoadOptions`].
    ///
    /// # Errors
    /// [`DetectorError::Io`] if the file cannot be read, [`DetectorError::Unsupported`] for TensorRT engines,
    /// [`DetectorError::Unknown`] for any other content, [`DetectorError::Checkpoint`] if a checkpoint is
    /// truncated or inconsistent, [`DetectorError::Choice`] if the options are for another kind of file, and
    /// [`DetectorError::Load`] around the errors of [`Detector::from_checkpoint`] or of an ONNX file:
    /// [`DetectorError::Onnx`], [`DetectorError::Tensor`], [`DetectorError::Metadata`],
    /// [`DetectorError::Run`], [`DetectorError::NotRun`] if the runtime is missing, or
    /// [`DetectorError::NoRuntime`] if the program was built without any. Each error names the file.
    pub fn load(path: impl AsRef<Path>, options: impl Into<LoadOptions>) -> Result<Self, DetectorError> {
        let path = path.as_ref();
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

    /// Folds the batch norms of a checkpoint and loads it on the executor that the options select.
    ///
    /// # Errors
    /// [`DetectorError::Channels`] if the network does not read RGB, [`DetectorError::Metadata`] if the
    /// metadata `imgsz` is not a valid size, [`DetectorError::Exec`] if the device or executor does not
    /// exist.
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

    /// The folded network with its head and class names; `None` for an ONNX file.
    pub const fn model(&self) -> Option<&ModelSpec> {
        match &self.backend {
            Backend::Network(network) => Some(&network.model),
            Backend::Artefact(_) => None,
        }
    }

    /// Names of the classes, by [`Detection::class_id`]; numbers if an ONNX file has no names.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Height and width of an input must be multiples of this number of pixels.
    pub const fn stride(&self) -> usize {
        self.limits.stride
    }

    /// Size of the input, if an ONNX file accepts only one size.
    pub const fn fixed_size(&self) -> Option<Size> {
        self.limits.fixed
    }

    /// Side of the square input that the network was trained for, in pixels; 640 if the file does not store
    /// it. For a [`fixed_size`](Self::fixed_size), the longer side.
    pub const fn imgsz(&self) -> usize {
        self.imgsz
    }

    /// The kind of file that the detector was loaded from.
    pub const fn origin(&self) -> Origin {
        self.origin
    }

    /// The default settings with this detector's [`imgsz`](Self::imgsz).
    pub fn config(&self) -> DetectOptions {
        DetectOptions { imgsz: self.imgsz, ..DetectOptions::default() }
    }

    /// Checks the settings before any picture is processed.
    ///
    /// # Errors
    /// [`DetectorError::Config`] with the field, its value and the accepted range, [`DetectorError::OwnSuppression`] if
    /// `agnostic` is set and the file contains suppression.
    pub fn accepts(&self, config: &DetectOptions) -> Result<(), DetectorError> {
        if config.agnostic
            && let Backend::Artefact(artefact) = &self.backend
            && artefact.signature.suppresses()
        {
            return Err(DetectorError::OwnSuppression);
        }
        config.check(&self.limits, self.class_names.len())
    }

    /// Runs prepared images and returns the results in pixels of these images, without any filtering except
    /// that of the ONNX file itself.
    ///
    /// # Shapes
    /// `images` `[n, 3, h, w]`, RGB in 0..=1. `h` and `w` are multiples of [`stride`](Self::stride), or the
    /// [`fixed_size`](Self::fixed_size); they may differ.
    ///
    /// # Errors
    /// [`DetectorError::InputShape`], [`DetectorError::NotFinite`] if the weights are damaged,
    /// [`DetectorError::Exec`] or [`DetectorError::Head`] if a network does not fit the size, and
    /// [`DetectorError::Run`] or [`DetectorError::Tensor`] if an ONNX file fails or returns other outputs
    /// than it declares.
    pub fn run(&mut self, images: &Array) -> Result<Outputs, DetectorError> {
        match &mut self.backend {
            Backend::Network(network) => Ok(Outputs::Predictions(network.read_head(images, decode)?)),
            Backend::Artefact(artefact) => artefact.run(images),
        }
    }

    /// Checks that `[n, h, w]` images fit into the memory limit of the options ([`ExecutorOptions::budget`]),
    /// before the images are created. For an ONNX file the need is unknown, so the check always succeeds.
    ///
    /// # Errors
    /// [`DetectorError::Exec`] with the memory needed and available.
    pub fn check_memory(&mut self, size: [usize; 3]) -> Result<(), DetectorError> {
        match &mut self.backend {
            Backend::Network(network) => network.check_memory(size),
            Backend::Artefact(_) => Ok(()),
        }
    }

    /// As [`run`](Self::run), for a box and scores of each anchor, before suppression.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`DetectorError::Suppressed`] for a file with its own suppression.
    pub fn predict(&mut self, images: &Array) -> Result<Predictions, DetectorError> {
        match self.run(images)? {
            Outputs::Predictions(predictions) => Ok(predictions),
            Outputs::Detections(_) => Err(DetectorError::Suppressed),
        }
    }

    /// As [`predict`](Self::predict), but passes the raw outputs to `read`, for example to a loss, instead of
    /// decoding them.
    ///
    /// # Errors
    /// As [`run`](Self::run), and [`DetectorError::NoHead`] for an ONNX file, which returns decoded outputs.
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

    /// Detects the objects in a picture of any size, most confident first, in the picture's pixels and
    /// clipped to it.
    ///
    /// # Errors
    /// [`DetectorError::Config`] for a setting out of range, [`DetectorError::EmptyImage`] for a picture
    /// without pixels, and as [`Detector::predict`].
    pub fn detect(
        &mut self,
        image: &RgbImage,
        config: &DetectOptions,
    ) -> Result<Vec<Detection>, DetectorError> {
        let found = self.detect_batch(std::slice::from_ref(image), config)?;
        Ok(found.into_iter().next().unwrap_or_default())
    }

    /// As [`Detector::detect`], for several pictures, which may differ in size, with one network pass per
    /// canvas size.
    ///
    /// The whole batch is in memory at once; for a folder, pass a few pictures at a time.
    ///
    /// # Errors
    /// As [`Detector::detect`].
    pub fn detect_batch(
        &mut self,
        images: &[RgbImage],
        config: &DetectOptions,
    ) -> Result<Vec<Vec<Detection>>, DetectorError> {
        self.accepts(config)?;
        if images.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(index) = images.iter().position(|i| i.width() == 0 || i.height() == 0) {
            let (width, height) = images[index].dimensions();
            return Err(DetectorError::EmptyImage { index, width, height });
        }
        // The check above keeps sides and strides far below the limit of 32 bits.
        let square = Letterbox::square(config.imgsz as u32);
        let letterbox = match self.limits.fixed {
            Some(size) => Letterbox { width: size.width as u32, height: size.height as u32, ..square },
            None => square,
        };
        let tight = config.rect && self.limits.fixed.is_none();
        let stride = self.limits.stride as u32;
        let plan = |image: &RgbImage| {
            let transform = letterbox.plan(image.dimensions());
            if tight { transform.tight(stride) } else { transform }
        };
        // Pictures with the same canvas size go through the network together.
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

    /// Detects the objects in pictures that share a canvas size.
    fn detect_canvases(
        &mut self,
        images: &[RgbImage],
        (w, h): (u32, u32),
        members: &[(usize, LetterboxTransform)],
        config: &DetectOptions,
    ) -> Result<Vec<Vec<Detection>>, DetectorError> {
        let w = w as usize;
        let h = h as usize;
        self.check_memory([members.len(), h, w])?;
        let mut batch = Array::zeros(&[members.len(), 3, h, w]);
        for ((index, transform), planes) in members.iter().zip(batch.data_mut().chunks_exact_mut(3 * h * w)) {
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
