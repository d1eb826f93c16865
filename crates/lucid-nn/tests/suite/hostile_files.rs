//! Files that are damaged or lie: each is an error that names the file, before anything of its size is allocated.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;

use lucid_nn::{Error, Linear, Module, StateDict, Strictness};

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A header of one tensor `x`.
fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

/// Checks that `bytes` are refused from a file and from memory, and gives the reason.
fn refusal(bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.safetensors");
    fs::write(&path, bytes).unwrap();
    let error = StateDict::<f32>::load(&path).unwrap_err();
    assert!(matches!(error, Error::Format { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("hostile.safetensors"), "{message}");
    assert!(matches!(StateDict::<f64>::from_bytes(bytes), Err(Error::Format { .. })));
    // A model that is loaded from it stays as it was.
    let linear = Linear::<f32>::new(2, 1, true, &mut rand::rng()).unwrap();
    let before = linear.weight.value();
    assert!(linear.load_state_dict_from(&path, Strictness::NonStrict).is_err());
    assert_eq!(linear.weight.value(), before);
    message
}

#[test]
fn every_lie_is_refused_with_its_reason() {
    let good = one("F32", "[2]", "[0,8]");
    let two = |first: &str, second: &str| {
        let info = |offsets: &str| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#);
        format!(r#"{{"a":{},"b":{}}}"#, info(first), info(second))
    };
    let huge = u64::MAX.to_string();
    let cases: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "0 bytes"),
        ("shorter than a length", vec![1, 2, 3], "3 bytes"),
        ("header beyond the end", file("{}", &[])[..9].to_vec(), "2 bytes"),
        ("header of 2^64 bytes", [&u64::MAX.to_le_bytes()[..], b"{}"].concat(), &huge),
        ("header of 2^40 bytes", [&(1_u64 << 40).to_le_bytes()[..], b"{}"].concat(), "1099511627776"),
        ("no header", file("", &[]), "header"),
        ("not JSON", file("{nonsense", &[]), "header"),
        ("not an object", file("[1, 2]", &[]), "header"),
        ("not UTF-8", [&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), "utf-8"),
        ("deeply nested", file(&"[".repeat(200_000), &[]), "header"),
        ("no shape", file(r#"{"x":{"dtype":"F32","data_offsets":[0,8]}}"#, &[0; 8]), "shape"),
        ("unknown type", file(&one("F17", "[2]", "[0,8]"), &[0; 8]), "F17"),
        ("negative length", file(&one("F32", "[-2]", "[0,8]"), &[0; 8]), "header"),
        ("metadata that are no strings", file(r#"{"__metadata__":{"epoch":7}}"#, &[]), "header"),
        ("data cut off", file(&good, &[0; 7]), "8 bytes, but 7"),
        ("data left over", file(&good, &[0; 9]), "8 bytes, but 9"),
        ("range shorter than shape", file(&one("F32", "[3]", "[0,8]"), &[0; 8]), "header"),
        ("range backwards", file(&one("F32", "[2]", "[8,0]"), &[0; 8]), "header"),
        ("range from behind the start", file(&one("F32", "[1]", "[4,8]"), &[0; 8]), "header"),
        ("ranges overlap", file(&two("[0,4]", "[2,6]"), &[0; 6]), "header"),
        ("ranges coincide", file(&two("[0,4]", "[0,4]"), &[0; 4]), "header"),
        ("ranges with a gap", file(&two("[0,4]", "[8,12]"), &[0; 12]), "header"),
        (
            "shape beyond memory",
            file(&one("F32", "[1099511627776]", "[0,4398046511104]"), &[]),
            "4398046511104",
        ),
        ("shape that overflows", file(&one("F32", "[4294967296,4294967296]", "[0,0]"), &[]), "header"),
        (
            "empty shape that can't be addressed",
            file(&one("F32", "[0,4294967296,4294967296]", "[0,0]"), &[]),
            "tensor x",
        ),
        ("bytes that overflow", file(&one("F32", "[4611686018427387904]", "[0,0]"), &[]), "header"),
    ];
    for (what, bytes, reason) in &cases {
        let message = refusal(bytes);
        assert!(message.contains(reason), "{what}: {message}");
    }
    // The cases differ from this by what their names say.
    let mut data = 1.5_f32.to_le_bytes().to_vec();
    data.extend((-2.0_f32).to_le_bytes());
    let state = StateDict::<f32>::from_bytes(&file(&good, &data)).unwrap();
    assert_eq!(state.get("x").unwrap().to_vec(), [1.5, -2.0]);
    assert!(StateDict::<f32>::from_bytes(&file(&two("[0,4]", "[4,8]"), &data)).is_ok());
}

#[test]
fn tensors_whose_lengths_add_up_beyond_64_bits_are_refused() {
    // Eight tensors of 2^61 - 1 bytes end at 2^64 - 8: with the 8 bytes of the header's length that overflows.
    let len = (1_u64 << 61) - 1;
    let infos = (0..8).map(|i| {
        let (start, end) = (i * len, (i + 1) * len);
        format!(r#""{i}":{{"dtype":"U8","shape":[{len}],"data_offsets":[{start},{end}]}}"#)
    });
    let header = format!("{{{}}}", infos.collect::<Vec<_>>().join(","));
    let message = refusal(&file(&header, &[0; 64]));
    assert!(message.contains(&(8 * len).to_string()), "{message}");
}

#[test]
fn every_prefix_of_a_file_and_every_flipped_byte_is_read_without_a_panic() {
    let linear = Linear::<f32>::new(2, 1, true, &mut rand::rng()).unwrap();
    let bytes = linear.state_dict().to_bytes().unwrap();
    for end in 0..bytes.len() {
        assert!(matches!(StateDict::<f32>::from_bytes(&bytes[..end]), Err(Error::Format { .. })), "{end}");
    }
    let data_start = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    for at in 0..data_start {
        for flip in [1, 0x20, 0x80] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            // Some damage, such as to a name, can't be seen here: then the number of elements is as before.
            match StateDict::<f32>::from_bytes(&damaged) {
                Ok(state) => assert_eq!(state.iter().map(|(_, tensor)| tensor.len()).sum::<usize>(), 3),
                Err(error) => assert!(matches!(error, Error::Format { .. }), "{error:?}"),
            }
        }
    }
}

#[test]
fn what_is_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let message = StateDict::<f32>::load(folder.path()).unwrap_err().to_string();
    assert!(message.contains("not a regular file"), "{message}");
    let error = StateDict::<f32>::load(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none"), "{error}");
}
