//! [`find_libraries`]: finds the libraries of TensorRT-RTX.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::Places;
use crate::finder::list;

/// Subfolders of the folder that the user names, in the layouts of NVIDIA's archives and Python wheels.
const BELOW: [&str; 4] = ["", "lib", "tensorrt_rtx_libs", "tensorrt_libs"];
/// Folders into which archives are unpacked and packages install.
const USUAL_FOLDERS: [&str; 4] =
    ["/usr/local/tensorrt-rtx", "/opt/tensorrt-rtx", "/opt/TensorRT-RTX", "/usr/lib/x86_64-linux-gnu"];
/// Endings of the file names, preferred ones first.
const ENDINGS: [&str; 2] = ["so.1", "so"];

/// The two files that a build needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtxLibraries {
    /// The builder.
    pub core: PathBuf,
    /// The reader of ONNX files.
    pub parser: PathBuf,
}

/// Finds the libraries: in the folder of the options, else in that of `TENSORRT_RTX_DIR`, else in
/// `LD_LIBRARY_PATH` and the usual folders.
///
/// # Errors
///
/// A sentence with the folders that were tried, and how to install the libraries.
pub fn find_libraries(places: &Places) -> Result<RtxLibraries, String> {
    let set = |variable: &Option<OsString>| variable.as_ref().filter(|v| !v.is_empty()).map(PathBuf::from);
    let variable = set(&places.environment.rtx_folder);
    let folders: Vec<PathBuf> = if let Some(folder) = places.rtx_folder.clone().or(variable) {
        vec![folder]
    } else {
        let loader = places.environment.library_path.iter().flat_map(env::split_paths);
        let usual = || USUAL_FOLDERS.iter().map(PathBuf::from).collect();
        loader.chain(places.usual_folders.clone().unwrap_or_else(usual)).collect()
    };
    let mut tried = Vec::new();
    for folder in folders.into_iter().filter(|folder| !folder.as_os_str().is_empty()) {
        match in_folder(&folder) {
            Ok(found) => return Ok(found),
            Err(because) => tried.push((folder, because)),
        }
    }
    Err(format!(
        "the libraries of TensorRT-RTX are not found; run `scripts/install-tensorrt-rtx.sh DIR` and set \
         TENSORRT_RTX_DIR=DIR; looked at {}",
        list(&tried)
    ))
}

fn in_folder(folder: &Path) -> Result<RtxLibraries, String> {
    if !folder.is_dir() {
        return Err("no such folder".to_owned());
    }
    let find = |stem: &str| {
        let candidates = BELOW.iter().flat_map(|below| {
            let folder = folder.join(below);
            ENDINGS.iter().map(move |ending| folder.join(format!("lib{stem}.{ending}")))
        });
        candidates.into_iter().find(|path| path.is_file()).ok_or_else(|| format!("no lib{stem}.so.1"))
    };
    Ok(RtxLibraries { core: find("tensorrt_rtx")?, parser: find("tensorrt_onnxparser_rtx")? })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::find_libraries;
    use crate::{Environment, Places};

    #[test]
    fn the_named_folder_wins_and_both_files_are_needed() {
        let root = tempfile::tempdir().unwrap();
        let make = |folder: &str, names: &[&str]| {
            let path = root.path().join(folder);
            fs::create_dir_all(&path).unwrap();
            for name in names {
                fs::write(path.join(name), b"").unwrap();
            }
        };
        make("wheel/tensorrt_rtx_libs", &["libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"]);
        make("sdk/lib", &["libtensorrt_rtx.so", "libtensorrt_onnxparser_rtx.so"]);
        make("half", &["libtensorrt_rtx.so.1"]);
        let path = |name: &str| root.path().join(name);

        let mut places = Places { usual_folders: Some(vec![path("sdk")]), ..Places::default() };
        assert_eq!(find_libraries(&places).unwrap().core, path("sdk/lib/libtensorrt_rtx.so"));
        places.environment = Environment { rtx_folder: Some(path("wheel").into()), ..Environment::default() };
        let wheel = path("wheel/tensorrt_rtx_libs/libtensorrt_onnxparser_rtx.so.1");
        assert_eq!(find_libraries(&places).unwrap().parser, wheel);
        places.rtx_folder = Some(path("half"));
        let error = find_libraries(&places).unwrap_err();
        for part in
            ["half (no libtensorrt_onnxparser_rtx.so.1)", "install-tensorrt-rtx.sh", "TENSORRT_RTX_DIR"]
        {
            assert!(error.contains(part), "{error}");
        }
        places.rtx_folder = Some(path("absent"));
        assert!(find_libraries(&places).unwrap_err().contains("no such folder"));
    }
}
