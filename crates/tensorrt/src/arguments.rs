//! Translation of [`BuildOptions`] into the words of an installed `trtexec`.
//!
//! A pure function: what is refused here is refused before anything runs.

use std::path::{Path, PathBuf};

use crate::options::ShapeProfile;
use crate::{BuildOptions, Capabilities, Precision, Version};

/// Why options cannot be put into words for this `trtexec`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// Strongly typed TensorRT takes precision from the ONNX file only.
    #[error(
        "TensorRT {version} has no precision flags: it computes in what the ONNX file spells out, \
         which is {onnx:?}, but the engine should be {wanted:?}; export the ONNX file as {wanted:?} first"
    )]
    PrecisionIsInTheFile {
        /// Version of the installed TensorRT.
        version: Version,
        /// Arithmetic of the engine asked for.
        wanted: Precision,
        /// Arithmetic of the ONNX file.
        onnx: Precision,
    },
    /// `trtexec` would make up scales.
    #[error(
        "an int8 engine needs quantise / dequantise nodes in the ONNX file, which is {onnx:?}; \
         without them trtexec makes up the scales and the engine detects nothing: export with int8 first"
    )]
    NotQuantised {
        /// Arithmetic of the ONNX file.
        onnx: Precision,
    },
    /// The installed version predates an option.
    #[error(
        "trtexec of TensorRT {version} does not know `{flag}`; leave the option out or install 8.6 or newer"
    )]
    UnknownFlag {
        /// The option that its help does not name.
        flag: &'static str,
        /// Version of the installed TensorRT.
        version: Version,
    },
    /// The three shapes of a profile do not fit together.
    #[error(
        "shape profile of input `{input}`: min {min:?}, opt {opt:?} and max {max:?} must have the same rank, \
         no zeros, and rise in every dimension"
    )]
    BadProfile {
        /// Name of the input.
        input: String,
        /// Smallest shape given.
        min: Vec<usize>,
        /// Preferred shape given.
        opt: Vec<usize>,
        /// Largest shape given.
        max: Vec<usize>,
    },
    /// TensorRT has levels 0 to 5.
    #[error("optimisation level {level} does not exist; choose 0 (fast build) to 5 (thorough)")]
    BadLevel {
        /// The level asked for.
        level: u8,
    },
    /// Words are text.
    #[error("path {path:?} is not valid UTF-8 and cannot be passed on; rename it")]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
}

/// The words to start `trtexec` with, program name excluded.
///
/// Memory sizes are in whole MiB and every flag exists in the version at hand.
///
/// # Errors
///
/// [`OptionsError`]; most notably [`OptionsError::PrecisionIsInTheFile`] for an fp16 engine from an fp32 file
/// on TensorRT 11.
pub fn argv(capabilities: &Capabilities, options: &BuildOptions) -> Result<Vec<String>, OptionsError> {
    let version = capabilities.version;
    let mut words =
        vec![format!("--onnx={}", text(&options.onnx)?), format!("--saveEngine={}", text(&options.engine)?)];
    words.extend(precision_flags(capabilities, options)?.iter().map(ToString::to_string));
    if let Some(mib) = options.workspace_mib {
        if !capabilities.memory_pools {
            return Err(OptionsError::UnknownFlag { flag: "--memPoolSize", version });
        }
        // 8.6 reads a bare number as MiB and so does every later version; suffixes came later.
        words.push(format!("--memPoolSize=workspace:{mib}"));
    }
    if let Some(profile) = &options.profile {
        words.extend(profile_flags(profile)?);
    }
    if let Some(level) = options.optimization_level {
        if level > 5 {
            return Err(OptionsError::BadLevel { level });
        }
        words.push(format!("--builderOptimizationLevel={level}"));
    }
    if let Some(cache) = &options.timing_cache {
        words.push(format!("--timingCacheFile={}", text(cache)?));
    }
    if !options.measure {
        if !capabilities.skip_inference {
            return Err(OptionsError::UnknownFlag { flag: "--skipInference", version });
        }
        words.push("--skipInference".to_owned());
    }
    words.extend(options.extra.iter().cloned());
    Ok(words)
}

/// Flags that choose the arithmetic; none where the ONNX file alone decides.
fn precision_flags(
    capabilities: &Capabilities,
    options: &BuildOptions,
) -> Result<&'static [&'static str], OptionsError> {
    let (wanted, onnx) = (options.precision, options.onnx_precision);
    if wanted == Precision::Int8 && onnx != Precision::Int8 {
        return Err(OptionsError::NotQuantised { onnx });
    }
    if !capabilities.precision_flags {
        return if wanted == onnx {
            Ok(&[])
        } else {
            Err(OptionsError::PrecisionIsInTheFile { version: capabilities.version, wanted, onnx })
        };
    }
    Ok(match wanted {
        Precision::Fp32 => &[],
        Precision::Fp16 => &["--fp16"],
        // What is not quantised runs in fp16 rather than fp32.
        Precision::Int8 => &["--int8", "--fp16"],
    })
}

fn profile_flags(profile: &ShapeProfile) -> Result<[String; 3], OptionsError> {
    let ShapeProfile { input, min, opt, max } = profile;
    let same_rank = min.len() == opt.len() && opt.len() == max.len() && !min.is_empty();
    let rises = |a: &[usize], b: &[usize]| a.iter().zip(b).all(|(a, b)| a <= b);
    if !same_rank || min.contains(&0) || !rises(min, opt) || !rises(opt, max) {
        let (input, min, opt, max) = (input.clone(), min.clone(), opt.clone(), max.clone());
        return Err(OptionsError::BadProfile { input, min, opt, max });
    }
    let flag = |name: &str, shape: &[usize]| {
        let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
        format!("--{name}={input}:{}", dims.join("x"))
    };
    Ok([flag("minShapes", min), flag("optShapes", opt), flag("maxShapes", max)])
}

fn text(path: &Path) -> Result<&str, OptionsError> {
    path.to_str().ok_or_else(|| OptionsError::PathNotText { path: path.to_owned() })
}
