//! Output of `--help` of each version, as far as it decides options.

pub(crate) const HELP_8_6: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help
=== Model Options ===
  --onnx=<file>               ONNX model
=== Build Options ===
  --minShapes=spec            Build with dynamic shapes using a profile with the min shapes provided
  --optShapes=spec            Build with dynamic shapes using a profile with the opt shapes provided
  --maxShapes=spec            Build with dynamic shapes using a profile with the max shapes provided
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s) in MiB.
  --profilingVerbosity=mode   Specify profiling verbosity. mode ::= layer_names_only|detailed|none
  --fp16                      Enable fp16 precision, in addition to fp32 (default = disabled)
  --int8                      Enable int8 precision, in addition to fp32 (default = disabled)
  --saveEngine=<file>         Save the serialized engine
  --skipInference             Exit after the engine has been built and skip inference perf measurement
  --timingCacheFile=<file>    Save/load the serialized global timing cache
  --builderOptimizationLevel  Set the builder optimization level. (default is 3)
  --hardwareCompatibilityLevel=mode   mode ::= \"none\" | \"ampere+\"
  --versionCompatible         Mark the engine as version compatible.
=== Reporting Options ===
  --exportTimes=<file>        Write the timing results in a json file (default = disabled)
  --exportProfile=<file>      Write the profile information per layer in a json file (default = disabled)
  --exportLayerInfo=<file>    Write the layer information of the engine in a json file (default = disabled)
  --separateProfileRun        Do not attach the profiler in the benchmark run";

pub(crate) const HELP_10: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v101600] [b1] # trtexec --help
  --onnx=<file>               ONNX model
  --minShapes=spec --optShapes=spec --maxShapes=spec
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s)
  --profilingVerbosity=mode   Specify profiling verbosity.
  --fp16                      [DEPRECATED] Enable fp16 precision, in addition to fp32 (default = disabled)
  --int8                      [DEPRECATED] Enable int8 precision, in addition to fp32 (default = disabled)
  --stronglyTyped             Create a strongly typed network. (default = disabled)
  --saveEngine=<file>         Save the serialized engine
  --skipInference             Exit after the engine has been built
  --timingCacheFile=<file>    Save/load the serialized global timing cache
  --builderOptimizationLevel  Set the builder optimization level. (default is 3)
  --hardwareCompatibilityLevel=mode   mode ::= \"none\" | \"ampere+\" | \"sameComputeCapability\"
  --versionCompatible, --vc   Mark the engine as version compatible.
  --exportTimes=<file> --exportProfile=<file> --exportLayerInfo=<file> --separateProfileRun";

pub(crate) const HELP_11: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v110100] [b2] # trtexec --help
  --onnx=<file>               ONNX model
  --minShapes=spec --optShapes=spec --maxShapes=spec
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s)
  --profilingVerbosity=mode   Specify profiling verbosity.
  --stronglyTyped             No-op
  --saveEngine=<file>         Save the serialized engine
  --skipInference             Exit after the engine has been built
  --timingCacheFile=<file>    Save/load the serialized global timing cache
  --builderOptimizationLevel  Set the builder optimization level. (default is 3)
  --hardwareCompatibilityLevel=mode   mode ::= \"none\" | \"ampere+\" | \"sameComputeCapability\"
  --versionCompatible, --vc   Mark the engine as version compatible.
  --exportTimes=<file> --exportProfile=<file> --exportLayerInfo=<file> --separateProfileRun";

/// TensorRT-RTX's tool, with a banner of its own.
pub(crate) const HELP_RTX: &str = "\
&&&& RUNNING TensorRT-RTX.tensorrt_rtx [TensorRT-RTX v10701] # tensorrt_rtx --help
  --onnx=<file>               ONNX model
  --minShapes=spec --optShapes=spec --maxShapes=spec
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s)
  --profilingVerbosity=mode   Specify profiling verbosity.
  --saveEngine=<file>         Save the serialized engine
  --skipInference             Exit after the engine has been built
  --builderOptimizationLevel  Set the builder optimization level.
  --computeCapabilities=spec  Compute capabilities to build for
  --exportTimes=<file> --exportProfile=<file> --exportLayerInfo=<file> --separateProfileRun";
