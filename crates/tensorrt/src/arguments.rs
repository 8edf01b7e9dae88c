//! [`argv`]: translates [`BuildOptions`] into the arguments of an installed `trtexec` or `tensorrt_rtx`.
//!
//! It is a pure function, so options are refused before anything runs.

use std::path::{Path, PathBuf};

use crate::shape_profile::shape_text;
use crate::{BuildOptions, Capabilities, EnginePrecision, HardwareCompatibility, ProfileError, Program};

/// Reasons why options cannot be translated for this builder.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum OptionsError {
    /// A strongly typed builder takes its precision only from the ONNX file.
    #[error(
        "{builder} takes its precision from the ONNX file alone: the file \
         is {onnx}, but the engine should be {wanted}; export the ONNX file as {wanted} first"
    )]
    PrecisionIsInTheFile {
        /// The builder, with its version.
        builder: String,
        /// Arithmetic of the requested engine.
        wanted: EnginePrecision,
        /// Arithmetic of the ONNX file.
        onnx: EnginePrecision,
    },
    /// The ONNX file has no scales for int8, and `trtexec` would make them up.
    #[error(
        "an int8 engine needs quantise / dequantise nodes in the ONNX file, which is {onnx}; \
         without them trtexec makes up the scales and the engine detects nothing: export with int8 first"
    )]
    NotQuantised {
        /// Arithmetic of the ONNX file.
        onnx: EnginePrecision,
    },
    /// The installed version does not know an option yet, or has dropped it.
    #[error("{builder} does not know `{flag}`; leave the option out or install a version that does")]
    UnknownFlag {
        /// The option that its help does not list.
        flag: &'static str,
        /// The builder, with its version.
        builder: String,
    },
    /// This builder does not support the option.
    #[error("{option} is not for {builder}: {because}")]
    NotForThisBuilder {
        /// The option.
        option: &'static str,
        /// The builder, with its version.
        builder: String,
        /// The reason, and what to do instead.
        because: &'static str,
    },
    /// A shape profile is not valid.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// The optimisation level does not exist: TensorRT has levels 0 to 5.
    #[error("optimisation level {level} does not exist; choose 0 (fast build) to 5 (thorough)")]
    BadLevel {
        /// The requested level.
        level: u8,
    },
    /// Times are requested, but without an inference there are none.
    #[error(
        "times of inferences and layers are asked for, but the engine is not to be timed; ask for one or the other"
    )]
    NothingMeasured,
    /// A path is not text, but arguments must be.
    #[error("path {path:?} is not valid UTF-8 and cannot be passed on; rename it")]
    PathNotText {
        /// The path.
        path: PathBuf,
    },
}

/// The arguments of the tool, without the program name.
///
/// `onnx` is the arithmetic of the ONNX file. Memory sizes are in whole MiB. All flags exist in the installed
/// version.
///
/// # Errors
///
/// [`OptionsError`]; most notably [`OptionsError::PrecisionIsInTheFile`] for an fp16 engine from an fp32 file
/// on TensorRT 11.
pub fn argv(
    capabilities: &Capabilities,
    options: &BuildOptions,
    onnx: EnginePrecision,
) -> Result<Vec<String>, OptionsError> {
    if capabilities.program == Program::TensorrtRtx {
        refuse_for_rtx(&capabilities.title(), options)?;
    }
    let mut words = Words { capabilities, words: Vec::new() };
    words.file("--onnx", &options.onnx)?;
    words.file("--saveEngine", &options.engine)?;
    precision_flags(&mut words, options, onnx)?;
    if let Some(mib) = options.workspace_mib {
        // 8.6 reads a bare number as MiB and so does every later version; suffixes came later.
        words.value("--memPoolSize", &format!("workspace:{mib}"))?;
    }
    shapes(&mut words, options)?;
    if let Some(level) = options.optimization_level {
        if level > 5 {
            return Err(OptionsError::BadLevel { level });
        }
        words.value("--builderOptimizationLevel", &level.to_string())?;
    }
    if let Some(cache) = &options.timing_cache {
        words.known("--timingCacheFile")?;
        words.file("--timingCacheFile", cache)?;
    }
    target(&mut words, options)?;
    measurement(&mut words, options)?;
    words.words.extend(options.extra.iter().cloned());
    Ok(words.words)
}

/// Arithmetic of the engine, if the builder does not convert weights.
///
/// # Errors
///
/// [`OptionsError::PrecisionIsInTheFile`] if another arithmetic is requested.
pub(crate) fn typed_precision(
    builder: &str,
    wanted: Option<EnginePrecision>,
    onnx: EnginePrecision,
) -> Result<EnginePrecision, OptionsError> {
    match wanted {
        Some(EnginePrecision::Int8) if onnx != EnginePrecision::Int8 => {
            Err(OptionsError::NotQuantised { onnx })
        }
        Some(wanted) if wanted != onnx => {
            Err(OptionsError::PrecisionIsInTheFile { builder: builder.to_owned(), wanted, onnx })
        }
        _ => Ok(onnx),
    }
}

/// Arithmetic of the engine with these options.
///
/// # Errors
///
/// As [`argv`], for errors about precision.
pub(crate) fn engine_precision(
    capabilities: &Capabilities,
    options: &BuildOptions,
    onnx: EnginePrecision,
) -> Result<EnginePrecision, OptionsError> {
    if options.strongly_typed || !capabilities.precision_flags() {
        return typed_precision(&capabilities.title(), options.precision, onnx);
    }
    // A weakly typed builder converts fp32 to fp16 by itself, which is what most users want.
    let wanted =
        options.precision.unwrap_or(if onnx == EnginePrecision::Fp32 { EnginePrecision::Fp16 } else { onnx });
    if wanted == EnginePrecision::Int8 && onnx != EnginePrecision::Int8 {
        return Err(OptionsError::NotQuantised { onnx });
    }
    Ok(wanted)
}

/// The arguments so far, and the flags that the tool knows.
struct Words<'a> {
    capabilities: &'a Capabilities,
    words: Vec<String>,
}

impl Words<'_> {
    fn known(&self, flag: &'static str) -> Result<(), OptionsError> {
        if self.capabilities.names(flag) {
            return Ok(());
        }
        Err(OptionsError::UnknownFlag { flag, builder: self.capabilities.title() })
    }

    fn flag(&mut self, flag: &'static str) -> Result<(), OptionsError> {
        self.known(flag)?;
        self.words.push(flag.to_owned());
        Ok(())
    }

    fn value(&mut self, flag: &'static str, value: &str) -> Result<(), OptionsError> {
        self.known(flag)?;
        self.words.push(format!("{flag}={value}"));
        Ok(())
    }

    /// Adds a flag with a path, without a look-up: some of these flags exist in every version.
    fn file(&mut self, flag: &'static str, path: &Path) -> Result<(), OptionsError> {
        let text = path.to_str().ok_or_else(|| OptionsError::PathNotText { path: path.to_owned() })?;
        self.words.push(format!("{flag}={text}"));
        Ok(())
    }
}

/// Adds the flags that choose the arithmetic; none if the ONNX file alone decides.
fn precision_flags(
    words: &mut Words<'_>,
    options: &BuildOptions,
    onnx: EnginePrecision,
) -> Result<(), OptionsError> {
    let precision = engine_precision(words.capabilities, options, onnx)?;
    if !words.capabilities.precision_flags() {
        // The builder is always strongly typed.
        return Ok(());
    }
    if options.strongly_typed {
        return words.flag("--stronglyTyped");
    }
    match precision {
        EnginePrecision::Fp32 => Ok(()),
        EnginePrecision::Fp16 => words.flag("--fp16"),
        // Layers that are not quantised run in fp16 rather than fp32.
        EnginePrecision::Int8 => words.flag("--int8").and_then(|()| words.flag("--fp16")),
    }
}

/// Adds one flag for each end of the profiles, with all inputs.
fn shapes(words: &mut Words<'_>, options: &BuildOptions) -> Result<(), OptionsError> {
    for profile in &options.profiles {
        profile.check()?;
    }
    if options.profiles.is_empty() {
        return Ok(());
    }
    let mut end = |flag: &'static str, shape: fn(&crate::ShapeProfile) -> &[usize]| {
        let all: Vec<String> =
            options.profiles.iter().map(|p| format!("{}:{}", p.input, shape_text(shape(p)))).collect();
        words.value(flag, &all.join(","))
    };
    end("--minShapes", |p| &p.min)?;
    end("--optShapes", |p| &p.opt)?;
    end("--maxShapes", |p| &p.max)
}

/// Adds the flags for other GPUs and versions that the engine must run on.
fn target(words: &mut Words<'_>, options: &BuildOptions) -> Result<(), OptionsError> {
    if words.capabilities.program == Program::Trtexec && !options.compute_capabilities.is_empty() {
        return Err(OptionsError::NotForThisBuilder {
            option: "a list of compute capabilities",
            builder: words.capabilities.title(),
            because: "it builds for the GPU that it runs on; ask for hardware compatibility, or use TensorRT-RTX",
        });
    }
    if options.version_compatible {
        words.flag("--versionCompatible")?;
    }
    if let Some(compatibility) = options.hardware_compatibility {
        let level = match compatibility {
            HardwareCompatibility::AmperePlus => "ampere+",
            HardwareCompatibility::SameComputeCapability => "sameComputeCapability",
        };
        words.value("--hardwareCompatibilityLevel", level)?;
    }
    if !options.compute_capabilities.is_empty() {
        let list: Vec<String> = options.compute_capabilities.iter().map(|c| c.number().to_string()).collect();
        words.value("--computeCapabilities", &list.join(","))?;
    }
    Ok(())
}

/// Refuses options that TensorRT-RTX does not support, with its command line tool or its library.
pub(crate) fn refuse_for_rtx(builder: &str, options: &BuildOptions) -> Result<(), OptionsError> {
    let refusal = if options.hardware_compatibility.is_some() {
        (
            "hardware compatibility",
            "its engines run on every compute capability that they are built for; list those",
        )
    } else if options.version_compatible {
        ("version compatibility", "it builds engines for its own version alone")
    } else if options.timing_cache.is_some() {
        ("a timing cache", "it times nothing while it builds")
    } else {
        return Ok(());
    };
    let (option, because) = refusal;
    Err(OptionsError::NotForThisBuilder { option, builder: builder.to_owned(), because })
}

/// Adds the flags for timing the engine and for writing files about it.
fn measurement(words: &mut Words<'_>, options: &BuildOptions) -> Result<(), OptionsError> {
    let exports = &options.exports;
    if !options.measure {
        if exports.times.is_some() || exports.profile.is_some() {
            return Err(OptionsError::NothingMeasured);
        }
        words.flag("--skipInference")?;
    }
    if exports.layer_info.is_some() || exports.profile.is_some() {
        // Without this flag, the file contains only the names of the layers.
        words.value("--profilingVerbosity", "detailed")?;
    }
    if exports.profile.is_some() {
        // A separate run, so that profiling the layers does not slow down the timed one.
        words.flag("--separateProfileRun")?;
    }
    for (flag, file) in [
        ("--exportTimes", &exports.times),
        ("--exportProfile", &exports.profile),
        ("--exportLayerInfo", &exports.layer_info),
    ] {
        if let Some(file) = file {
            words.known(flag)?;
            words.file(flag, file)?;
        }
    }
    Ok(())
}
