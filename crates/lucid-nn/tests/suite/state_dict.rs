//! State dicts: PyTorch's file, round trips, loading strictly and not, and saves that fail.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use std::fs;

use lucid_check::{check_close_relative, golden};
use lucid_nn::{
    ConvBuilder, ConvTransposeBuilder, Element, Error, Forward, LeakyRelu, Linear, Misshapen, Module,
    Sequential, StateDict, Strictness, Tensor, Var,
};
use lucid_tensor::tensor;

fn golden_layers<T: Element>() -> Sequential<T> {
    Sequential::new()
        .with(ConvBuilder::<1, T>::new(2, 4, 3).padding(1).build().unwrap())
        .with(LeakyRelu { slope: 0.1 })
        .with(ConvTransposeBuilder::<1, T>::new(4, 2, 4).stride(2).padding(1).build().unwrap())
}

fn linear() -> Linear<f32> {
    Linear::new(3, 2, true, &mut rand::rng()).unwrap()
}

fn names<T: Element>(state: &StateDict<T>) -> Vec<&str> {
    state.names().collect()
}

/// Weights and shapes as one comparable value: NaNs are compared by their bits.
fn bits(state: &StateDict<f32>) -> Vec<(String, Vec<usize>, Vec<u32>)> {
    let bits = |tensor: &Tensor<f32>| tensor.to_vec().into_iter().map(f32::to_bits).collect();
    state.iter().map(|(name, tensor)| (name.to_string(), tensor.shape().to_vec(), bits(tensor))).collect()
}

#[test]
fn pytorch_s_file_gives_pytorch_s_output() {
    let section = &golden::nn()["state_dict"];
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state_dict.safetensors");
    fs::write(&path, golden::STATE_DICT).unwrap();
    let (x, y) = (golden::array(&section["x"]).unwrap(), golden::array(&section["y"]).unwrap());

    let single = golden_layers::<f32>();
    let mut keys: Vec<String> = serde_json::from_value(section["keys"].clone()).unwrap();
    assert_eq!(names(&single.state_dict()), keys);
    assert!(single.load_state_dict_from(&path, Strictness::Strict).unwrap().is_complete());
    let got = single.forward(&Var::constant(Tensor::from(x.mapv(|x| x as f32)))).unwrap();
    check_close_relative("y", got.value().view(), y.view(), 1e-6).unwrap();

    // The same file in float64, where only PyTorch's own rounding is left.
    let double = golden_layers::<f64>();
    assert!(double.load_state_dict_from(&path, Strictness::Strict).unwrap().is_complete());
    let got = double.forward(&Var::constant(Tensor::from(x))).unwrap();
    check_close_relative("y", got.value().view(), y.view(), 1e-6).unwrap();
    let mut loaded: Vec<String> =
        StateDict::<f64>::load(&path).unwrap().names().map(str::to_string).collect();
    loaded.sort();
    keys.sort();
    assert_eq!(loaded, keys);
}

#[test]
fn a_round_trip_keeps_every_bit_the_order_and_the_strings() {
    let special = [
        f32::NAN,
        f32::from_bits(0x7f80_0001),
        f32::from_bits(0xffff_ffff),
        -0.0,
        f32::NEG_INFINITY,
        f32::MIN_POSITIVE / 8.0,
    ];
    let mut state = StateDict::<f32>::new();
    state.insert("z.weight", Tensor::from(special).reshape([2, 3]).unwrap());
    state.insert("a", Tensor::scalar(1.5));
    state.insert("empty", Tensor::zeros([0, 4]).unwrap());
    state.insert("turned", tensor!([[1.0, 2.0], [3.0, 4.0]]).transpose(0, 1).unwrap());
    state.insert("größe \"q\"\n", Tensor::uniform([40_000], -1.0, 1.0, &mut rand::rng()).unwrap());
    state.metadata_mut().insert("format".to_string(), "pt".to_string());
    state.metadata_mut().insert("config".to_string(), "{\"stride\": 2}".to_string());

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.safetensors");
    state.save(&path).unwrap();
    let loaded = StateDict::<f32>::load(&path).unwrap();
    assert_eq!(bits(&loaded), bits(&state));
    assert_eq!(loaded.metadata(), state.metadata());
    assert_eq!(loaded.get("turned"), Some(&tensor!([[1.0, 3.0], [2.0, 4.0]])));
    assert_eq!(fs::read(&path).unwrap(), state.to_bytes().unwrap());

    let mut doubles = StateDict::<f64>::new();
    doubles.insert("x", tensor!([f64::from_bits(0x7ff0_0000_0000_0001), 0.1]));
    let loaded = StateDict::<f64>::from_bytes(&doubles.to_bytes().unwrap()).unwrap();
    let bits: Vec<u64> = loaded.get("x").unwrap().to_vec().into_iter().map(f64::to_bits).collect();
    assert_eq!(bits, [0x7ff0_0000_0000_0001, 0.1_f64.to_bits()]);
}

#[test]
fn other_readers_of_the_format_agree() {
    let mut state = StateDict::<f32>::new();
    state.insert("b", tensor!([[1.0, -2.0]]));
    state.insert("a", tensor!([0.5]));
    state.metadata_mut().insert("epoch".to_string(), "7".to_string());
    let bytes = state.to_bytes().unwrap();
    let (header_len, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    assert_eq!(header_len % 8, 0);
    assert_eq!(header.metadata().as_ref().unwrap()["epoch"], "7");
    let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let b = theirs.tensor("b").unwrap();
    assert_eq!((b.dtype(), b.shape()), (safetensors::Dtype::F32, [1, 2].as_slice()));
    assert_eq!(b.data(), [1.0_f32.to_le_bytes(), (-2.0_f32).to_le_bytes()].concat());
    assert_eq!(theirs.tensor("a").unwrap().data(), 0.5_f32.to_le_bytes());
}

#[test]
fn elements_are_converted_where_their_type_is_another() {
    let mut doubles = StateDict::<f64>::new();
    doubles.insert("x", tensor!([0.1, 1e300, f64::NAN]));
    let singles = StateDict::<f32>::from_bytes(&doubles.to_bytes().unwrap()).unwrap();
    let x = singles.get("x").unwrap().to_vec();
    assert_eq!(x[..2], [0.1_f32, f32::INFINITY]);
    assert!(x[2].is_nan());
    let mut singles = StateDict::<f32>::new();
    singles.insert("x", tensor!([0.1_f32, -3.5]));
    let doubles = StateDict::<f64>::from_bytes(&singles.to_bytes().unwrap()).unwrap();
    assert_eq!(doubles.get("x"), Some(&tensor!([f64::from(0.1_f32), -3.5])));
}

#[test]
fn a_strict_load_names_everything_that_does_not_fit_and_loads_nothing() {
    let model = golden_layers::<f32>();
    let before = bits(&model.state_dict());
    let mut state = StateDict::new();
    state.insert("0.weight", Tensor::zeros([4, 2, 3]).unwrap());
    state.insert("0.bias", Tensor::zeros([5]).unwrap());
    state.insert("2.weight", Tensor::zeros([4, 2]).unwrap());
    state.insert("3.weight", Tensor::zeros([1]).unwrap());
    state.insert("3.bias", Tensor::zeros([1]).unwrap());
    let error = model.load_state_dict(&state, Strictness::Strict).unwrap_err();
    let message = error.to_string();
    for part in [
        "missing 2.bias",
        "unexpected 3.weight, 3.bias",
        "0.bias has shape [5]",
        "[4]",
        "2.weight",
        "[4, 2, 4]",
    ] {
        assert!(message.contains(part), "{message}");
    }
    let Error::StateDict { missing, unexpected, misshapen, .. } = error else { panic!("{message}") };
    assert_eq!((missing.len(), unexpected.len(), misshapen.len()), (1, 2, 2));
    assert_eq!(bits(&model.state_dict()), before);

    let report = model.load_state_dict(&state, Strictness::NonStrict).unwrap();
    assert!(!report.is_complete());
    assert_eq!(report.missing, ["2.bias"]);
    assert_eq!(report.unexpected, ["3.weight", "3.bias"]);
    let misshapen = |name: &str, given: &[usize], expected: &[usize]| Misshapen {
        name: name.to_string(),
        given: given.to_vec(),
        expected: expected.to_vec(),
    };
    assert_eq!(
        report.misshapen,
        [misshapen("0.bias", &[5], &[4]), misshapen("2.weight", &[4, 2], &[4, 2, 4])]
    );
    let after = bits(&model.state_dict());
    assert!(after[0].2.iter().all(|&bits| bits == 0), "0.weight fitted");
    assert_eq!(after[1..], before[1..]);
}

#[test]
fn buffers_are_part_of_the_state_and_stay_buffers() {
    #[derive(Module)]
    struct WithBuffer {
        scale: Var<f32>,
        running: Var<f32>,
    }
    let make = |value: f32| WithBuffer {
        scale: Var::leaf(Tensor::scalar(value)),
        running: Var::constant(Tensor::scalar(-value)),
    };
    let (from, into) = (make(2.0), make(5.0));
    let state = from.state_dict();
    assert_eq!(names(&state), ["scale", "running"]);
    assert!(into.load_state_dict(&state, Strictness::Strict).unwrap().is_complete());
    assert_eq!((into.scale.item().unwrap(), into.running.item().unwrap()), (2.0, -2.0));
    assert!(into.scale.requires_grad() && !into.running.requires_grad());
}

#[test]
fn a_state_dict_is_a_snapshot_both_ways() {
    let model = linear();
    let state = model.state_dict();
    model.bias.as_ref().unwrap().set_value(tensor!([8.0, 9.0])).unwrap();
    assert_ne!(state.get("bias"), Some(&tensor!([8.0, 9.0])));
    assert!(model.load_state_dict(&state, Strictness::Strict).unwrap().is_complete());
    let mut state = state;
    let bias = state.get("bias").unwrap().clone();
    state.insert("bias", tensor!([1.0, 2.0]));
    assert_eq!(model.bias.as_ref().unwrap().value(), bias);
}

#[test]
fn results_of_operations_are_not_written_over_nor_what_comes_before_them() {
    #[derive(Module)]
    struct Computed {
        plain: Var<f32>,
        computed: Var<f32>,
    }
    let w = Var::leaf(tensor!([1.0_f32]));
    let module = Computed { computed: w.exp(), plain: w };
    let zeros = ["plain", "computed"].map(|name| (name.to_string(), tensor!([0.0_f32])));
    let state: StateDict<f32> = zeros.into_iter().collect();
    for strictness in [Strictness::Strict, Strictness::NonStrict] {
        assert!(module.load_state_dict(&state, strictness).unwrap_err().to_string().contains("leaves"));
        assert_eq!(module.plain.value(), tensor!([1.0]));
    }
}

#[test]
fn insertion_replaces_in_place_and_parts_come_apart_again() {
    let mut state = StateDict::<f32>::new();
    assert_eq!(state.insert("a", tensor!([1.0])), None);
    state.insert("b", tensor!([2.0]));
    assert_eq!(state.insert("a", tensor!([3.0])), Some(tensor!([1.0])));
    assert_eq!(names(&state), ["a", "b"]);

    state.metadata_mut().insert("epoch".to_string(), "7".to_string());
    let mut whole = StateDict::new();
    whole.insert_part("model", state);
    whole.insert("modeler.c", tensor!([4.0]));
    assert_eq!(whole.metadata()["model.epoch"], "7");
    assert_eq!(names(&whole), ["model.a", "model.b", "modeler.c"]);
    let part = whole.part("model");
    assert_eq!(part.metadata().iter().collect::<Vec<_>>(), [(&"epoch".to_string(), &"7".to_string())]);
    assert_eq!((names(&part), part.get("a")), (vec!["a", "b"], Some(&tensor!([3.0]))));
    assert_eq!((part.len(), whole.part("mod").is_empty()), (2, true));
}

#[test]
fn a_save_that_fails_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let model = linear();
    model.save_state_dict(&path).unwrap();
    let old = fs::read(&path).unwrap();

    let mut refused = model.state_dict();
    refused.insert("__metadata__", tensor!([1.0]));
    let error = refused.save(&path).unwrap_err();
    assert!(
        matches!(error, Error::NotStorable { .. }) && error.to_string().contains("__metadata__"),
        "{error}"
    );
    assert!(!refused.to_bytes().unwrap_err().to_string().contains("read"));
    let mut permissions = fs::metadata(&path).unwrap().permissions();
    permissions.set_readonly(true);
    fs::set_permissions(&path, permissions).unwrap();
    assert!(matches!(linear().save_state_dict(&path), Err(Error::Io { .. })));
    let error = model.save_state_dict(folder.path()).unwrap_err();
    assert!(error.to_string().contains(folder.path().to_str().unwrap()), "{error}");
    assert!(matches!(model.save_state_dict(folder.path().join("none/x")), Err(Error::Io { .. })));
    // What is at the end of this path is not a folder.
    assert!(matches!(model.save_state_dict(path.join("x")), Err(Error::Io { .. })));

    assert_eq!(fs::read(&path).unwrap(), old);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    assert!(model.load_state_dict_from(&path, Strictness::Strict).unwrap().is_complete());
}

#[test]
fn two_tensors_of_one_name_are_not_stored_or_loaded_but_one_that_comes_twice_is() {
    #[derive(Module)]
    struct Inner {
        w: Var<f32>,
    }
    #[derive(Module)]
    struct Outer {
        #[module(name = "inner.w")]
        w: Var<f32>,
        inner: Inner,
    }
    let (a, b) = (Var::leaf(tensor!([1.0_f32])), Var::leaf(tensor!([2.0_f32])));
    let model = Outer { w: a.clone(), inner: Inner { w: b } };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    let state = model.state_dict();
    let mut whole = StateDict::new();
    whole.insert_part("model", state.clone());
    for result in [
        model.save_state_dict(&path),
        state.to_bytes().map(drop),
        whole.part("model").to_bytes().map(drop),
        model
            .load_state_dict(
                &[("inner.w".to_string(), tensor!([3.0_f32]))].into_iter().collect(),
                Strictness::NonStrict,
            )
            .map(drop),
    ] {
        let error = result.unwrap_err();
        assert!(matches!(&error, Error::DuplicateNames { names } if names == &["inner.w"]), "{error}");
    }
    assert!(whole.to_bytes().unwrap_err().to_string().contains("model.inner.w"));
    assert!(!path.exists());
    assert_eq!(model.w.value(), tensor!([1.0_f32]));

    let tied = Outer { w: a.clone(), inner: Inner { w: a } };
    tied.save_state_dict(&path).unwrap();
    assert!(tied.load_state_dict_from(&path, Strictness::Strict).unwrap().is_complete());
}

#[test]
fn elements_of_other_types_are_reported_and_the_rest_is_loaded() {
    #[derive(Module)]
    struct Norm {
        num_batches_tracked: Var<f32>,
        weight: Var<f32>,
    }
    let header = r#"{"extra":{"dtype":"I16","shape":[2],"data_offsets":[0,4]},"num_batches_tracked":{"dtype":"I64","shape":[],"data_offsets":[4,12]},"weight":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}"#;
    let mut bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[7; 12]].concat();
    bytes.extend(5.0_f32.to_le_bytes());
    let mut state = StateDict::<f32>::from_bytes(&bytes).unwrap();
    assert_eq!(names(&state), ["weight"]);
    let found: Vec<_> = state.unreadable().iter().map(|it| (&*it.name, &*it.dtype, it.shape.len())).collect();
    assert_eq!(found, [("extra", "I16", 1), ("num_batches_tracked", "I64", 0)]);

    let model = Norm {
        num_batches_tracked: Var::constant(Tensor::scalar(0.0)),
        weight: Var::leaf(tensor!([1.0_f32])),
    };
    let message = model.load_state_dict(&state, Strictness::Strict).unwrap_err().to_string();
    for part in ["unexpected extra", "num_batches_tracked", "I64", "F16, BF16, F32 and F64"] {
        assert!(message.contains(part), "{message}");
    }
    assert_eq!(model.weight.item().unwrap(), 1.0);
    let report = model.load_state_dict(&state, Strictness::NonStrict).unwrap();
    assert!(!report.is_complete() && report.missing.is_empty());
    assert_eq!(report.unexpected, ["extra"]);
    assert_eq!(report.unreadable, state.unreadable()[1..]);
    assert_eq!(model.weight.item().unwrap(), 5.0);

    // Stored again, the file would have less than before.
    let message = state.to_bytes().unwrap_err().to_string();
    assert!(message.contains("extra") && message.contains("I16"), "{message}");
    state.insert("num_batches_tracked", Tensor::scalar(3.0));
    assert_eq!(state.take_unreadable().len(), 1);
    assert_eq!(names(&StateDict::<f32>::from_bytes(&state.to_bytes().unwrap()).unwrap()).len(), 2);
}
