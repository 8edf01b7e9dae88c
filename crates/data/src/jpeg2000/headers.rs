//! [`Headers`]: the headers of a JPEG 2000 codestream, and the memory that its decoder will take.
//!
//! Layout: ISO/IEC 15444-1, annex A. The decoder allocates a structure for every code block before it reads
//! any, so a file of 150 bytes whose blocks are single pixels would take gigabytes.
//!
//! Tile headers may change the sizes of code blocks, so the walk covers them too. It requires every segment
//! to have exactly the length of its content. Otherwise a decoder that follows the content would see other
//! segments than the walk.

/// Smallest side of a tile in pixels, except in pictures of one tile: the decoder allocates structures for
/// each tile.
const LEAST_TILE: u32 = 64;
/// Bytes that the decoder takes per sample: it holds several copies of coefficients and samples as 32-bit
/// floats.
const BYTES_PER_SAMPLE: u64 = 16;
/// Bytes that it takes per code block with its part of a precinct: measured with blocks of 4 to 16 samples,
/// rounded up.
const BYTES_PER_BLOCK: u64 = 320;

/// Contents of the headers.
#[derive(Debug, PartialEq)]
pub(super) struct Headers {
    /// Width and height of the picture in pixels.
    pub(super) size: (u32, u32),
    /// Whether tiles are less than 64 pixels wide or high, in a picture of several tiles.
    pub(super) tiles_are_tiny: bool,
    components: u16,
    /// Upper bound of the code blocks of a component.
    blocks: u64,
}

/// Reason why a codestream is not decoded.
type Reason = &'static str;

const SOC: u8 = 0x4F;
const SIZ: u8 = 0x51;
const COD: u8 = 0x52;
const COC: u8 = 0x53;
const QCD: u8 = 0x5C;
const QCC: u8 = 0x5D;
const RGN: u8 = 0x5E;
const SOT: u8 = 0x90;
const SOD: u8 = 0x93;
/// Segments whose length field alone defines their end: POC, TLM, PLM, PLT, PPM, PPT, CRG and COM.
const PLAIN: [u8; 8] = [0x5F, 0x55, 0x57, 0x58, 0x60, 0x61, 0x63, 0x64];

impl Headers {
    /// Walks over the headers of the picture and of its tiles.
    ///
    /// # Errors
    /// The reason why the picture is not decoded.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let mut walk = Walk { bytes, at: 0 };
        if walk.marker()? != SOC || walk.marker()? != SIZ {
            return Err("it does not begin with the markers SOC and SIZ");
        }
        let mut headers = Self::of_size(walk.segment()?)?;
        loop {
            match walk.marker()? {
                SOT => break,
                marker => headers.segment(marker, &mut walk)?,
            }
        }
        // A tile part: SOT, its headers, SOD, and data up to the length in SOT.
        loop {
            let start = walk.at - 2;
            let segment = walk.segment()?;
            let &[_, _, a, b, c, d, _, _] = segment else { return Err("a tile header has a wrong length") };
            let length = u32::from_be_bytes([a, b, c, d]) as usize;
            loop {
                match walk.marker()? {
                    SOD => break,
                    marker => headers.segment(marker, &mut walk)?,
                }
            }
            let end = start.saturating_add(length);
            if length == 0 || end >= bytes.len() {
                return Ok(headers);
            }
            if end < walk.at {
                return Err("a tile part is shorter than its headers");
            }
            walk.at = end;
            if walk.marker()? != SOT {
                return Ok(headers);
            }
        }
    }

    fn of_size(segment: &[u8]) -> Result<Self, Reason> {
        // Capabilities, 2 bytes; then 4 bytes each: grid, offset, tile, offset of the first tile; the number
        // of components, 2 bytes; 3 bytes for each component.
        let fields = segment.first_chunk::<36>().ok_or("its SIZ segment is cut off")?;
        let word = |index: usize| {
            let at = 2 + 4 * index;
            u32::from_be_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]])
        };
        let components = u16::from_be_bytes([fields[34], fields[35]]);
        if segment.len() != 36 + 3 * usize::from(components) {
            return Err("the length of its SIZ segment does not match its components");
        }
        let side = |axis: usize| word(axis).checked_sub(word(2 + axis)).filter(|side| *side > 0);
        let (Some(width), Some(height)) = (side(0), side(1)) else { return Err("it has no pixels") };
        let is_tiny = |tile: u32, side: u32| tile < LEAST_TILE && tile < side;
        let tiles_are_tiny = is_tiny(word(4), width) || is_tiny(word(5), height);
        Ok(Self { size: (width, height), tiles_are_tiny, components, blocks: 0 })
    }

    /// Reads a segment of the picture's or a tile's headers.
    fn segment(&mut self, marker: u8, walk: &mut Walk<'_>) -> Result<(), Reason> {
        // Markers without a segment.
        if (0x30..=0x3F).contains(&marker) {
            return Ok(());
        }
        let content = walk.segment()?;
        let index = if self.components < 257 { 1 } else { 2 };
        let is_whole = match marker {
            // Style, order, layers (2 bytes), component transform; then the code blocks.
            COD => return self.count_blocks(content.first(), content.get(5..)),
            COC => return self.count_blocks(content.get(index), content.get(index + 1..)),
            QCD => is_quantisation(content),
            QCC => content.get(index..).is_some_and(is_quantisation),
            RGN => content.len() == index + 2,
            marker => PLAIN.contains(&marker),
        };
        if is_whole { Ok(()) } else { Err("a segment of its headers is unknown, or has a wrong length") }
    }

    /// Counts the code blocks of a component for the sizes in a COD or COC segment, and keeps the largest
    /// count.
    fn count_blocks(&mut self, style: Option<&u8>, blocks: Option<&[u8]>) -> Result<(), Reason> {
        const CUT: Reason = "a segment with code block sizes has a wrong length";
        let style = *style.ok_or(CUT)?;
        let blocks = blocks.ok_or(CUT)?;
        let (&[levels, width, height, _, _], precincts) = blocks.split_first_chunk().ok_or(CUT)?;
        let has_precincts = style & 1 != 0;
        if precincts.len() != if has_precincts { usize::from(levels) + 1 } else { 0 } {
            return Err(CUT);
        }
        let samples = u64::from(self.size.0) * u64::from(self.size.1);
        let mut count = 0u64;
        for resolution in 0..=u32::from(levels) {
            let precinct = precincts.get(resolution as usize).map_or([15, 15], |both| [both & 15, both >> 4]);
            // Except at the coarsest resolution, a precinct has three bands, each half as wide and high.
            let halved = u32::from(resolution > 0);
            let bits = |block: u8, precinct: u8| {
                (u32::from(block) + 2).min(u32::from(precinct).saturating_sub(halved))
            };
            let size = bits(width, precinct[0]) + bits(height, precinct[1]);
            let coarser = 2 * (u32::from(levels) - resolution);
            // Bands whose size is no multiple of the block size have more blocks; the 4 blocks are an
            // allowance for these.
            count += (samples >> coarser.min(63) >> size.min(63)) + 4;
        }
        self.blocks = self.blocks.max(count);
        Ok(())
    }

    /// Bytes that the decoder takes per pixel, on average.
    pub(super) fn bytes_per_pixel(&self) -> u64 {
        let pixels = (u64::from(self.size.0) * u64::from(self.size.1)).max(1);
        let blocks = self.blocks.saturating_mul(BYTES_PER_BLOCK).div_ceil(pixels);
        u64::from(self.components).saturating_mul(BYTES_PER_SAMPLE + blocks)
    }
}

/// Whether a quantisation segment has the length that its style requires.
fn is_quantisation(content: &[u8]) -> bool {
    let Some((style, steps)) = content.split_first() else { return false };
    match style & 31 {
        0 => true,
        1 => steps.len() == 2,
        2 => steps.len().is_multiple_of(2),
        _ => false,
    }
}

/// A position in the codestream.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// Reads the marker at this position.
    fn marker(&mut self) -> Result<u8, Reason> {
        let Some(&[0xFF, marker]) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            return Err("its headers are damaged or cut off");
        };
        self.at += 2;
        Ok(marker)
    }

    /// Reads the content of the segment after a marker.
    fn segment(&mut self) -> Result<&'a [u8], Reason> {
        let segment = || {
            let rest = self.bytes.get(self.at..)?;
            let length = usize::from(u16::from_be_bytes(*rest.first_chunk()?));
            rest.get(2..length)
        };
        let content = segment().ok_or("a segment of its headers is cut off")?;
        self.at += 2 + content.len();
        Ok(content)
    }
}

#[cfg(test)]
mod tests;
