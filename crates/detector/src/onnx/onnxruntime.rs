//! onnxruntime: a library of the user's, opened when it is first asked for.
//!
//! A process opens one library; whichever could be loaded first stays.

use std::sync::{Mutex, PoisonError};
use std::thread::available_parallelism;

use bonsai_checkpoint::Array;
use half::f16;
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::{Session as OrtSession, SessionInputValue};
use ort::value::{Tensor, TensorRef};

use super::LibrarySearch;
use super::runtime::{RuntimeError, Session};
use super::signature::OnnxSignature;

/// The one of the process, once a library was loaded.
static ENVIRONMENT: Mutex<Option<Environment>> = Mutex::new(None);

/// Loads the library if that has not been done.
///
/// # Errors
/// Why there is none, and what to do.
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
                // It writes to standard error by itself, about devices that it does not find for example.
                environment.set_log_level(LogLevel::Fatal);
                return Ok(shared.insert(environment).clone());
            }
            Err(error) => reasons.push(error.to_string()),
        }
    }
    let because = match &reasons[..] {
        [] => "no library was found".to_owned(),
        [one] => one.clone(),
        // The system's own search comes first and says the least.
        [_, rest @ ..] => rest.join("; "),
    };
    Err(format!("{because}; {}", search.remedy()))
}

/// A file that onnxruntime has opened.
pub(crate) struct OnnxruntimeSession {
    session: OrtSession,
    input: String,
    output: String,
    half: bool,
}

impl OnnxruntimeSession {
    /// `threads` 0 is one per core, as our own executor counts.
    pub(crate) fn open(
        environment: &Environment,
        bytes: &[u8],
        signature: &OnnxSignature,
        threads: usize,
    ) -> Result<Self, RuntimeError> {
        let threads = if threads == 0 { available_parallelism().map_or(1, usize::from) } else { threads };
        let configured = || -> ort::Result<OrtSession> {
            let builder = OrtSession::builder(environment)?.with_intra_threads(threads)?;
            // Its threads would turn for up to 50 ms after a run, on cores that others may need: the caller's next kernel, or
            // what is timed in turns with it.
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
        let output = outputs.get(&self.output).ok_or("the output is not there")?;
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
