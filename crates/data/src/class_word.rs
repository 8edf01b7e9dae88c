//! [`ClassWords`]: finds the class that a label row begins with, given as a number or as a name.

use std::collections::HashMap;

use crate::WarningKind;
use crate::number_word::number;
use crate::text::shown;

/// The classes of a dataset, by the words with which label rows may name them.
#[derive(Debug)]
pub(crate) struct ClassWords {
    num_classes: usize,
    /// By name as written; `None` for a name that several classes have.
    exact: HashMap<String, Option<usize>>,
    /// By name in lower case; `None` as above.
    lower: HashMap<String, Option<usize>>,
}

impl ClassWords {
    pub(crate) fn new(names: &[String]) -> Self {
        let mut words = Self { num_classes: names.len(), exact: HashMap::new(), lower: HashMap::new() };
        for (class, name) in names.iter().enumerate() {
            let name = name.trim();
            let known = |words: &mut HashMap<String, Option<usize>>, name| {
                words.entry(name).and_modify(|class| *class = None).or_insert(Some(class));
            };
            known(&mut words.exact, name.to_owned());
            known(&mut words.lower, name.to_lowercase());
        }
        words
    }

    /// The class of a row, the words after it, and whether the row gives a name rather than a number.
    pub(crate) fn of<'w, 't>(
        &self,
        words: &'w [&'t str],
    ) -> Result<(usize, &'w [&'t str], bool), WarningKind> {
        let num_classes = self.num_classes;
        match number::<f64>(words[0], f64::is_finite) {
            Ok(class) if class.fract() == 0.0 && class >= 0.0 && class < num_classes as f64 => {
                Ok((class as usize, &words[1..], false))
            }
            Ok(class) if class == num_classes as f64 => Err(WarningKind::ClassBehindLast { num_classes }),
            Ok(class) => Err(WarningKind::ClassOutOfRange { class, num_classes }),
            Err(_) => self.named(words).map(|(class, count)| (class, &words[count..], true)),
        }
    }

    /// The class with a name.
    ///
    /// # Errors
    /// [`WarningKind::UnknownClass`].
    pub(crate) fn called(&self, name: &str) -> Result<usize, WarningKind> {
        let name = name.trim();
        let found = self.exact.get(name).or_else(|| self.lower.get(&name.to_lowercase()));
        found
            .copied()
            .flatten()
            .ok_or_else(|| WarningKind::UnknownClass { word: shown(name), several: found.is_some() })
    }

    /// The class whose name the row begins with, and the number of words of that name: names may contain
    /// spaces.
    fn named(&self, words: &[&str]) -> Result<(usize, usize), WarningKind> {
        let longest = words.len().saturating_sub(4).clamp(1, 8);
        let mut several = false;
        for count in (1..=longest).rev() {
            let name = words[..count].join(" ");
            let name = name.trim_matches(['"', '\'']);
            match self.exact.get(name).or_else(|| self.lower.get(&name.to_lowercase())) {
                Some(Some(class)) => return Ok((*class, count)),
                Some(None) => several = true,
                None => {}
            }
        }
        Err(WarningKind::UnknownClass { word: shown(words[0]), several })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(names: &[&str], row: &str) -> Result<(usize, usize), String> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let words: Vec<&str> = row.split_whitespace().collect();
        let found = ClassWords::new(&names).of(&words);
        found.map(|(class, rest, _)| (class, rest.len())).map_err(|kind| kind.to_string())
    }

    #[test]
    fn numbers_and_names() {
        let names = ["RBC", "white cell", "rbc", "Dog", "class 7", "7"];
        for (row, expected) in [
            ("0 .5 .5 .2 .2", (0, 4)),
            ("1.0 .5 .5 .2 .2", (1, 4)),
            ("RBC .5 .5 .2 .2", (0, 4)),
            ("rbc .5 .5 .2 .2", (2, 4)),
            ("dog .5 .5 .2 .2", (3, 4)),
            ("\"Dog\" .5 .5 .2 .2", (3, 4)),
            ("White Cell .5 .5 .2 .2", (1, 4)),
            ("class 7 .5 .5 .2 .2", (4, 4)),
        ] {
            assert_eq!(class(&names, row), Ok(expected), "{row}");
        }
        for (row, part) in [
            ("7 .5 .5 .2 .2", "class 7, but `names` has 6 classes"),
            ("6 .5 .5 .2 .2", "class 6, but `names` has 6 classes"),
            ("Rbc .5 .5 .2 .2", "`Rbc` is the name of several classes"),
            ("cat .5 .5 .2 .2", "`cat` is no class"),
            ("nan .5 .5 .2 .2", "`nan` is no class"),
        ] {
            let said = class(&names, row).unwrap_err();
            assert!(said.contains(part), "{row}: {said}");
        }
    }
}
