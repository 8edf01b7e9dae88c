//! Plots of a training run from plain values, as pictures.
//!
//! | picture | function |
//! |---|---|
//! | losses and metrics over epochs | [`draw_results`] |
//! | confusion of classes | [`draw_confusion_matrix`] |
//! | precision, recall and F1 over confidence, precision over recall | [`draw_curves`] |
//! | gammas over the epochs of a sparsity training | [`draw_gammas`] |
//! | metrics of a network pruned step by step | [`draw_pruning`] |
//! | accuracy of several networks over their cost | [`draw_tradeoff`] |
//! | classes, positions and sizes of labels | [`draw_labels`] |
//! | pictures with their boxes | [`draw_grid`] |
//!
//! Every function takes numbers and returns an [`RgbImage`]; equal input gives equal pixels. Empty input is
//! not an error: no epochs, no classes, no boxes and values that are not finite give a picture without them.
//! Class names that are too long are cut, and a name with characters that the font lacks is replaced by the
//! class's number.
//!
//! This crate reads and writes no files, and does not depend on datasets, models or metrics. The font is Noto
//! Sans (see the file `NOTICE` next to this crate's manifest).
//!
//! ```
//! use bonsai_plots::{CellValue, draw_confusion_matrix};
//!
//! let names = ["cat".to_owned(), "dog".to_owned()];
//! // Rows are predicted, columns true; the last of each is the background.
//! let counts = [8, 1, 2, 0, 5, 1, 2, 3, 0];
//! let picture = draw_confusion_matrix(&counts, &names, CellValue::Count)?;
//! assert!(picture.width() > 400);
//! assert!(draw_confusion_matrix(&counts[1..], &names, CellValue::Count).is_err());
//! # Ok::<(), bonsai_plots::PlotError>(())
//! ```

mod axis;
mod canvas;
mod confusion_matrix;
mod curve_plot;
mod error;
mod font;
mod gamma_plot;
mod grid;
mod heat_map;
mod label_plot;
mod palette;
mod pruning_plot;
mod results;
mod smoothing;
mod stroke;
mod tradeoff_plot;

pub use confusion_matrix::{CellValue, draw_confusion_matrix};
pub use curve_plot::{ClassCurve, CurveKind, CurvePlot, draw_curves};
pub use error::PlotError;
pub use gamma_plot::{GammaEpoch, draw_gammas};
pub use grid::{Tile, TileBox, draw_grid};
pub use image::RgbImage;
pub use label_plot::{LabelBox, draw_labels};
pub use palette::class_colour;
pub use pruning_plot::{PruningStep, draw_pruning};
pub use results::{EpochFigures, Losses, draw_results};
pub use tradeoff_plot::{TradeoffPoint, draw_tradeoff};
