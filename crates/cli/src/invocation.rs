//! [`program`] and [`checkout`]: how the program was called (`bonsai` or `cargo xtask`), and the checkout of
//! Bonsai.

use std::env;
use std::path::{Path, PathBuf};

/// What users type before the name of a command. Cargo sets `CARGO_MANIFEST_DIR` to the package of the
/// program that it runs.
pub(crate) fn program() -> &'static str {
    let package = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let by_cargo = package.is_some_and(|folder| folder.file_name().is_some_and(|name| name == "xtask"));
    if by_cargo { "cargo xtask" } else { "bonsai" }
}

/// The source tree of Bonsai that contains `folder`, if any.
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
    fn the_checkout_is_found_from_inside_only() {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(checkout(&here.join("src")).as_deref(), here.ancestors().nth(2));
        assert_eq!(checkout(tempfile::tempdir().unwrap().path()), None);
    }
}
