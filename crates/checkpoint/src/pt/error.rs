//! Why a `.pt` file cannot be imported.

/// A file that is no YOLOv8 checkpoint of Ultralytics', or a damaged or dangerous one. Nothing in it was run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtError {
    /// No zip archive, or a cut off one.
    #[error(
        "not a complete archive of PyTorch's (of version 1.6 or later), {what}: was the file cut off while it was copied?"
    )]
    Zip {
        /// What is wrong with it.
        what: String,
    },
    /// An entry is compressed or encrypted, which PyTorch never does.
    #[error(
        "entry `{entry}` is compressed or encrypted, which PyTorch never does: its size cannot be trusted"
    )]
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
    /// The tensors of the network are far more than the file holds: many names share a storage.
    #[error(
        "the tensors of the network would take {total} bytes where the file has {bytes}: many of them share the same numbers, \
         which no YOLOv8 does"
    )]
    Shared {
        /// What they would take.
        total: u64,
        /// Length of the file.
        bytes: u64,
    },
    /// There are more tensors than a network has.
    #[error("it has more than {most} tensors; YOLOv8x has some 700")]
    TooMany {
        /// How many are read.
        most: usize,
    },
    /// Two tensors of one name.
    #[error("there are two tensors `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// The pickle is damaged, or a tensor that the network needs is.
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
    #[error("module `{place}` is a `{class}` (of `{module}`), which is not part of a YOLOv8 detector")]
    Module {
        /// Its name, such as `model.2`.
        place: String,
        /// Its class.
        class: String,
        /// The Python module that has the class.
        module: String,
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
