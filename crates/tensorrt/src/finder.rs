//! [`find_tool`]: finds `trtexec` or `tensorrt_rtx` and reads its capabilities.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::process::{self, Ending, Stream};
use crate::{Capabilities, Program};

/// `--help` answers at once; loading the libraries from a slow disk may take a while.
const HELP_LIMIT: Duration = Duration::from_secs(30);

/// The environment variables that name tools and folders, as the caller read them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Value of `TRTEXEC`: the path of that program.
    pub trtexec: Option<OsString>,
    /// Value of `TENSORRT_RTX`: the path of that program.
    pub tensorrt_rtx: Option<OsString>,
    /// Value of `TENSORRT_RTX_DIR`: the folder that TensorRT-RTX was unpacked or installed into.
    pub rtx_folder: Option<OsString>,
    /// Value of `LD_LIBRARY_PATH`, for TensorRT-RTX's libraries.
    pub library_path: Option<OsString>,
    /// Value of `PATH`.
    pub path: Option<OsString>,
}

/// The places in which to look for a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindOptions {
    /// The tool.
    pub program: Program,
    /// Its path, if the user named it; then nothing else is tried.
    pub explicit: Option<PathBuf>,
    /// The caller's environment.
    pub environment: Environment,
    /// Folders to try last.
    pub usual_folders: Vec<PathBuf>,
}

impl FindOptions {
    /// Options with only the usual folders.
    pub fn new(program: Program) -> Self {
        Self {
            program,
            explicit: None,
            environment: Environment::default(),
            usual_folders: program.usual_folders().iter().map(PathBuf::from).collect(),
        }
    }
}

/// A `trtexec` or `tensorrt_rtx` that works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tool {
    path: PathBuf,
    capabilities: Capabilities,
}

/// Reasons why no tool was found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// No place has a tool that works.
    #[error(
        "no {} found: name it with a path or {}, or add it to PATH; looked at {}",
        .program.file_name(), .program.variable(), list(.tried)
    )]
    Nowhere {
        /// The tool.
        program: Program,
        /// The places that were tried, each with its problem.
        tried: Vec<(PathBuf, String)>,
    },
    /// The program that the user named does not work.
    #[error("{path:?}, named by {origin}, is not a usable {}: {because}", .program.file_name())]
    Unusable {
        /// The expected tool.
        program: Program,
        /// The program.
        path: PathBuf,
        /// The source of the name.
        origin: &'static str,
        /// The problem.
        because: String,
    },
}

pub(crate) fn list(tried: &[(PathBuf, String)]) -> String {
    let mut text = String::new();
    for (index, (path, because)) in tried.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{} ({because})", path.display());
    }
    if text.is_empty() { "no place at all".to_owned() } else { text }
}

impl Tool {
    /// The program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its version and options.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Runs the program at `path` with `--help` to identify it.
    ///
    /// # Errors
    ///
    /// A sentence that says why it does not work, for instance the dynamic linker's error.
    pub fn probe(program: Program, path: impl AsRef<Path>) -> Result<Self, String> {
        let path = path.as_ref();
        if !path.is_file() {
            return Err("no such file".to_owned());
        }
        let mut help = String::new();
        let mut complaint = None;
        let ending = process::run(path, &["--help"], HELP_LIMIT, &mut |stream, line| {
            if stream == Stream::Err && complaint.is_none() && !line.trim().is_empty() {
                complaint = Some(line.trim().to_owned());
            }
            help.push_str(line);
            help.push('\n');
            Ok(())
        });
        match ending {
            Err(error) => return Err(format!("the program does not start: {error}")),
            Ok(Ending::TimedOut) => {
                return Err(format!("`--help` did not end within {} s", HELP_LIMIT.as_secs()));
            }
            // Some versions exit with 1 after printing help, so the banner decides.
            Ok(Ending::Exited(_)) => {}
        }
        match Capabilities::from_help(program, &help) {
            Some(capabilities) => Ok(Self { path: path.to_owned(), capabilities }),
            None => Err(complaint.unwrap_or_else(|| {
                format!("the output of `--help` is not that of TensorRT's {}", program.file_name())
            })),
        }
    }
}

/// Finds a tool: the one in the options, else that of its variable, else the first that works in `PATH`, in
/// the folder of TensorRT-RTX (for its own tool) and in the usual folders.
///
/// Each candidate is run with `--help`.
///
/// # Errors
///
/// [`NotFound::Unusable`] if the user named a program that does not work (nothing else is tried, so that a
/// typing error does not select another version), [`NotFound::Nowhere`] otherwise.
pub fn find_tool(options: &FindOptions) -> Result<Tool, NotFound> {
    let program = options.program;
    let environment = &options.environment;
    let (variable, sdk) = match program {
        Program::Trtexec => (&environment.trtexec, &None),
        Program::TensorrtRtx => (&environment.tensorrt_rtx, &environment.rtx_folder),
    };
    let set = |variable: &Option<OsString>| variable.as_ref().filter(|v| !v.is_empty()).map(PathBuf::from);
    for (named, origin) in [(options.explicit.clone(), "the options"), (set(variable), program.variable())] {
        if let Some(path) = named {
            let unusable = |because| NotFound::Unusable { program, path: path.clone(), origin, because };
            return Tool::probe(program, &path).map_err(unusable);
        }
    }

    let mut tried: Vec<(PathBuf, String)> = Vec::new();
    let in_path =
        environment.path.iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty());
    let in_sdk = set(sdk).into_iter().map(|folder| folder.join("bin"));
    for folder in in_path.chain(in_sdk).chain(options.usual_folders.iter().cloned()) {
        let path = folder.join(format!("{}{}", program.file_name(), env::consts::EXE_SUFFIX));
        if tried.iter().any(|(earlier, _)| *earlier == path) {
            continue;
        }
        match Tool::probe(program, &path) {
            Ok(found) => return Ok(found),
            Err(because) => tried.push((path, because)),
        }
    }
    Err(NotFound::Nowhere { program, tried })
}
