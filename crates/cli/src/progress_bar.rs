//! [`bar`]: a progress bar that is never wider than 80 columns.
//!
//! A terminal that becomes narrower wraps the lines that are longer than its new width. The bar would then
//! take two lines, and drawing it again would leave the first of them behind. So the bar, with the spaces
//! behind it, ends at column 80 even in a wider terminal. Lines above the bar must be printed by
//! [`ProgressBar::suspend`], because `println` pads them to the width of the bar's terminal.

use std::io;

use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

/// Most columns of a bar.
const WIDEST: u16 = 80;
/// Draws per second.
const HERTZ: u8 = 20;

/// A bar of `length` steps, with a message beside it.
pub(crate) fn bar(length: u64) -> ProgressBar {
    // The wide message is cut to the width of the terminal, which may be less than 80.
    let style =
        ProgressStyle::with_template("{bar:16} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
    let terminal = Box::new(Narrow(Term::buffered_stderr()));
    ProgressBar::with_draw_target(Some(length), ProgressDrawTarget::term_like_with_hz(terminal, HERTZ))
        .with_style(style)
}

/// Standard error, as a terminal of at most [`WIDEST`] columns.
#[derive(Debug)]
struct Narrow(Term);

impl TermLike for Narrow {
    fn width(&self) -> u16 {
        self.0.size().1.min(WIDEST)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_up(n)
    }

    fn move_cursor_down(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_down(n)
    }

    fn move_cursor_right(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_right(n)
    }

    fn move_cursor_left(&self, n: usize) -> io::Result<()> {
        self.0.move_cursor_left(n)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}
