//! [`commands`] and [`parse`]: the clap command tree of [`Cli`], with the program's name, examples and exit
//! codes.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, ColorChoice, Command, CommandFactory as _, FromArgMatches as _};

use crate::command::Cli;
use crate::examples::{Topic, topic};
use crate::failure::EXIT_CODES;
use crate::invocation::program;
use crate::spelling::{with_foreign_options, with_tip};
use crate::train_keys;

/// All commands with their help, for parsing and for completions.
pub(crate) fn commands() -> Command {
    let program = program();
    let tree = decorated(Cli::command(), "").name(program).bin_name(program).display_name(program);
    // Tests need a checkout, where the program is started by cargo.
    let tree = tree.mut_subcommand("test", |test| test.hide(!program.starts_with("cargo")));
    tree.after_help(EXIT_CODES)
}

/// Parses the command line of this process; an error or a request for help ends the process. Also returns the
/// files named on the command line.
pub(crate) fn parse() -> (Cli, Vec<PathBuf>) {
    let words: Vec<OsString> = std::env::args_os().collect();
    let color = colour_of(&words);
    let tree = with_all_foreign_options(commands()).color(color);
    let result = tree.try_get_matches_from(words);
    let parsed = result.and_then(|matches| Ok((Cli::from_arg_matches(&matches)?, files(&matches))));
    parsed.unwrap_or_else(|error| with_tip(error).exit())
}

/// Values of options and settings that take files.
fn files(matches: &ArgMatches) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for id in matches.ids().map(clap::Id::as_str) {
        found.extend(matches.try_get_many::<PathBuf>(id).ok().flatten().into_iter().flatten().cloned());
        found.extend(train_keys::file(matches, id));
        let texts = matches.try_get_many::<String>(id).ok().flatten().into_iter().flatten();
        match id {
            "model" => found.extend(texts.map(PathBuf::from)),
            "set" => found.extend(texts.filter_map(|set| {
                let (key, value) = set.split_once('=')?;
                ["data", "model"].contains(&key.trim()).then(|| PathBuf::from(value))
            })),
            _ => {}
        }
    }
    found.extend(matches.subcommand().into_iter().flat_map(|(_, below)| files(below)));
    found
}

/// The value of `--color`, read before parsing because error messages of the parser may be coloured.
fn colour_of(words: &[OsString]) -> ColorChoice {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let after = words.windows(2).find(|pair| pair[0] == "--color").map(|pair| pair[1]);
    match after.or_else(|| words.iter().find_map(|word| word.strip_prefix("--color="))) {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// Parses the words after the program's name.
#[cfg(test)]
pub(crate) fn parse_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Cli, clap::Error> {
    let words = std::iter::once("bonsai").chain(words);
    let result = with_all_foreign_options(commands()).try_get_matches_from(words);
    result.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(with_tip)
}

fn with_all_foreign_options(command: Command) -> Command {
    with_foreign_options(command).mut_subcommands(with_all_foreign_options)
}

/// Adds the [`Topic`]s to the command at `path`, such as `bench step`, and to its subcommands.
fn decorated(command: Command, path: &str) -> Command {
    let command = command.mut_subcommands(|below| {
        let path = format!("{path} {}", below.get_name()).trim().to_owned();
        decorated(below, &path)
    });
    let Some(Topic { short, examples, notes, .. }) = topic(path) else { return command };
    let program = program();
    let mut long = notes.join("\n\n");
    long.push_str(if notes.is_empty() { "Examples:" } else { "\n\nExamples:" });
    for (line, what) in *examples {
        long = format!("{long}\n  {what}:\n    $ {program} {line}");
    }
    let command = command.after_long_help(format!("{long}\n\n{EXIT_CODES}"));
    if short.is_empty() {
        return command.after_help("Examples and exit codes: --help");
    }
    let command = command.after_help("All options, examples and exit codes: --help");
    command.mut_args(|arg| {
        let hidden = arg.get_long().is_some_and(|long| !short.contains(&long));
        arg.hide_short_help(hidden)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Maximum number of lines of `-h`, so that it fits on a common terminal.
    const SCREEN: usize = 40;

    fn each(command: &mut Command, path: &str, visit: &mut impl FnMut(&str, &mut Command)) {
        visit(path, command);
        for below in command.get_subcommands_mut().filter(|c| c.get_name() != "help") {
            let path = format!("{path} {}", below.get_name());
            each(below, path.trim(), visit);
        }
    }

    #[test]
    fn the_tree_is_sound() {
        with_all_foreign_options(commands()).debug_assert();
    }

    #[test]
    fn files_are_distinguished_from_other_values() {
        let words = [
            "bonsai",
            "pipeline",
            "--imgsz",
            "64",
            "--data",
            "d.yaml",
            "--set",
            "model=m.pt",
            "--project",
            "p",
        ];
        let words = words.into_iter().chain(["--set", "seed=3", "--model", "n.pt", "--config", "c.toml"]);
        let mut found = files(&commands().try_get_matches_from(words).unwrap());
        found.sort();
        assert_eq!(found, ["c.toml", "d.yaml", "m.pt", "n.pt", "p"].map(PathBuf::from));
    }

    #[test]
    fn short_help_fits_a_screen() {
        each(&mut commands(), "", &mut |path, command| {
            let lines = command.render_help().to_string().lines().count();
            assert!(lines <= SCREEN, "`{path} -h` has {lines} lines, more than {SCREEN}");
        });
    }

    #[test]
    fn every_command_has_examples_that_are_parsed() {
        each(&mut commands(), "", &mut |path, command| {
            if command.has_subcommands() && path != "pipeline" {
                return;
            }
            let Some(Topic { examples, .. }) = topic(path) else { panic!("`{path}` has no examples") };
            assert!((2..=4).contains(&examples.len()), "`{path}` has {} examples", examples.len());
            let help = command.render_long_help().to_string();
            for (line, _) in *examples {
                assert!(help.contains(line), "{path}: {help}");
                assert!(line.starts_with(path), "`{line}` is no example of `{path}`");
                if let Err(error) = parse_words(words(line)) {
                    panic!("`{line}`: {error}");
                }
            }
        });
    }

    #[test]
    fn options_of_short_help_exist() {
        each(&mut commands(), "", &mut |path, command| {
            let short = topic(path).map_or(&[][..], |topic| topic.short);
            let longs: Vec<&str> = command.get_arguments().filter_map(clap::Arg::get_long).collect();
            for name in short {
                assert!(longs.contains(name), "`{path}` has no --{name}");
            }
        });
    }

    /// The words that a shell makes of a line; supports only the quotes that examples use.
    fn words(line: &str) -> Vec<&str> {
        line.split_whitespace().map(|word| word.trim_matches(['\'', '"'])).collect()
    }
}
