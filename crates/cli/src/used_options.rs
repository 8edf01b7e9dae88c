//! [`Settings::only`]: refuses shared options that a command does not use, so that no option is silently
//! ignored.

use anyhow::Result;

use crate::failure::ensure_usage;
use crate::settings_args::Settings;

impl Settings {
    /// Refuses given options that `command` does not use. `used` are keys of the configuration; a section
    /// such as `baseline` includes all its keys.
    ///
    /// # Errors
    /// Names the options that are not used.
    pub(crate) fn only(&self, command: &str, used: &[&str]) -> Result<()> {
        let machine = &self.machine;
        let options = [
            ("--data", "data", self.data.is_some()),
            ("--model", "model", self.model.is_some()),
            ("--imgsz", "imgsz", self.imgsz.is_some()),
            ("--batch", "baseline.batch", self.batch.is_some()),
            ("--epochs", "baseline.epochs", self.epochs.is_some()),
            ("--seed", "seed", self.seed.is_some()),
            ("--device", "device", machine.device.is_some()),
            ("--executor", "executor", machine.executor.is_some()),
            ("--compute-precision", "compute_precision", machine.compute_precision.is_some()),
            ("--threads", "threads", machine.threads.is_some()),
        ];
        let is_used = |key: &str| {
            used.iter().any(|used| {
                key.strip_prefix(used).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
            })
        };
        let unused = options.iter().filter(|(_, key, given)| *given && !is_used(key));
        let mut unused: Vec<String> = unused.map(|(option, ..)| (*option).to_owned()).collect();
        for set in &self.set {
            let key = set.split('=').next().unwrap_or_default().trim();
            // A prefix of a used key is allowed here; an unknown key gets its own error later.
            if !is_used(key) && !used.iter().any(|used| used.starts_with(key)) {
                unused.push(format!("--set {set}"));
            }
        }
        ensure_usage!(
            unused.is_empty(),
            "{} {} no effect on `{command}`: leave {} out",
            unused.join(" and "),
            if unused.len() == 1 { "has" } else { "have" },
            if unused.len() == 1 { "it" } else { "them" }
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{Cli, Command};
    use crate::command_tree::parse_words;

    #[test]
    fn unused_options_are_named() {
        let refused = |line: &str, used: &[&str]| {
            let Ok(Cli { command: Command::Val(val), .. }) = parse_words(line.split(' ')) else {
                panic!("{line}");
            };
            val.settings.only("val", used).err().map(|error| error.to_string())
        };
        let line = "val --weights w --data d --epochs 3 --set loader.workers=2 --set l1.gamma=1";
        assert_eq!(
            refused(line, &["data", "loader"]).unwrap(),
            "--epochs and --set l1.gamma=1 have no effect on `val`: leave them out"
        );
        assert_eq!(refused(line, &["data", "loader", "baseline", "l1"]), None);
        assert_eq!(refused("val --weights w --set loader={}", &["loader.workers"]), None);
    }
}
