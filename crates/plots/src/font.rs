//! [`width`], [`fit`] and [`rasterise`]: text in Noto Sans.
//!
//! This module places letters itself, because version 0.3.7 of the drawing library drops the space that a
//! letter needs on its left. The font has Latin, Greek and Cyrillic letters; [`class_name`] and [`writable`]
//! replace other characters.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, PxScale, PxScaleFont, ScaleFont, point};

static FONT: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(notosans::REGULAR_TTF).expect("the crate `notosans` holds a TrueType font")
});

/// Height of capital letters in Noto Sans, in units of the text size (the em).
const CAPITALS: f32 = 0.714;

/// Marks cut text.
const ELLIPSIS: char = '…';

/// The name of a class, or its number if the name is empty or has characters that the font lacks.
pub(crate) fn class_name(class_names: &[String], class_id: usize) -> String {
    match class_names.get(class_id).map(|name| name.trim()) {
        Some(name) if !name.is_empty() && name.chars().all(has_glyph) => name.to_owned(),
        _ => class_id.to_string(),
    }
}

/// `text` with `?` for every character that the font lacks.
pub(crate) fn writable(text: &str) -> String {
    text.chars().map(|c| if has_glyph(c) { c } else { '?' }).collect()
}

/// Width in pixels at an em of `em` pixels.
pub(crate) fn width(text: &str, em: f32) -> f32 {
    let mut pen = Pen::new(em);
    text.chars().for_each(|c| {
        pen.advance(c);
    });
    pen.x
}

/// `text`, cut to at most `room` pixels; empty if not even an ellipsis fits.
pub(crate) fn fit(text: &str, em: f32, room: f32) -> String {
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
/// letters are centred on y = 0.
pub(crate) fn rasterise(text: &str, em: f32, mut pixel: impl FnMut(i32, i32, f32)) {
    let mut pen = Pen::new(em);
    let baseline = em * CAPITALS / 2.0;
    for c in text.chars() {
        let x = pen.advance(c);
        let glyph = pen.font.glyph_id(c).with_scale_and_position(pen.font.scale(), point(x, baseline));
        if let Some(outline) = pen.font.font.outline_glyph(glyph) {
            let corner = outline.px_bounds().min;
            outline.draw(|x, y, coverage| {
                pixel(x as i32 + corner.x as i32, y as i32 + corner.y as i32, coverage);
            });
        }
    }
}

fn has_glyph(c: char) -> bool {
    !c.is_control() && FONT.glyph_id(c).0 != 0
}

/// Position of the next letter.
struct Pen {
    font: PxScaleFont<&'static FontRef<'static>>,
    x: f32,
    last: Option<char>,
}

impl Pen {
    fn new(em: f32) -> Self {
        // The library scales by the line height, which is larger than the em.
        let em_units = FONT.units_per_em().unwrap_or(1000.0);
        let scale = PxScale::from(em * FONT.height_unscaled() / em_units);
        Self { font: (&*FONT).into_scaled(scale), x: 0.0, last: None }
    }

    /// Moves the pen past `c`, and returns the position where `c` begins.
    fn advance(&mut self, c: char) -> f32 {
        let glyph = self.font.glyph_id(c);
        if let Some(last) = self.last.replace(c) {
            self.x += self.font.kern(self.font.glyph_id(last), glyph);
        }
        let start = self.x;
        self.x += self.font.h_advance(glyph);
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_a_writable_name_are_numbers() {
        let names = ["kočka", "猫", "", "a\nb", "кот"].map(str::to_owned);
        let shown: Vec<String> = (0..6).map(|id| class_name(&names, id)).collect();
        assert_eq!(shown, ["kočka", "1", "2", "3", "кот", "5"]);
        assert_eq!(writable("猫_1.jpg"), "?_1.jpg");
    }

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

    #[test]
    fn capitals_are_centred_and_letters_stay_inside() {
        let mut rows = (i32::MAX, i32::MIN);
        let mut columns = (i32::MAX, i32::MIN);
        rasterise("HHH", 40.0, |x, y, coverage| {
            if coverage > 0.5 {
                rows = (rows.0.min(y), rows.1.max(y));
                columns = (columns.0.min(x), columns.1.max(x));
            }
        });
        assert!((rows.0 + rows.1 + 1).abs() <= 1 && (27..=30).contains(&(rows.1 - rows.0)), "{rows:?}");
        assert!(columns.0 >= 0 && (columns.1 as f32) < width("HHH", 40.0), "{columns:?}");
    }
}
