//! `--json` of long commands: one object a line on standard output, each with `schema` and `event`.
//!
//! Events are `start`, `stage`, `epoch`, `note`, `warning`, `error` and `end`; `end` has the exit code and the result, and
//! a `warning` about a dataset has its counts by split in `dataset`.

use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::{is_stream, raw_line};

/// Version of the form of the lines.
pub(crate) const SCHEMA: u32 = 1;

/// What `end` is to carry.
static RESULT: Mutex<Value> = Mutex::new(Value::Null);

/// Writes an event, where events are wanted. `fields` is an object.
pub(crate) fn event(name: &str, fields: Value) {
    if !is_stream() {
        return;
    }
    let mut line = Map::from_iter([("schema".to_owned(), json!(SCHEMA)), ("event".to_owned(), json!(name))]);
    if let Value::Object(fields) = fields {
        line.extend(fields);
    }
    raw_line(&Value::Object(line).to_string());
}

/// Keeps the result for the last line.
pub(crate) fn set_result(result: impl Serialize) {
    if let (Ok(value), Ok(mut kept)) = (serde_json::to_value(result), RESULT.lock()) {
        *kept = value;
    }
}

/// The result that was kept.
pub(crate) fn result() -> Value {
    RESULT.lock().map(|kept| kept.clone()).unwrap_or_default()
}
