//! [`draw_text`]: text of 8 x 8 pixel letters, enlarged by an integer factor.
//!
//! A bitmap font needs no font file, no rasteriser and no anti-aliasing, and is the same on every machine.
//! The letters are from `font8x8` (public domain): Latin, Greek, box drawing and Hiragana. Any other
//! character is drawn as `?`.

use bonsai_data::RgbImage;
use font8x8::{BASIC_FONTS, BLOCK_FONTS, BOX_FONTS, GREEK_FONTS, HIRAGANA_FONTS, LATIN_FONTS, UnicodeFonts};
use image::Rgb;

use crate::rect::Rect;

/// Side of a letter's cell before enlargement, in pixels.
pub(crate) const CELL: i64 = 8;

/// Draws one line of text whose top left corner is (`left`, `top`).
pub(crate) fn draw_text(image: &mut RgbImage, text: &str, left: i64, top: i64, scale: i64, colour: Rgb<u8>) {
    for (index, character) in text.chars().enumerate() {
        let x = left + index as i64 * CELL * scale;
        for (row, bits) in letter(character).into_iter().enumerate() {
            for column in (0..CELL).filter(|column| bits >> column & 1 == 1) {
                Rect::sized(x + column * scale, top + row as i64 * scale, scale, scale).fill(image, colour);
            }
        }
    }
}

/// Rows from the top; the lowest bit of a row is the leftmost pixel.
fn letter(character: char) -> [u8; 8] {
    let known = |c| {
        BASIC_FONTS
            .get(c)
            .or_else(|| LATIN_FONTS.get(c))
            .or_else(|| GREEK_FONTS.get(c))
            .or_else(|| HIRAGANA_FONTS.get(c))
            .or_else(|| BOX_FONTS.get(c))
            .or_else(|| BLOCK_FONTS.get(c))
    };
    // The tables contain control characters as blanks.
    let shown = if character.is_control() { '?' } else { character };
    known(shown).or_else(|| known('?')).unwrap_or([0xff; 8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_upright_and_not_mirrored() {
        let mut image = RgbImage::new(16, 16);
        draw_text(&mut image, "L", 0, 0, 2, Rgb([255; 3]));
        let lit = |x: u32, y: u32| image.get_pixel(x, y).0[0] > 0;
        let count = |columns: std::ops::Range<u32>, rows: std::ops::Range<u32>| {
            rows.flat_map(|y| columns.clone().map(move |x| (x, y))).filter(|(x, y)| lit(*x, *y)).count()
        };
        // An L is empty in its upper right corner only.
        assert_eq!(count(10..16, 0..8), 0);
        assert!(count(0..8, 0..8) > 8);
        assert!(count(0..8, 8..16) > 8);
        assert!(count(8..16, 8..16) > 4);
    }

    #[test]
    fn unknown_letters_are_question_marks() {
        assert_eq!(letter('漢'), letter('?'));
        assert_eq!(letter('\n'), letter('?'));
        assert_ne!(letter('é'), letter('?'));
        assert_ne!(letter('か'), letter('?'));
    }
}
