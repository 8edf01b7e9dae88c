//! Layer names by pattern: `*` stands for any run of characters, dots too, and `?` for any one.

/// Whether the whole of `name` matches `pattern`.
pub(crate) fn matches(pattern: &str, name: &str) -> bool {
    let pattern = pattern.as_bytes();
    let name = name.as_bytes();
    let mut p = 0;
    let mut n = 0;
    // Where the last `*` stands, and up to where it has swallowed the name: the only place to go back to.
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
