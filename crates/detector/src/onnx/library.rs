//! [`LibrarySearch`]: where to look for onnxruntime's library.
//!
//! This module does not read environment variables; the program passes their values.

use std::ffi::OsString;
use std::path::PathBuf;

/// Where to look, in this order; only the first location that is set is used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LibrarySearch {
    /// The library, or a folder with it.
    pub explicit: Option<PathBuf>,
    /// The environment variable `ORT_DYLIB_PATH`: the library, or a folder with it.
    pub variable: Option<OsString>,
    /// The environment variable `VIRTUAL_ENV`: a Python environment in which `pip install onnxruntime` was
    /// run. It is searched in addition to the system's folders.
    pub virtual_env: Option<OsString>,
}

#[cfg(feature = "ort")]
mod candidates {
    use std::path::{Path, PathBuf};

    use super::LibrarySearch;

    /// Folders where packages and archives of onnxruntime install their libraries.
    const FOLDERS: [&str; 7] = [
        "/usr/local/lib",
        "/usr/lib/x86_64-linux-gnu",
        "/usr/lib/aarch64-linux-gnu",
        "/usr/lib64",
        "/usr/lib",
        "/opt/onnxruntime/lib",
        "/opt/homebrew/lib",
    ];

    impl LibrarySearch {
        /// Files to try, best first. The system's search path applies to a name without a folder.
        pub(crate) fn candidates(&self) -> Vec<PathBuf> {
            let variable = self.variable.clone().filter(|value| !value.is_empty()).map(PathBuf::from);
            if let Some(given) = self.explicit.clone().or(variable) {
                // The loader would resolve a relative path against the program's folder.
                let given = std::path::absolute(&given).unwrap_or(given);
                return if given.is_dir() { libraries(&given) } else { vec![given] };
            }
            let prefix = std::env::consts::DLL_PREFIX;
            let mut found =
                vec![PathBuf::from(format!("{prefix}onnxruntime{}", std::env::consts::DLL_SUFFIX))];
            if let Some(environment) = self.virtual_env.as_ref().filter(|value| !value.is_empty()) {
                for python in entries(&Path::new(environment).join("lib")) {
                    found.extend(libraries(&python.join("site-packages/onnxruntime/capi")));
                }
            }
            found.extend(FOLDERS.iter().flat_map(|folder| libraries(Path::new(folder))));
            found
        }

        /// What the user can do if no library can be loaded.
        pub(crate) fn remedy(&self) -> &'static str {
            if self.explicit.is_some() || self.variable.as_ref().is_some_and(|value| !value.is_empty()) {
                "name another library"
            } else {
                "name one with `--onnxruntime FILE` or ORT_DYLIB_PATH (`pip install onnxruntime` has it in \
                 `onnxruntime/capi`), or use `--runtime rten`"
            }
        }
    }

    /// onnxruntime's libraries in a folder, highest version first; excludes its provider libraries.
    fn libraries(folder: &Path) -> Vec<PathBuf> {
        // `libonnxruntime.so.1.24.1`, `libonnxruntime.1.24.1.dylib`, `onnxruntime.dll`.
        let is_library = |path: &PathBuf| {
            let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
            name.starts_with("libonnxruntime.") || name == "onnxruntime.dll"
        };
        let mut found: Vec<PathBuf> = entries(folder).into_iter().filter(is_library).collect();
        found.reverse();
        found
    }

    /// The entries of a folder, sorted by name; empty if the folder does not exist.
    fn entries(folder: &Path) -> Vec<PathBuf> {
        let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
            .map(|entries| entries.filter_map(|entry| Some(entry.ok()?.path())).collect())
            .unwrap_or_default();
        found.sort();
        found
    }
}

#[cfg(all(test, feature = "ort"))]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_comes_before_what_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let capi = folder.path().join("lib/python3.11/site-packages/onnxruntime/capi");
        std::fs::create_dir_all(&capi).unwrap();
        for name in
            ["libonnxruntime.so.1.24.1", "libonnxruntime.so.1.25.0", "libonnxruntime_providers_shared.so"]
        {
            std::fs::write(capi.join(name), b"").unwrap();
        }
        let python = LibrarySearch { virtual_env: Some(folder.path().into()), ..LibrarySearch::default() };
        let found = python.candidates();
        assert_eq!(
            found[1..3],
            [capi.join("libonnxruntime.so.1.25.0"), capi.join("libonnxruntime.so.1.24.1")]
        );

        let variable = LibrarySearch { variable: Some(capi.clone().into()), ..python };
        assert_eq!(variable.candidates().len(), 2);
        let explicit = LibrarySearch { explicit: Some("some/lib.so".into()), ..variable };
        let found = explicit.candidates();
        assert!(found.len() == 1 && found[0].is_absolute() && found[0].ends_with("some/lib.so"), "{found:?}");
        let empty = LibrarySearch { variable: Some(OsString::new()), ..LibrarySearch::default() };
        assert!(empty.candidates()[0].components().count() == 1);
    }
}
