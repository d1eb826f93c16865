//! The golden values are what their descriptions say: every tensor can be read, and where the reference can
//! compute a value as well, both agree. A test elsewhere that fails on them is then not their fault.

use lucid_check::golden::{self, array};
use lucid_check::reference::{add_bias, backward_data, backward_weight, bias_gradient, forward};
use lucid_check::{Error, Problem, check_close_relative};
use ndarray::{ArrayD, Axis};
use safetensors::SafeTensors;
use serde_json::Value;

const TOLERANCE: f64 = 1e-12;

fn check(name: &str, got: &ArrayD<f64>, golden: &Value) -> Result<(), Error> {
    check_close_relative(name, got.view(), array(golden)?.view(), TOLERANCE)
}

/// Reads every object with a `data`, and returns how many there were.
fn read_all(value: &Value) -> Result<usize, Error> {
    match value {
        Value::Object(object) if object.contains_key("data") => array(value).map(|_| 1),
        Value::Object(object) => object.values().map(read_all).sum(),
        Value::Array(list) => list.iter().map(read_all).sum(),
        _ => Ok(0),
    }
}

fn number(options: &Value, key: &str, default: usize) -> usize {
    options[key].as_u64().map_or(default, |number| number as usize)
}

/// The problem of a golden Conv1d or ConvTranspose1d, of its input and output with a batch axis.
fn problem_of(options: &Value, fine: &ArrayD<f64>, coarse: &ArrayD<f64>) -> Problem {
    Problem {
        stride: vec![number(options, "stride", 1)],
        dilation: vec![number(options, "dilation", 1)],
        pad_before: vec![number(options, "padding", 0)],
        groups: number(options, "groups", 1),
        fine: vec![fine.shape()[2]],
        coarse: vec![coarse.shape()[2]],
    }
}

#[test]
fn every_section_has_tensors_that_can_be_read() {
    let nn = golden::nn();
    let sections = [
        ("elementwise", 100),
        ("kinks", 15),
        ("along_axis", 48),
        ("losses", 150),
        ("optimizers", 100),
        ("clip_grad_norm", 16),
        ("modules", 200),
        ("state_dict", 2),
    ];
    for (section, at_least) in sections {
        let num_tensors = read_all(&nn[section]).unwrap_or_else(|error| panic!("{section}: {error}"));
        assert!(num_tensors >= at_least, "{section} has {num_tensors} tensors");
    }
}

#[test]
fn one_dimensional_modules_agree_with_the_reference() {
    let with_batch = |value: &Value| {
        let array = array(value).unwrap();
        if array.ndim() == 2 { array.insert_axis(Axis(0)) } else { array }
    };
    let nn = golden::nn();
    let mut num_checked = 0;
    for entry in nn["modules"].as_array().unwrap() {
        let options = &entry["options"];
        let transposed = entry["module"] == "ConvTranspose1d";
        let zeros = options["padding_mode"].is_null() || options["padding_mode"] == "zeros";
        if !(transposed || entry["module"] == "Conv1d" && zeros && options["padding"].is_u64()) {
            continue;
        }
        let (x, y, dy) = (with_batch(&entry["x"]), with_batch(&entry["y"]), with_batch(&entry["dy"]));
        let w = array(&entry["weight"]).unwrap();
        let (got, dx, dw) = if transposed {
            let problem = problem_of(options, &y, &x);
            (
                backward_data(&problem, x.view(), w.view()),
                forward(&problem, dy.view(), w.view()),
                backward_weight(&problem, dy.view(), x.view(), w.shape()),
            )
        } else {
            let problem = problem_of(options, &x, &y);
            (
                forward(&problem, x.view(), w.view()),
                backward_data(&problem, dy.view(), w.view()),
                backward_weight(&problem, x.view(), dy.view(), w.shape()),
            )
        };
        let got = match array(&entry["bias"]) {
            Ok(bias) => {
                check("db", &bias_gradient(dy.view()), &entry["db"]).unwrap();
                add_bias(got, bias.view())
            }
            Err(_) => got,
        };
        check_close_relative("y", got.view(), y.view(), TOLERANCE).unwrap();
        check_close_relative("dx", dx.view(), with_batch(&entry["dx"]).view(), TOLERANCE).unwrap();
        check("dw", &dw, &entry["dw"]).unwrap();
        num_checked += 1;
    }
    assert_eq!(num_checked, 6);
}

#[test]
fn plain_gradient_descent_is_what_the_options_say() {
    let nn = golden::nn();
    let optimizers = &nn["optimizers"];
    let run = &optimizers["runs"][0];
    assert_eq!((&run["optimizer"], &run["options"]), (&"SGD".into(), &serde_json::json!({ "lr": 0.1 })));
    for parameter in 0..2 {
        let mut p = array(&optimizers["start"][parameter]).unwrap();
        for step in 0..5 {
            p = p - array(&optimizers["gradients"][step][parameter]).unwrap() * 0.1;
            check("p", &p, &run["parameters"][step][parameter]).unwrap();
        }
    }
}

#[test]
fn the_state_dict_computes_its_output() {
    let nn = golden::nn();
    let (entry, file) = (&nn["state_dict"], SafeTensors::deserialize(golden::STATE_DICT).unwrap());
    let keys: Vec<&str> = entry["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
    assert_eq!(keys, ["0.weight", "0.bias", "2.weight", "2.bias"]);
    assert_eq!(file.len(), keys.len());
    let tensors: Vec<ArrayD<f64>> = keys
        .iter()
        .map(|key| {
            let view = file.tensor(key).unwrap();
            assert_eq!(serde_json::json!(view.shape()), entry["shapes"][key]);
            let (chunks, _) = view.data().as_chunks();
            let data = chunks.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect();
            ArrayD::from_shape_vec(view.shape(), data).unwrap()
        })
        .collect();

    let (x, y) = (array(&entry["x"]).unwrap(), array(&entry["y"]).unwrap());
    let hidden = problem_of(&entry["layers"][0]["options"], &x, &x);
    let hidden = add_bias(forward(&hidden, x.view(), tensors[0].view()), tensors[1].view());
    let hidden = hidden.mapv(|v| if v < 0.0 { 0.1 * v } else { v });
    let got = problem_of(&entry["layers"][2]["options"], &y, &hidden);
    let got = add_bias(backward_data(&got, hidden.view(), tensors[2].view()), tensors[3].view());
    check_close_relative("y", got.view(), y.view(), 1e-6).unwrap();
}
