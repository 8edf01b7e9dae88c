//! Tests of [`Headers`], with whole and broken codestreams written for each test.

use super::*;

/// A codestream of one tile with complete headers and meaningless data.
struct Picture {
    size: [u32; 2],
    tile: [u32; 2],
    components: u16,
    levels: u8,
    block: [u8; 2],
    precincts: Vec<u8>,
    /// Additional segments: after the required ones, and in the tile headers.
    more: [Vec<u8>; 2],
}

impl Default for Picture {
    fn default() -> Self {
        let side = [4096; 2];
        let more = [const { Vec::new() }; 2];
        Self { size: side, tile: side, components: 1, levels: 0, block: [4; 2], precincts: Vec::new(), more }
    }
}

fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&[0xFF, marker], &length[..], content].concat()
}

impl Picture {
    fn bytes(&self) -> Vec<u8> {
        let words = [self.size[0], self.size[1], 0, 0, self.tile[0], self.tile[1], 0, 0];
        let mut size = vec![0; 2];
        size.extend(words.iter().flat_map(|word| word.to_be_bytes()));
        size.extend(self.components.to_be_bytes());
        size.extend([7, 1, 1].repeat(self.components.into()));
        let style = u8::from(!self.precincts.is_empty());
        let mut blocks = vec![style, 0, 0, 1, 0, self.levels, self.block[0], self.block[1], 0, 1];
        blocks.extend(&self.precincts);
        let mut quantisation = vec![0x40];
        quantisation.extend([64].repeat(3 * usize::from(self.levels) + 1));
        let tile = [&self.more[1], &[0xFF, SOD][..], &[0; 16]].concat();
        let mut tile_header = vec![0; 2];
        tile_header.extend(u32::try_from(12 + tile.len()).unwrap().to_be_bytes());
        tile_header.extend([0, 1]);
        [
            vec![0xFF, SOC],
            segment(SIZ, &size),
            segment(COD, &blocks),
            segment(QCD, &quantisation),
            self.more[0].clone(),
            segment(SOT, &tile_header),
            tile,
            vec![0xFF, 0xD9],
        ]
        .concat()
    }

    fn headers(&self) -> Result<Headers, Reason> {
        Headers::read(&self.bytes())
    }

    fn bytes_per_pixel(&self) -> u64 {
        self.headers().unwrap().bytes_per_pixel()
    }
}

#[test]
fn a_usual_picture_takes_what_its_samples_take() {
    assert_eq!(Picture::default().headers().unwrap().size, (4096, 4096));
    for components in [1, 3, 300] {
        for levels in [0, 5] {
            let picture = Picture { components, levels, ..Picture::default() };
            assert_eq!(picture.bytes_per_pixel(), u64::from(components) * 17);
        }
    }
    // Small precincts at small resolutions, as encoders of maps write them.
    let precincts = vec![0x44, 0x55, 0x66, 0x77, 0x88, 0x88];
    let maps = Picture { levels: 5, precincts, ..Picture::default() };
    assert_eq!(maps.bytes_per_pixel(), 17);
}

#[test]
fn small_blocks_count_wherever_they_are_asked_for() {
    let small = Picture { block: [0; 2], ..Picture::default() };
    assert_eq!(small.bytes_per_pixel(), 16 + 320 / 16 + 1);
    // A precinct of 2 x 2 leaves a single sample of each band.
    let precincts = Picture { levels: 1, precincts: vec![0x11; 2], ..Picture::default() };
    assert_eq!(precincts.bytes_per_pixel(), 16 + 320 + 320 / 16 + 1);
    let hidden = [0, 0, 1, 0, 0, 0, 0, 0, 1];
    let cod = segment(COD, &[&[0], &hidden[..]].concat());
    let coc = segment(COC, &[0, 1, 0, 0, 0, 0, 1, 0x00]);
    for more in [[cod.clone(), vec![]], [vec![], cod], [coc.clone(), vec![]], [vec![], coc]] {
        let picture = Picture { more, ..Picture::default() };
        assert!(picture.bytes_per_pixel() > 30, "{:?}", picture.more);
    }
}

#[test]
fn segments_have_the_length_of_their_content() {
    let refused = |more: [Vec<u8>; 2]| Picture { more, ..Picture::default() }.headers().unwrap_err();
    for odd in [
        segment(RGN, &[0, 0, 0, 0]),
        segment(QCD, &[1, 0, 0, 0]),
        segment(QCD, &[2, 0]),
        segment(QCD, &[]),
        segment(QCC, &[0, 1, 0, 0, 0]),
        segment(COD, &[0; 11]),
        segment(COD, &[0; 9]),
        segment(COD, &[]),
        segment(COC, &[0, 1, 2, 4, 4, 0, 1, 0x88]),
        segment(0x99, &[]),
    ] {
        assert!(refused([odd.clone(), vec![]]).contains("length"), "{odd:?}");
        assert!(refused([vec![], odd.clone()]).contains("length"), "{odd:?}");
    }
    let comment = segment(0x64, b"anything");
    let more = [[comment.clone(), vec![0xFF, 0x30]].concat(), comment];
    assert!(Picture { more, ..Picture::default() }.headers().is_ok());
}

#[test]
fn what_is_cut_off_or_tiny_is_refused() {
    let whole = Picture::default().bytes();
    let data = whole.len() - 18;
    for length in 0..data {
        assert!(Headers::read(&whole[..length]).is_err(), "{length}");
    }
    for tile in [[63, 4096], [4096, 63], [0, 0]] {
        let picture = Picture { tile, ..Picture::default() };
        assert!(picture.headers().unwrap().tiles_are_tiny);
    }
    let small = Picture { size: [30, 20], tile: [30, 20], ..Picture::default() };
    assert!(!small.headers().unwrap().tiles_are_tiny);
    assert!(Picture { size: [0, 20], ..Picture::default() }.headers().is_err());
}
