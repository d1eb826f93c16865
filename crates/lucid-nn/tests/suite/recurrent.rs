//! Recurrent layers: PyTorch's outputs, states and gradients; gradients of both orders against central differences;
//! a sequence in pieces; refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_autograd::no_grad;
use lucid_check::golden;
use lucid_check::tape::{arbitrary, check_gradients};
use lucid_nn::{
    Error, Forward, GateWeights, Gru, Lstm, LstmState, Module, RecurrentConfig, Result, Sequential,
    StateDict, Strictness, Tanh, Tensor, Var,
};
use ndarray::ArrayD;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::Value;

fn rng() -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(3)
}

fn array(value: &Value) -> Tensor<f64> {
    golden::array(value).unwrap().into()
}

/// The output and the state at the end, as a list.
type Run = (Var<f64>, Vec<Var<f64>>);

/// A layer as a function of the input and of the state at the start.
type Runner<'a> = dyn Fn(&Var<f64>, &[Var<f64>]) -> Result<Run> + 'a;

fn run_gru(gru: &Gru<f64>, x: &Var<f64>, state: &[Var<f64>]) -> Result<Run> {
    let (y, end) = gru.forward_with_state(x, state.first())?;
    Ok((y, vec![end]))
}

fn run_lstm(lstm: &Lstm<f64>, x: &Var<f64>, state: &[Var<f64>]) -> Result<Run> {
    let state = if let [h, c] = state { Some(LstmState { h: h.clone(), c: c.clone() }) } else { None };
    let (y, LstmState { h, c }) = lstm.forward_with_state(x, state.as_ref())?;
    Ok((y, vec![h, c]))
}

fn check_entry<M: Module<f64>>(
    entry: &Value,
    module: &M,
    names: &[&str],
    run: impl Fn(&M, &Var<f64>, &[Var<f64>]) -> Result<Run>,
) {
    let options = &entry["options"];
    // Each number is a sum of some tens of rounded products, over a few steps.
    let close = |what: &str, got: Tensor<f64>, expected: &Value| {
        let expected = array(expected);
        assert_eq!(got.shape(), expected.shape(), "{what} {options}");
        let largest = expected.to_vec().into_iter().fold(1.0_f64, |most, value| most.max(value.abs()));
        for (got, expected) in got.to_vec().into_iter().zip(expected.to_vec()) {
            assert!((got - expected).abs() <= 1e-13 * largest, "{what} {options}: {got}, PyTorch {expected}");
        }
    };
    let parameters = entry["parameters"].as_object().unwrap();
    let state: StateDict<f64> = parameters.iter().map(|(name, value)| (name.clone(), array(value))).collect();
    assert!(module.load_state_dict(&state, Strictness::Strict).unwrap().is_complete());

    let x = Var::leaf(array(&entry["x"]));
    let start: Vec<Var<f64>> = match entry.get("state") {
        Some(state) => names.iter().map(|name| Var::leaf(array(&state[name]))).collect(),
        None => Vec::new(),
    };
    let (y, end) = run(module, &x, &start).unwrap();
    close("y", y.value(), &entry["y"]);
    // <y, dy> + <end, dend>
    let mut total = (&y * &Var::constant(array(&entry["dy"]))).unwrap().sum_all();
    for (name, end) in names.iter().zip(&end) {
        close(name, end.value(), &entry["end"][name]);
        total = (&total + &(end * &Var::constant(array(&entry["dend"][name]))).unwrap().sum_all()).unwrap();
    }
    total.backward().unwrap();
    close("dx", x.grad().unwrap(), &entry["dx"]);
    for (name, start) in names.iter().zip(&start) {
        close(name, start.grad().unwrap(), &entry["dstate"][name]);
    }
    for (name, parameter) in module.named_parameters() {
        close(&name, parameter.grad().unwrap(), &entry["gradients"][&name]);
    }
}

#[test]
fn outputs_states_and_gradients_are_pytorch_s() {
    let golden = golden::training();
    let entries = golden["recurrent"].as_array().unwrap();
    assert!(entries.len() >= 12);
    for entry in entries {
        let config: RecurrentConfig = serde_json::from_value(entry["options"].clone()).unwrap();
        match entry["module"].as_str().unwrap() {
            "GRU" => check_entry(entry, &Gru::new(config, &mut rng()).unwrap(), &["h"], run_gru),
            "LSTM" => check_entry(entry, &Lstm::new(config, &mut rng()).unwrap(), &["h", "c"], run_lstm),
            other => panic!("no such module: {other}"),
        }
    }
}

/// `vars` as parameters, four to a direction.
fn weights(vars: &[Var<f64>]) -> Vec<GateWeights<f64>> {
    let weights = vars.chunks_exact(4).map(|vars| GateWeights {
        weight_ih: vars[0].clone(),
        weight_hh: vars[1].clone(),
        bias_ih: Some(vars[2].clone()),
        bias_hh: Some(vars[3].clone()),
    });
    weights.collect()
}

/// An input, a state of `num_states` tensors, and the parameters of both directions.
fn inputs(num_gates: usize, num_states: usize) -> Vec<ArrayD<f64>> {
    let mut shapes = vec![vec![2, 2, 1]];
    shapes.extend(vec![vec![2, 2, 2]; num_states]);
    let rows = 2 * num_gates;
    (0..2).for_each(|_| shapes.extend([vec![rows, 1], vec![rows, 2], vec![rows], vec![rows]]));
    shapes.iter().zip(5..).map(|(shape, seed)| arbitrary(shape, seed)).collect()
}

/// One value of which every part depends on all outputs and on the state at the end.
fn join((y, end): Run) -> Result<Var<f64>> {
    let mut flat = vec![y.reshape([y.len()])?];
    for end in &end {
        flat.push(end.reshape([end.len()])?);
    }
    Ok(Var::concatenate(&flat.iter().collect::<Vec<_>>(), 0)?)
}

#[test]
fn gradients_of_both_orders() {
    let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(1, 2) };
    check_gradients(&inputs(3, 1), |vars| {
        let mut gru = Gru::new(config, &mut rng())?;
        gru.weights = weights(&vars[2..]);
        join(run_gru(&gru, &vars[0], &vars[1..2])?)
    })
    .unwrap();
    check_gradients(&inputs(4, 2), |vars| {
        let mut lstm = Lstm::new(config, &mut rng())?;
        lstm.weights = weights(&vars[3..]);
        join(run_lstm(&lstm, &vars[0], &vars[1..3])?)
    })
    .unwrap();
}

#[test]
fn frame_by_frame_is_the_whole_sequence() {
    let config = RecurrentConfig { num_layers: 2, batch_first: true, ..RecurrentConfig::new(3, 5) };
    let x = Var::constant(Tensor::<f64>::uniform([2, 7, 3], -1.0, 1.0, &mut rng()).unwrap());
    let (gru, lstm) = (Gru::new(config, &mut rng()).unwrap(), Lstm::new(config, &mut rng()).unwrap());
    let pieces = |run: &Runner<'_>| {
        let (whole, whole_end) = run(&x, &[]).unwrap();
        let (mut outputs, mut state) = (Vec::new(), Vec::new());
        for frame in 0..7 {
            let frame = x.slice(1, frame..frame + 1).unwrap();
            let (y, end) = no_grad(|| run(&frame, &state)).unwrap();
            assert!(!y.requires_grad() && whole.requires_grad());
            outputs.push(y);
            state = end;
        }
        let joined = Var::concatenate(&outputs.iter().collect::<Vec<_>>(), 1).unwrap();
        // Another number of rows may be summed in another order: sums of at most 5 products below 1, over 7 steps.
        let close = |a: &Var<f64>, b: &Var<f64>| {
            let pairs = a.value().to_vec().into_iter().zip(b.value().to_vec());
            pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max) <= 35.0 * f64::EPSILON
        };
        assert!(close(&joined, &whole));
        assert!(state.iter().zip(&whole_end).all(|(a, b)| close(a, b)));
    };
    pieces(&|x, state| run_gru(&gru, x, state));
    pieces(&|x, state| run_lstm(&lstm, x, state));
}

/// Without a record, few products are computed on plain numbers, and many as with one: a batch of 1 is few here, of 90 many.
#[test]
fn without_a_record_the_same_comes_out() {
    let config = RecurrentConfig::new(3, 8);
    for config in [
        RecurrentConfig { num_layers: 2, bidirectional: true, ..config },
        RecurrentConfig { bias: false, batch_first: true, ..config },
    ] {
        let (gru, lstm) = (Gru::new(config, &mut rng()).unwrap(), Lstm::new(config, &mut rng()).unwrap());
        for shape in [vec![6, 3], vec![6, 1, 3], vec![90, 90, 3], vec![2, 0, 3], vec![0, 2, 3]] {
            if shape[usize::from(shape.len() == 3 && config.batch_first)] == 0 {
                continue;
            }
            let x = Var::constant(Tensor::<f64>::uniform(shape, -1.0, 1.0, &mut rng()).unwrap());
            let same = |run: &Runner<'_>| {
                let (y, state) = run(&x, &[]).unwrap();
                let (plain_y, plain_state) = no_grad(|| run(&x, &[])).unwrap();
                // Sums of at most 16 products below 1, carried over up to 90 steps that forget.
                for (a, b) in [y].iter().chain(&state).zip([plain_y].iter().chain(&plain_state)) {
                    assert_eq!(a.shape(), b.shape());
                    let pairs = a.value().to_vec().into_iter().zip(b.value().to_vec());
                    let largest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
                    assert!(largest <= 100.0 * f64::EPSILON, "{config:?}: {largest}");
                }
            };
            same(&|x, state| run_gru(&gru, x, state));
            same(&|x, state| run_lstm(&lstm, x, state));
        }
    }
}

#[test]
fn gates_far_out_are_0_and_1_and_no_nan() {
    let gru = Gru::<f32>::new(RecurrentConfig::new(1, 1), &mut rng()).unwrap();
    let lstm = Lstm::<f32>::new(RecurrentConfig::new(1, 1), &mut rng()).unwrap();
    for value in [f32::MAX / 4.0, -f32::MAX / 4.0, 200.0, -200.0] {
        let x = Var::leaf(Tensor::from([[value]]));
        for y in [gru.forward(&x).unwrap(), lstm.forward(&x).unwrap()] {
            assert!(y.item().unwrap().abs() <= 1.0);
            y.backward().unwrap();
            assert!(x.grad().unwrap().to_vec()[0].is_finite());
        }
    }
}

#[test]
fn layers_are_part_of_a_sequence_and_an_empty_batch_passes() {
    let config = RecurrentConfig { bidirectional: true, ..RecurrentConfig::new(3, 4) };
    let model = Sequential::<f64>::new().with(Gru::new(config, &mut rng()).unwrap()).with(Tanh);
    let x = Var::leaf(Tensor::zeros([5, 0, 3]).unwrap());
    let y = model.forward(&x).unwrap();
    assert_eq!(y.shape(), [5, 0, 8]);
    y.backward().unwrap();
    assert!(model.parameters().iter().all(|p| p.grad().unwrap().to_vec().iter().all(|&dp| dp == 0.0)));
    assert_eq!(model.named_parameters()[4].0, "0.weight_ih_l0_reverse");
}

#[test]
fn what_does_not_fit_is_refused() {
    let config = RecurrentConfig { num_layers: 2, batch_first: true, ..RecurrentConfig::new(3, 4) };
    let gru = Gru::<f32>::new(config, &mut rng()).unwrap();
    let lstm = Lstm::<f32>::new(config, &mut rng()).unwrap();
    let zeros = |shape: &[usize]| Var::constant(Tensor::<f32>::zeros(shape).unwrap());
    let message = |x: &[usize], h: &[usize], c: &[usize]| {
        let state = LstmState { h: zeros(h), c: zeros(c) };
        let gru_error = gru.forward_with_state(&zeros(x), Some(&state.h)).map(drop);
        let lstm_error = lstm.forward_with_state(&zeros(x), Some(&state)).map(drop);
        (gru_error.map_err(|error| error.to_string()), lstm_error.map_err(|error| error.to_string()))
    };
    let good: &[usize] = &[2, 5, 4];
    assert_eq!(message(&[5, 7, 3], good, good), (Ok(()), Ok(())));
    for (x, h) in [
        (&[5, 7, 3][..], &[2, 7, 4][..]),
        (&[5, 7, 3], &[1, 5, 4]),
        (&[5, 7, 3], &[2, 5, 3]),
        (&[5, 7, 3], &[2, 4]),
        (&[7, 3], &[2, 1, 4]),
    ] {
        let (gru, lstm) = message(x, h, h);
        for error in [gru.unwrap_err(), lstm.unwrap_err()] {
            assert!(error.contains("state") && error.contains(&format!("{h:?}")), "{error}");
        }
    }
    let (gru_c, lstm_c) = message(&[5, 7, 3], good, &[2, 1, 4]);
    assert!(gru_c.is_ok() && lstm_c.unwrap_err().contains("the state's c"));
    for x in [&[5, 7, 2][..], &[3], &[1, 5, 7, 3], &[5, 0, 3]] {
        let error = gru.forward(&zeros(x)).unwrap_err().to_string();
        assert!(error.contains("the input"), "{error}");
    }
    for (input_size, hidden_size, num_layers) in [(0, 4, 1), (3, 0, 1), (3, 4, 0), (3, usize::MAX / 2, 1)] {
        let config = RecurrentConfig { num_layers, ..RecurrentConfig::new(input_size, hidden_size) };
        assert!(matches!(Gru::<f32>::new(config, &mut rng()), Err(Error::Parameter { .. })), "{config:?}");
    }
    let mut gru = gru;
    gru.weights[1].weight_hh = zeros(&[12, 5]);
    assert!(gru.forward(&zeros(&[5, 7, 3])).unwrap_err().to_string().contains("weight_hh"));
    gru.weights.pop();
    assert!(gru.forward(&zeros(&[5, 7, 3])).unwrap_err().to_string().contains("weights"));
}
