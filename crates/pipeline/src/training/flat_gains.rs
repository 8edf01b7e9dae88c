//! [`TrainConfig`] with the gains of its loss on the level of the other keys, as Ultralytics writes them: `box`,
//! `cls` and `dfl`.

use bonsai_train::TrainConfig;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize as _, Deserializer, Serialize as _, Serializer};
use toml::{Table, Value};

/// Key of the gains in a [`TrainConfig`].
const GAINS: &str = "gains";
/// Each gain's key here, and its key in the gains of a [`TrainConfig`].
const NAMES: [(&str, &str); 3] = [("box", "bbox"), ("cls", "cls"), ("dfl", "dfl")];

pub(super) fn serialize<S: Serializer>(config: &TrainConfig, serializer: S) -> Result<S::Ok, S::Error> {
    let mut keys = Table::try_from(config).map_err(S::Error::custom)?;
    if let Some(Value::Table(mut gains)) = keys.remove(GAINS) {
        let flat = NAMES.iter().filter_map(|(key, name)| Some(((*key).to_owned(), gains.remove(*name)?)));
        keys.extend(flat);
    }
    keys.serialize(serializer)
}

/// Ignores the keys that are not of a [`TrainConfig`]: they are those of the structure around it.
pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<TrainConfig, D::Error> {
    let mut given = Table::deserialize(deserializer)?;
    let mut config = Table::try_from(TrainConfig::default()).map_err(D::Error::custom)?;
    if let Some(Value::Table(gains)) = config.get_mut(GAINS) {
        for (key, name) in NAMES {
            replace(gains, name, given.remove(key));
        }
    }
    let keys: Vec<String> = config.keys().filter(|key| *key != GAINS).cloned().collect();
    for key in &keys {
        replace(&mut config, key, given.remove(key));
    }
    config.try_into().map_err(D::Error::custom)
}

fn replace(table: &mut Table, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        table.insert(key.to_owned(), value);
    }
}
