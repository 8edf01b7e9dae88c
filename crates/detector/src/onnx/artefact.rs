//! [`Artefact`]: a detector in an ONNX file, opened by a runtime.

use std::path::Path;

use bonsai_checkpoint::Array;
use bonsai_graph::Size;
use bonsai_onnx::proto::ModelProto;
use bonsai_onnx::{OnnxError, OnnxInfo, OnnxProgram};
use half::f16;

use super::LoadOptions;
use super::guard::Guard;
use super::session::Session;
use super::signature::OnnxSignature;
use super::trial::Attempt;
use crate::{DetectorError, Outputs, Runtime};

/// Size of the largest file in bytes, which is the limit of protobuf.
const MAX_FILE: u64 = i32::MAX as u64;

/// An ONNX file and the runtime session that runs it.
pub(crate) struct Artefact {
    pub(crate) signature: OnnxSignature,
    pub(crate) runtime: Runtime,
    session: Box<dyn Session>,
    guard: Guard,
}

impl Artefact {
    /// Reads a file once, checks its resource needs, and passes the checked program to the runtime.
    pub(crate) fn open(path: &Path, options: &LoadOptions) -> Result<Self, DetectorError> {
        if !Runtime::ALL.into_iter().any(Runtime::is_built) {
            return Err(DetectorError::NoRuntime);
        }
        let (model, bytes) = read(path)?;
        let signature = OnnxSignature::read(&OnnxInfo::from_model(&model)?)?;
        let runtime = options.runtime.unwrap_or_default();
        let mut guard = Guard::new(OnnxProgram::new(model)?, runtime, options.executor.budget);
        let footprint = guard.admit(signature.usual_images())?;
        if let Some(trial) = &options.trial {
            let threads = options.executor.threads;
            trial.run(&Attempt { path, runtime, threads, library: &options.library, footprint, bytes })?;
        }
        let session = open_session(runtime, guard.program(), &signature, options)?;
        guard.forget_weights();
        let mut artefact = Self { signature, runtime, session, guard };
        if artefact.signature.layout.is_none() {
            artefact.probe()?;
        }
        Ok(artefact)
    }

    /// Names of the classes; numbers if the file has no names.
    pub(crate) fn class_names(&self) -> Vec<String> {
        let numbers = || (0..self.signature.classes()).map(|class| class.to_string()).collect();
        self.signature.class_names.clone().unwrap_or_else(numbers)
    }

    /// Runs `[n, 3, h, w]`, which must fit the signature, in as many runs as the file's batch size requires.
    pub(crate) fn run(&mut self, images: &Array) -> Result<Outputs, DetectorError> {
        let &[n, 3, h, w] = images.shape() else { return Err(self.input_shape(images)) };
        let stride = self.signature.stride;
        let fits = self.signature.size.map_or_else(
            || h.min(w) > 0 && h.is_multiple_of(stride) && w.is_multiple_of(stride),
            |size| size == Size { height: h, width: w },
        );
        if n == 0 || !fits {
            return Err(self.input_shape(images));
        }
        let rounded;
        let pixels = if self.signature.half {
            // Round the input to the precision of the file, whatever the runtime computes in.
            rounded = images.data().iter().map(|v| f16::from_f32(*v).to_f32()).collect::<Vec<f32>>();
            &rounded
        } else {
            images.data()
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
        Ok(Outputs::join(parts)?.expect("n is at least 1, so there is at least one part"))
    }

    fn run_once(&mut self, dims: [usize; 4], pixels: &[f32], n: usize) -> Result<Outputs, DetectorError> {
        self.guard.admit(dims)?;
        let runtime = self.runtime;
        let output =
            self.session.run(dims, pixels).map_err(|source| DetectorError::Run { runtime, source })?;
        self.signature.outputs(output, n)
    }

    /// Runs images of zeros to determine the layout of the output.
    fn probe(&mut self) -> Result<(), DetectorError> {
        self.run(&Array::zeros(&self.signature.usual_images())).map(drop)
    }

    fn input_shape(&self, images: &Array) -> DetectorError {
        let stride = self.signature.stride;
        match self.signature.size {
            Some(Size { height: h, width: w }) => DetectorError::Tensor {
                tensor: self.signature.input.clone(),
                found: format!("{:?}", images.shape()),
                expected: format!("[n, 3, {h}, {w}], the size that the file was exported for"),
            },
            None => DetectorError::InputShape { found: images.shape().to_vec(), stride },
        }
    }
}

/// The model in a file, and the file's size in bytes.
fn read(path: &Path) -> Result<(ModelProto, u64), DetectorError> {
    let io = |source| DetectorError::Io { path: path.to_owned(), source };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if length > MAX_FILE {
        return Err(OnnxError::TooLarge { bytes: length as usize, max: MAX_FILE as usize }.into());
    }
    Ok((OnnxInfo::message(&std::fs::read(path).map_err(io)?)?, length))
}

fn open_session(
    runtime: Runtime,
    program: &OnnxProgram,
    signature: &OnnxSignature,
    options: &LoadOptions,
) -> Result<Box<dyn Session>, DetectorError> {
    match runtime {
        Runtime::Rten => open_rten(program, signature, options),
        Runtime::Onnxruntime => open_onnxruntime(program, signature, options),
    }
}

#[cfg(feature = "rten")]
fn open_rten(
    program: &OnnxProgram,
    signature: &OnnxSignature,
    options: &LoadOptions,
) -> Result<Box<dyn Session>, DetectorError> {
    let threads = options.executor.threads;
    let session = super::rten::RtenSession::open(program, signature, options.suppress_above, threads);
    Ok(Box::new(session.map_err(|source| DetectorError::Run { runtime: Runtime::Rten, source })?))
}

#[cfg(not(feature = "rten"))]
fn open_rten(_: &OnnxProgram, _: &OnnxSignature, _: &LoadOptions) -> Result<Box<dyn Session>, DetectorError> {
    Err(DetectorError::NotRun {
        runtime: Runtime::Rten,
        because: "this program was built without the feature `rten`; use `--runtime onnxruntime`".to_owned(),
    })
}

#[cfg(feature = "ort")]
fn open_onnxruntime(
    program: &OnnxProgram,
    signature: &OnnxSignature,
    options: &LoadOptions,
) -> Result<Box<dyn Session>, DetectorError> {
    use super::onnxruntime::{OnnxruntimeSession, environment};
    let runtime = Runtime::Onnxruntime;
    if options.suppress_above.is_some() {
        let because = "it cannot override the confidence threshold of the file's suppression".to_owned();
        return Err(DetectorError::NotRun { runtime, because });
    }
    let environment =
        environment(&options.library).map_err(|because| DetectorError::NotRun { runtime, because })?;
    let threads = options.executor.threads;
    let session = OnnxruntimeSession::open(&environment, &program.to_bytes(), signature, threads);
    Ok(Box::new(session.map_err(|source| DetectorError::Run { runtime, source })?))
}

#[cfg(not(feature = "ort"))]
fn open_onnxruntime(
    _: &OnnxProgram,
    _: &OnnxSignature,
    _: &LoadOptions,
) -> Result<Box<dyn Session>, DetectorError> {
    Err(DetectorError::NotRun {
        runtime: Runtime::Onnxruntime,
        because: "this program was built without the feature `ort`; use `--runtime rten`".to_owned(),
    })
}

impl From<OnnxError> for DetectorError {
    fn from(source: OnnxError) -> Self {
        Self::Onnx(Box::new(source))
    }
}
