//! What several tests of optimisers begin with.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_nn::optim::{Adam, AdamW, Optimizer, Sgd};
use lucid_nn::{Element, Tensor, Var};
use serde_json::Value;

/// Parameters as a module names them.
pub(crate) type Named<T> = Vec<(String, Var<T>)>;

/// The optimiser that PyTorch calls `kind`, with its arguments.
pub(crate) fn make<T: Element>(kind: &str, options: &Value, parameters: Named<T>) -> Box<dyn Optimizer<T>> {
    let options = options.clone();
    match kind {
        "SGD" => Box::new(Sgd::new(parameters, serde_json::from_value(options).unwrap()).unwrap()),
        "Adam" => Box::new(Adam::new(parameters, serde_json::from_value(options).unwrap()).unwrap()),
        "AdamW" => Box::new(AdamW::new(parameters, serde_json::from_value(options).unwrap()).unwrap()),
        other => panic!("no such optimiser: {other}"),
    }
}

pub(crate) fn one_parameter(value: Tensor<f64>) -> (Var<f64>, Named<f64>) {
    let p = Var::leaf(value);
    (p.clone(), vec![("p".to_string(), p)])
}
