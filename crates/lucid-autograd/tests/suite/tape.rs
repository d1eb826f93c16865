//! What the tape promises: accumulation, freeing, refusing, threads, depth.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_autograd::lucid_tensor::{Tensor, tensor};
use lucid_autograd::{Error, Graph, Var, grad, grad_with, is_recording, no_grad};

fn leaf(values: &[f64]) -> Var<f64> {
    Var::leaf(Tensor::from_vec([values.len()], values.to_vec()).unwrap())
}

fn grad_of(x: &Var<f64>) -> Vec<f64> {
    x.grad().unwrap().to_vec()
}

#[test]
fn backward_seeds_ones_and_accumulates_until_cleared() {
    let x = leaf(&[1.0, 2.0]);
    for sweeps in 1..=3 {
        x.square().backward().unwrap();
        assert_eq!(grad_of(&x), [2.0 * sweeps as f64, 4.0 * sweeps as f64]);
    }
    x.zero_grad();
    assert!(x.grad().is_none());
    x.square().backward_with(&tensor!([1.0, -1.0])).unwrap();
    assert_eq!(grad_of(&x), [2.0, -4.0]);
}

#[test]
fn every_use_counts_once() {
    // h + h, h * h, x = x + 2x chained, and a diamond.
    let h = leaf(&[3.0]);
    (&h + &h).unwrap().backward().unwrap();
    assert_eq!(grad_of(&h), [2.0]);
    h.zero_grad();
    (&h * &h).unwrap().backward().unwrap();
    assert_eq!(grad_of(&h), [6.0]);

    let x = leaf(&[1.0]);
    let mut y = x.clone();
    for _ in 0..5 {
        y = (&y + &(&y * 2.0)).unwrap();
    }
    y.backward().unwrap();
    assert_eq!(grad_of(&x), [243.0]);

    let x = leaf(&[2.0]);
    let (left, right) = (x.square(), &x * 3.0);
    (&left * &right).unwrap().backward().unwrap();
    assert_eq!(grad_of(&x), [36.0]); // (3 x^3)' = 9 x^2
}

#[test]
fn the_inputs_of_an_addition_share_no_gradient_buffer() {
    let (a, b) = (leaf(&[1.0]), leaf(&[1.0]));
    (&a + &b).unwrap().backward().unwrap();
    // Only a gets more: if the buffers were one, b's gradient would change too.
    (&a * 10.0).backward().unwrap();
    assert_eq!((grad_of(&a), grad_of(&b)), (vec![11.0], vec![1.0]));
}

#[test]
fn duplicated_indices_add_up() {
    let w = leaf(&[5.0, 6.0, 7.0]);
    w.index_select(0, &[0, 0, 1]).unwrap().backward().unwrap();
    assert_eq!(grad_of(&w), [2.0, 1.0, 0.0]);
}

#[test]
fn intermediate_values_keep_a_gradient_only_when_asked() {
    let x = leaf(&[2.0]);
    let (plain, asked) = (x.square(), &x * 3.0);
    asked.retain_grad().unwrap();
    (&plain + &asked.square()).unwrap().backward().unwrap();
    assert!(plain.grad().is_none());
    assert_eq!(grad_of(&asked), [12.0]);
}

#[test]
fn a_freed_graph_is_refused_and_a_retained_one_is_not() {
    let x = leaf(&[2.0]);
    let y = x.square().exp();
    y.backward_graph(None, Graph::Retain).unwrap();
    y.backward().unwrap();
    let before = grad_of(&x);
    let error = y.backward().unwrap_err();
    assert_eq!(error, Error::GraphFreed { operation: "exp" });
    assert!(error.to_string().contains("freed"));
    assert_eq!(grad_of(&x), before, "a failed sweep leaves nothing behind");
}

#[test]
fn a_sweep_through_a_part_that_was_freed_leaves_nothing_behind() {
    let x = leaf(&[2.0]);
    let trunk = x.square();
    let (one, two) = (trunk.exp(), (&trunk * &x).unwrap());
    one.backward().unwrap();
    let before = grad_of(&x);
    assert!(matches!(two.backward(), Err(Error::GraphFreed { .. })));
    assert_eq!(grad_of(&x), before);
}

#[test]
fn what_requires_no_gradient_is_refused() {
    let x = Var::<f64>::constant(tensor!([1.0]));
    for y in [x.exp(), no_grad(|| leaf(&[1.0]).exp()), leaf(&[1.0]).exp().detach()] {
        assert!(!y.requires_grad());
        assert!(matches!(y.backward(), Err(Error::NoGradient { .. })));
        assert!(matches!(y.retain_grad(), Err(Error::NoGradient { .. })));
    }
    let y = leaf(&[1.0]).exp();
    let error = grad(&[&y], &[&y, &x], Graph::Free).unwrap_err();
    assert!(error.to_string().contains("input number 1"), "{error}");
}

#[test]
fn seeds_have_to_fit() {
    let y = leaf(&[1.0, 2.0]).exp();
    let error = y.backward_with(&tensor!([1.0, 2.0, 3.0])).unwrap_err();
    assert!(error.to_string().contains("[3]") && error.to_string().contains("[2]"), "{error}");
    let error = grad_with(&[&y], &[], &[&y], Graph::Free).unwrap_err();
    assert_eq!(error, Error::Count { what: "seeds", given: 0, expected: 1 });
}

#[test]
fn grad_leaves_leaves_alone_and_reaches_intermediate_values() {
    let x = leaf(&[2.0]);
    let h = x.square();
    let unrelated = leaf(&[1.0]);
    let y = (&h * &x).unwrap();
    let gradients = grad(&[&y], &[&x, &h, &unrelated, &x], Graph::Free).unwrap();
    let values: Vec<f64> = gradients.iter().map(|gradient| gradient.item().unwrap()).collect();
    assert_eq!(values, [12.0, 2.0, 0.0, 12.0]);
    assert!(x.grad().is_none());
}

#[test]
fn several_outputs_add_up() {
    let x = leaf(&[2.0]);
    let (a, b) = (x.square(), &x * 5.0);
    let gradients = grad(&[&a, &b, &a], &[&x], Graph::Free).unwrap();
    assert_eq!(gradients[0].item().unwrap(), 13.0);
}

#[test]
fn recording_resumes_after_a_panic_within_no_grad() {
    let caught = std::panic::catch_unwind(|| no_grad(|| panic!("expected")));
    assert!(caught.is_err() && is_recording());
    assert!(no_grad(|| no_grad(|| !is_recording()) && !is_recording()));
}

#[test]
fn setting_a_value_changes_all_handles_but_no_recorded_gradient() {
    let w = leaf(&[3.0]);
    let handle = w.clone();
    let y = (&w * &w).unwrap().square(); // w^4
    w.set_value(tensor!([100.0])).unwrap();
    assert_eq!(handle.value().to_vec(), [100.0]);
    y.backward().unwrap();
    assert_eq!(grad_of(&w), [108.0]); // 4 w^3 at 3
    assert!(matches!(w.set_value(tensor!([1.0, 2.0])), Err(Error::Shape { .. })));
    assert!(matches!(y.set_value(tensor!([1.0])), Err(Error::NotALeaf { .. })));
}

#[test]
fn display_is_the_seeds() {
    let y = Var::<f64>::constant(tensor!([[[1.0, 2.5, 4.0, 1.5]]]));
    assert_eq!(y.to_string(), "Tensor([[[1.0, 2.5, 4.0, 1.5]]])");
    let w = Var::leaf(tensor!([[[1.0_f32, 0.5]]]));
    assert_eq!(w.to_string(), "Tensor([[[1.0, 0.5]]], requires_grad=true)");
}

#[test]
fn variables_cross_threads() {
    let x = leaf(&[1.0, 2.0]);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..100).for_each(|_| x.square().backward().unwrap()));
        }
    });
    assert_eq!(grad_of(&x), [800.0, 1600.0]);
}

#[test]
fn a_deep_chain_overflows_no_stack() {
    // 100,000 operations on a thread with 256 kB: swept, dropped after a sweep, dropped without one.
    let small = std::thread::Builder::new().stack_size(256 * 1024);
    let work = small.spawn(|| {
        let x = leaf(&[1.0]);
        let chain = || (0..100_000).fold(x.clone(), |y, _| y + 1e-5);
        let y = chain();
        y.backward_graph(None, Graph::Retain).unwrap();
        drop(y);
        chain().backward().unwrap();
        drop(chain());
        // Each of these saves its output and uses its input twice.
        let deep = (0..50_000).fold(x.clone(), |y, _| (&y.tanh() * &y).unwrap());
        drop(deep);
        grad_of(&x)
    });
    assert_eq!(work.unwrap().join().unwrap(), [2.0]);
}

#[test]
fn an_empty_batch_has_zero_gradients() {
    use lucid_autograd::lucid_conv::Options;
    let x = Var::<f32>::leaf(Tensor::zeros([0, 2, 5]).unwrap());
    let w = Var::leaf(Tensor::ones([2, 3, 4]).unwrap());
    let b = Var::leaf(Tensor::ones([3]).unwrap());
    let y = x.convolve(&w, Some(&b), &Options::<1>::conv_transpose()).unwrap();
    assert_eq!(y.shape(), [0, 3, 8]);
    y.backward().unwrap();
    assert_eq!(x.grad().unwrap().shape(), [0, 2, 5]);
    assert!(w.grad().unwrap().to_vec().iter().all(|&dw| dw == 0.0));
    assert_eq!(b.grad().unwrap().to_vec(), [0.0; 3]);
}

#[test]
fn shapes_that_do_not_fit_are_errors_that_show_both() {
    let (a, b) = (leaf(&[1.0, 2.0]), leaf(&[1.0, 2.0, 3.0]));
    for error in [
        (&a + &b).unwrap_err(),
        (&a / &b).unwrap_err(),
        a.maximum(&b).unwrap_err(),
        a.matmul(&b).unwrap_err(),
    ] {
        let message = error.to_string();
        assert!(message.contains("[2]") && message.contains("[3]"), "{message}");
    }
    assert!(a.transpose(0, 1).is_err() && a.clamp(1.0, 0.0).is_err());
    let bias = Var::leaf(Tensor::<f64>::ones([1, 1]).unwrap());
    let (x, w) = (Var::leaf(Tensor::ones([1, 1, 3]).unwrap()), Var::leaf(Tensor::ones([1, 1, 2]).unwrap()));
    let error = x.convolve(&w, Some(&bias), &lucid_autograd::lucid_conv::Options::<1>::conv()).unwrap_err();
    assert!(error.to_string().contains("[1, 1]"), "{error}");
}

/// Claims whatever gradients it was made with.
struct Claims(Vec<Option<Var<f64>>>);

impl lucid_autograd::Operation<f64> for Claims {
    fn name(&self) -> &'static str {
        "claims"
    }
    fn backward(
        &self,
        _: &lucid_autograd::Links<'_, f64>,
        _: &Var<f64>,
    ) -> lucid_autograd::Result<Vec<Option<Var<f64>>>> {
        Ok(self.0.clone())
    }
}

#[test]
fn an_operation_with_gradients_that_do_not_fit_is_named() {
    let of_shape = |shape: &[usize]| Some(Var::constant(Tensor::ones(shape).unwrap()));
    for (claimed, parts) in [
        (vec![of_shape(&[3, 2])], ["shape [3, 2]", "input number 0", "[2]"]),
        (vec![], ["0 gradients", "claims", "1 inputs"]),
        (vec![of_shape(&[2]), None], ["2 gradients", "claims", "1 inputs"]),
    ] {
        let x = leaf(&[1.0, 2.0]);
        let y = lucid_autograd::record(x.value(), &[&x], || Box::new(Claims(claimed)));
        let message = y.backward().unwrap_err().to_string();
        assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        assert!(x.grad().is_none());
    }
}

#[test]
fn debug_shows_the_value() {
    let shown = format!("{:?}", leaf(&[1.5]).exp());
    assert!(shown.contains("4.48") && shown.contains("exp"), "{shown}");
}

#[test]
fn an_operand_that_is_given_up_lends_its_storage_where_nothing_is_recorded() {
    let at = |x: &Var<f64>| x.value().view().as_ptr();
    let number = |value: f64| Var::constant(tensor!([value, value]));
    let y = number(3.0);
    let x = number(5.0);
    let storage = at(&x);
    let z = (((x + &y).unwrap() - &y).unwrap() * 4.0 + 1.0) / 2.0;
    assert_eq!((at(&z), z.value()), (storage, tensor!([10.5, 10.5])));

    // Another handle, another tensor of the same storage, a leaf that is recorded: each keeps what it had.
    let x = number(5.0);
    let z = (x.clone() + &y).unwrap();
    assert_eq!((x.value(), z.value()), (tensor!([5.0, 5.0]), tensor!([8.0, 8.0])));
    let kept = x.value();
    let z = (x * &y).unwrap() / 5.0;
    assert_eq!((kept, z.value()), (tensor!([5.0, 5.0]), tensor!([3.0, 3.0])));
    let leaf = Var::leaf(tensor!([1.0, 2.0]));
    let handle = leaf.clone();
    let z = no_grad(|| leaf * 2.0);
    assert_eq!((z.value(), handle.value()), (tensor!([2.0, 4.0]), tensor!([1.0, 2.0])));
    (handle.clone() * 3.0).backward().unwrap();
    assert_eq!(handle.grad(), Some(tensor!([3.0, 3.0])));

    // Of another shape the result can't lie where the operand was.
    let z = (number(1.0) + &Var::constant(tensor!([[1.0], [2.0]]))).unwrap();
    assert_eq!(z.value(), tensor!([[2.0, 2.0], [3.0, 3.0]]));
    assert!((number(1.0) + &Var::constant(tensor!([1.0, 2.0, 3.0]))).is_err());
}
