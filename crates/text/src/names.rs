//! [`class_name`] and [`writable`]: texts without characters that no font has.

use crate::has_glyph;

/// The name of a class, or its number if the name is empty or has characters that no font has.
pub fn class_name(class_names: &[String], class_id: usize) -> String {
    match class_names.get(class_id).map(|name| name.trim()) {
        Some(name) if !name.is_empty() && name.chars().all(has_glyph) => name.to_owned(),
        _ => class_id.to_string(),
    }
}

/// `text` with `?` for every character that no font has.
pub fn writable(text: &str) -> String {
    text.chars().map(|c| if has_glyph(c) { c } else { '?' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_without_a_writable_name_are_numbers() {
        // No font has a noncharacter.
        let names = ["kočka", "\u{fdd0}", "", "a\nb", "кот"].map(str::to_owned);
        let shown: Vec<String> = (0..6).map(|id| class_name(&names, id)).collect();
        assert_eq!(shown, ["kočka", "1", "2", "3", "кот", "5"]);
        assert_eq!(writable("\u{fdd0}_1.jpg"), "?_1.jpg");
    }
}
