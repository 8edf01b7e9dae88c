//! Shell scripts that answer as `trtexec` does.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bonsai_tensorrt::{FindOptions, Trtexec, find_trtexec};
use tempfile::TempDir;

/// Held while scripts are written and run: a program forked by another test meanwhile would inherit the open
/// script, and the kernel refuses to start a file that someone may still write.
static SCRIPTS: Mutex<()> = Mutex::new(());

pub(crate) const HELP_8_6: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec --help
=== Model Options ===
  --onnx=<file>               ONNX model
=== Build Options ===
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s) in MiB.
  --fp16                      Enable fp16 precision, in addition to fp32 (default = disabled)
  --int8                      Enable int8 precision, in addition to fp32 (default = disabled)
  --skipInference             Exit after the engine has been built and skip inference perf measurement";

pub(crate) const HELP_10: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v101600] [b1] # trtexec --help
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s)
  --fp16                      [DEPRECATED] Enable fp16 precision, in addition to fp32 (default = disabled)
  --stronglyTyped             Create a strongly typed network. (default = disabled)
  --skipInference             Exit after the engine has been built";

pub(crate) const HELP_11: &str = "\
&&&& RUNNING TensorRT.trtexec [TensorRT v110100] [b2] # trtexec --help
  --memPoolSize=poolspec      Specify the size constraints of the designated memory pool(s)
  --stronglyTyped             No-op
  --skipInference             Exit after the engine has been built";

/// What a build that goes well prints and writes.
pub(crate) const PASSES: &str = r#"
echo "&&&& RUNNING TensorRT.trtexec [TensorRT v8601] # trtexec $*"
echo "[01/31/2026-10:00:00] [W] a warning" >&2
echo "[01/31/2026-10:00:00] [I] Engine built in 31.5 sec."
{ printf ftrt; head -c 200 /dev/zero; } > "$engine"
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
    /// A stand-in that answers `--help` with `help` and runs the shell commands `run` otherwise, with
    /// `$engine` set.
    ///
    /// Only one bench may live at a time: drop one before making the next.
    pub(crate) fn new(help: &str, run: &str) -> Self {
        let bench = Self::empty();
        let answer_help = format!("if [ \"$1\" = --help ]; then cat <<'HELP'\n{help}\nHELP\nexit 0; fi");
        let find_engine = "for word in \"$@\"; do\n\
                           case \"$word\" in --saveEngine=*) engine=${word#--saveEngine=};; esac\n\
                           done";
        bench.write_script("bin/trtexec", &format!("#!/bin/sh\n{answer_help}\n{find_engine}\n{run}\n"));
        bench
    }

    /// No stand-in yet.
    pub(crate) fn empty() -> Self {
        // A test that failed while holding the lock leaves nothing behind that could disturb the next.
        let alone = SCRIPTS.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), b"onnx").unwrap();
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

    /// Looks in `bin/` only.
    pub(crate) fn find_options(&self) -> FindOptions {
        FindOptions { usual_folders: vec![self.path("bin")], ..FindOptions::default() }
    }

    pub(crate) fn trtexec(&self) -> Trtexec {
        find_trtexec(&self.find_options()).unwrap()
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
