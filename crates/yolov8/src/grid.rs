//! [`Grid`]: the anchors of a level, and [`HeadShape`]: the sizes of a head.

use crate::head::HeadOutput;

/// The sizes of a head without its values.
#[derive(Debug, Clone)]
pub(crate) struct HeadShape {
    /// Number of images.
    pub(crate) batch: usize,
    /// Number of classes.
    pub(crate) num_classes: usize,
    /// Number of bins of a side's distribution.
    pub(crate) reg_max: usize,
    /// Width and height of the network's input, in pixels.
    pub(crate) image_size: (usize, usize),
    /// The anchors of every level.
    pub(crate) grids: Vec<Grid>,
}

impl HeadShape {
    pub(crate) fn from_head(head: &HeadOutput) -> Self {
        Self {
            batch: head.batch(),
            num_classes: head.num_classes(),
            reg_max: head.reg_max(),
            image_size: head.image_size(),
            grids: Grid::from_head(head),
        }
    }
}

/// The positions of a level's anchors.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Grid {
    /// Rows of cells.
    pub(crate) h: usize,
    /// Columns of cells.
    pub(crate) w: usize,
    /// Pixels per cell.
    pub(crate) stride: usize,
    /// Number of this level's first anchor.
    pub(crate) first: usize,
}

impl Grid {
    /// The grids of all levels of a head.
    pub(crate) fn from_head(head: &HeadOutput) -> Vec<Self> {
        Self::all(head.levels().iter().map(|l| (l.h, l.w, l.stride)))
    }

    /// The grids of all levels `(h, w, stride)`, with consecutive anchor numbers.
    pub(crate) fn all(levels: impl Iterator<Item = (usize, usize, usize)>) -> Vec<Self> {
        let mut first = 0;
        let grid = |(h, w, stride)| {
            let grid = Self { h, w, stride, first };
            first += h * w;
            grid
        };
        levels.map(grid).collect()
    }

    /// Centre of a cell of this level, in cells; cells are counted within the level.
    pub(crate) fn centre(&self, cell: usize) -> (f64, f64) {
        ((cell % self.w) as f64 + 0.5, (cell / self.w) as f64 + 0.5)
    }

    /// The level of an anchor, which must exist, and its cell in that level.
    pub(crate) fn locate(grids: &[Self], anchor: usize) -> (usize, usize) {
        let level = grids.partition_point(|g| g.first <= anchor) - 1;
        (level, anchor - grids[level].first)
    }
}
