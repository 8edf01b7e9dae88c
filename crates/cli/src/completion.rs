//! `completions` and `man`: completion scripts for shells, and manual pages.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use clap::{Args, Command};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::failure::DONE;
use crate::output::{say, say_bytes};

/// Name of the installed program, for which both are written.
const NAME: &str = "bonsai";

/// Arguments of `completions`.
#[derive(Args)]
pub(crate) struct Completions {
    /// Shell for which to print the script
    shell: Shell,
}

/// Arguments of `man`.
#[derive(Args)]
pub(crate) struct Manual {
    /// Folder for one page per command [default: a single page, to standard output]
    #[arg(long, short, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints a completion script for `commands`.
pub(crate) fn completions(args: &Completions, commands: Command) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut installed(commands), NAME, &mut script);
    say_bytes(&script);
    DONE
}

/// Prints or writes the manual pages of `commands`.
pub(crate) fn manual(args: &Manual, commands: Command) -> Result<u8> {
    let Some(folder) = &args.out else {
        let mut page = Vec::new();
        Man::new(installed(commands)).render(&mut page)?;
        say_bytes(&page);
        return Ok(DONE);
    };
    std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let mut command = installed(commands);
    command.build();
    let pages = write_pages(&command, NAME, folder)?;
    say!("{pages} pages in {}", folder.display());
    Ok(DONE)
}

fn installed(commands: Command) -> Command {
    commands.name(NAME).bin_name(NAME).display_name(NAME)
}

/// Writes the pages of a command and its subcommands, and returns their number.
fn write_pages(command: &Command, name: &str, folder: &Path) -> Result<usize> {
    let path = folder.join(format!("{name}.1"));
    let mut page = Vec::new();
    // clap needs names with a static lifetime.
    let title: &'static str = name.to_owned().leak();
    Man::new(command.clone().name(title).display_name(title)).render(&mut page)?;
    let mut file =
        std::fs::File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(&page).with_context(|| format!("cannot write {}", path.display()))?;
    command.get_subcommands().filter(|below| below.get_name() != "help").try_fold(1, |pages, below| {
        Ok(pages + write_pages(below, &format!("{name}-{}", below.get_name()), folder)?)
    })
}
