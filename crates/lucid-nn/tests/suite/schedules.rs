//! Learning rates: PyTorch's, beyond the end, stored and read again, refusals.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_check::golden;
use lucid_nn::optim::{Plateau, PlateauConfig, Schedule};
use serde_json::{Value, json};

fn schedule(value: Value) -> Schedule {
    serde_json::from_value(value).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    serde_json::from_value(value.clone()).unwrap()
}

#[test]
fn learning_rates_are_pytorch_s() {
    let golden = golden::training();
    let entries = golden["schedules"].as_array().unwrap();
    assert!(entries.len() >= 8);
    for entry in entries {
        let expected = numbers(&entry["lr"]);
        let name = entry["schedule"].as_str().unwrap();
        let options = entry["options"].clone();
        let shares: Vec<f64> = if name == "plateau" {
            let mut plateau =
                Plateau::new(serde_json::from_value::<PlateauConfig>(options).unwrap()).unwrap();
            let after = numbers(&entry["losses"]).into_iter().map(|loss| {
                // Stored and read again before every loss.
                plateau = serde_json::from_str(&serde_json::to_string(&plateau).unwrap()).unwrap();
                plateau.observe(loss)
            });
            std::iter::once(1.0).chain(after.collect::<Vec<_>>()).collect()
        } else {
            let schedule = schedule(json!({ name: options }));
            assert_eq!(
                serde_json::from_str::<Schedule>(&serde_json::to_string(&schedule).unwrap()).unwrap(),
                schedule
            );
            (0..expected.len() as u64).map(|step| schedule.share_at(step).unwrap()).collect()
        };
        for (step, (share, expected)) in shares.into_iter().zip(&expected).enumerate() {
            // PyTorch multiplies step by step: each step rounds once or twice more.
            let error = (0.1 * share - expected).abs();
            assert!(
                error <= 0.1 * 8.0 * (step + 1) as f64 * f64::EPSILON,
                "{name} at {step}: {share}, {expected}"
            );
        }
    }
}

#[test]
fn schedules_stay_where_they_end_and_never_overflow() {
    let one_cycle = json!({"one_cycle": {"num_steps": 5, "rise": 0.4, "first_share": 0.1, "final_share": 0.01, "anneal": "cos"}});
    let cosine = json!({"cosine": {"num_steps": 5, "final_share": 0.25}});
    let warm_up = json!({"warm_up": {"num_steps": 0, "first_share": 0.5, "then": cosine}});
    for (value, last) in [(one_cycle, 0.01), (cosine, 0.25), (warm_up, 0.25)] {
        let schedule = schedule(value);
        for step in [5, 6, u64::MAX] {
            assert!((schedule.share_at(step).unwrap() - last).abs() <= 1e-15, "{schedule:?} at {step}");
        }
    }
    let decay = schedule(json!({"exponential": {"gamma": 0.9}}));
    assert_eq!(decay.share_at(u64::MAX).unwrap(), 0.0);
    assert_eq!(Schedule::Constant.share_at(u64::MAX).unwrap(), 1.0);
}

#[test]
fn numbers_outside_their_range_are_refused_by_name() {
    for (value, named) in [
        (json!({"step": {"step_size": 0, "gamma": 0.5}}), "step_size"),
        (json!({"step": {"step_size": 1, "gamma": -0.5}}), "gamma"),
        (json!({"cosine": {"num_steps": 0, "final_share": 0.0}}), "num_steps"),
        (
            json!({"one_cycle": {"num_steps": 9, "rise": 1.0, "first_share": 0.1, "final_share": 0.1, "anneal": "cos"}}),
            "rise",
        ),
        (json!({"warm_up": {"num_steps": 3, "first_share": -1.0, "then": "constant"}}), "first_share"),
    ] {
        let error = schedule(value).share_at(0).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    for (config, named) in [
        (json!({"factor": 1.0}), "factor"),
        (json!({"threshold": -1.0}), "threshold"),
        (json!({"min_share": 2.0}), "min_share"),
    ] {
        let error = Plateau::new(serde_json::from_value(config).unwrap()).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    assert!(serde_json::from_value::<Schedule>(json!({"step": {"step_size": 1, "gama": 0.5}})).is_err());
}

#[test]
fn a_loss_that_is_no_number_is_no_improvement() {
    let mut plateau = Plateau::new(PlateauConfig { patience: 1, factor: 0.5, ..Default::default() }).unwrap();
    assert_eq!(
        [f64::NAN, 1.0, f64::NAN, f64::INFINITY].map(|loss| plateau.observe(loss)),
        [1.0, 1.0, 1.0, 0.5]
    );
}
