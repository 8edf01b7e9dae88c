//! [`event`]: the output of long commands with `--json`, one object per line, each with `schema` and `event`.
//!
//! Events are `start`, `stage`, `epoch`, `note`, `warning`, `error` and `end`. `end` contains the exit code
//! and the result. A `warning` about a dataset contains the counts of each split in `dataset`.

use std::sync::Mutex;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::output::{is_stream, raw_line};

/// Version of the format of the lines.
pub(crate) const SCHEMA: u32 = 1;

/// The result for the event `end`.
static RESULT: Mutex<Value> = Mutex::new(Value::Null);

/// Writes an event if the output is a stream of events. `fields` is an object.
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

/// Stores the result for the event `end`.
pub(crate) fn set_result(result: impl Serialize) {
    if let (Ok(value), Ok(mut kept)) = (serde_json::to_value(result), RESULT.lock()) {
        *kept = value;
    }
}

/// The stored result.
pub(crate) fn result() -> Value {
    RESULT.lock().map(|kept| kept.clone()).unwrap_or_default()
}
