//! Example: a picture of label statistics.
//!
//! `cargo run --release -p bonsai-plots --example labels`

#![allow(clippy::print_stdout, reason = "printing is what an example is for")]

use bonsai_boxes::Cxcywh;
use bonsai_plots::{LabelBox, draw_labels};

fn main() -> Result<(), bonsai_plots::PlotError> {
    let bbox = Cxcywh { cx: 0.5, cy: 0.5, w: 0.2, h: 0.1 };
    let picture = draw_labels(&[LabelBox { class_id: 0, bbox }], &["cat".to_owned()])?;
    assert_eq!(picture.dimensions(), (1520, 1520));
    println!("plots: {} x {} px", picture.width(), picture.height());
    Ok(())
}
