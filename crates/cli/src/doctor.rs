//! `doctor`: shows which features work on this machine.

use anyhow::Result;
use bonsai_pipeline::{Check, doctor as examine};

use crate::failure::DONE;
use crate::output::{is_json, say};

#[expect(clippy::unnecessary_wraps, reason = "all commands have the same signature")]
pub(crate) fn doctor() -> Result<u8> {
    let checks = examine();
    if is_json() {
        let entry = |check: &Check| serde_json::json!({ "name": check.name, "works": check.works, "detail": check.detail });
        let checks: Vec<_> = checks.iter().map(entry).collect();
        say!("{:#}", serde_json::json!({ "checks": checks }));
        return Ok(DONE);
    }
    for check in checks {
        say!("{} {}: {}", if check.works { "yes" } else { " no" }, check.name, check.detail);
    }
    Ok(DONE)
}
