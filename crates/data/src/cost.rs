//! [`Cost`]: what a warning costs.

/// What a flaw costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cost {
    /// The image, with all its labels.
    Image,
    /// All labels of an image, and therefore the image: nothing says which objects it shows.
    LabelFile,
    /// One label.
    Row,
    /// Nothing: something was assumed, or is worth knowing.
    Nothing,
}
