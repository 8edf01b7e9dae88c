//! Shell scripts that answer like `trtexec` and `tensorrt_rtx`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bonsai_tensorrt::{FindOptions, Places, Program, Tool, find_tool};
use tempfile::TempDir;

use crate::onnx_file;

/// Held while scripts are written and run. A process that another test forks meanwhile would inherit the open
/// script, and the kernel refuses to start a file that a process may still write.
static SCRIPTS: Mutex<()> = Mutex::new(());

/// Output and files of a build that succeeds.
pub(crate) const PASSES: &str = r#"
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec $*"
echo "[01/31/2026-10:00:00] [W] a warning" >&2
echo "[01/31/2026-10:00:00] [I] Engine built in 31.5 sec."
{ printf ftrt; head -c 20 /dev/zero; printf '\010\006\001'; head -c 177 /dev/zero; } > "$engine"
echo "[01/31/2026-10:00:09] [I] Throughput: 978.2 qps"
echo "[I] Latency: min = 1.1 ms, max = 3.5 ms, mean = 1.3 ms, median = 1.2 ms, percentile(99%) = 2 ms"
echo "&&&& PASSED TensorRT.trtexec [TensorRT v8601] # trtexec $*"
"#;

/// A folder with a `trtexec` in `bin/` and an ONNX file.
pub(crate) struct Bench {
    folder: TempDir,
    _alone: MutexGuard<'static, ()>,
}

impl Bench {
    /// A stand-in that answers `--help` with `help` and otherwise runs the shell commands `run`, with
    /// `$engine` set.
    ///
    /// Only one bench may exist at a time: drop one before making the next.
    pub(crate) fn new(help: &str, run: &str) -> Self {
        let bench = Self::empty();
        bench.add(Program::Trtexec, help, run);
        bench
    }

    /// Puts a stand-in for either program into `bin/`.
    pub(crate) fn add(&self, program: Program, help: &str, run: &str) {
        let answer_help = format!("if [ \"$1\" = --help ]; then cat <<'HELP'\n{help}\nHELP\nexit 0; fi");
        let find_engine = "for word in \"$@\"; do\n\
                           case \"$word\" in --saveEngine=*) engine=${word#--saveEngine=};; esac\n\
                           done";
        let script = format!("#!/bin/sh\n{answer_help}\n{find_engine}\n{run}\n");
        self.write_script(&format!("bin/{}", program.file_name()), &script);
    }

    /// A bench without a stand-in.
    pub(crate) fn empty() -> Self {
        // A test that failed while holding the lock leaves nothing that could disturb the next.
        let alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), onnx_file::fp32()).unwrap();
        Self { folder, _alone: alone }
    }

    pub(crate) fn write_script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Options that look only in `bin/`.
    pub(crate) fn find_options(&self, program: Program) -> FindOptions {
        FindOptions { usual_folders: vec![self.path("bin")], ..FindOptions::new(program) }
    }

    /// Places that contain only `bin/`, for every builder.
    pub(crate) fn places(&self) -> Places {
        Places { usual_folders: Some(vec![self.path("bin")]), ..Places::default() }
    }

    pub(crate) fn tool(&self, program: Program) -> Tool {
        find_tool(&self.find_options(program)).unwrap()
    }

    pub(crate) fn trtexec(&self) -> Tool {
        self.tool(Program::Trtexec)
    }

    /// Names of everything in the folder, sorted.
    pub(crate) fn listing(&self) -> Vec<String> {
        let names = |folder: &Path| {
            fs::read_dir(folder).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect()
        };
        let mut names: Vec<String> = names(self.folder.path());
        names.sort();
        names
    }
}
