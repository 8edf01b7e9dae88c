//! `import`: converts an Ultralytics `.pt` or a state dict to a checkpoint.

use std::path::PathBuf;

use anyhow::Result;
use bonsai_pipeline::{jobs, path_text};
use clap::Args;

use crate::failure::DONE;
use crate::output::{is_json, name, say, warn_line};

/// Arguments of `import`.
#[derive(Args)]
pub(crate) struct Import {
    /// .pt file, or a state dict in safetensors
    pub(crate) file: PathBuf,
    /// Checkpoint to write
    #[arg(long, short, value_name = "FILE")]
    pub(crate) out: PathBuf,
}

pub(crate) fn import(args: &Import) -> Result<u8> {
    let (checkpoint, notes) = jobs::import(&args.file, &args.out)?;
    for note in &notes {
        warn_line!("{}: {note}", args.file.display());
    }
    let from = checkpoint.metadata.get("imported_from").map_or("a state dict", String::as_str);
    let trained = checkpoint.model.graph().params().into_iter().filter(|p| p.role.is_trained());
    let params = trained.fold(0, |sum, p| sum + p.len());
    let classes = checkpoint.model.class_names();
    let more = if classes.len() > 8 { ", ..." } else { "" };
    let names = classes.iter().take(8).map(name).collect::<Vec<_>>().join(", ");
    if is_json() {
        say!(
            "{:#}",
            serde_json::json!({
                "file": path_text(&args.out), "params": params, "classes": classes, "from": from, "warnings": notes
            })
        );
        return Ok(DONE);
    }
    say!("{}: {params} params, {} classes ({names}{more}), from {from}", args.out.display(), classes.len());
    Ok(DONE)
}
