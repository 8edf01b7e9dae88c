//! [`LastWords`]: the end of what another program complains, for an error message.

use std::io::Read;
use std::thread::JoinHandle;

/// Bytes that are kept.
const KEPT: usize = 2000;

/// Reads the error output of a process in the background, so that the process never waits for a reader.
pub(crate) struct LastWords(Option<JoinHandle<Vec<u8>>>);

impl LastWords {
    pub(crate) fn of(mut complaints: impl Read + Send + 'static) -> Self {
        Self(Some(std::thread::spawn(move || {
            let mut kept = Vec::new();
            let mut piece = [0; 4096];
            while let Ok(length @ 1..) = complaints.read(&mut piece) {
                kept.extend_from_slice(&piece[..length]);
                kept.drain(..kept.len().saturating_sub(KEPT));
            }
            kept
        })))
    }

    /// The last words, on one line. Waits until the process closes its error output, so call it once, at its end.
    pub(crate) fn take(&mut self) -> String {
        let kept = self.0.take().and_then(|reader| reader.join().ok()).unwrap_or_default();
        let text = String::from_utf8_lossy(&kept);
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_complaint_is_kept() {
        let text = "x\n".repeat(100_000) + "the reason\n\n";
        let mut words = LastWords::of(std::io::Cursor::new(text.into_bytes()));
        let kept = words.take();
        assert!(kept.len() < 2 * KEPT && kept.ends_with("x; the reason"));
        assert_eq!(words.take(), "");
    }
}
