//! [`codestream`]: finds the codestream and the number of palette channels in the boxes of a `.jp2` file.
//!
//! Layout: ISO/IEC 15444-1, annex I. A box is its total length (4 bytes; 1: the 8 bytes after the type hold
//! it; 0: the box extends to the end), its type (4 bytes), and its content.

/// Most channels that a palette may make: colour and opacity.
const MOST_CHANNELS: usize = 4;

/// The codestream of a container, and the number of channels that its palette makes, 0 without a palette.
///
/// # Errors
/// The reason for refusal: no codestream or several, a box that is cut off, or a palette with more than 4
/// channels.
pub(super) fn codestream(bytes: &[u8]) -> Result<(&[u8], usize), &'static str> {
    let mut codestream = None;
    let mut channels = 0;
    for found in boxes(bytes) {
        match found? {
            (b"jp2c", content) if codestream.is_none() => codestream = Some(content),
            (b"jp2c", _) => return Err("it holds several pictures"),
            (b"jp2h", content) => channels = palette_channels(content)?.max(channels),
            _ => {}
        }
    }
    Ok((codestream.ok_or("it holds no picture")?, channels))
}

fn palette_channels(header: &[u8]) -> Result<usize, &'static str> {
    let mut most = 0;
    for found in boxes(header) {
        let channels = match found? {
            // 4 bytes for each channel.
            (b"cmap", content) => content.len() / 4,
            // The number of channels comes after the number of entries.
            (b"pclr", content) => content.get(2).copied().unwrap_or(0).into(),
            _ => 0,
        };
        if channels > MOST_CHANNELS {
            return Err("its palette has more than 4 channels");
        }
        most = most.max(channels);
    }
    Ok(most)
}

/// Type and content of each box; an error is the last item.
fn boxes(bytes: &[u8]) -> impl Iterator<Item = Result<(&[u8; 4], &[u8]), &'static str>> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let Some((kind, content, behind)) = divide(rest) else {
            rest = &[];
            return Some(Err("one of its boxes is cut off"));
        };
        rest = behind;
        Some(Ok((kind, content)))
    })
}

/// Type and content of the first box, and the bytes after it.
fn divide(bytes: &[u8]) -> Option<(&[u8; 4], &[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (kind, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = match u32::from_be_bytes(*length) {
        0 => (rest.len(), rest),
        1 => {
            let (length, rest) = rest.split_first_chunk::<8>()?;
            (usize::try_from(u64::from_be_bytes(*length).checked_sub(16)?).ok()?, rest)
        }
        length => (usize::try_from(length.checked_sub(8)?).ok()?, rest),
    };
    let (content, behind) = rest.split_at_checked(length)?;
    Some((kind, content, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: [u8; 4], content: &[u8]) -> Vec<u8> {
        let length = u32::try_from(8 + content.len()).unwrap();
        [&length.to_be_bytes()[..], &kind, content].concat()
    }

    #[test]
    fn the_one_picture_is_found() {
        let long = [&1u32.to_be_bytes()[..], b"uuid", &19u64.to_be_bytes(), b"abc"].concat();
        let open = [&[0; 4][..], b"jp2c", b"picture"].concat();
        let header = boxed(*b"jp2h", &boxed(*b"cmap", &[0; 16]));
        for (file, channels) in [
            (boxed(*b"jp2c", b"picture"), 0),
            ([long, open].concat(), 0),
            ([header, boxed(*b"jp2c", b"picture"), boxed(*b"xml ", b"")].concat(), 4),
        ] {
            assert_eq!(codestream(&file), Ok((&b"picture"[..], channels)));
        }
    }

    #[test]
    fn what_hides_another_picture_or_multiplies_it_is_refused() {
        let picture = boxed(*b"jp2c", b"picture");
        let with = |header: Vec<u8>| [boxed(*b"jp2h", &header), picture.clone()].concat();
        for (file, part) in [
            ([picture.clone(), picture.clone()].concat(), "several"),
            (boxed(*b"uuid", &picture), "no picture"),
            (picture[..picture.len() - 1].to_vec(), "cut off"),
            ([&[0, 0, 0, 7][..], b"jp2c"].concat(), "cut off"),
            ([&1u32.to_be_bytes()[..], b"jp2c", &[0xFF; 8]].concat(), "cut off"),
            (with(boxed(*b"cmap", &[0; 20])), "more than 4"),
            (with(boxed(*b"pclr", &[0, 1, 5])), "more than 4"),
        ] {
            assert!(codestream(&file).unwrap_err().contains(part), "{part}");
        }
    }
}
