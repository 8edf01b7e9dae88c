//! [`face_of`]: a font of the system that has a character.
//!
//! The fonts are listed when the first such character is drawn, and a font that was found is kept.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ab_glyph::{Font, FontRef, FontVec, GlyphId};
use fontdb::{Database, ID, Style};

/// Weight of regular letters.
const REGULAR: u16 = 400;

static FONTS: LazyLock<Mutex<SystemFonts>> = LazyLock::new(|| Mutex::new(SystemFonts::list()));

/// A font of the system with this character, regular sans-serif ones first.
pub(crate) fn face_of(c: char) -> Option<Arc<FontVec>> {
    FONTS.lock().unwrap_or_else(PoisonError::into_inner).face_of(c)
}

struct SystemFonts {
    database: Database,
    /// The fonts in the order in which they are searched.
    order: Vec<ID>,
    loaded: Vec<Arc<FontVec>>,
    /// Of each loaded font.
    loaded_ids: Vec<ID>,
    /// Index into `loaded`, of every character that was searched.
    known: HashMap<char, Option<usize>>,
}

impl SystemFonts {
    fn list() -> Self {
        let mut database = Database::new();
        database.load_system_fonts();
        let mut faces: Vec<_> = database
            .faces()
            .map(|face| {
                let name = face.families.first().map_or("", |(name, _)| name.as_str()).to_owned();
                let is_plain = face.style == Style::Normal && !face.monospaced;
                let rank =
                    (Reverse(is_plain), Reverse(name.contains("Sans")), face.weight.0.abs_diff(REGULAR));
                // The name makes the order independent of that of the files.
                (rank, name, face.index, face.id)
            })
            .collect();
        faces.sort();
        let order = faces.into_iter().map(|(.., id)| id).collect();
        Self { database, order, loaded: Vec::new(), loaded_ids: Vec::new(), known: HashMap::new() }
    }

    fn face_of(&mut self, c: char) -> Option<Arc<FontVec>> {
        let found = if let Some(found) = self.known.get(&c) {
            *found
        } else {
            let found = self.search(c);
            self.known.insert(c, found);
            found
        };
        found.map(|index| Arc::clone(&self.loaded[index]))
    }

    /// Searches the fonts in their order, whatever was drawn before, so that a text always looks the same.
    fn search(&mut self, c: char) -> Option<usize> {
        for id in &self.order {
            let loaded = self.loaded_ids.iter().position(|known| known == id);
            if let Some(index) = loaded {
                if can_draw(&*self.loaded[index], c) {
                    return Some(index);
                }
                continue;
            }
            let font = self.database.with_face_data(*id, |data, index| {
                let font = FontRef::try_from_slice_and_index(data, index).ok()?;
                can_draw(&font, c).then(|| FontVec::try_from_vec_and_index(data.to_vec(), index).ok())?
            });
            if let Some(font) = font.flatten() {
                self.loaded.push(Arc::new(font));
                self.loaded_ids.push(*id);
                return Some(self.loaded.len() - 1);
            }
        }
        None
    }
}

/// Whether a font has a character, with an outline to fill unless it is a space: a font of pictures has none.
fn can_draw(font: &impl Font, c: char) -> bool {
    let glyph = font.glyph_id(c);
    glyph != GlyphId(0) && (c.is_whitespace() || font.outline(glyph).is_some())
}
