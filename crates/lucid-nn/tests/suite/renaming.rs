//! Checkpoints under other names than the module's.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_nn::{Error, Module, StateDict, Var};
use lucid_tensor::tensor;

fn state(names: &[&str]) -> StateDict {
    names.iter().zip(0_u8..).map(|(name, value)| (name.to_string(), tensor!([f32::from(value)]))).collect()
}

#[test]
fn names_are_mapped_in_order_and_strings_stay() {
    let mut from = state(&["model.b", "model.a", "optimizer.step", "c"]);
    from.metadata_mut().insert("model.b".to_string(), "7".to_string());
    let to = from
        .renamed(|name| (!name.starts_with("optimizer")).then(|| name.replace("model.", "net.")))
        .unwrap();
    assert_eq!(to.names().collect::<Vec<_>>(), ["net.b", "net.a", "c"]);
    assert_eq!((to.get("net.a"), to.get("model.a")), (Some(&tensor!([1.0])), None));
    assert_eq!(to.metadata()["model.b"], "7");
}

#[test]
fn two_tensors_of_one_name_are_an_error_that_names_both() {
    let collide = |name: &str| Some(name.split('.').next_back()?.to_string());
    let error = state(&["a.w", "b.w", "b.v", "c.w"]).renamed(collide).unwrap_err();
    let Error::Renaming { name, from } = &error else { panic!("{error:?}") };
    assert_eq!((name.as_str(), from.as_slice()), ("w", ["a.w", "b.w", "c.w"].map(str::to_string).as_slice()));
    assert!(error.to_string().contains("a.w, b.w, c.w"), "{error}");
    // One that is left out is in nobody's way, and names may be exchanged.
    let swap = |name: &str| Some(if name == "a" { "b" } else { "a" }.to_string());
    assert_eq!(state(&["a", "b"]).renamed(swap).unwrap().names().collect::<Vec<_>>(), ["b", "a"]);
    let first = |name: &str| (name == "a.w").then(|| "w".to_string());
    assert_eq!(state(&["a.w", "b.w"]).renamed(first).unwrap().len(), 1);
}

#[test]
fn tensors_that_could_not_be_read_are_renamed_too() {
    let header = r#"{"bn.count":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}"#;
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 8]].concat();
    let load = || StateDict::<f32>::from_bytes(&bytes).unwrap();
    let renamed = load().renamed(|_| Some("norm.count".to_string())).unwrap();
    assert_eq!(renamed.unreadable()[0].name, "norm.count");
    assert!(load().renamed(|_| None).unwrap().unreadable().is_empty());
    let mut both = load();
    both.insert("count", tensor!([1.0]));
    assert!(matches!(both.renamed(|_| Some("count".to_string())), Err(Error::Renaming { .. })));
}

#[test]
fn names_that_a_module_has_twice_stay_an_error() {
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
    let leaf = || Var::leaf(tensor!([1.0_f32]));
    let outer = Outer { w: leaf(), inner: Inner { w: leaf() } };
    let renamed = outer.state_dict().renamed(|name| Some(format!("x.{name}"))).unwrap();
    let Err(Error::DuplicateNames { names }) = renamed.to_bytes() else { panic!() };
    assert_eq!(names, ["x.inner.w"]);
    // Left out, the tensor that there was no room for is not asked for any more.
    assert!(outer.state_dict().renamed(|_| None).unwrap().to_bytes().is_ok());
}
