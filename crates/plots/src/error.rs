//! [`PlotError`]: why a picture cannot be drawn.

use thiserror::Error;

/// Why a picture was not drawn.
///
/// Missing values, no epochs, no classes and no boxes are not errors: the picture then says that there is
/// nothing.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PlotError {
    /// The number of counts is not that of a square with one row per class and one for the background.
    #[error(
        "a confusion matrix of {classes} classes and the background has {} cells, but {cells} were given; \
         pass (classes + 1) x (classes + 1) counts, row by row",
        expected_cells(*classes)
    )]
    Matrix {
        /// Number of counts given.
        cells: usize,
        /// Number of class names given.
        classes: usize,
    },
    /// The grid has no pictures.
    #[error("a grid needs at least one picture; write no file for an empty batch")]
    NoPictures,
    /// A picture has no pixels.
    #[error("picture {name:?} of the grid is {width} x {height} px; leave out pictures without pixels")]
    EmptyPicture {
        /// The name of the picture.
        name: String,
        /// Its width in pixels.
        width: u32,
        /// Its height in pixels.
        height: u32,
    },
    /// The drawing library failed.
    #[error("the picture could not be drawn")]
    Drawing(#[source] Box<dyn std::error::Error + Send + Sync>),
}

fn expected_cells(classes: usize) -> u128 {
    let side = classes as u128 + 1;
    side.saturating_mul(side)
}
