//! [`Face`]: the font in which a character is drawn.

use std::sync::{Arc, LazyLock};

use ab_glyph::{Font, FontRef, FontVec, GlyphId};

use crate::system;

static NOTO_SANS: LazyLock<FontRef<'static>> = LazyLock::new(|| {
    FontRef::try_from_slice(notosans::REGULAR_TTF).expect("the crate `notosans` holds a TrueType font")
});

/// A font.
#[derive(Clone)]
pub(crate) enum Face {
    /// Noto Sans, which this crate contains.
    NotoSans,
    /// A font of the system.
    System(Arc<FontVec>),
}

impl Face {
    /// The font that has a character: Noto Sans, else the first suitable font of the system; `None` if no font
    /// has it, and for control characters.
    pub(crate) fn of(c: char) -> Option<Self> {
        if c.is_control() {
            return None;
        }
        if NOTO_SANS.glyph_id(c) != GlyphId(0) {
            return Some(Self::NotoSans);
        }
        system::face_of(c).map(Self::System)
    }

    /// Whether two letters are of the same font.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::NotoSans, Self::NotoSans) => true,
            (Self::System(a), Self::System(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// Calls `read` with the font.
    pub(crate) fn with<T>(&self, read: impl FnOnce(&dyn AnyFont) -> T) -> T {
        match self {
            Self::NotoSans => read(&*NOTO_SANS),
            Self::System(font) => read(&**font),
        }
    }
}

/// The parts of a font that text needs, for fonts of either kind.
pub(crate) trait AnyFont {
    /// The glyph of a character; 0 if the font lacks it.
    fn glyph(&self, c: char) -> GlyphId;
    /// Scale at which an em has `em` pixels: the library scales by the line height, which is larger.
    fn scale(&self, em: f32) -> f32;
    /// Distance to the next letter.
    fn advance(&self, glyph: GlyphId, scale: f32) -> f32;
    /// Correction of the distance between two letters.
    fn kern(&self, first: GlyphId, second: GlyphId, scale: f32) -> f32;
    /// The outline at a position; `None` for a space.
    fn outline(&self, glyph: ab_glyph::Glyph) -> Option<ab_glyph::OutlinedGlyph>;
}

impl<F: Font> AnyFont for F {
    fn glyph(&self, c: char) -> GlyphId {
        self.glyph_id(c)
    }

    fn scale(&self, em: f32) -> f32 {
        em * self.height_unscaled() / self.units_per_em().unwrap_or(1000.0)
    }

    fn advance(&self, glyph: GlyphId, scale: f32) -> f32 {
        self.h_advance_unscaled(glyph) * scale / self.height_unscaled()
    }

    fn kern(&self, first: GlyphId, second: GlyphId, scale: f32) -> f32 {
        self.kern_unscaled(first, second) * scale / self.height_unscaled()
    }

    fn outline(&self, glyph: ab_glyph::Glyph) -> Option<ab_glyph::OutlinedGlyph> {
        self.outline_glyph(glyph)
    }
}

/// Whether a character can be drawn: Noto Sans or a font of the system has it.
pub fn has_glyph(c: char) -> bool {
    Face::of(c).is_some()
}
