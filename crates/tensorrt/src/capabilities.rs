//! What an installed `trtexec` understands, read from its own help text.
//!
//! Options are decided by whether the help names them, not by version numbers: the help cannot be out of
//! date.

use crate::Version;

/// What one `trtexec` can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// Version from the banner.
    pub version: Version,
    /// Whether precision is chosen by flags (`--fp16`). If not (TensorRT 11), networks are strongly typed:
    /// the engine computes in whatever the ONNX file spells out.
    pub precision_flags: bool,
    /// Whether `--memPoolSize` is known (since 8.4).
    pub memory_pools: bool,
    /// Whether `--skipInference` is known (since 8.6).
    pub skip_inference: bool,
}

impl Capabilities {
    /// Reads the output of `trtexec --help`; `None` if no line of it is TensorRT's banner.
    pub fn from_help(help: &str) -> Option<Self> {
        let version = help.lines().find_map(Version::from_banner)?;
        let names = |flag: &str| {
            let is_word = |c: char| c.is_alphanumeric() || c == '-';
            help.match_indices(flag).any(|(at, _)| {
                let (before, after) = (&help[..at], &help[at + flag.len()..]);
                !before.ends_with(is_word) && !after.starts_with(is_word)
            })
        };
        Some(Self {
            version,
            precision_flags: names("--fp16"),
            memory_pools: names("--memPoolSize"),
            skip_inference: names("--skipInference"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Capabilities;

    const BANNER: &str = "&&&& RUNNING TensorRT.trtexec [TensorRT v101600] # trtexec --help\n";

    #[test]
    fn flags_are_whole_words() {
        let precision =
            |text: &str| Capabilities::from_help(&format!("{BANNER}{text}")).unwrap().precision_flags;
        assert!(precision("  --fp16      Enable fp16 precision"));
        assert!(precision("--fp16"));
        assert!(!precision("  --fp16Something    another flag"));
        assert!(!precision("  ---fp16"));
        assert!(!precision(""));
    }

    #[test]
    fn help_without_banner_is_not_trtexec() {
        assert_eq!(Capabilities::from_help("--fp16 --memPoolSize"), None);
    }
}
