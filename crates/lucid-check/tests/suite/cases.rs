//! Every conformance file that lies with the crate against the reference, and files that are none.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use lucid_check::{Case, Dtype, Error, Expected, Op, golden, read_dir};
use ndarray::ArrayD;
use safetensors::tensor::TensorView;

fn all_cases() -> Vec<(String, Case)> {
    let paths = read_dir(golden::cases_dir()).expect("the folder lies with the crate");
    let read = |path| Case::read(path).unwrap_or_else(|error| panic!("{error}"));
    paths.iter().map(|path| (path.display().to_string(), read(path))).collect()
}

#[test]
fn the_reference_agrees_with_pytorch_on_every_case() {
    let mut ops = HashSet::new();
    for (path, case) in all_cases() {
        let tolerance = match case.dtype {
            Dtype::F64 => 1e-10,
            Dtype::F32 => 1e-5,
        };
        case.check_against_reference(tolerance).unwrap_or_else(|error| panic!("{path}: {error}"));
        ops.insert(case.op);
    }
    assert_eq!(ops.len(), Op::ALL.len(), "operations with a case: {ops:?}");
}

#[test]
fn the_values_of_the_files_lie_within_the_rigorous_bounds() {
    for (path, case) in all_cases() {
        let check = |tensor: &str, expected: &Expected, file: &ArrayD<f64>| {
            let result = match case.dtype {
                Dtype::F64 => expected.compare(tensor, file.view()),
                Dtype::F32 => expected.compare(tensor, file.mapv(|v| v as f32).view()),
            };
            result.unwrap_or_else(|error| panic!("{path}: {error}"));
        };
        let result = case.reference();
        check("y", &result.y, &case.y);
        if let (Some([dx, dw, db]), Some(file)) = (&result.gradients, &case.gradients) {
            check("dx", dx, &file.dx);
            check("dw", dw, &file.dw);
            file.db.iter().for_each(|file_db| check("db", db, file_db));
        }
    }
}

#[test]
fn one_changed_value_is_found_in_every_tensor() {
    let path = golden::cases_dir().join("transpose_s2_k4.safetensors");
    let case = Case::read(path).unwrap();
    for name in ["y", "dx", "dw", "db"] {
        let mut damaged = case.clone();
        let gradients = damaged.gradients.as_mut().unwrap();
        let tensor = match name {
            "y" => &mut damaged.y,
            "dx" => &mut gradients.dx,
            "dw" => &mut gradients.dw,
            _ => gradients.db.as_mut().unwrap(),
        };
        *tensor.iter_mut().last().unwrap() += 1e-6;
        match damaged.check_against_reference(1e-10) {
            Err(Error::Mismatch(mismatch)) => {
                assert_eq!((mismatch.tensor.as_str(), mismatch.num_wrong), (name, 1))
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_case_survives_writing_and_reading() {
    let folder = tempfile::tempdir().unwrap();
    for (path, case) in all_cases() {
        let copy = folder.path().join("copy.safetensors");
        case.write(&copy).unwrap();
        assert_eq!(Case::read(&copy).unwrap(), case, "{path}");
    }
}

/// Writes a file that is a case but for one thing, and returns what the reader says about it.
fn refusal(folder: &Path, damage: impl FnOnce(&mut Raw)) -> String {
    let mut raw = Raw {
        metadata: [
            ("op", "conv_transpose1d"),
            ("stride", "[2]"),
            ("padding", "[0]"),
            ("dilation", "[1]"),
            ("groups", "1"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into(),
        tensors: vec![("x", vec![1, 1, 2]), ("w", vec![1, 1, 2]), ("y", vec![1, 1, 4])],
        dtype: safetensors::Dtype::F64,
    };
    damage(&mut raw);
    let path = folder.join("damaged.safetensors");
    let zeros = vec![0; 1024];
    let views = raw.tensors.iter().map(|(name, shape)| {
        let len = shape.iter().product::<usize>() * raw.dtype.bitsize() / 8;
        let view = TensorView::new(raw.dtype, shape.clone(), &zeros[..len]);
        (*name, view.expect("as many bytes as the shape asks for"))
    });
    let bytes = safetensors::serialize(views, Some(raw.metadata)).expect("a valid safetensors file");
    fs::write(&path, bytes).expect("a folder that can be written");
    let error = Case::read(&path).err().map_or_else(|| "accepted".to_owned(), |error| error.to_string());
    assert!(error == "accepted" || error.contains("damaged.safetensors: "), "{error}");
    error
}

struct Raw {
    metadata: std::collections::HashMap<String, String>,
    tensors: Vec<(&'static str, Vec<usize>)>,
    dtype: safetensors::Dtype,
}

impl Raw {
    fn set(&mut self, key: &str, value: &str) {
        self.metadata.insert(key.to_owned(), value.to_owned());
    }
}

#[test]
fn a_malformed_case_is_refused_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let said = |damage: &dyn Fn(&mut Raw)| refusal(folder.path(), damage);
    let says = |damage: &dyn Fn(&mut Raw), reason: &str| {
        let error = said(damage);
        assert!(error.contains(reason), "{error:?} does not say {reason:?}");
    };
    assert_eq!(said(&|_| ()), "accepted");

    for missing in 0..3 {
        let name = ["x", "w", "y"][missing];
        says(&|raw| drop(raw.tensors.remove(missing)), &format!("tensor {name} is missing"));
    }
    for key in ["op", "stride", "padding", "dilation", "groups"] {
        says(&|raw| drop(raw.metadata.remove(key)), &format!("metadata {key} is missing"));
    }
    says(&|raw| raw.set("op", "conv4d"), "op \"conv4d\" is none of");
    says(&|raw| raw.set("op", "conv2d"), "stride [2] of conv2d has not 2 numbers");
    says(&|raw| raw.set("stride", "2"), "metadata stride \"2\" is not a JSON list");
    says(&|raw| raw.set("padding", "[-1]"), "metadata padding \"[-1]\" is not a JSON list");
    says(&|raw| raw.set("stride", "[0]"), "stride [0] contains 0");
    says(&|raw| raw.set("dilation", "[1, 1]"), "dilation [1, 1] of conv_transpose1d has not 1 numbers");
    says(&|raw| raw.set("groups", "one"), "metadata groups \"one\" is not a number");
    says(&|raw| raw.set("groups", "0"), "groups is 0");
    says(&|raw| raw.set("groups", "2"), "groups 2 does not divide the 1 channels");
    says(&|raw| raw.set("output_padding", "[1]"), "y has shape [1, 1, 4], expected [1, 1, 5]");
    says(&|raw| raw.set("padding_after", "[4]"), "leaves no output");
    says(&|raw| raw.set("stride", &format!("[{}]", usize::MAX)), "leaves no output");
    says(&|raw| raw.tensors[0].1 = vec![1, 1, 2, 1], "x of conv_transpose1d has shape [1, 1, 2, 1]");
    says(&|raw| raw.tensors[0].1 = vec![1, 3, 2], "x has 3 channels");
    says(&|raw| raw.tensors[1].1 = vec![1, 2], "w of conv_transpose1d has shape [1, 2]");
    says(&|raw| raw.tensors[1].1 = vec![1, 1, 0], "w has the empty shape");
    says(&|raw| raw.tensors.push(("b", vec![2])), "b has shape [2], expected [1]");
    says(&|raw| raw.tensors.push(("dy", vec![1, 1, 4])), "tensor dx is missing");
    says(&|raw| raw.dtype = safetensors::Dtype::F16, "tensor x is F16, neither F32 nor F64");
    says(
        &|raw| (raw.set("op", "conv1d"), raw.set("output_padding", "[1]")).0,
        "output_padding [1] for conv1d",
    );
}

#[test]
fn what_cannot_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("nowhere");
    assert!(read_dir(&missing).unwrap_err().to_string().contains("nowhere"));
    assert!(Case::read(&missing).unwrap_err().to_string().contains("nowhere"));

    let intact = &read_dir(golden::cases_dir()).unwrap()[0];
    let bytes = fs::read(intact).unwrap();
    let truncated = folder.path().join("b.safetensors");
    fs::write(&truncated, &bytes[..bytes.len() - 1]).unwrap();
    fs::write(folder.path().join("a.safetensors"), b"no header at all").unwrap();
    fs::write(folder.path().join("c.txt"), b"").unwrap();
    let found = read_dir(folder.path()).unwrap();
    assert_eq!(found, [folder.path().join("a.safetensors"), truncated]);
    for path in found {
        let error = Case::read(&path).unwrap_err();
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(name), "{error}");
    }
}
