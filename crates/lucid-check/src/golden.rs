//! Values that PyTorch computed, compiled into the crate: `golden/nn.json`, `golden/training.json` and state dicts.
//!
//! The scripts that made them lie beside them; the README of the crate says how to run them again.

use std::path::PathBuf;

use ndarray::ArrayD;
use serde_json::Value;

use crate::Error;

/// `golden/nn.json`: values of elementwise operations, losses, optimisers and modules in float64.
///
/// Its structure is written at the top of `golden/make_nn.py`. A tensor in it is an object of `shape` and
/// row-major `data`, which [`array()`] reads.
///
/// # Panics
/// Never: the file is part of the crate, and a test reads it.
pub fn nn() -> Value {
    serde_json::from_str(include_str!("../golden/nn.json")).expect("golden/nn.json is valid JSON")
}

/// `golden/training.json`: half precision, recurrent layers and learning-rate schedules.
///
/// Its structure is written at the top of `golden/make_training.py`; tensors are those of [`nn`].
///
/// # Panics
/// Never: the file is part of the crate, and a test reads it.
pub fn training() -> Value {
    serde_json::from_str(include_str!("../golden/training.json")).expect("golden/training.json is valid JSON")
}

/// `golden/state_dict.safetensors`: the float32 state dict of a `Sequential` as PyTorch saves it.
pub const STATE_DICT: &[u8] = include_bytes!("../golden/state_dict.safetensors");

/// `golden/half.safetensors`: `f16` and `bf16`, tensors in half precision as PyTorch saves them.
pub const HALF: &[u8] = include_bytes!("../golden/half.safetensors");

/// The folder of the conformance cases that lie with this crate.
pub fn cases_dir() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/cases"))
}

/// The tensor of an object of `shape` and row-major `data`.
///
/// # Errors
/// [`Error::Golden`] when it is anything else.
///
/// ```
/// let value = serde_json::json!({ "shape": [2, 1], "data": [1.5, -2.0] });
/// assert_eq!(lucid_check::golden::array(&value)?, ndarray::array![[1.5], [-2.0]].into_dyn());
/// # Ok::<(), lucid_check::Error>(())
/// ```
pub fn array(value: &Value) -> Result<ArrayD<f64>, Error> {
    let numbers = |key: &str| value.get(key).and_then(Value::as_array).ok_or_else(|| wrong(key, value));
    let shape: Option<Vec<usize>> =
        numbers("shape")?.iter().map(|n| n.as_u64().and_then(|n| n.try_into().ok())).collect();
    let data: Option<Vec<f64>> = numbers("data")?.iter().map(Value::as_f64).collect();
    let (shape, data) =
        (shape.ok_or_else(|| wrong("shape", value))?, data.ok_or_else(|| wrong("data", value))?);
    ArrayD::from_shape_vec(shape, data).map_err(|error| Error::Golden { reason: error.to_string() })
}

fn wrong(key: &str, value: &Value) -> Error {
    let shown: String = value.to_string().chars().take(80).collect();
    Error::Golden { reason: format!("no list of numbers named {key} in {shown}") }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_scalar_has_an_empty_shape() {
        let scalar = array(&json!({ "shape": [], "data": [2.5] })).unwrap();
        assert_eq!((scalar.ndim(), scalar.sum()), (0, 2.5));
    }

    #[test]
    fn what_is_no_tensor_is_refused() {
        for value in [
            json!(1.0),
            json!({ "shape": [2] }),
            json!({ "shape": [2], "data": [1.0] }),
            json!({ "shape": [-1], "data": [1.0] }),
            json!({ "shape": [1], "data": ["1"] }),
        ] {
            assert!(matches!(array(&value), Err(Error::Golden { .. })), "{value}");
        }
    }
}
