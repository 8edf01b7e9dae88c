//! [`quoted`]: words quoted for a shell, for the commands and scripts that the program prints.

use std::ffi::OsStr;

/// A word quoted so that a shell reads it as a single, unchanged word.
pub(crate) fn quoted(word: &(impl AsRef<OsStr> + ?Sized)) -> String {
    let word = word.as_ref();
    match word.to_str() {
        Some(text) if text.chars().any(char::is_control) => escaped(word),
        Some(text) => {
            let plain = |letter: char| letter.is_alphanumeric() || "-_=./,:@%+".contains(letter);
            if !text.is_empty() && text.chars().all(plain) {
                return text.to_owned();
            }
            format!("'{}'", text.replace('\'', r"'\''"))
        }
        None => escaped(word),
    }
}

/// A word in `$'...'` with control characters and bytes escaped, as bash, zsh and POSIX since 2024 read it.
fn escaped(word: &OsStr) -> String {
    let letter = |byte: &u8| match byte {
        b'\'' | b'\\' => format!("\\{}", char::from(*byte)),
        b' '..=b'~' => char::from(*byte).to_string(),
        byte => format!("\\x{byte:02x}"),
    };
    format!("$'{}'", word.as_encoded_bytes().iter().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_survive_the_shell() {
        for (word, text) in [
            ("--set", "--set"),
            ("", "''"),
            ("runs/r0.30-s0", "runs/r0.30-s0"),
            ("model=it's here", r"'model=it'\''s here'"),
            ("a\nb'", r"$'a\x0ab\''"),
        ] {
            assert_eq!(quoted(word), text);
        }
    }

    #[cfg(unix)]
    #[test]
    fn bash_reads_words_that_are_not_unicode() {
        use std::os::unix::ffi::OsStrExt as _;

        let word = OsStr::from_bytes(b"bad\xff \\'\x1b");
        let line = format!("printf %s {}", quoted(word));
        let output = std::process::Command::new("bash").args(["-c", &line]).output().unwrap();
        assert_eq!(output.stdout, word.as_bytes());
    }
}
