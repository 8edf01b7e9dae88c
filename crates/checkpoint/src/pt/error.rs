//! Why a `.pt` file cannot be imported.

/// A file that is no YOLOv8 checkpoint of Ultralytics', or a damaged or dangerous one. Nothing in it was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtError {
    /// No zip archive, or a cut off one.
    #[error(
        "not a complete archive of PyTorch's (of version 1.6 or later): was the file cut off while it was copied?"
    )]
    Zip(#[source] zip::result::ZipError),
    /// An entry is compressed, which PyTorch never does.
    #[error("entry `{entry}` is compressed, which PyTorch never does: its size cannot be trusted")]
    Compressed {
        /// Its name.
        entry: String,
    },
    /// The format before PyTorch 1.6.
    #[error(
        "this is PyTorch's format from before 1.6: load it in a newer PyTorch and save it again with `torch.save`"
    )]
    Old,
    /// Entries claim more than there is.
    #[error("entry `{entry}` needs {total} bytes where there can be {bytes}")]
    TooLarge {
        /// Its name.
        entry: String,
        /// What would be read.
        total: u64,
        /// What there is room for.
        bytes: u64,
    },
    /// A storage is shorter than the pickle says.
    #[error("entry `{entry}` has {found} bytes, its tensors need {wanted}")]
    Short {
        /// Its name.
        entry: String,
        /// What the pickle says.
        wanted: u64,
        /// What is there.
        found: u64,
    },
    /// There is no pickle.
    #[error(
        "the archive has no `data.pkl`: not what `torch.save` writes (a TorchScript file cannot be imported)"
    )]
    NoPickle,
    /// An entry is missing.
    #[error("the archive has no entry `{entry}`")]
    NoEntry {
        /// Its name.
        entry: String,
    },
    /// An entry cannot be read.
    #[error("cannot read entry `{entry}`")]
    Entry {
        /// Its name.
        entry: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// Numbers have their bytes in the other order.
    #[error("numbers are stored {found}-endian; only little-endian files are read")]
    ByteOrder {
        /// What the file says.
        found: String,
    },
    /// A name that a checkpoint has no use for.
    #[error(
        "the pickle names `{module}.{name}` (byte {at}), which no YOLOv8 checkpoint needs; it was not run"
    )]
    Global {
        /// Where in the pickle.
        at: usize,
        /// Python module.
        module: String,
        /// Class or function.
        name: String,
    },
    /// The pickle is damaged, or does something that checkpoints do not.
    #[error("the pickle is not a checkpoint's at byte {at}: {what}")]
    Pickle {
        /// Where in the pickle.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// There is no network in it.
    #[error("{what}; expected a YOLOv8 detection checkpoint of Ultralytics', or a state dict of one")]
    NoModel {
        /// What was found.
        what: String,
    },
    /// A module that is not part of YOLOv8's detector.
    #[error("module `{place}` is a `{class}`, which is not part of a YOLOv8 detector")]
    Module {
        /// Its name, such as `model.2`.
        place: String,
        /// Its class.
        class: String,
    },
    /// A module has something that is not supported.
    #[error("module `{place}`: {what}")]
    Unsupported {
        /// Its name.
        place: String,
        /// What it has, and what is possible.
        what: String,
    },
    /// A tensor does not have the shape that its place needs.
    #[error("tensor `{name}` has shape {found:?}, expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// What would fit.
        expected: String,
    },
    /// A tensor is not there.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
}
