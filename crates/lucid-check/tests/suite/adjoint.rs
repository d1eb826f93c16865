//! The three reference functions are one trilinear form: <forward(x, w), y> = <x, backward_data(y, w)> =
//! <w, backward_weight(x, y)>. Each is also checked by hand-computed values, since three equal mistakes
//! would satisfy the identity.

use lucid_check::Problem;
use lucid_check::reference::{add_bias, backward_data, backward_weight, bias_gradient, forward};
use ndarray::{ArrayD, array};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Axis {
    stride: usize,
    dilation: usize,
    pad_before: usize,
    fine: usize,
    coarse: usize,
    taps: usize,
}

prop_compose! {
    /// Grids of any lengths: the equation does not ask where a length came from.
    fn any_axis()(
        stride in 1..5_usize, dilation in 1..4_usize, pad_before in 0..6_usize,
        fine in 1..9_usize, coarse in 1..7_usize, taps in 1..5_usize,
    ) -> Axis {
        Axis { stride, dilation, pad_before, fine, coarse, taps }
    }
}

fn problem_of(axes: &[Axis], groups: usize) -> Problem {
    let list = |of: fn(&Axis) -> usize| axes.iter().map(of).collect::<Vec<_>>();
    Problem {
        stride: list(|axis| axis.stride),
        dilation: list(|axis| axis.dilation),
        pad_before: list(|axis| axis.pad_before),
        groups,
        fine: list(|axis| axis.fine),
        coarse: list(|axis| axis.coarse),
    }
}

/// Whole numbers between -8 and 8, so that every sum below is exact and the identities hold as equalities.
fn whole(shape: &[usize], seed: u64) -> ArrayD<f64> {
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    ArrayD::from_shape_simple_fn(shape, || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 40) % 17) as f64 - 8.0
    })
}

fn inner(a: &ArrayD<f64>, b: &ArrayD<f64>) -> f64 {
    (a * b).sum()
}

proptest! {
    #[test]
    fn the_three_functions_are_one_trilinear_form(
        axes in prop::collection::vec(any_axis(), 0..4),
        (groups, group_coarse, group_fine) in (1..4_usize, 1..4_usize, 1..4_usize),
        batch in 0..3_usize,
        seed in any::<u64>(),
    ) {
        let problem = problem_of(&axes, groups);
        let taps: Vec<usize> = axes.iter().map(|axis| axis.taps).collect();
        let w = whole(&[&[groups * group_coarse, group_fine], taps.as_slice()].concat(), seed);
        let x = whole(&[&[batch, groups * group_fine], problem.fine.as_slice()].concat(), seed ^ 1);
        let y = whole(&[&[batch, groups * group_coarse], problem.coarse.as_slice()].concat(), seed ^ 2);

        let form = inner(&forward(&problem, x.view(), w.view()), &y);
        prop_assert_eq!(form, inner(&x, &backward_data(&problem, y.view(), w.view())));
        prop_assert_eq!(form, inner(&w, &backward_weight(&problem, x.view(), y.view(), w.shape())));
    }
}

fn line(stride: usize, pad_before: usize, fine: usize, coarse: usize) -> Problem {
    problem_of(&[Axis { stride, dilation: 1, pad_before, fine, coarse, taps: 0 }], 1)
}

#[test]
fn the_example_of_the_specification() {
    let problem = line(1, 0, 4, 3);
    let (x, w) = (array![[[1.0, 2.0, 3.0]]].into_dyn(), array![[[1.0, 0.5]]].into_dyn());
    assert_eq!(backward_data(&problem, x.view(), w.view()), array![[[1.0, 2.5, 4.0, 1.5]]].into_dyn());
    let ones = ArrayD::ones(vec![1, 1, 4]);
    assert_eq!(forward(&problem, ones.view(), w.view()), array![[[1.5, 1.5, 1.5]]].into_dyn());
    assert_eq!(backward_weight(&problem, ones.view(), x.view(), w.shape()), array![[[6.0, 6.0]]].into_dyn());
    assert_eq!(bias_gradient(ones.view()), array![4.0].into_dyn());
}

#[test]
fn the_weight_is_not_flipped_and_padding_shifts() {
    let (x, w) = (array![[[1.0, 10.0, 100.0, 1000.0]]].into_dyn(), array![[[1.0, 2.0, 3.0]]].into_dyn());
    // Windows begin at -1 and 1: 1*0 + 2*1 + 3*10 and 1*10 + 2*100 + 3*1000.
    assert_eq!(forward(&line(2, 1, 4, 2), x.view(), w.view()), array![[[32.0, 3210.0]]].into_dyn());
}

#[test]
fn groups_see_their_own_channels_and_a_bias_its_own() {
    let problem = Problem { groups: 2, ..line(1, 0, 1, 1) };
    let w = array![[[1.0]], [[2.0]], [[3.0]], [[4.0]]].into_dyn();
    let x = array![[[1.0], [10.0]]].into_dyn();
    let y = add_bias(forward(&problem, x.view(), w.view()), array![0.1, 0.2, 0.3, 0.4].into_dyn().view());
    assert_eq!(y, array![[[1.1], [2.2], [30.3], [40.4]]].into_dyn());
}

#[test]
fn views_of_any_memory_order_are_read_by_index() {
    let problem = problem_of(
        &[
            Axis { stride: 2, dilation: 1, pad_before: 1, fine: 4, coarse: 3, taps: 2 },
            Axis { stride: 1, dilation: 2, pad_before: 0, fine: 5, coarse: 2, taps: 3 },
        ],
        1,
    );
    let (x, w) = (whole(&[1, 2, 5, 4], 7), whole(&[3, 2, 2, 3], 8));
    let transposed = x.view().permuted_axes(vec![0, 1, 3, 2]);
    let standard = transposed.as_standard_layout().to_owned();
    assert_eq!(forward(&problem, transposed, w.view()), forward(&problem, standard.view(), w.view()));
}
