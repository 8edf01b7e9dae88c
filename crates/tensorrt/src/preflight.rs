//! [`preflight`]: refuses ONNX files that have a flaw or do not fit the options, without a builder.
//!
//! TensorRT reports some of these problems only after minutes, some without naming the flaw in the file, and
//! it takes a file of garbage for an empty network.

use std::path::{Path, PathBuf};

use crate::{Element, OnnxFileError, OnnxSource, ShapeProfile};

/// Reasons why no builder is started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PreflightError {
    /// The ONNX file does not exist.
    #[error("there is no ONNX file {path:?}; export one first")]
    NoOnnx {
        /// The file asked for.
        path: PathBuf,
    },
    /// The file is not an ONNX file.
    #[error("{path:?}: {why}")]
    NotOnnx {
        /// The file asked for.
        path: PathBuf,
        /// The reason.
        why: OnnxFileError,
    },
    /// The network has no nodes, inputs or outputs.
    #[error("{path:?} has no {what}; there is nothing to build")]
    Empty {
        /// The file asked for.
        path: PathBuf,
        /// The missing part.
        what: &'static str,
    },
    /// A node uses a value that no node makes.
    #[error(
        "{path:?}: {node} uses `{value}`, which nothing makes; the file is damaged or was cut out of a larger one"
    )]
    Undefined {
        /// The file asked for.
        path: PathBuf,
        /// The node that uses it.
        node: String,
        /// Name of the value.
        value: String,
    },
    /// Weights are in another file, which does not exist.
    #[error("{path:?} keeps weights in {file:?}, which is not beside it; copy both files together")]
    WeightsMissing {
        /// The file asked for.
        path: PathBuf,
        /// The other file.
        file: PathBuf,
    },
    /// An input has a dynamic shape, but no profile.
    #[error(
        "input `{input}` of {path:?} has the shape {shape}, and nothing says which sizes `?` may take; give a shape \
         profile such as {example}, or export with a fixed shape"
    )]
    NoProfile {
        /// The file asked for.
        path: PathBuf,
        /// Name of the input.
        input: String,
        /// Its shape, with `?` for dynamic sizes.
        shape: String,
        /// A profile that would fit.
        example: String,
    },
    /// A profile is for an input that does not exist.
    #[error("there is a shape profile for `{input}`, but the inputs of {path:?} are {}", inputs.join(", "))]
    UnknownInput {
        /// The file asked for.
        path: PathBuf,
        /// Name in the profile.
        input: String,
        /// Names in the file.
        inputs: Vec<String>,
    },
    /// Two profiles are for the same input.
    #[error("there are two shape profiles for input `{input}`; give one")]
    TwoProfiles {
        /// Name of the input.
        input: String,
    },
    /// A profile contradicts the file.
    #[error("shape profile {profile} does not fit input {shape} of {path:?}; fixed sizes must be equal")]
    ProfileMismatch {
        /// The file asked for.
        path: PathBuf,
        /// The profile.
        profile: String,
        /// The input.
        shape: String,
    },
    /// A layer mixes types, which a strongly typed builder does not allow.
    #[error(
        "{node} of {path:?} takes {input} but has {weights} weights, which {builder} does not mix; \
         export with casts at the input and output (half precision with fp32 input), or with all in one type"
    )]
    MixedTypes {
        /// The file asked for.
        path: PathBuf,
        /// Name of the node.
        node: String,
        /// Type of its input.
        input: Element,
        /// Type of the weights.
        weights: Element,
        /// The builder.
        builder: String,
    },
    /// An operator needs a plugin.
    #[error(
        "{node} of {path:?} is the operator `{op}` of `{domain}`, which is not ONNX's, and {builder} loads no plugins; \
         export without it"
    )]
    ForeignOperator {
        /// The file asked for.
        path: PathBuf,
        /// Name of the node.
        node: String,
        /// The operator.
        op: String,
        /// The domain of the operator.
        domain: String,
        /// The builder.
        builder: String,
    },
    /// The builder has no implementation of an operator.
    #[error("{path:?} has the operator `{op}`, which {builder} cannot build; export without it")]
    UnsupportedOperator {
        /// The file asked for.
        path: PathBuf,
        /// The operator.
        op: &'static str,
        /// The builder.
        builder: String,
    },
}

/// Properties of a builder that hold for every file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderTraits {
    /// Its name and version, for messages.
    pub title: String,
    /// Whether it computes only in the types of the file.
    pub strongly_typed: bool,
    /// Whether operators can come from plugins.
    pub plugins: bool,
    /// Operators of ONNX that it reads but cannot build.
    pub lacks: &'static [&'static str],
}

impl BuilderTraits {
    /// Properties of TensorRT, in any version.
    pub fn of_tensorrt(title: String, strongly_typed: bool) -> Self {
        Self { title, strongly_typed, plugins: true, lacks: &[] }
    }

    /// Properties of TensorRT-RTX, as found in version 1.7.1.
    pub fn of_rtx(title: String) -> Self {
        Self { title, strongly_typed: true, plugins: false, lacks: &["NonMaxSuppression"] }
    }
}

/// Reads the ONNX file and checks it against the profiles and the builder.
///
/// # Errors
///
/// [`PreflightError`] with the flaw and its remedy.
pub fn preflight(
    onnx: impl AsRef<Path>,
    profiles: &[ShapeProfile],
    builder: &BuilderTraits,
) -> Result<OnnxSource, PreflightError> {
    let onnx = onnx.as_ref();
    let path = || onnx.to_owned();
    if !onnx.is_file() {
        return Err(PreflightError::NoOnnx { path: path() });
    }
    let source = OnnxSource::open(onnx).map_err(|why| PreflightError::NotOnnx { path: path(), why })?;
    for (what, count) in
        [("nodes", source.nodes), ("inputs", source.inputs.len()), ("outputs", source.outputs.len())]
    {
        if count == 0 {
            return Err(PreflightError::Empty { path: path(), what });
        }
    }
    if let Some((node, value)) = source.undefined.first().cloned() {
        return Err(PreflightError::Undefined { path: path(), node, value });
    }
    let folder = onnx.parent().unwrap_or(Path::new(""));
    if let Some(file) = source.external.iter().map(|file| folder.join(file)).find(|file| !file.is_file()) {
        return Err(PreflightError::WeightsMissing { path: path(), file });
    }
    check_profiles(onnx, &source, profiles)?;
    if builder.strongly_typed
        && let Some(layer) = source.mixed.first().cloned()
    {
        return Err(PreflightError::MixedTypes {
            path: path(),
            node: layer.node,
            input: layer.input,
            weights: layer.weights,
            builder: builder.title.clone(),
        });
    }
    if !builder.plugins
        && let Some(foreign) = source.foreign.first().cloned()
    {
        return Err(PreflightError::ForeignOperator {
            path: path(),
            node: foreign.node,
            op: foreign.op,
            domain: foreign.domain,
            builder: builder.title.clone(),
        });
    }
    if let Some(&op) = builder.lacks.iter().find(|&&op| source.operators.contains(op)) {
        return Err(PreflightError::UnsupportedOperator { path: path(), op, builder: builder.title.clone() });
    }
    Ok(source)
}

fn check_profiles(onnx: &Path, source: &OnnxSource, profiles: &[ShapeProfile]) -> Result<(), PreflightError> {
    let path = || onnx.to_owned();
    for (index, profile) in profiles.iter().enumerate() {
        let input = profile.input.clone();
        if profiles[..index].iter().any(|earlier| earlier.input == input) {
            return Err(PreflightError::TwoProfiles { input });
        }
        let Some(tensor) = source.inputs.iter().find(|tensor| tensor.name == input) else {
            let inputs = source.inputs.iter().map(|tensor| format!("`{}`", tensor.name)).collect();
            return Err(PreflightError::UnknownInput { path: path(), input, inputs });
        };
        let fits = |shape: &[usize]| {
            shape.len() == tensor.dims.len()
                && tensor.dims.iter().zip(shape).all(|(dim, size)| dim.is_none_or(|fixed| fixed == *size))
        };
        if ![&profile.min, &profile.opt, &profile.max].into_iter().all(|shape| fits(shape)) {
            let profile = profile.to_string();
            let shape = tensor.to_string();
            return Err(PreflightError::ProfileMismatch { path: path(), profile, shape });
        }
    }
    for tensor in &source.inputs {
        let has = profiles.iter().any(|profile| profile.input == tensor.name);
        if tensor.dims.contains(&None) && !has {
            let shape =
                tensor.dims.iter().map(|dim| dim.map_or_else(|| "?".to_owned(), |size| size.to_string()));
            let shape = format!("[{}]", shape.collect::<Vec<_>>().join(", "));
            let example = example(tensor.name.clone(), &tensor.dims);
            return Err(PreflightError::NoProfile {
                path: path(),
                input: tensor.name.clone(),
                shape,
                example,
            });
        }
    }
    Ok(())
}

/// An example profile for pictures: batches of 1 to 8, sides of 320 to 640.
fn example(input: String, dims: &[Option<usize>]) -> String {
    let at = |batch: usize, side: usize| {
        let open = |(axis, dim): (usize, &Option<usize>)| dim.unwrap_or(if axis == 0 { batch } else { side });
        dims.iter().enumerate().map(open).collect()
    };
    ShapeProfile { input, min: at(1, 320), opt: at(1, 640), max: at(8, 640) }.to_string()
}
