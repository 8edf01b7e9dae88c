//! A detector in an ONNX file, opened by a runtime.

use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_onnx::{OnnxError, OnnxInfo};
use half::f16;

use super::rten::RtenSession;
use super::runtime::{LoadOptions, Runtime, RuntimeError, Session};
use super::signature::OnnxSignature;
use crate::{DetectorError, Outputs};

/// A file and what runs it.
pub(crate) struct Artefact {
    pub(crate) signature: OnnxSignature,
    pub(crate) runtime: Runtime,
    session: Box<dyn Session>,
}

impl Artefact {
    /// Reads a file once, and gives the bytes to the runtime.
    pub(crate) fn open(path: &Path, options: &LoadOptions) -> Result<Self, DetectorError> {
        let bytes =
            std::fs::read(path).map_err(|source| DetectorError::Io { path: path.to_owned(), source })?;
        let info = OnnxInfo::read(&bytes).map_err(|source| DetectorError::Onnx(Box::new(source)))?;
        let signature = OnnxSignature::read(&info)?;
        let runtime = options.runtime.unwrap_or_default();
        let session = open_session(runtime, bytes, &signature, options)?;
        let mut artefact = Self { signature, runtime, session };
        if artefact.signature.layout.is_none() {
            artefact.probe()?;
        }
        Ok(artefact)
    }

    /// Names of the classes; numbers where the file has no names.
    pub(crate) fn class_names(&self) -> Vec<String> {
        let numbers = || (0..self.signature.classes()).map(|class| class.to_string()).collect();
        self.signature.class_names.clone().unwrap_or_else(numbers)
    }

    /// Runs `[n, 3, h, w]`, which must fit the signature, in as many runs as the file's own batch needs.
    pub(crate) fn run(&mut self, images: &Array) -> Result<Outputs, DetectorError> {
        let &[n, 3, h, w] = &images.shape[..] else { return Err(self.input_shape(images)) };
        let stride = self.signature.stride;
        let fits = self.signature.size.map_or_else(
            || h.min(w) > 0 && h.is_multiple_of(stride) && w.is_multiple_of(stride),
            |size| size == (h, w),
        );
        if n == 0 || !fits {
            return Err(self.input_shape(images));
        }
        let rounded;
        let pixels = if self.signature.half {
            // What the file is given is what it can take, whatever the runtime computes in.
            rounded = images.data.iter().map(|v| f16::from_f32(*v).to_f32()).collect::<Vec<f32>>();
            &rounded
        } else {
            &images.data
        };
        let Some(batch) = self.signature.batch.filter(|batch| *batch != n) else {
            return self.run_once([n, 3, h, w], pixels, n);
        };
        let mut parts = Vec::with_capacity(n.div_ceil(batch));
        let image = 3 * h * w;
        for part in pixels.chunks(batch * image) {
            if part.len() == batch * image {
                parts.push(self.run_once([batch, 3, h, w], part, batch)?);
                continue;
            }
            let mut filled = part.to_vec();
            filled.resize(batch * image, 0.0);
            let outputs = self.run_once([batch, 3, h, w], &filled, batch)?;
            parts.push(outputs.first(part.len() / image)?);
        }
        Ok(Outputs::join(parts)?.expect("at least one image was asked for"))
    }

    fn run_once(&mut self, dims: [usize; 4], pixels: &[f32], n: usize) -> Result<Outputs, DetectorError> {
        let runtime = self.runtime;
        let output =
            self.session.run(dims, pixels).map_err(|source| DetectorError::Run { runtime, source })?;
        self.signature.outputs(output, n)
    }

    /// Runs one image of nothing, to see how the output looks.
    fn probe(&mut self) -> Result<(), DetectorError> {
        let side = self.signature.imgsz;
        let (h, w) = self.signature.size.unwrap_or((side, side));
        self.run(&Array::zeros(&[self.signature.batch.unwrap_or(1), 3, h, w])).map(drop)
    }

    fn input_shape(&self, images: &Array) -> DetectorError {
        let stride = self.signature.stride;
        match self.signature.size {
            Some((h, w)) => DetectorError::Tensor {
                tensor: self.signature.input.clone(),
                found: format!("{:?}", images.shape),
                expected: format!("[n, 3, {h}, {w}], the size that the file was exported for"),
            },
            None => DetectorError::InputShape { found: images.shape.clone(), stride },
        }
    }
}

fn open_session(
    runtime: Runtime,
    bytes: Vec<u8>,
    signature: &OnnxSignature,
    options: &LoadOptions,
) -> Result<Box<dyn Session>, DetectorError> {
    let failed = |source: RuntimeError| DetectorError::Run { runtime, source };
    let threads = options.executor.threads;
    match runtime {
        Runtime::Rten => Ok(Box::new(RtenSession::open(bytes, signature, threads).map_err(failed)?)),
        #[cfg(feature = "ort")]
        Runtime::Onnxruntime => {
            let environment = super::onnxruntime::environment(&options.library)
                .map_err(|because| DetectorError::NotRun { runtime, because })?;
            let session =
                super::onnxruntime::OnnxruntimeSession::open(&environment, &bytes, signature, threads);
            Ok(Box::new(session.map_err(failed)?))
        }
        #[cfg(not(feature = "ort"))]
        Runtime::Onnxruntime => Err(DetectorError::NotRun {
            runtime,
            because: "this program was built without the feature `ort`; use `--runtime rten`".to_owned(),
        }),
    }
}

impl From<OnnxError> for DetectorError {
    fn from(source: OnnxError) -> Self {
        Self::Onnx(Box::new(source))
    }
}
