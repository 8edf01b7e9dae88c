#![doc = include_str!("../README.md")]

mod axis;
mod canvas;
mod confusion_matrix;
mod curve_plot;
mod error;
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
