//! [`build_with_library`]: builds engines with TensorRT-RTX's library in this process, without a GPU.
//!
//! The bindings need libclang and a C++ compiler at build time and nothing at run time: the library is loaded
//! from the folder in which [`find_libraries`] finds it. Without feature `rtx`, every build is refused with
//! that reason.

mod library;
#[cfg(feature = "rtx")]
mod network;

pub use library::{RtxLibraries, find_libraries};

use crate::refusal::Refusal;
use crate::{BuildOptions, BuildReport, Places};

/// Whether this program was built with the library's bindings.
pub const RTX_BUILT_IN: bool = cfg!(feature = "rtx");

/// Builds with the library, if it is built in and installed.
#[cfg(not(feature = "rtx"))]
pub(crate) fn build_with_library(
    _places: &Places,
    _options: &BuildOptions,
    _progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, Refusal> {
    Err(Refusal::Absent(
        "this program was built without TensorRT-RTX; build it with `cargo build --release -p xtask --features rtx` \
         (which needs libclang and a C++ compiler) or install the command line tool tensorrt_rtx"
            .to_owned(),
    ))
}

/// Builds with the library, if it is built in and installed.
#[cfg(feature = "rtx")]
pub(crate) fn build_with_library(
    places: &Places,
    options: &BuildOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildReport, Refusal> {
    let libraries = find_libraries(places).map_err(|because| {
        if places.rtx_folder.is_some() { Refusal::NotHere(because) } else { Refusal::Absent(because) }
    })?;
    network::build(&libraries, options, progress).map_err(Refusal::Failed)
}
