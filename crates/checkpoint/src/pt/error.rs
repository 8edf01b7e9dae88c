//! [`PtError`]: reasons why a `.pt` file cannot be imported.

/// The file is not an Ultralytics YOLOv8 checkpoint, or it is damaged or dangerous. Nothing in it was
/// executed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtError {
    /// The file is not a zip archive, or is cut off.
    #[error(
        "not a complete archive of PyTorch's (of version 1.6 or later), {what}: was the file cut off while it was copied?"
    )]
    Zip {
        /// What is wrong with the archive.
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
    /// Entries claim more bytes than the file can hold.
    #[error("entry `{entry}` needs {total} bytes, but at most {bytes} are possible")]
    TooLarge {
        /// Its name.
        entry: String,
        /// Bytes that would be read.
        total: u64,
        /// Largest possible number of bytes.
        bytes: u64,
    },
    /// A storage is shorter than the pickle says.
    #[error("entry `{entry}` has {found} bytes, its tensors need {wanted}")]
    Short {
        /// Its name.
        entry: String,
        /// Bytes that the pickle requires.
        wanted: u64,
        /// Bytes in the entry.
        found: u64,
    },
    /// The archive has no pickle.
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
        /// The reason.
        #[source]
        source: std::io::Error,
    },
    /// Numbers are not stored in little-endian order.
    #[error("numbers are stored {found}-endian; only little-endian files are read")]
    ByteOrder {
        /// The byte order in the file.
        found: String,
    },
    /// The tensors of the network are far larger than the file: many names share a storage.
    #[error(
        "the tensors of the network would take {total} bytes, but the file has {bytes}: many of them share \
         the same numbers, which no YOLOv8 does"
    )]
    Shared {
        /// Bytes that the tensors would take.
        total: u64,
        /// Length of the file.
        bytes: u64,
    },
    /// The file has more tensors than a network can have.
    #[error("the file has more than {most} tensors; YOLOv8x has about 700")]
    TooMany {
        /// The limit.
        most: usize,
    },
    /// Two tensors have the same name.
    #[error("there are two tensors `{name}`")]
    Twice {
        /// The name.
        name: String,
    },
    /// The pickle, or a tensor that the network needs, is damaged.
    #[error("the pickle is not a valid checkpoint at byte {at}: {what}")]
    Pickle {
        /// Offset in the pickle.
        at: usize,
        /// What is wrong.
        what: String,
    },
    /// The file contains no network.
    #[error("{what}; expected an Ultralytics YOLOv8 detection checkpoint, or a state dict of one")]
    NoModel {
        /// A description of the content.
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
    /// A module has a property that is not supported.
    #[error("module `{place}`: {what}")]
    Unsupported {
        /// Its name.
        place: String,
        /// The property, and what is supported.
        what: String,
    },
    /// A tensor does not have the shape that its place needs.
    #[error("tensor `{name}` has shape {found:?}, expected {expected}")]
    Shape {
        /// Its name.
        name: String,
        /// Its shape.
        found: Vec<usize>,
        /// The shape that would fit.
        expected: String,
    },
    /// A tensor is missing.
    #[error("tensor `{name}` is missing")]
    Missing {
        /// Its name.
        name: String,
    },
    /// The network cannot be written as Ultralytics' modules.
    #[error("`{place}` cannot be written as a module of Ultralytics' YOLOv8: {what}")]
    NotUltralytics {
        /// The module or node.
        place: String,
        /// What no module has.
        what: String,
    },
}
