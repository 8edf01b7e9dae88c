//! Example: writes a checkpoint as the `.pt` file that Ultralytics loads:
//! `cargo run --release -p bonsai-checkpoint --example to_ultralytics -- FILE OUT.pt`.

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use std::error::Error;

use bonsai_checkpoint::Checkpoint;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(file), Some(out)) = (arguments.next(), arguments.next()) else {
        return Err("two files are needed: the checkpoint, and the .pt file to write".into());
    };
    let written = Checkpoint::open(&file)?.save_ultralytics(&out)?;
    println!("{out}: {} bytes, {} channels of zeros added", written.bytes.len(), written.added_channels);
    Ok(())
}
