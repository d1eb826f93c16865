//! Half precision in files: PyTorch's files are read exactly, what is written is what PyTorch would round to, and every
//! bit pattern survives.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;

use half::{bf16, f16};
use lucid_check::golden;
use lucid_nn::{Dtype, Element, Error, Linear, Module, StateDict, Strictness, Tensor};
use lucid_tensor::tensor;

const HALVES: [(&str, Dtype); 2] = [("f16", Dtype::F16), ("bf16", Dtype::Bf16)];

/// As `f32`, which holds every half exactly. (JSON gives numbers back to within the last digit of an `f64`.)
fn singles<T: Element>(tensor: &Tensor<T>) -> Vec<f32> {
    tensor.to_vec().into_iter().map(|x| lucid_tensor::Element::to_f64(x) as f32).collect()
}

/// The bytes behind the header.
fn data(bytes: &[u8]) -> &[u8] {
    &bytes[8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize..]
}

#[test]
fn pytorch_s_halves_are_read_and_written_as_pytorch_does() {
    let section = &golden::training()["half"];
    let x = Tensor::from(golden::array(&section["x"]).unwrap());
    let narrow = StateDict::<f32>::from_bytes(golden::HALF).unwrap();
    let wide = StateDict::<f64>::from_bytes(golden::HALF).unwrap();
    for (name, dtype) in HALVES {
        let expected = singles(&Tensor::from(golden::array(&section[name]).unwrap()));
        assert_eq!(singles(narrow.get(name).unwrap()), expected, "{name}");
        assert_eq!(singles(wide.get(name).unwrap()), expected, "{name}");
        // The same numbers in full precision are rounded to the same halves.
        let full: StateDict<f64> = [(name.to_string(), x.clone())].into_iter().collect();
        let rounded = StateDict::<f32>::from_bytes(&full.to_bytes_as(dtype).unwrap()).unwrap();
        assert_eq!(singles(rounded.get(name).unwrap()), expected, "{name}");
        assert_ne!(expected, singles(&x));
    }
}

#[test]
fn every_half_survives_both_element_types() {
    for (name, dtype) in HALVES {
        let all: Vec<u16> = (0..=u16::MAX).collect();
        let bytes: Vec<u8> = all.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let header = format!(
            r#"{{"x":{{"dtype":"{}","shape":[65536],"data_offsets":[0,131072]}}}}"#,
            name.to_uppercase()
        );
        let file = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &bytes].concat();
        let singles = StateDict::<f32>::from_bytes(&file).unwrap().to_bytes_as(dtype).unwrap();
        let doubles = StateDict::<f64>::from_bytes(&file).unwrap().to_bytes_as(dtype).unwrap();
        for stored in [singles, doubles] {
            for (bits, got) in all.iter().zip(data(&stored).as_chunks::<2>().0) {
                let got = u16::from_le_bytes(*got);
                let is_nan = |bits| {
                    if name == "f16" { f16::from_bits(bits).is_nan() } else { bf16::from_bits(bits).is_nan() }
                };
                assert!(*bits == got || is_nan(*bits) && is_nan(got), "{name}: {bits:#x} became {got:#x}");
            }
        }
    }
}

#[test]
fn a_module_is_stored_in_half_precision_and_loaded_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let (from, into) = [0, 1].map(|_| Linear::<f32>::new(7, 300, true, &mut rand::rng()).unwrap()).into();
    // The unit in the last place of numbers below 1/sqrt(7) < 1/2 is at most 2^-12 in f16 and 2^-9 in bf16.
    for (dtype, error) in [(Dtype::F16, 2_f32.powi(-13)), (Dtype::Bf16, 2_f32.powi(-10)), (Dtype::F64, 0.0)] {
        from.state_dict().save_as(&path, dtype).unwrap();
        assert!(into.load_state_dict_from(&path, Strictness::Strict).unwrap().is_complete());
        let pairs = from.weight.value().to_vec().into_iter().zip(into.weight.value().to_vec());
        let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // Of 2100 elements some come close to the bound.
        assert!(largest <= error && largest >= 0.9 * error, "{dtype:?}: {largest}");
        // Half precision is reached with the first rounding: the second file is the first.
        let bytes = fs::read(&path).unwrap();
        assert_eq!(into.state_dict().to_bytes_as(dtype).unwrap(), bytes);
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused_and_infinities_are_not() {
    let mut state = StateDict::<f64>::new();
    state.insert("fine", tensor!([65504.0, f64::INFINITY, f64::NEG_INFINITY, f64::NAN, 1e-300]));
    assert!(state.to_bytes_as(Dtype::F16).is_ok());
    state.insert("big", tensor!([1.0, -7e4]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model");
    let error = state.save_as(&path, Dtype::F16).unwrap_err();
    assert!(matches!(error, Error::NotStorable { .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("big") && message.contains("-70000") && message.contains("F16"), "{message}");
    assert!(!path.exists());
    assert!(state.to_bytes_as(Dtype::Bf16).is_ok());
    state.insert("big", tensor!([1e300]));
    for dtype in [Dtype::F16, Dtype::Bf16, Dtype::F32] {
        assert!(matches!(state.to_bytes_as(dtype), Err(Error::NotStorable { .. })), "{dtype:?}");
    }
    assert!(state.to_bytes_as(Dtype::F64).is_ok());
}
