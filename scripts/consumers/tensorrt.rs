//! An engine where there is a TensorRT, and the reason where there is none.

use bonsai_tensorrt::{BuildOptions, EngineOutcome, FindOptions, build_if_possible};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nowhere = FindOptions { usual_folders: Vec::new(), ..FindOptions::default() };
    let options = BuildOptions::new("model.onnx", "model.engine");
    match build_if_possible(&nowhere, &options, &mut |_| ())? {
        EngineOutcome::NotRun { because } => println!("tensorrt: not run, because {because}"),
        EngineOutcome::Built(report) => {
            return Err(format!("built {} from nothing", report.engine.display()).into());
        }
    }
    Ok(())
}
