//! [`RtenSession`]: rten, an ONNX runtime in pure Rust.
//!
//! A file with suppression is run in parts, with the [standard's suppression](super::suppression) between
//! them, because that of rten 0.27 differs from the standard. No other deviation is known for operators that
//! detectors use.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::available_parallelism;

use bonsai_checkpoint::Array;
use bonsai_onnx::{Given, OnnxProgram, Part, Suppression};
use rten::{Model, NodeId, RunOptions, ThreadPool, Value, ValueOrView, ValueView};

use super::session::{RuntimeError, Session};
use super::signature::OnnxSignature;
use super::suppression::{Rule, suppress};

/// A file opened by rten.
pub(crate) struct RtenSession {
    steps: Vec<Step>,
    input: String,
    output: String,
    pool: Arc<ThreadPool>,
}

enum Step {
    Network { model: Box<Model>, inputs: Vec<(String, NodeId)>, outputs: Vec<(String, NodeId)> },
    Suppression(Suppression),
}

impl RtenSession {
    /// `threads` 0 uses one thread per core, as Bonsai's executors do. `above` replaces the score threshold
    /// of the file's suppressions.
    pub(crate) fn open(
        program: &OnnxProgram,
        signature: &OnnxSignature,
        above: Option<f32>,
        threads: usize,
    ) -> Result<Self, RuntimeError> {
        let mut steps = Vec::new();
        for part in program.parts()? {
            steps.push(match part {
                Part::Suppression(own) => {
                    let score = above.map_or(own.score.clone(), |above| Given::Number(f64::from(above)));
                    Step::Suppression(Suppression { score, ..own })
                }
                Part::Network { bytes, inputs, outputs } => {
                    let model = guarded(|| Ok(Model::load(bytes)?))?;
                    let ids = |names: Vec<String>| -> Result<Vec<_>, RuntimeError> {
                        names
                            .into_iter()
                            .map(|name| model.node_id(&name).map(|id| (name, id)).map_err(Into::into))
                            .collect()
                    };
                    let inputs = ids(inputs)?;
                    let outputs = ids(outputs)?;
                    Step::Network { model: Box::new(model), inputs, outputs }
                }
            });
        }
        let threads = if threads == 0 { available_parallelism().map_or(1, usize::from) } else { threads };
        let input = signature.input.clone();
        let output = signature.output.clone();
        Ok(Self { steps, input, output, pool: Arc::new(ThreadPool::with_num_threads(threads)) })
    }
}

impl Session for RtenSession {
    fn run(&mut self, dims: [usize; 4], images: &[f32]) -> Result<Array, RuntimeError> {
        let Self { steps, input, output, pool } = self;
        guarded(|| {
            let images = ValueView::from_shape(dims, images)?;
            let mut values: HashMap<&str, Value> = HashMap::new();
            for step in steps.iter() {
                match step {
                    Step::Network { model, inputs, outputs } => {
                        let mut given: Vec<(NodeId, ValueOrView<'_>)> = Vec::with_capacity(inputs.len());
                        for (name, id) in inputs {
                            let value = if name == input {
                                images.clone().into()
                            } else {
                                value(&values, name)?.into()
                            };
                            given.push((*id, value));
                        }
                        let ids: Vec<NodeId> = outputs.iter().map(|(_, id)| *id).collect();
                        let options = RunOptions::default().with_thread_pool(Some(Arc::clone(pool)));
                        let made = model.run(given, &ids, Some(options))?;
                        values.extend(outputs.iter().map(|(name, _)| name.as_str()).zip(made));
                    }
                    Step::Suppression(suppression) => {
                        let chosen = run_suppression(suppression, &values)?;
                        values.insert(&suppression.output, chosen);
                    }
                }
            }
            let found = values.remove(output.as_str()).ok_or("the file does not compute its output")?;
            let (shape, data) = found.into_shape_vec::<f32, 3>()?;
            Ok(Array::new(&shape, data))
        })
    }
}

fn value<'a>(values: &'a HashMap<&str, Value>, name: &str) -> Result<&'a Value, RuntimeError> {
    values.get(name).ok_or_else(|| format!("`{name}` is read before it is computed").into())
}

/// The value `name` as a tensor of real numbers.
fn reals(values: &HashMap<&str, Value>, name: &str) -> Result<Array, RuntimeError> {
    let (shape, data) = value(values, name)?.clone().into_shape_vec::<f32, 3>()?;
    Ok(Array::new(&shape, data))
}

/// A scalar of any numeric type; `None` if it is absent.
fn number(values: &HashMap<&str, Value>, given: &Given) -> Result<Option<f64>, RuntimeError> {
    let name = match given {
        Given::Absent => return Ok(None),
        Given::Number(number) => return Ok(Some(*number)),
        Given::Value(name) => name,
    };
    let value = value(values, name)?;
    let real = value.as_tensor_view::<f32>().and_then(|tensor| tensor.iter().next().map(|v| f64::from(*v)));
    let whole =
        || value.as_tensor_view::<i32>().and_then(|tensor| tensor.iter().next().map(|v| f64::from(*v)));
    real.or_else(whole).map(Some).ok_or_else(|| format!("`{name}` is not a number").into())
}

fn run_suppression(what: &Suppression, values: &HashMap<&str, Value>) -> Result<Value, RuntimeError> {
    let rule = Rule {
        // The standard chooses no box if the limit is absent. The cast turns a negative number into 0 and a
        // huge one into the maximum.
        limit: number(values, &what.limit)?.unwrap_or(0.0) as usize,
        iou: number(values, &what.iou)?.unwrap_or(0.0) as f32,
        score: number(values, &what.score)?.map(|score| score as f32),
        centres: what.centres,
    };
    let chosen = suppress(&reals(values, &what.boxes)?, &reals(values, &what.scores)?, &rule)?;
    Ok(Value::from_shape([chosen.len(), 3], chosen.concat())?)
}

/// rten promises memory safety for files of any origin, but its arithmetic may panic.
fn guarded<T>(work: impl FnOnce() -> Result<T, RuntimeError>) -> Result<T, RuntimeError> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| Err("rten panicked on this file".into()))
}
