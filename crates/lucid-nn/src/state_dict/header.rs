//! The header of a safetensors file, judged as a whole before anything behind it is read.
//!
//! The ranges of bytes, sorted, must follow each other from the first byte behind the header to the last one of the file,
//! each as long as its shape says. All comparisons are of numbers as they are given: none adds what a file says.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::Damage;

/// The longest header that the `safetensors` crate and PyTorch read.
pub(super) const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The name under which the format stores strings in place of a tensor.
pub(super) const METADATA: &str = "__metadata__";

/// What a header says.
#[derive(Default)]
pub(super) struct Header {
    pub(super) metadata: BTreeMap<String, String>,
    /// In the order of their bytes.
    pub(super) tensors: Vec<(String, TensorInfo)>,
}

impl Header {
    /// The header in `json`, which `data_len` bytes follow.
    pub(super) fn parse(json: &[u8], data_len: u64) -> Result<Self, Damage> {
        let wrong = |error: &dyn fmt::Display| Damage::Header { reason: error.to_string() };
        let text = std::str::from_utf8(json).map_err(|error| wrong(&error))?;
        let Entries { metadata, mut tensors } = serde_json::from_str(text).map_err(|error| wrong(&error))?;
        let mut names = HashSet::from([METADATA]);
        if metadata.len() > 1 {
            return Err(Damage::DuplicateName { name: METADATA.to_string() });
        }
        for (name, info) in &tensors {
            if !names.insert(name) {
                return Err(Damage::DuplicateName { name: name.clone() });
            }
            check_length(name, info)?;
        }
        tensors.sort_by_key(|(_, info)| info.data_offsets);
        let mut covered = 0;
        for (name, TensorInfo { data_offsets: (start, end), .. }) in &tensors {
            let (name, start) = (name.clone(), *start);
            if start < covered {
                return Err(Damage::Overlap { name, start, end: covered });
            }
            if start > covered {
                return Err(Damage::Gap { name, start, end: covered });
            }
            covered = *end;
        }
        if covered as u64 != data_len {
            return Err(Damage::DataLength { given: data_len, expected: covered as u64 });
        }
        Ok(Header { metadata: metadata.into_iter().next().unwrap_or_default(), tensors })
    }
}

/// Compares a tensor's range of bytes with its shape.
fn check_length(name: &str, info: &TensorInfo) -> Result<(), Damage> {
    let TensorInfo { dtype, shape, data_offsets: (start, end) } = info;
    let (name, shape) = (name.to_string(), shape.clone());
    let Some(given) = end.checked_sub(*start) else {
        return Err(Damage::RangeBackwards { name, start: *start, end: *end });
    };
    // An array has strides also where it has no elements, so the other axes must fit into memory.
    let strides = shape.iter().filter(|&&len| len > 0).try_fold(1_usize, |all, &len| all.checked_mul(len));
    let Some(addressed) = strides.filter(|&addressed| isize::try_from(addressed).is_ok()) else {
        return Err(Damage::Shape { name, shape });
    };
    let len = if shape.contains(&0) { 0 } else { addressed };
    // len < 2^63 and an element has at most 64 bits => below 2^69.
    let expected_bits = len as u128 * dtype.bitsize() as u128;
    if given as u128 * 8 != expected_bits {
        return Err(Damage::RangeLength { name, given, shape, dtype: format!("{dtype:?}") });
    }
    Ok(())
}

/// The entries of a header one by one: a map would hide those that come twice.
#[derive(Default)]
struct Entries {
    metadata: Vec<BTreeMap<String, String>>,
    tensors: Vec<(String, TensorInfo)>,
}

impl<'de> Deserialize<'de> for Entries {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> Visitor<'de> for EntriesVisitor {
            type Value = Entries;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object of tensors by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries, A::Error> {
                let mut entries = Entries::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        entries.metadata.push(map.next_value()?);
                    } else {
                        entries.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(EntriesVisitor)
    }
}
