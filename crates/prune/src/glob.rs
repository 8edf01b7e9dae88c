//! [`matches()`]: layer names by pattern; `*` matches any run of characters including dots, `?` any one
//! character.

/// Whether the whole of `name` matches `pattern`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.as_bytes();
    let name = name.as_bytes();
    let mut p = 0;
    let mut n = 0;
    // Position of the last `*` and the end of the text it matched: the only place to backtrack to.
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if p < pattern.len() && pattern[p] == b'*' {
            star = Some((p, n));
            p += 1;
        } else if p < pattern.len() && (pattern[p] == b'?' || pattern[p] == name[n]) {
            p += 1;
            n += 1;
        } else if let Some((at, swallowed)) = star {
            star = Some((at, swallowed + 1));
            p = at + 1;
            n = swallowed + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == b'*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn stars_and_question_marks() {
        for (pattern, name, expected) in [
            ("model.9.*", "model.9.cv1.conv", true),
            ("model.9.*", "model.19.cv1.conv", false),
            ("model.9", "model.9.cv1.conv", false),
            ("*.cv?.bn", "model.2.m.0.cv2.bn", true),
            ("*.cv?.bn", "model.2.m.0.cv.bn", false),
            ("*m.*.cv1*", "model.2.m.0.cv1.bn", true),
            ("*ab", "aab", true),
            ("*", "", true),
            ("", "a", false),
            ("a**b", "ab", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
