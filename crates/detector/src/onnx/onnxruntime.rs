//! [`OnnxruntimeSession`]: onnxruntime, a library of the user that is loaded on first use.
//!
//! A process loads only one library; the first that could be loaded stays.

use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use bonsai_checkpoint::Array;
use half::f16;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{Tensor, TensorRef};

use super::LibrarySearch;
use super::session::{RuntimeError, Session};
use super::signature::OnnxSignature;

/// The environment of the process, once a library is loaded.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Returns the environment; loads the library on the first call.
///
/// # Errors
/// Why no library can be loaded, and what to do.
pub(crate) fn environment(search: &LibrarySearch) -> Result<Environment, String> {
    let mut shared = ENVIRONMENT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(environment) = &*shared {
        return Ok(environment.clone());
    }
    let candidates = search.candidates();
    let mut reasons = Vec::new();
    for candidate in &candidates {
        match ort::init_from(candidate) {
            Ok(builder) => {
                let environment = builder.with_name("bonsai").with_telemetry(false).build();
                let environment = environment.map_err(|error| error.to_string())?;
                // onnxruntime writes to standard error, for example about missing devices.
                environment.set_log_level(LogLevel::Fatal);
                return Ok(shared.insert(environment).clone());
            }
            Err(error) => reasons.push(error.to_string()),
        }
    }
    let because = match &reasons[..] {
        [] => "no library was found".to_owned(),
        [one] => one.clone(),
        // The first reason is from the system's search path and is the least informative.
        [_, rest @ ..] => rest.join("; "),
    };
    Err(format!("{because}; {}", search.remedy()))
}

/// A file opened by onnxruntime.
pub(crate) struct OnnxruntimeSession {
    session: OrtSession,
    input: String,
    output: String,
    half: bool,
}

impl OnnxruntimeSession {
    /// `threads` 0 uses one thread per core, as Bonsai's executors do.
    pub(crate) fn open(
        environment: &Environment,
        bytes: &[u8],
        signature: &OnnxSignature,
        threads: usize,
    ) -> Result<Self, RuntimeError> {
        let threads = if threads == 0 { available_parallelism().map_or(1, usize::from) } else { threads };
        let configured = || -> ort::Result<OrtSession> {
            let builder = OrtSession::builder(environment)?.with_intra_threads(threads)?;
            // onnxruntime's threads would spin for up to 50 ms after a run, on cores that the caller's next
            // kernel or a comparison measurement may need.
            let builder = builder.with_config_entry("session.force_spinning_stop", "1")?;
            builder.with_log_level(LogLevel::Fatal)?.commit_from_memory(bytes)
        };
        let session = configured()?;
        let &OnnxSignature { ref input, ref output, half, .. } = signature;
        Ok(Self { session, input: input.clone(), output: output.clone(), half })
    }
}

impl Session for OnnxruntimeSession {
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError> {
        let input: SessionInputValue<'_> = if self.half {
            let halves: Vec<f16> = images.iter().map(|v| f16::from_f32(*v)).collect();
            Tensor::from_array((dims, halves))?.into()
        } else {
            TensorRef::from_array_view((dims, images))?.into()
        };
        let outputs = self.session.run(vec![(self.input.as_str(), input)])?;
        let output = outputs.get(&self.output).ok_or("the output is missing")?;
        let array = |shape: &[i64], data: Vec<f32>| {
            let shape: Vec<usize> = shape.iter().map(|side| *side as usize).collect();
            Array::new(&shape, data)
        };
        if let Ok((shape, data)) = output.try_extract_tensor::<f16>() {
            return Ok(array(shape, data.iter().map(|v| v.to_f32()).collect()));
        }
        let (shape, data) = output.try_extract_tensor::<f32>()?;
        Ok(array(shape, data.to_vec()))
    }
}
