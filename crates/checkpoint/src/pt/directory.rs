//! [`Directory`]: the directory of a zip file, with the name, length and position of every entry.
//!
//! Its values are checked against the length of the file before memory is allocated for them. Offsets count
//! from the beginning of the file; nothing is guessed. Source: PKWARE's APPNOTE 6.3, sections 4.3 and 4.5.3.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::error::PtError;

/// Length of the record at the end, without its comment.
const END: usize = 22;
/// Length of the pointer to the record of large archives, which lies before the record at the end.
const LOCATOR: usize = 20;
const LARGE_END: usize = 56;
/// Length of a directory entry, without names; `HEADER` is that of the header before an entry's content.
const ENTRY: usize = 46;
const HEADER: usize = 30;
/// Longest comment.
const COMMENT: u64 = u16::MAX as u64;
/// Longest directory that is read: that of YOLOv8x has about 60 KB.
const LONGEST: u64 = 64 << 20;

/// An uncompressed entry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    /// Offset of its header.
    at: u64,
    pub(super) size: u64,
    checksum: u32,
}

/// Entries by name. Names are bytes, because their encoding is unknown.
#[derive(Debug)]
pub(super) struct Directory {
    entries: BTreeMap<Vec<u8>, Entry>,
    /// Offset of the directory; every content must end before it.
    start: u64,
}

/// Reads a little-endian number of `N` bytes.
fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<u64> {
    let bytes = bytes.get(at..)?.first_chunk::<N>()?;
    Some(bytes.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn damaged<T>(what: impl Into<String>) -> Result<T, PtError> {
    Err(PtError::Zip { what: what.into() })
}

impl Directory {
    /// Reads the directory of a file of `bytes` bytes.
    pub(super) fn read<R: Read + Seek>(reader: &mut R, bytes: u64) -> Result<Self, PtError> {
        let tail = stretch(reader, bytes.saturating_sub(END as u64 + COMMENT), bytes)?;
        let found = (0..tail.len().saturating_sub(END - 1)).rev().find(|at| {
            let comment = number::<2>(&tail, at + 20).unwrap_or(u64::MAX);
            tail[*at..].starts_with(b"PK\x05\x06") && comment <= (tail.len() - at - END) as u64
        });
        let Some(at) = found else { return damaged("the end of its directory is missing") };
        let mut end = bytes - (tail.len() - at) as u64;
        let field = |offset: usize| number::<4>(&tail, at + offset).unwrap_or(0);
        let mut count = number::<2>(&tail, at + 10).unwrap_or(0);
        let mut size = field(12);
        let mut start = field(16);
        let locator = at.checked_sub(LOCATOR).map(|from| &tail[from..at]);
        if let Some(locator) = locator.filter(|locator| locator.starts_with(b"PK\x06\x07")) {
            let from = number::<8>(locator, 8).unwrap_or(0);
            let to = from.saturating_add(LARGE_END as u64);
            if to > end {
                return damaged(format!("the record of its directory is at byte {from} of {bytes}"));
            }
            let record = stretch(reader, from, to)?;
            if !record.starts_with(b"PK\x06\x06") {
                return damaged(format!("there is no record of its directory at byte {from}"));
            }
            let field = |offset: usize| number::<8>(&record, offset).unwrap_or(0);
            (count, size, start, end) = (field(32), field(40), field(48), from);
        }
        if start.checked_add(size).is_none_or(|to| to > end) || size > LONGEST {
            return damaged(format!("its directory of {size} bytes at {start} does not end before {end}"));
        }
        if count.checked_mul(ENTRY as u64).is_none_or(|least| least > size) {
            return damaged(format!("its directory of {size} bytes cannot have {count} entries"));
        }
        let entries = entries(&stretch(reader, start, start + size)?, count, start)?;
        Ok(Self { entries, start })
    }

    /// All names.
    pub(super) fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.entries.keys().map(Vec::as_slice)
    }

    pub(super) fn get(&self, name: &[u8]) -> Option<Entry> {
        self.entries.get(name).copied()
    }

    /// Reads the content of an entry into memory and verifies its checksum.
    pub(super) fn content<R: Read + Seek>(
        &self,
        reader: &mut R,
        name: &str,
        entry: Entry,
    ) -> Result<Vec<u8>, PtError> {
        let unreadable = |source| PtError::Entry { entry: name.to_owned(), source };
        let wrong = |what: &str| unreadable(io::Error::new(io::ErrorKind::InvalidData, what));
        let header = stretch(reader, entry.at, entry.at + HEADER as u64)?;
        if !header.starts_with(b"PK\x03\x04") {
            return Err(wrong("it does not begin where the directory says"));
        }
        let lengths = [26, 28].map(|at| number::<2>(&header, at).unwrap_or(0));
        let from = entry.at + HEADER as u64 + lengths[0] + lengths[1];
        let to = from.saturating_add(entry.size);
        if to > self.start {
            return Err(wrong("it does not end before the directory"));
        }
        let content = stretch(reader, from, to)?;
        if crc32fast::hash(&content) != entry.checksum {
            return Err(wrong("its checksum is wrong: the file is damaged"));
        }
        Ok(content)
    }
}

/// Reads the bytes from one offset to another, both inside the file.
fn stretch<R: Read + Seek>(reader: &mut R, from: u64, to: u64) -> Result<Vec<u8>, PtError> {
    let unreadable = |source| PtError::Entry { entry: format!("bytes {from} to {to}"), source };
    reader.seek(SeekFrom::Start(from)).map_err(unreadable)?;
    let mut bytes = vec![0; usize::try_from(to - from).unwrap_or(usize::MAX)];
    reader.read_exact(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

fn entries(directory: &[u8], count: u64, start: u64) -> Result<BTreeMap<Vec<u8>, Entry>, PtError> {
    let mut entries = BTreeMap::new();
    let mut rest = directory;
    let mut total = 0u64;
    for index in 0..count {
        let wrong = || format!("entry {index} of its directory is damaged");
        if !rest.starts_with(b"PK\x01\x02") {
            return damaged(wrong());
        }
        let (Some(name), Some(extra), Some(comment)) =
            (number::<2>(rest, 28), number::<2>(rest, 30), number::<2>(rest, 32))
        else {
            return damaged(wrong());
        };
        let [name, extra, comment] = [name, extra, comment].map(|len| len as usize);
        let Some(whole) = rest.get(..ENTRY + name + extra + comment) else { return damaged(wrong()) };
        let (name, extra) = whole[ENTRY..ENTRY + name + extra].split_at(name);
        let shown = || String::from_utf8_lossy(name).escape_debug().to_string();
        let [flags, method] = [8, 10].map(|at| number::<2>(whole, at).unwrap_or(0));
        let [checksum, packed, size, at] = [16, 20, 24, 42].map(|at| number::<4>(whole, at).unwrap_or(0));
        let Some([size, packed, at]) = large([size, packed, at], extra) else { return damaged(wrong()) };
        // The lowest bit of the flags marks an encrypted entry.
        if method != 0 || flags & 1 == 1 || size != packed {
            return Err(PtError::Compressed { entry: shown() });
        }
        total = total.saturating_add(size);
        if total > start {
            return Err(PtError::TooLarge { entry: shown(), total, bytes: start });
        }
        if at.checked_add(HEADER as u64).is_none_or(|header| header > start) {
            return damaged(wrong());
        }
        if entries.insert(name.to_vec(), Entry { at, size, checksum: checksum as u32 }).is_some() {
            return damaged(format!("there are two entries `{}`", shown()));
        }
        rest = &rest[whole.len()..];
    }
    Ok(entries)
}

/// Size, packed size and offset. A field of 2^32 - 1 means that the extra field of large archives holds the
/// value.
fn large(short: [u64; 3], extra: &[u8]) -> Option<[u64; 3]> {
    const THERE: u64 = u32::MAX as u64;
    if !short.contains(&THERE) {
        return Some(short);
    }
    let mut fields = extra;
    loop {
        let kind = number::<2>(fields, 0)?;
        let len = number::<2>(fields, 2)? as usize;
        let mut field = fields.get(4..4 + len)?;
        if kind != 1 {
            fields = &fields[4 + len..];
            continue;
        }
        let mut long = short;
        for value in &mut long {
            if *value == THERE {
                *value = number::<8>(field, 0)?;
                field = &field[8..];
            }
        }
        return Some(long);
    }
}
