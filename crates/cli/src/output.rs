//! [`OutputOptions`], `say!`, `tell!` and `eprint_line!`: results go to standard output, messages and errors
//! to standard error.
//!
//! Unlike `println!` and `eprintln!`, they do not panic if a pipe is closed (`| head`).

use std::borrow::Cow;
use std::env;
use std::fmt::{Arguments, Display};
use std::io::{Error, ErrorKind, IsTerminal as _, Write, stderr, stdout};
use std::process::exit;
use std::sync::OnceLock;

use clap::{Args, ColorChoice};
use tracing_subscriber::filter::LevelFilter;

/// Options for the output of results and messages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputOptions {
    /// Print results as JSON: one document, or one object per line for long commands
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Print only results, warnings and errors; `-qq` prints no warnings
    #[arg(long, short, global = true, action = clap::ArgAction::Count, conflicts_with = "verbose")]
    pub(crate) quiet: u8,
    /// Print what the libraries report; `-vv` prints more
    #[arg(long, short, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Colours on standard error; auto follows `NO_COLOR`, `CLICOLOR_FORCE` and the terminal
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto")]
    pub(crate) color: ColorChoice,
    /// Whether the command is long, so that `json` prints one object per line.
    #[arg(skip)]
    pub(crate) long: bool,
}

static OPTIONS: OnceLock<OutputOptions> = OnceLock::new();

/// Sets the options for the whole process.
pub(crate) fn choose(options: OutputOptions) {
    let _ = OPTIONS.set(options);
}

/// Whether results are printed as JSON.
pub(crate) fn is_json() -> bool {
    OPTIONS.get().is_some_and(|options| options.json)
}

/// Whether standard output is a stream of JSON events.
pub(crate) fn is_stream() -> bool {
    OPTIONS.get().is_some_and(|options| options.json && options.long)
}

/// Whether messages are suppressed.
pub(crate) fn is_quiet() -> bool {
    OPTIONS.get().is_some_and(|options| options.quiet > 0)
}

/// Whether warnings are suppressed too.
fn is_silent() -> bool {
    OPTIONS.get().is_some_and(|options| options.quiet > 1)
}

/// The messages of libraries that are shown. Warnings are shown even with `--quiet`, because their causes may change metrics.
pub(crate) fn level() -> LevelFilter {
    let (quiet, verbose) = OPTIONS.get().map_or((0, 0), |options| (options.quiet, options.verbose));
    match (quiet, verbose) {
        (2.., _) => LevelFilter::ERROR,
        (_, 0) => LevelFilter::WARN,
        (_, 1) => LevelFilter::INFO,
        (_, _) => LevelFilter::DEBUG,
    }
}

/// Whether to draw progress bars.
pub(crate) fn has_bars() -> bool {
    !is_quiet() && !is_json() && stderr().is_terminal() && !is_dumb()
}

/// Whether messages are coloured, according to `--color`, `NO_COLOR`, `CLICOLOR_FORCE` and the terminal.
pub(crate) fn is_coloured() -> bool {
    let given = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    match OPTIONS.get().map_or(ColorChoice::Auto, |options| options.color) {
        ColorChoice::Always => true,
        ColorChoice::Never => false,
        ColorChoice::Auto => {
            !given("NO_COLOR") && (given("CLICOLOR_FORCE") || (stderr().is_terminal() && !is_dumb()))
        }
    }
}

fn is_dumb() -> bool {
    env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// The word in a colour (an SGR code), if colours are on.
fn paint(word: &str, code: &str) -> String {
    if is_coloured() { format!("\x1b[{code}m{word}\x1b[0m") } else { word.to_owned() }
}

/// Writes a line of a result, like `println!`. If the output is a stream of events, the line is a message.
macro_rules! say {
    ($($argument:tt)*) => { $crate::output::line(format_args!($($argument)*)) };
}
/// Writes a line of a message, like `eprintln!`, unless `--quiet` is given.
macro_rules! tell {
    ($($argument:tt)*) => { $crate::output::talk(format_args!($($argument)*)) };
}
/// Writes a line of an error or a threshold that was not met, even with `--quiet`.
macro_rules! eprint_line {
    ($($argument:tt)*) => { $crate::output::complaint(format_args!($($argument)*)) };
}
/// Writes a line of a warning, even with `--quiet`, but not with `-qq`.
macro_rules! warn_line {
    ($($argument:tt)*) => { $crate::output::warning(format_args!($($argument)*)) };
}
pub(crate) use {eprint_line, say, tell, warn_line};

/// Text without characters that control a terminal, which names in foreign files may contain. Control
/// characters and changes of direction become JSON escapes; line breaks and tabs stay.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    let steers =
        |letter: char| (letter.is_control() && !"\n\t".contains(letter)) || DIRECTIONS.contains(&letter);
    if !text.contains(steers) {
        return Cow::Borrowed(text);
    }
    let escape = |letter: char| {
        if steers(letter) { format!("\\u{:04x}", u32::from(letter)) } else { letter.to_string() }
    };
    Cow::Owned(text.chars().map(escape).collect())
}

/// A name from a foreign file, safe for a terminal and on one line.
pub(crate) fn name(text: &(impl Display + ?Sized)) -> String {
    visible(&text.to_string()).replace('\n', "\\n").replace('\t', "\\t")
}

/// Characters that change the direction of text or break lines.
const DIRECTIONS: [char; 14] = [
    '\u{61c}', '\u{200e}', '\u{200f}', '\u{2028}', '\u{2029}', '\u{202a}', '\u{202b}', '\u{202c}',
    '\u{202d}', '\u{202e}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
];

/// Writes a line that begins with a coloured word, even with `--quiet`.
pub(crate) fn labelled(label: &str, code: &str, text: &str) {
    let _ = writeln!(stderr(), "{} {}", paint(label, code), visible(text));
}

pub(crate) fn line(text: Arguments<'_>) {
    if is_stream() { talk(text) } else { raw_line(&text.to_string()) }
}

pub(crate) fn talk(text: Arguments<'_>) {
    if !is_quiet() {
        complaint(text);
    }
}

pub(crate) fn warning(text: Arguments<'_>) {
    if !is_silent() {
        complaint(format_args!("warning: {text}"));
    }
}

/// Writes a line to standard error; a closed pipe is ignored, so that the work continues.
pub(crate) fn complaint(text: Arguments<'_>) {
    let _ = writeln!(stderr(), "{}", visible(&text.to_string()));
}

/// Writes a line to standard output in all modes.
pub(crate) fn raw_line(text: &str) {
    ended(writeln!(stdout(), "{}", visible(text)));
}

/// Writes bytes to standard output, unchanged.
pub(crate) fn say_bytes(bytes: &[u8]) {
    ended(stdout().write_all(bytes).and_then(|()| stdout().flush()));
}

/// A closed pipe ends the program silently; any other failure ends it with an error.
fn ended(written: Result<(), Error>) {
    if let Err(error) = written {
        if error.kind() == ErrorKind::BrokenPipe {
            exit(0);
        }
        eprint_line!("error: cannot write to standard output: {error}");
        exit(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_names_do_not_control_a_terminal() {
        for (text, shown) in [
            ("cat\n\tdog", "cat\n\tdog"),
            ("\x1b[2Jcat", "\\u001b[2Jcat"),
            ("a\rb\u{7f}\u{9b}31m", "a\\u000db\\u007f\\u009b31m"),
            ("gpj.\u{202e}exe", "gpj.\\u202eexe"),
            ("gro\u{df}e \u{6728}", "gro\u{df}e \u{6728}"),
        ] {
            assert_eq!(visible(text), shown);
            // JSON that was made visible still has the same value.
            let json = serde_json::to_string(text).unwrap();
            assert_eq!(serde_json::from_str::<String>(&visible(&json)).unwrap(), text);
        }
        assert_eq!(name("a\nb\t\x07"), "a\\nb\\t\\u0007");
    }
}
