//! [`FileKind`] and [`Origin`]: the kind of a file, determined from its first bytes.
//!
//! Extensions are ignored, because they are unreliable (a renamed `best.pt`, or `model.engine` of three
//! different programs). A kind that cannot be run is recognised too, for a better error than "not a
//! safetensors file".

use std::fs::File;
use std::io::Read;
use std::path::Path;

use crate::{DetectorError, Runtime};

/// The file from which a detector was loaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// A checkpoint; its batch norm was folded on loading.
    Checkpoint,
    /// A CPU engine; its batch norm was folded on writing.
    CpuEngine,
    /// An ONNX file, and the runtime that runs it.
    Onnx(Runtime),
}

/// The kind of a file that can be run, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// A checkpoint of Bonsai or PyTorch.
    Checkpoint,
    /// An ONNX model.
    Onnx,
}

/// Number of bytes that determine the kind.
const HEAD: u64 = 64;

impl FileKind {
    /// The kind of a file; an error describes a file of any other kind.
    ///
    /// # Errors
    /// [`DetectorError::Io`], [`DetectorError::Unsupported`] or [`DetectorError::Unknown`], each with the
    /// path.
    pub fn from_path(path: impl AsRef<Path>) -> Result<Self, DetectorError> {
        let path = path.as_ref();
        let io = |source| DetectorError::Io { path: path.to_owned(), source };
        let mut head = Vec::new();
        File::open(path).map_err(io)?.take(HEAD).read_to_end(&mut head).map_err(io)?;
        if is_safetensors(&head) || is_pytorch(&head) {
            return Ok(Self::Checkpoint);
        }
        if is_onnx(&head) {
            return Ok(Self::Onnx);
        }
        let path = path.to_owned();
        Err(match foreign(&head) {
            Some((what, remedy)) => DetectorError::Unsupported { path, what, remedy },
            None => DetectorError::Unknown { path, found: in_words(&head) },
        })
    }
}

/// A safetensors file: the length of a JSON object as 64 bits little-endian (the format allows 100 MB), then
/// the object.
fn is_safetensors(head: &[u8]) -> bool {
    head.get(4..9).is_some_and(|rest| rest == [0, 0, 0, 0, b'{'])
}

/// A zip archive, or a pickle (protocol 2 to 5), as PyTorch saved before version 1.6.
fn is_pytorch(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || matches!(head, [0x80, 2..=5, _, ..])
}

/// Kinds that users may pass although they are not supported, and what to do instead.
fn foreign(head: &[u8]) -> Option<(&'static str, &'static str)> {
    const TENSORRT: &str =
        "time it with `trtexec --loadEngine=FILE`, and pass the checkpoint or the CPU engine here";
    (head.starts_with(b"ftrt") || head.starts_with(b"ptrt")).then_some(("a TensorRT engine", TENSORRT))
}

/// A `ModelProto`: `ir_version` (field 1, a small number) first, then another field of the message. Fields
/// and numbers are from onnx.proto of ONNX 1.17; protobuf writers emit fields in ascending order.
fn is_onnx(head: &[u8]) -> bool {
    const FIELDS: [u8; 8] = [0x12, 0x1a, 0x22, 0x28, 0x32, 0x3a, 0x42, 0x72];
    matches!(head, [0x08, version, field, ..] if (1..0x40).contains(version) && FIELDS.contains(field))
}

fn in_words(head: &[u8]) -> String {
    if head.is_empty() {
        return "is empty".to_owned();
    }
    let bytes: Vec<String> = head.iter().take(8).map(|b| format!("{b:02x}")).collect();
    if head.len() < 9 {
        format!("ends after the bytes {}", bytes.join(" "))
    } else {
        format!("begins with the bytes {}", bytes.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_content() {
        let safetensors = [&[0x08, 1, 0, 0, 0, 0, 0, 0][..], b"{\"a\""].concat();
        assert!(is_safetensors(&safetensors));
        assert!(!is_safetensors(&safetensors[..8]));
        assert!(!is_safetensors(b"{\"a\": {}}"));
        // The first bytes of PyTorch's exporter: IR version 8, producer `pytorch`; and a file without a
        // producer.
        assert!(is_onnx(b"\x08\x08\x12\x07pytorch\x1a\x032.1"));
        assert!(is_onnx(b"\x08\x07\x3a\xff\x01"));
        assert!(!is_onnx(b"\x08\x00\x12\x07pytorch"));
        assert!(!is_onnx(b"\x08"));
        assert!(
            is_pytorch(b"PK\x03\x04....") && is_pytorch(b"\x80\x02\x8a\x0a") && !is_pytorch(b"\x80\x09\x8a")
        );
        assert!(foreign(b"ftrt....").unwrap().0.contains("TensorRT"));
        assert!(foreign(b"hello").is_none());
        assert!(foreign(b"").is_none());
    }
}
