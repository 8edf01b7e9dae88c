//! From a picture to objects.
//!
//! Letterbox, network, decode, suppression, and back to the picture's own pixels: each step is another
//! crate's; here they meet. The network is run folded, whatever it was loaded from.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use bonsai_boxes::Detection;
use bonsai_checkpoint::{Array, Checkpoint};
use bonsai_data::{Letterbox, LetterboxTransform, RgbImage, write_planes};
use bonsai_exec::{ExecutorOptions, Inference, build_inference};
use bonsai_graph::ModelSpec;
use bonsai_yolov8::{HeadError, HeadOutput, LevelOutput, Predictions, decode, nms};

use crate::config::{DEFAULT_IMGSZ, check_imgsz, stride};
use crate::origin::{Origin, check_is_checkpoint};
use crate::{DetectConfig, DetectorError, engine};

const IMGSZ: &str = "imgsz";

/// A network that is ready to look at pictures.
pub struct Detector {
    model: ModelSpec,
    network: Box<dyn Inference + Send>,
    imgsz: usize,
    origin: Origin,
}

impl fmt::Debug for Detector {
    /// Without the network, which is long.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("Detector");
        out.field("class_names", &self.class_names())
            .field("imgsz", &self.imgsz)
            .field("origin", &self.origin);
        out.finish_non_exhaustive()
    }
}

impl Detector {
    /// Loads a checkpoint, a CPU engine, or what [`Checkpoint::import`] reads: an Ultralytics `.pt` or a state dict. Which of
    /// them it is, the content tells.
    ///
    /// `options` say what runs it: a [`Device`](bonsai_exec::Device), or in full [`ExecutorOptions`].
    ///
    /// # Errors
    /// [`DetectorError::Io`] if there is no such file, [`DetectorError::Unsupported`] for ONNX and TensorRT
    /// files, [`DetectorError::Unknown`] for anything else, [`DetectorError::Checkpoint`] if it is
    /// cut off or inconsistent, and [`DetectorError::Load`] around what [`Detector::from_checkpoint`] found.
    /// Each names the file.
    pub fn load(path: &Path, options: impl Into<ExecutorOptions>) -> Result<Self, DetectorError> {
        check_is_checkpoint(path)?;
        let checkpoint = Checkpoint::open(path)?;
        let named = |source| DetectorError::Load { path: path.to_owned(), source: Box::new(source) };
        Self::from_checkpoint(checkpoint, options).map_err(named)
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
        let input = folded.model.graph().node(folded.model.graph().input());
        if input.channels() != 3 {
            return Err(DetectorError::Channels { node: input.name().to_owned(), found: input.channels() });
        }
        let imgsz = read_imgsz(&folded)?;
        let network = build_inference(folded.model.graph(), folded.weights, &options.into())?;
        Ok(Self { origin, model: folded.model, network, imgsz })
    }

    /// The network as it is run (folded), its head and its class names.
    pub const fn model(&self) -> &ModelSpec {
        &self.model
    }

    /// Names of the classes, by [`Detection::class_id`].
    pub fn class_names(&self) -> &[String] {
        self.model.class_names()
    }

    /// Side of the square input that the network was trained for, in pixels; 640 where the file does not say.
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

    /// Runs the network on prepared images and decodes its outputs: boxes in pixels of these images, nothing
    /// filtered.
    ///
    /// # Shapes
    /// `images` `[n, 3, h, w]`, RGB in 0..=1, `h` and `w` multiples of the largest stride; they need not be
    /// equal.
    ///
    /// # Errors
    /// [`DetectorError::InputShape`], [`DetectorError::NotFinite`] if the weights are damaged, and
    /// [`DetectorError::Exec`] or [`DetectorError::Head`] if the network does not fit the size.
    pub fn predict(&mut self, images: &Array) -> Result<Predictions, DetectorError> {
        self.read_head(images, decode)
    }

    /// As [`predict`](Self::predict) for a reader of the raw outputs in place of the decoder: a loss, for example.
    ///
    /// # Errors
    /// As [`predict`](Self::predict).
    pub fn read_head<T>(
        &mut self,
        images: &Array,
        read: impl FnOnce(&HeadOutput<'_>) -> T,
    ) -> Result<T, DetectorError> {
        let stride = stride(&self.model);
        let [n, 3, h, w] = images.shape[..] else { return Err(input_shape(images, stride)) };
        if n == 0 || h == 0 || w == 0 || !h.is_multiple_of(stride) || !w.is_multiple_of(stride) {
            return Err(input_shape(images, stride));
        }
        let outputs = self.network.infer(images)?;
        for (output, id) in outputs.iter().zip(self.model.graph().outputs()) {
            // Suppression would pass over a NaN in silence, and a diverged network would look like an empty
            // picture.
            if !output.data.iter().all(|v| v.is_finite()) {
                let node = self.model.graph().node(*id).name().to_owned();
                return Err(DetectorError::NotFinite { node });
            }
        }
        let head = self.model.head();
        let positions = head.box_outputs.iter().zip(&head.cls_outputs).zip(&head.strides);
        let level = |((boxes, classes), stride): ((&usize, &usize), &usize)| LevelOutput {
            box_logits: &outputs[*boxes].data,
            cls_logits: &outputs[*classes].data,
            h: outputs[*boxes].shape[2],
            w: outputs[*boxes].shape[3],
            stride: *stride,
        };
        let levels = positions.map(level).collect();
        Ok(read(&HeadOutput::new(n, head.num_classes, head.reg_max, levels)?))
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
        config.check(&self.model)?;
        if images.is_empty() {
            return Ok(Vec::new());
        }
        if let Some(index) = images.iter().position(|i| i.width() == 0 || i.height() == 0) {
            let (width, height) = images[index].dimensions();
            return Err(DetectorError::EmptyImage { index, width, height });
        }
        // The check above keeps sides and strides far below what 32 bits hold.
        let letterbox = Letterbox::square(config.imgsz as u32);
        let stride = stride(&self.model) as u32;
        let plan = |image: &RgbImage| {
            let transform = letterbox.plan(image.dimensions());
            if config.rect { transform.tight(stride) } else { transform }
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
        let (w, h) = (w as usize, h as usize);
        let mut batch = Array::zeros(&[members.len(), 3, h, w]);
        for ((index, transform), planes) in members.iter().zip(batch.data.chunks_exact_mut(3 * h * w)) {
            write_planes(&transform.apply(&images[*index]), planes);
        }
        let mut predictions = self.predict(&batch)?;
        if let Some(classes) = &config.classes {
            predictions = keep_classes(predictions, classes)?;
        }
        let found = nms(&predictions, &config.nms());
        let native = found.into_iter().zip(members).map(|(detections, (_, transform))| {
            detections.into_iter().map(|d| transform.detection_to_native(d)).collect()
        });
        Ok(native.collect())
    }
}

/// Sets every score of an anchor to 0 whose best class is not wanted.
///
/// Before suppression, not after: else unwanted objects would use up the candidates and `max_detections`.
fn keep_classes(predictions: Predictions, classes: &[usize]) -> Result<Predictions, HeadError> {
    let (batch, num_classes, anchors) =
        (predictions.batch(), predictions.num_classes(), predictions.anchors());
    let wanted = |class: usize| classes.contains(&class);
    let keep: Vec<bool> = predictions
        .images()
        .flat_map(|i| i.best().map(|(class_id, _)| wanted(class_id)).collect::<Vec<_>>())
        .collect();
    let mut data = predictions.into_vec();
    let images = data.chunks_exact_mut((4 + num_classes) * anchors);
    for (planes, keep) in images.zip(keep.chunks_exact(anchors)) {
        for scores in planes[4 * anchors..].chunks_exact_mut(anchors) {
            for (score, _) in scores.iter_mut().zip(keep).filter(|(_, keep)| !**keep) {
                *score = 0.0;
            }
        }
    }
    Predictions::new(batch, num_classes, anchors, data)
}

fn read_imgsz(checkpoint: &Checkpoint) -> Result<usize, DetectorError> {
    let Some(value) = checkpoint.metadata.get(IMGSZ) else { return Ok(DEFAULT_IMGSZ) };
    let wrong = |expected| DetectorError::Metadata { key: IMGSZ, value: value.clone(), expected };
    let imgsz = value.parse().map_err(|_| wrong("a number of pixels, such as 640".to_owned()))?;
    check_imgsz(imgsz, &checkpoint.model).map_err(wrong)?;
    Ok(imgsz)
}

fn input_shape(images: &Array, stride: usize) -> DetectorError {
    DetectorError::InputShape { found: images.shape.clone(), stride }
}
