//! Files that are damaged or lie: each is an error that names the file and the damage, before anything of the size that
//! it claims is allocated.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;

use lucid_nn::{Damage, Dtype, Error, Linear, Module, StateDict, Strictness, Tensor};

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), data].concat()
}

/// A header of one tensor `x`.
fn one(dtype: &str, shape: &str, offsets: &str) -> String {
    format!(r#"{{"x":{{"dtype":"{dtype}","shape":{shape},"data_offsets":{offsets}}}}}"#)
}

/// A header of two tensors of one element.
fn two(names: [&str; 2], first: &str, second: &str) -> String {
    let info = |offsets: &str| format!(r#"{{"dtype":"F32","shape":[1],"data_offsets":{offsets}}}"#);
    let [a, b] = names;
    format!(r#"{{"{a}":{},"{b}":{}}}"#, info(first), info(second))
}

/// Checks that `bytes` are refused from a file and from memory, and gives the reason.
fn refusal(bytes: &[u8]) -> Damage {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("hostile.safetensors");
    fs::write(&path, bytes).unwrap();
    let error = damage(StateDict::<f32>::load(&path));
    assert_eq!(damage(StateDict::<f64>::from_bytes(bytes)), error);
    // A model that is loaded from it stays as it was.
    let linear = Linear::<f32>::new(2, 1, true, &mut rand::rng()).unwrap();
    let before = linear.weight.value();
    let message = linear.load_state_dict_from(&path, Strictness::NonStrict).unwrap_err().to_string();
    assert!(message.contains("hostile.safetensors") && message.contains(&error.to_string()), "{message}");
    assert_eq!(linear.weight.value(), before);
    error
}

fn damage<T>(result: Result<T, Error>) -> Damage {
    match result {
        Err(Error::Format { damage, .. }) => damage,
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("was read"),
    }
}

/// What [`StateDict::load`] has in memory at most while it runs, and its result.
fn measured(path: &std::path::Path) -> (u64, Result<StateDict, Error>) {
    let mut result = None;
    let memory = allocation_counter::measure(|| result = Some(StateDict::<f32>::load(path)));
    (memory.bytes_max, result.unwrap())
}

#[test]
fn every_lie_is_refused_by_name_and_costs_no_memory() {
    let header = |reason: &str| Damage::Header { reason: reason.to_string() };
    let x = || "x".to_string();
    let prefix = |len: u64| [&len.to_le_bytes()[..], b"{}"].concat();
    let length = |given, left| Damage::HeaderLength { given, left };
    let backwards = |start, end| Damage::RangeBackwards { name: x(), start, end };
    let range = |given, shape: &[usize], dtype: &str| Damage::RangeLength {
        name: x(),
        given,
        shape: shape.to_vec(),
        dtype: dtype.to_string(),
    };
    let shape = |shape: &[usize]| Damage::Shape { name: x(), shape: shape.to_vec() };
    let twice = |name: &str| Damage::DuplicateName { name: name.to_string() };
    let overlap = |name: &str, start, end| Damage::Overlap { name: name.to_string(), start, end };
    let gap = |name: &str, start, end| Damage::Gap { name: name.to_string(), start, end };
    let data = |given, expected| Damage::DataLength { given, expected };
    let tera = 1_usize << 40;
    let good = one("F32", "[2]", "[0,8]");
    let metadata = r#""__metadata__":{"a":"b"}"#;

    let cases: Vec<(&str, Vec<u8>, Damage)> = vec![
        ("empty", vec![], Damage::TooShort { len: 0 }),
        ("shorter than a length", vec![1, 2, 3], Damage::TooShort { len: 3 }),
        ("no header", file("", &[]), header("EOF while parsing a value")),
        ("header beyond the end", file("{}", &[])[..9].to_vec(), length(2, 1)),
        ("header of 2^64 - 1 bytes", prefix(u64::MAX), length(u64::MAX, 2)),
        ("header of 2^40 bytes", prefix(1 << 40), length(1 << 40, 2)),
        ("header as long as is accepted, cut off", prefix(100_000_000), length(100_000_000, 2)),
        ("not JSON", file("{nonsense", &[]), header("key must be a string at line 1 column 2")),
        ("something behind the JSON", file("{}{}", &[]), header("trailing characters")),
        ("not an object", file("[1, 2]", &[]), header("expected an object of tensors by name")),
        ("a number for a tensor", file(r#"{"x":7}"#, &[]), header("integer `7`")),
        ("not UTF-8", [&2_u64.to_le_bytes()[..], &[0xff, 0xfe]].concat(), header("invalid utf-8")),
        ("half of a surrogate pair", file(r#"{"\ud800":7}"#, &[]), header("unexpected end of hex escape")),
        ("deeply nested", file(&"[".repeat(200_000), &[]), header("invalid type: sequence")),
        (
            "deeply nested in a field that nobody knows",
            file(&format!(r#"{{"x":{{"y":{}"#, "[".repeat(200_000)), &[]),
            header("EOF while parsing a list"),
        ),
        ("no shape", file(r#"{"x":{"dtype":"F32","data_offsets":[0,8]}}"#, &[0; 8]), header("`shape`")),
        (
            "two shapes",
            file(&good.replace("\"dtype\"", "\"shape\":[2],\"dtype\""), &[0; 8]),
            header("duplicate field `shape`"),
        ),
        ("unknown type", file(&one("F17", "[2]", "[0,8]"), &[0; 8]), header("unknown variant `F17`")),
        ("wrong type", file(&one("F64", "[2]", "[0,8]"), &[0; 8]), range(8, &[2], "F64")),
        ("negative length", file(&one("F32", "[-2]", "[0,8]"), &[0; 8]), header("integer `-2`")),
        ("half an element", file(&one("F32", "[1.5]", "[0,6]"), &[0; 6]), header("floating point `1.5`")),
        ("negative offset", file(&one("F32", "[2]", "[-8,0]"), &[0; 8]), header("integer `-8`")),
        ("half a byte", file(&one("F32", "[2]", "[0,8.0]"), &[0; 8]), header("floating point `8.0`")),
        (
            "offset beyond 64 bits",
            file(&one("F32", "[2]", "[0,18446744073709551616]"), &[]),
            header("floating point `1.8446744073709552e+19`"),
        ),
        ("three offsets", file(&one("F32", "[2]", "[0,8,8]"), &[0; 8]), header("trailing characters")),
        ("metadata that are no strings", file(r#"{"__metadata__":{"epoch":7}}"#, &[]), header("integer `7`")),
        ("metadata twice", file(&format!("{{{metadata},{metadata}}}"), &[]), twice("__metadata__")),
        ("a name twice", file(&two(["a", "a"], "[0,4]", "[4,8]"), &[0; 8]), twice("a")),
        ("a name twice, once escaped", file(&two(["a", "\\u0061"], "[0,4]", "[4,8]"), &[0; 8]), twice("a")),
        ("data cut off", file(&good, &[0; 7]), data(7, 8)),
        ("data left over", file(&good, &[0; 9]), data(9, 8)),
        ("data without a tensor", file("{}", &[0; 4]), data(4, 0)),
        ("range shorter than shape", file(&one("F32", "[3]", "[0,8]"), &[0; 8]), range(8, &[3], "F32")),
        ("range longer than shape", file(&one("F16", "[3]", "[0,8]"), &[0; 8]), range(8, &[3], "F16")),
        ("range backwards", file(&one("F32", "[2]", "[8,0]"), &[0; 8]), backwards(8, 0)),
        ("range from behind the start", file(&one("F32", "[1]", "[4,8]"), &[0; 8]), gap("x", 4, 0)),
        ("ranges overlap", file(&two(["a", "b"], "[0,4]", "[2,6]"), &[0; 6]), overlap("b", 2, 4)),
        ("ranges coincide", file(&two(["a", "b"], "[0,4]", "[0,4]"), &[0; 4]), overlap("b", 0, 4)),
        ("ranges with a gap", file(&two(["b", "a"], "[8,12]", "[0,4]"), &[0; 12]), gap("b", 8, 4)),
        (
            "shape beyond the file",
            file(&one("F32", &format!("[{tera}]"), &format!("[0,{}]", 4 * tera)), &[]),
            data(0, 4 << 40),
        ),
        (
            "shape that overflows",
            file(&one("F32", "[4294967296,4294967296]", "[0,0]"), &[]),
            shape(&[1 << 32, 1 << 32]),
        ),
        (
            "empty shape that can't be addressed",
            file(&one("F32", "[0,4294967296,4294967296]", "[0,0]"), &[]),
            shape(&[0, 1 << 32, 1 << 32]),
        ),
        (
            "bytes that overflow",
            file(&one("F32", "[4611686018427387904]", "[0,0]"), &[]),
            range(0, &[1 << 62], "F32"),
        ),
    ];
    let folder = tempfile::tempdir().unwrap();
    for (what, bytes, expected) in &cases {
        let found = refusal(bytes);
        match (&found, expected) {
            (Damage::Header { reason }, Damage::Header { reason: part }) => {
                assert!(reason.contains(part), "{what}: {reason}");
            }
            _ => assert_eq!(&found, expected, "{what}"),
        }
        let path = folder.path().join("measured");
        fs::write(&path, bytes).unwrap();
        // The header is in memory as bytes and as what was understood of it, with the path and the error beside.
        let (memory, _) = measured(&path);
        assert!(memory <= 4 * bytes.len() as u64 + 4096, "{what}: {memory} bytes in memory");
    }
    // The cases differ from these by what their names say.
    let mut data = 1.5_f32.to_le_bytes().to_vec();
    data.extend((-2.0_f32).to_le_bytes());
    let state = StateDict::<f32>::from_bytes(&file(&good, &data)).unwrap();
    assert_eq!(state.get("x").unwrap().to_vec(), [1.5, -2.0]);
    assert!(StateDict::<f32>::from_bytes(&file(&two(["a", "b"], "[0,4]", "[4,8]"), &data)).is_ok());
    assert!(StateDict::<f32>::from_bytes(&file(&two(["b", "a"], "[4,8]", "[0,4]"), &data)).is_ok());
    assert!(StateDict::<f32>::from_bytes(&file(&format!("{{{metadata}}}"), &[])).is_ok());
}

#[test]
fn the_header_is_judged_before_the_tensors_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sparse");
    let gib = 1_usize << 30;
    // 64 GiB that are on no disk, and that no memory holds; the last range claims more than there is.
    let tensors = (0..64).map(|i| {
        let (start, end) = (i * gib, (i + 1) * gib + usize::from(i == 63));
        format!(r#""{i}":{{"dtype":"U8","shape":[{}],"data_offsets":[{start},{end}]}}"#, end - start)
    });
    let header = format!("{{{}}}", tensors.collect::<Vec<_>>().join(","));
    fs::write(&path, file(&header, &[])).unwrap();
    let len = (8 + header.len() + 64 * gib) as u64;
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(len).unwrap();
    let (memory, result) = measured(&path);
    assert_eq!(damage(result), Damage::DataLength { given: 64 * gib as u64, expected: 64 * gib as u64 + 1 });
    assert!(memory <= 16 * header.len() as u64, "{memory} bytes in memory");
}

#[test]
fn tensors_are_read_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let mut state = StateDict::<f32>::new();
    (0..4).for_each(|i| drop(state.insert(i.to_string(), Tensor::zeros([1 << 18]).unwrap())));
    for (dtype, file_bytes) in [(Dtype::F32, 4 << 20), (Dtype::F16, 2 << 20)] {
        state.save_as(&path, dtype).unwrap();
        let (memory, result) = measured(&path);
        assert_eq!(result.unwrap().len(), 4);
        let len = fs::metadata(&path).unwrap().len();
        assert!((file_bytes..file_bytes + 4096).contains(&len), "{len}");
        // The elements, 4 MiB, and one block.
        assert!(memory < (4 << 20) + (1 << 18), "{memory} bytes in memory");
    }
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
    assert_eq!(refusal(&file(&header, &[0; 64])), Damage::DataLength { given: 64, expected: 8 * len });
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
    assert_eq!(damage(StateDict::<f32>::load(folder.path())), Damage::NotAFile);
    let error = StateDict::<f32>::load(folder.path().join("none")).unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().contains("none"), "{error}");
}
