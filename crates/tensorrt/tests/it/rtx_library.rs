//! Tests of engines built with TensorRT-RTX's library, if `TENSORRT_RTX_DIR` names it.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use bonsai_tensorrt::{
    Backend, BackendChoice, BuildError, BuildOptions, BuildReport, EngineKind, EngineOutcome,
    EnginePrecision, Environment, Places, PlanHeader, build_if_possible,
};
use tempfile::TempDir;

use crate::onnx_file::{FLOAT, Graph, fp16, fp32, node};

struct Workshop {
    folder: TempDir,
    places: Places,
}

impl Workshop {
    /// `None`, after printing the reason, if there is no library.
    fn open(model: &[u8]) -> Option<Self> {
        let Some(rtx_folder) = std::env::var_os("TENSORRT_RTX_DIR").filter(|folder| !folder.is_empty())
        else {
            println!(
                "skipped: TENSORRT_RTX_DIR does not name a folder with TensorRT-RTX (scripts/install-tensorrt-rtx.sh)"
            );
            return None;
        };
        let environment = Environment { rtx_folder: Some(rtx_folder), ..Environment::default() };
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.onnx"), model).unwrap();
        Some(Self { folder, places: Places { environment, ..Places::default() } })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn options(&self) -> BuildOptions {
        BuildOptions::new(self.path("model.onnx"), self.path("model.engine"))
    }

    fn build(&self, options: &BuildOptions) -> Result<BuildReport, BuildError> {
        match build_if_possible(BackendChoice::Rtx, &self.places, options, &mut |_| {})? {
            EngineOutcome::Built(report) => Ok(report),
            EngineOutcome::NotRun { because } => panic!("{because}"),
        }
    }

    fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.folder.path()).unwrap();
        let mut names: Vec<String> = names.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

#[test]
fn two_builds_give_the_same_bytes() {
    for (model, precision) in [(fp32(), EnginePrecision::Fp32), (fp16(), EnginePrecision::Fp16)] {
        let Some(workshop) = Workshop::open(&model) else { return };
        let report = workshop.build(&workshop.options()).unwrap();
        assert_eq!((report.backend, report.precision), (Backend::Rtx, precision));
        assert_eq!(report.engine, workshop.path("model.rtx.engine"));
        let header = PlanHeader::open(&report.engine).unwrap();
        assert_eq!((header.kind, header.version.major), (EngineKind::TensorRtRtx, 1));
        assert_eq!((header.version, header.bytes), (report.version, report.engine_bytes));
        let first = fs::read(&report.engine).unwrap();
        workshop.build(&workshop.options()).unwrap();
        assert_eq!(fs::read(&report.engine).unwrap(), first);
        assert_eq!(workshop.names(), ["model.onnx", "model.rtx.engine", "model.rtx.engine.log"]);
    }
}

#[test]
fn compute_capabilities_and_profiles_reach_the_builder() {
    let Some(workshop) = Workshop::open(&Graph::convolution(FLOAT, FLOAT, &[0, 3, 8, 8]).bytes()) else {
        return;
    };
    let profiles = vec!["images:1x3x8x8,2x3x8x8,4x3x8x8".parse().unwrap()];
    let dynamic = BuildOptions { profiles, workspace_mib: Some(64), ..workshop.options() };
    let bytes = |capabilities: &[&str]| {
        let compute_capabilities = capabilities.iter().map(|text| text.parse().unwrap()).collect();
        let report = workshop.build(&BuildOptions { compute_capabilities, ..dynamic.clone() }).unwrap();
        fs::read(report.engine).unwrap()
    };
    let one = bytes(&["7.5"]);
    let two = bytes(&["8.6", "8.9"]);
    let usual = bytes(&[]);
    assert!(one != two && two != usual && one != usual, "each list gives an engine of its own");
}

#[test]
fn errors_of_the_library_are_reported() {
    let unknown = Graph {
        nodes: vec![node("strange", "Frobnicate", &["images"], "output0")],
        ..Graph::convolution(FLOAT, FLOAT, &[1, 3, 8, 8])
    };
    let Some(workshop) = Workshop::open(&unknown.bytes()) else { return };
    let error = workshop.build(&workshop.options()).unwrap_err();
    assert!(matches!(error, BuildError::Library { .. }), "{error}");
    assert!(error.to_string().contains("Frobnicate"), "{error}");
    assert_eq!(workshop.names(), ["model.onnx", "model.rtx.engine.log"], "the log is kept and nothing else");
}

#[test]
fn a_build_is_stopped_at_the_time_limit() {
    let Some(workshop) = Workshop::open(&fp32()) else { return };
    let options = BuildOptions { time_limit: Duration::ZERO, ..workshop.options() };
    let error = workshop.build(&options).unwrap_err();
    assert!(matches!(error, BuildError::TimedOut { .. }), "{error}");
    assert_eq!(workshop.names(), ["model.onnx", "model.rtx.engine.log"]);
}
