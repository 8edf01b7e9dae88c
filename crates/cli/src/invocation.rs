//! How this program was called: as `bonsai`, or through cargo in a checkout; and where that checkout is.

use std::env;
use std::path::{Path, PathBuf};

/// What people type before the name of a command. Cargo tells the programs that it runs which package they are of.
pub(crate) fn program() -> &'static str {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let by_cargo = package.is_some_and(|folder| folder.file_name().is_some_and(|name| name == "xtask"));
    if by_cargo { "cargo xtask" } else { "bonsai" }
}

/// The source tree of Bonsai around `folder`, if there is one.
pub(crate) fn checkout(folder: &Path) -> Option<PathBuf> {
    let is_root = |folder: &Path| {
        let manifest = |path: &str| std::fs::read_to_string(folder.join(path)).unwrap_or_default();
        manifest("Cargo.toml").contains("[workspace]") && manifest("xtask/Cargo.toml").contains("bonsai-cli")
    };
    folder.ancestors().find(|folder| is_root(folder)).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checkout_is_found_from_within_and_not_from_without() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(checkout(&here.join("src")).as_deref(), here.ancestors().nth(2));
        assert_eq!(checkout(tempfile::tempdir().unwrap().path()), None);
    }
}
