//! [`with_foreign_options`] and [`with_tip`]: tips for options of other programs. Such options are always
//! refused, never applied.

use clap::builder::{StyledStr, UnknownArgumentValueParser};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

/// Foreign options and ours. A pair applies to commands that have our option but not the foreign one.
const FOREIGN: [(&str, &str); 13] = [
    ("--img", "--imgsz"),
    ("--img-size", "--imgsz"),
    ("--image-size", "--imgsz"),
    ("--batch-size", "--batch"),
    ("--weights", "--model"),
    ("--model", "--weights"),
    ("--lr", "--lr0"),
    ("--hyp", "--config"),
    ("--output", "--out"),
    ("--conf-thres", "--conf"),
    ("--iou-thres", "--iou"),
    ("--ratio", "--prune-ratio"),
    ("--ratio", "--ratios"),
];

/// Adds the foreign options to a command; they are hidden, and refused with a tip.
pub(crate) fn with_foreign_options(command: Command) -> Command {
    let has = |command: &Command, name: &str| {
        let of_arg = |arg: &Arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|others| others.contains(&name))
        };
        command.get_arguments().any(of_arg)
    };
    FOREIGN.into_iter().fold(command, |command, (foreign, ours)| {
        let long = foreign.trim_start_matches('-');
        if has(&command, long) || !has(&command, ours.trim_start_matches('-')) {
            return command;
        }
        let tip = UnknownArgumentValueParser::suggest_arg(ours);
        // The dashes in the id keep it different from the ids of our own arguments.
        let arg = Arg::new(foreign).long(long).hide(true).num_args(0..=1).default_missing_value("");
        command.arg(arg.value_parser(tip))
    })
}

/// Adds a tip to the error for `key=value` without dashes.
pub(crate) fn with_tip(mut error: Error) -> Error {
    let kind = match error.kind() {
        ErrorKind::UnknownArgument => ContextKind::InvalidArg,
        ErrorKind::InvalidSubcommand => ContextKind::InvalidSubcommand,
        _ => return error,
    };
    let Some(ContextValue::String(word)) = error.get(kind) else { return error };
    let Some((key, value)) = word.split_once('=').filter(|(key, _)| !key.starts_with('-')) else {
        return error;
    };
    let tip = if key.contains('.') {
        format!("write `--set {key}={value}`")
    } else {
        format!("write `--{} {value}`", key.replace('_', "-"))
    };
    error.insert(ContextKind::Suggested, ContextValue::StyledStrs(vec![StyledStr::from(tip)]));
    error
}

#[cfg(test)]
mod tests {
    use crate::command_tree::parse_words;

    fn refusal(line: &str) -> String {
        parse_words(line.split(' ')).err().unwrap_or_else(|| panic!("{line} is taken")).to_string()
    }

    #[test]
    fn foreign_options_get_a_tip_with_ours() {
        for (line, tip) in [
            ("train --img 320", "--imgsz"),
            ("train --batch-size 8", "--batch"),
            ("train --weights best.pt", "--model"),
            ("train imgsz=320", "write `--imgsz 320`"),
            ("train cos_lr=True", "write `--cos-lr True`"),
            ("pipeline finetune.epochs=3", "write `--set finetune.epochs=3`"),
            ("pipeline imgsz=320", "write `--imgsz 320`"),
            ("predict --model best.pt --source a.jpg", "--weights"),
            ("prune --weights w --ratio 0.5", "--prune-ratio"),
            ("val --weights w --split tset", "test"),
            ("trian", "train"),
            ("train --epoch 3", "--epochs"),
        ] {
            let said = refusal(line);
            assert!(said.contains("tip:") && said.contains(tip), "{line}: {said}");
        }
    }
}
