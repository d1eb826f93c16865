//! Configurations in JSON, and the words in which one is refused: the key, what it is, what would be accepted.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Result;

/// Reads a configuration that `check` accepts.
pub(crate) fn open<T: DeserializeOwned>(
    path: &Path,
    check: impl FnOnce(&T) -> Result<(), String>,
) -> Result<T> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("reading {}: {error}", path.display()))?;
    let config = serde_json::from_str(&text)
        .map_err(|error| format!("reading {} as a configuration: {error}", path.display()))?;
    check(&config).map_err(|refusal| format!("{}: {refusal}", path.display()))?;
    Ok(config)
}

/// A configuration in JSON. Equal ones give equal text.
pub(crate) fn to_json(config: &impl Serialize) -> Result<String> {
    Ok(serde_json::to_string_pretty(config)? + "\n")
}

/// Refuses what lies outside of `range`.
pub(crate) fn in_range<T: Display + PartialOrd>(
    key: &str,
    value: T,
    range: RangeInclusive<T>,
) -> Result<(), String> {
    if range.contains(&value) {
        return Ok(());
    }
    Err(refusal(key, value, &format!("{} to {}", range.start(), range.end())))
}

/// Refuses what is not above 0, or above `max`.
pub(crate) fn above_0(key: &str, value: f64, max: f64) -> Result<(), String> {
    if value > 0.0 && value <= max {
        return Ok(());
    }
    Err(refusal(key, value, &format!("a number above 0, and at most {max}")))
}

/// That `value` is refused, and what would be accepted.
pub(crate) fn refusal(key: &str, value: impl Display, accepted: &str) -> String {
    format!("{key} = {value} is refused: accepted is {accepted}")
}
