//! The headers of a JPEG 2000 codestream, and from them what its decoder will take.
//!
//! Layout: ISO/IEC 15444-1, annex A. The decoder makes a structure for every code block before it reads any, so a file of 150
//! bytes whose blocks are single pixels would take gigabytes.
//!
//! The headers of tiles may change the sizes of blocks, so the walk goes over these too. It holds every segment to the length
//! that its content has, because a decoder that goes by the content would otherwise see other segments than the walk.

/// Smallest side of a tile in pixels, but for pictures of one tile: each tile has structures of its own.
const LEAST_TILE: u32 = 64;
/// Bytes that the decoder takes for a sample: coefficients and samples are 32-bit floats, of which it holds several.
const BYTES_PER_SAMPLE: u64 = 16;
/// Bytes that it takes for a code block and its part of a precinct: measured with blocks of 4 to 16 samples, rounded up.
const BYTES_PER_BLOCK: u64 = 320;

/// What the headers say.
#[derive(Debug, PartialEq)]
pub(super) struct Headers {
    /// Width and height of the picture in pixels.
    pub(super) size: (u32, u32),
    /// Whether it has tiles of less than 64 pixels in width or height.
    pub(super) tiles_are_tiny: bool,
    components: u16,
    /// Code blocks of a component, at most.
    blocks: u64,
}

/// Why a codestream is not decoded.
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
/// Segments whose length alone says where they end: POC, TLM, PLM, PLT, PPM, PPT, CRG and COM.
const PLAIN: [u8; 8] = [0x5F, 0x55, 0x57, 0x58, 0x60, 0x61, 0x63, 0x64];

impl Headers {
    /// Walks over the headers of the picture and of its tiles.
    ///
    /// # Errors
    /// Why the picture is not decoded.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, Reason> {
        let mut walk = Walk { bytes, at: 0 };
        if walk.marker()? != SOC || walk.marker()? != SIZ {
            return Err("it does not begin with its size");
        }
        let mut headers = Self::of_size(walk.segment()?)?;
        loop {
            match walk.marker()? {
                SOT => break,
                marker => headers.segment(marker, &mut walk)?,
            }
        }
        // A tile's part: SOT, its headers, SOD, and data up to the length that SOT says.
        loop {
            let start = walk.at - 2;
            let segment = walk.segment()?;
            let &[_, _, a, b, c, d, _, _] = segment else { return Err("a tile's header has another length") };
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
                return Err("a tile's part is shorter than its headers");
            }
            walk.at = end;
            if walk.marker()? != SOT {
                return Ok(headers);
            }
        }
    }

    fn of_size(segment: &[u8]) -> Result<Self, Reason> {
        // Capabilities, 2 bytes; then 4 bytes each: grid, offset, tile, offset of the first tile; the number of components, 2
        // bytes; 3 bytes for each component.
        let fields = segment.first_chunk::<36>().ok_or("its size is cut off")?;
        let word = |index: usize| {
            let at = 2 + 4 * index;
            u32::from_be_bytes([fields[at], fields[at + 1], fields[at + 2], fields[at + 3]])
        };
        let components = u16::from_be_bytes([fields[34], fields[35]]);
        if segment.len() != 36 + 3 * usize::from(components) {
            return Err("its size has another length than its components take");
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
            // Style, order, layers (2 bytes), transform of components; then the blocks.
            COD => return self.count_blocks(content.first(), content.get(5..)),
            COC => return self.count_blocks(content.get(index), content.get(index + 1..)),
            QCD => is_quantisation(content),
            QCC => content.get(index..).is_some_and(is_quantisation),
            RGN => content.len() == index + 2,
            marker => PLAIN.contains(&marker),
        };
        if is_whole { Ok(()) } else { Err("a segment of its headers is unknown, or has another length") }
    }

    /// Counts the blocks that the sizes in a COD or COC segment make of a component, and keeps the largest count.
    fn count_blocks(&mut self, style: Option<&u8>, blocks: Option<&[u8]>) -> Result<(), Reason> {
        const CUT: Reason = "the sizes of its code blocks have another length";
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
            // But for the coarsest, a precinct is of three bands, each half as wide and high.
            let halved = u32::from(resolution > 0);
            let bits = |block: u8, precinct: u8| {
                (u32::from(block) + 2).min(u32::from(precinct).saturating_sub(halved))
            };
            let size = bits(width, precinct[0]) + bits(height, precinct[1]);
            let coarser = 2 * (u32::from(levels) - resolution);
            // Blocks at the edges of bands are cut: a row of them for each band, which a few more in all stand for.
            count += (samples >> coarser.min(63) >> size.min(63)) + 4;
        }
        self.blocks = self.blocks.max(count);
        Ok(())
    }

    /// Bytes that the decoder takes for a pixel, on average.
    pub(super) fn bytes_per_pixel(&self) -> u64 {
        let pixels = (u64::from(self.size.0) * u64::from(self.size.1)).max(1);
        let blocks = self.blocks.saturating_mul(BYTES_PER_BLOCK).div_ceil(pixels);
        u64::from(self.components).saturating_mul(BYTES_PER_SAMPLE + blocks)
    }
}

/// Whether the content of a segment of quantisation has the length that its style takes.
fn is_quantisation(content: &[u8]) -> bool {
    let Some((style, steps)) = content.split_first() else { return false };
    match style & 31 {
        0 => true,
        1 => steps.len() == 2,
        2 => steps.len().is_multiple_of(2),
        _ => false,
    }
}

/// A place in the codestream.
struct Walk<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Walk<'a> {
    /// The marker here.
    fn marker(&mut self) -> Result<u8, Reason> {
        let Some(&[0xFF, marker]) = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk()) else {
            return Err("its headers are damaged or cut off");
        };
        self.at += 2;
        Ok(marker)
    }

    /// The content of the segment behind a marker.
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
