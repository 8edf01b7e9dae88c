//! [`width`], [`fit`] and [`rasterise`]: one line of text.

use ab_glyph::{GlyphId, PxScale, point};

use crate::face::Face;

/// Height of capital letters in Noto Sans, in units of the text size (the em).
const CAPITALS: f32 = 0.714;

/// Marks cut text.
const ELLIPSIS: char = '…';

/// Width in pixels at an em of `em` pixels.
pub fn width(text: &str, em: f32) -> f32 {
    let mut pen = Pen::new(em);
    text.chars().for_each(|c| {
        pen.advance(c);
    });
    pen.x
}

/// `text`, cut to at most `room` pixels; empty if not even an ellipsis fits.
pub fn fit(text: &str, em: f32, room: f32) -> String {
    if width(text, em) <= room {
        return text.to_owned();
    }
    let mut pen = Pen::new(em);
    let room = room - width(&ELLIPSIS.to_string(), em);
    if room < 0.0 {
        return String::new();
    }
    let mut cut = String::new();
    for c in text.chars() {
        pen.advance(c);
        if pen.x > room {
            break;
        }
        cut.push(c);
    }
    cut.truncate(cut.trim_end().len());
    cut.push(ELLIPSIS);
    cut
}

/// Calls `pixel(x, y, coverage)` for the pixels of `text`, whose left edge is at x = 0 and whose capital
/// letters are centred on y = 0. A character that no font has leaves an empty box.
pub fn rasterise(text: &str, em: f32, mut pixel: impl FnMut(i32, i32, f32)) {
    let mut pen = Pen::new(em);
    let baseline = em * CAPITALS / 2.0;
    for c in text.chars() {
        let letter = pen.advance(c);
        let glyph =
            letter.glyph.with_scale_and_position(PxScale::from(letter.scale), point(letter.x, baseline));
        if let Some(outline) = letter.face.with(|font| font.outline(glyph)) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                pixel(x as i32 + corner.x as i32, y as i32 + corner.y as i32, coverage);
            });
        }
    }
}

/// Position of the next letter.
struct Pen {
    em: f32,
    x: f32,
    last: Option<(Face, GlyphId)>,
}

/// A letter at its position.
struct Letter {
    face: Face,
    glyph: GlyphId,
    scale: f32,
    x: f32,
}

impl Pen {
    fn new(em: f32) -> Self {
        Self { em, x: 0.0, last: None }
    }

    /// Moves the pen past `c`, and returns the letter. This module places letters itself, because version
    /// 0.3.7 of the drawing library drops the space that a letter needs on its left.
    fn advance(&mut self, c: char) -> Letter {
        let face = Face::of(c).unwrap_or(Face::NotoSans);
        let (glyph, scale, kern, advance) = face.with(|font| {
            let glyph = font.glyph(c);
            let scale = font.scale(self.em);
            let kern = match &self.last {
                Some((last, before)) if last.is(&face) => font.kern(*before, glyph, scale),
                _ => 0.0,
            };
            (glyph, scale, kern, font.advance(glyph, scale))
        });
        let x = self.x + kern;
        self.x = x + advance;
        self.last = Some((face.clone(), glyph));
        Letter { face, glyph, scale, x }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::has_glyph;

    #[test]
    fn cut_text_fits() {
        let long = "a name of which nobody knows the end".repeat(20);
        for room in [0.0, 5.0, 20.0, 100.0, 333.0] {
            let cut = fit(&long, 16.0, room);
            assert!(width(&cut, 16.0) <= room, "{cut:?} in {room}");
            assert!(cut.is_empty() || cut.ends_with(ELLIPSIS));
        }
        assert_eq!(fit("short", 16.0, 100.0), "short");
    }

    /// The columns and rows of dark pixels, ends included.
    fn dark(text: &str) -> ((i32, i32), (i32, i32)) {
        let mut rows = (i32::MAX, i32::MIN);
        let mut columns = (i32::MAX, i32::MIN);
        rasterise(text, 40.0, |x, y, coverage| {
            if coverage > 0.5 {
                rows = (rows.0.min(y), rows.1.max(y));
                columns = (columns.0.min(x), columns.1.max(x));
            }
        });
        (columns, rows)
    }

    #[test]
    fn capitals_are_centred_and_letters_stay_inside() {
        let (columns, rows) = dark("HHH");
        assert!((rows.0 + rows.1 + 1).abs() <= 1 && (27..=30).contains(&(rows.1 - rows.0)), "{rows:?}");
        assert!(columns.0 >= 0 && (columns.1 as f32) < width("HHH", 40.0), "{columns:?}");
    }

    #[test]
    fn letters_of_system_fonts_have_the_same_size() {
        // Without such a font on this machine there is nothing to draw.
        if !has_glyph('漢') {
            return;
        }
        let (columns, rows) = dark("漢");
        // An ideograph fills most of an em.
        for (from, to) in [columns, rows] {
            assert!((28..=44).contains(&(to - from)), "{columns:?} {rows:?}");
        }
        let both = width("漢H", 40.0);
        assert!((both - width("漢", 40.0) - width("H", 40.0)).abs() < 0.01, "{both}");
    }

    #[test]
    fn a_character_of_no_font_is_an_empty_box() {
        assert!(!has_glyph('\u{fdd0}') && !has_glyph('\n'));
        assert!(width("\u{fdd0}", 16.0) > 0.0);
    }
}
