//! Where `trtexec` is, and what it is.

use std::env;
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Capabilities;
use crate::process::{self, Ending, Stream};

/// Folders in which NVIDIA's packages and containers put it.
const USUAL_FOLDERS: [&str; 4] =
    ["/usr/src/tensorrt/bin", "/usr/local/tensorrt/bin", "/opt/tensorrt/bin", "/opt/TensorRT/bin"];
/// `--help` answers at once; loading the libraries from a slow disk may take a while.
const HELP_LIMIT: Duration = Duration::from_secs(30);

/// The variables that say where to look, as the caller read them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Environment {
    /// Value of `TRTEXEC`: the program itself.
    pub trtexec: Option<OsString>,
    /// Value of `PATH`.
    pub path: Option<OsString>,
}

/// Where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FindOptions {
    /// The program, if the user named it; nothing else is tried then.
    pub explicit: Option<PathBuf>,
    /// The caller's environment.
    pub environment: Environment,
    /// Folders to try last.
    pub usual_folders: Vec<PathBuf>,
}

impl Default for FindOptions {
    /// The usual folders only.
    fn default() -> Self {
        Self {
            explicit: None,
            environment: Environment::default(),
            usual_folders: USUAL_FOLDERS.iter().map(PathBuf::from).collect(),
        }
    }
}

/// A `trtexec` that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trtexec {
    path: PathBuf,
    capabilities: Capabilities,
}

/// Why there is no `trtexec`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotFound {
    /// None of the places has one that works.
    #[error(
        "no trtexec found: name it with a path or TRTEXEC, or add it to PATH; looked at {}",
        list(.tried)
    )]
    Nowhere {
        /// Places looked at, each with what was wrong there.
        tried: Vec<(PathBuf, String)>,
    },
    /// The program the user named is unusable.
    #[error("{path:?}, named by {origin}, is not a usable trtexec: {because}")]
    Unusable {
        /// The program.
        path: PathBuf,
        /// Who named it.
        origin: &'static str,
        /// What is wrong with it.
        because: String,
    },
}

fn list(tried: &[(PathBuf, String)]) -> String {
    let mut text = String::new();
    for (index, (path, because)) in tried.iter().enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        // Writing to a string cannot fail.
        let _ = write!(text, "{comma}{} ({because})", path.display());
    }
    if text.is_empty() { "no place at all".to_owned() } else { text }
}

impl Trtexec {
    /// The program.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it understands.
    pub fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Asks the program at `path` what it is.
    ///
    /// # Errors
    ///
    /// A sentence that says why it is not usable, for instance the dynamic linker's complaint.
    pub fn probe(path: &Path) -> Result<Self, String> {
        if !path.is_file() {
            return Err("no such file".to_owned());
        }
        let (mut help, mut complaint) = (String::new(), None);
        let ending = process::run(path, &["--help"], HELP_LIMIT, &mut |stream, line| {
            if stream == Stream::Err && complaint.is_none() && !line.trim().is_empty() {
                complaint = Some(line.trim().to_owned());
            }
            help.push_str(line);
            help.push('\n');
            Ok(())
        });
        match ending {
            Err(error) => return Err(format!("it does not start: {error}")),
            Ok(Ending::TimedOut) => {
                return Err(format!("`--help` did not end within {} s", HELP_LIMIT.as_secs()));
            }
            // Some versions exit with 1 after printing help, so the banner decides.
            Ok(Ending::Exited(_)) => {}
        }
        match Capabilities::from_help(&help) {
            Some(capabilities) => Ok(Self { path: path.to_owned(), capabilities }),
            None => Err(complaint.unwrap_or_else(|| "`--help` prints no TensorRT banner".to_owned())),
        }
    }
}

/// Finds a `trtexec`: the named one, else `TRTEXEC`, else the first that works in `PATH` and the usual
/// folders.
///
/// Each candidate is run with `--help`.
///
/// # Errors
///
/// [`NotFound::Unusable`] if the user named a program that does not work (nothing else is tried, so that a
/// typing error does not end in another version), [`NotFound::Nowhere`] otherwise.
pub fn find_trtexec(options: &FindOptions) -> Result<Trtexec, NotFound> {
    let environment = &options.environment;
    let variable = environment.trtexec.as_ref().filter(|value| !value.is_empty()).map(PathBuf::from);
    for (named, origin) in [(options.explicit.clone(), "the options"), (variable, "TRTEXEC")] {
        if let Some(path) = named {
            return Trtexec::probe(&path).map_err(|because| NotFound::Unusable { path, origin, because });
        }
    }

    let mut tried: Vec<(PathBuf, String)> = Vec::new();
    let in_path =
        environment.path.iter().flat_map(env::split_paths).filter(|folder| !folder.as_os_str().is_empty());
    for folder in in_path.chain(options.usual_folders.iter().cloned()) {
        let path = folder.join(format!("trtexec{}", env::consts::EXE_SUFFIX));
        if tried.iter().any(|(earlier, _)| *earlier == path) {
            continue;
        }
        match Trtexec::probe(&path) {
            Ok(found) => return Ok(found),
            Err(because) => tried.push((path, because)),
        }
    }
    Err(NotFound::Nowhere { tried })
}
