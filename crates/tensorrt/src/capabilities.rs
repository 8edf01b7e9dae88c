//! [`Capabilities`]: the options of an installed tool, read from its own help text.
//!
//! An option exists if the help lists it. Version numbers do not decide, because the help is always up to
//! date.

use std::collections::BTreeSet;

use crate::{Program, Version};

/// Program, version and options of one `trtexec` or `tensorrt_rtx`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The program.
    pub program: Program,
    /// Version from the banner; TensorRT-RTX's tool may print none.
    pub version: Option<Version>,
    /// Every `--word` of the help.
    flags: BTreeSet<String>,
}

impl Capabilities {
    /// Reads the output of `--help`; `None` if it is not that of the program, which TensorRT's banner
    /// identifies.
    ///
    /// Without a banner, `tensorrt_rtx` is identified by options that no other program has.
    pub fn from_help(program: Program, help: &str) -> Option<Self> {
        let version = help.lines().find_map(Version::from_banner);
        let found = Self { program, version, flags: flags(help) };
        let known = match program {
            Program::Trtexec => version.is_some(),
            Program::TensorrtRtx => {
                found.names("--saveEngine") && (version.is_some() || found.names("--computeCapabilities"))
            }
        };
        known.then_some(found)
    }

    /// Whether the help lists the option, such as `--skipInference`.
    pub fn names(&self, flag: &str) -> bool {
        self.flags.contains(flag)
    }

    /// Whether flags choose the precision (`--fp16`). If not (TensorRT 11 and TensorRT-RTX), networks are
    /// strongly typed: the engine computes in the types of the ONNX file.
    pub fn precision_flags(&self) -> bool {
        self.program == Program::Trtexec && self.names("--fp16")
    }

    /// Name and version for messages: `TensorRT 8.6.1`.
    pub fn title(&self) -> String {
        let name = match self.program {
            Program::Trtexec => "TensorRT",
            Program::TensorrtRtx => "TensorRT-RTX",
        };
        self.version.map_or_else(|| name.to_owned(), |version| format!("{name} {version}"))
    }
}

/// The words of a text that begin with exactly two hyphens.
fn flags(help: &str) -> BTreeSet<String> {
    let is_word = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    help.split(|c: char| !is_word(c))
        .filter(|word| word.strip_prefix("--").is_some_and(|rest| rest.starts_with(char::is_alphanumeric)))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Capabilities;
    use crate::Program;

    const BANNER: &str = "&&&& RUNNING TensorRT.trtexec [TensorRT v101600] # trtexec --help\n";

    #[test]
    fn flags_are_whole_words() {
        let precision = |text: &str| {
            Capabilities::from_help(Program::Trtexec, &format!("{BANNER}{text}")).unwrap().precision_flags()
        };
        assert!(precision("  --fp16      Enable fp16 precision"));
        assert!(precision("--fp16"));
        assert!(precision("[--fp16=on]"));
        assert!(!precision("  --fp16Something    another flag"));
        assert!(!precision("  ---fp16"));
        assert!(!precision(""));
    }

    #[test]
    fn help_of_another_program_is_neither() {
        for help in ["--fp16 --memPoolSize", "usage: cat [OPTION]", ""] {
            assert_eq!(Capabilities::from_help(Program::Trtexec, help), None);
            assert_eq!(Capabilities::from_help(Program::TensorrtRtx, help), None);
        }
        // Without a banner, only the options identify the tool: trtexec can save engines too.
        let help = "  --saveEngine=<file>\n  --computeCapabilities=spec";
        assert_eq!(Capabilities::from_help(Program::Trtexec, help), None);
        let rtx = Capabilities::from_help(Program::TensorrtRtx, help).unwrap();
        assert_eq!((rtx.version, rtx.title().as_str()), (None, "TensorRT-RTX"));
    }
}
