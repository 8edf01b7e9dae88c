//! Tests of damaged files: reading them gives an error or a checkpoint, never a panic.

use bonsai_checkpoint::Checkpoint;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::{deployed, trained};

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = trained(1).to_bytes().unwrap();
    let header = 8 + usize::try_from(u64::from_le_bytes(bytes[..8].try_into().unwrap())).unwrap();
    let cuts = (0..header).step_by(3).chain((header..bytes.len()).step_by(61)).chain([bytes.len() - 1]);
    for cut in cuts {
        assert!(Checkpoint::from_bytes(&bytes[..cut]).is_err(), "cut off at {cut} of {}", bytes.len());
    }
}

#[test]
fn bytes_behind_the_end_are_refused() {
    let mut bytes = deployed(1).to_bytes().unwrap();
    bytes.push(0);
    assert!(Checkpoint::from_bytes(&bytes).is_err());
}

#[test]
fn a_header_that_claims_a_huge_size_takes_no_memory() {
    let bytes = deployed(1).to_bytes().unwrap();
    for size in [u64::MAX, u64::MAX - 7, 1 << 62, 1 << 40, bytes.len() as u64, 0, 1] {
        let mut bytes = bytes.clone();
        bytes[..8].copy_from_slice(&size.to_le_bytes());
        assert!(Checkpoint::from_bytes(&bytes).is_err(), "header of {size} bytes");
    }
}

proptest! {
    #[test]
    fn changed_bytes_never_panic(changes in vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = trained(1).to_bytes().unwrap();
        for (at, value) in changes {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        read(&bytes)?;
    }

    /// Most of a file is weights, where any byte is valid; this test changes the part that is parsed.
    #[test]
    fn a_changed_header_never_panics(changes in vec((any::<Index>(), any::<u8>()), 1..4)) {
        let mut bytes = deployed(1).to_bytes().unwrap();
        let header = usize::from(u16::from_le_bytes([bytes[0], bytes[1]]));
        for (at, value) in changes {
            let at = at.index(8 + header);
            bytes[at] = value;
        }
        read(&bytes)?;
    }

    #[test]
    fn digits_that_become_others_never_panic(changes in vec((any::<Index>(), b'0'..=b'9'), 1..6)) {
        let mut bytes = trained(1).to_bytes().unwrap();
        let digits: Vec<usize> = (8..bytes.len()).filter(|i| bytes[*i].is_ascii_digit()).collect();
        for (at, digit) in changes {
            bytes[digits[at.index(digits.len())]] = digit;
        }
        read(&bytes)?;
    }

    #[test]
    fn noise_never_panics(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(Checkpoint::from_bytes(&bytes).is_err());
    }
}

/// Checks that a file that is accepted gives a checkpoint that can be written again.
fn read(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
        let written = checkpoint.to_bytes();
        prop_assert!(written.is_ok(), "{written:?}");
    }
    Ok(())
}
