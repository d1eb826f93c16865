//! Laws that hold for every shape: adjoint identities, round trips and copy on write.
//!
//! Values are small integers, so products and sums are exact in f64 and the laws are checked with `==`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails by panicking")]

use lucid_tensor::{PadMode, Result, Slice, Tensor, broadcast_shapes};
use proptest::{collection::vec, prelude::*};

/// A tensor of a given shape, of integers from -8 to 8.
fn of_shape(shape: Vec<usize>) -> impl Strategy<Value = Tensor<f64>> {
    let len = shape.iter().product::<usize>();
    vec(-8_i32..=8, len).prop_map(move |values| {
        Tensor::from_vec(&shape, values.into_iter().map(f64::from).collect()).unwrap()
    })
}

fn shape(ndim: impl Into<proptest::collection::SizeRange>) -> impl Strategy<Value = Vec<usize>> {
    vec(0_usize..5, ndim)
}

/// A tensor of up to four axes, in row-major order or not.
fn any_tensor() -> impl Strategy<Value = Tensor<f64>> {
    (shape(0..=4).prop_flat_map(of_shape), any::<prop::sample::Index>(), any::<prop::sample::Index>())
        .prop_map(|(x, a, b)| match x.ndim() {
            0 => x,
            ndim => x.transpose(a.index(ndim), b.index(ndim)).unwrap(),
        })
}

/// A tensor with at least one axis, and one of its axes.
fn with_axis() -> impl Strategy<Value = (Tensor<f64>, usize)> {
    any_tensor().prop_filter("needs an axis", |x| x.ndim() > 0).prop_flat_map(|x| {
        let ndim = x.ndim();
        (Just(x), 0..ndim)
    })
}

/// A tensor, one of its axes and a slice of it.
fn with_slice() -> impl Strategy<Value = (Tensor<f64>, usize, Slice)> {
    with_axis().prop_flat_map(|(x, axis)| {
        let len = x.shape()[axis];
        (Just(x), Just(axis), 0..=len, 0..=len, 1_usize..4)
            .prop_map(|(x, axis, a, b, step)| (x, axis, Slice { start: a.min(b), end: a.max(b), step }))
    })
}

/// A tensor, one of its axes and indices into it.
fn with_indices() -> impl Strategy<Value = (Tensor<f64>, usize, Vec<usize>)> {
    with_axis().prop_flat_map(|(x, axis)| {
        let len = x.shape()[axis];
        let indices = if len == 0 { vec(0..1, 0..=0) } else { vec(0..len, 0..7) };
        (Just(x), Just(axis), indices)
    })
}

/// A shape and a tensor that broadcasts to it: some lengths become 1, some leading axes disappear.
fn broadcastable() -> impl Strategy<Value = (Tensor<f64>, Vec<usize>)> {
    shape(0..=4).prop_flat_map(|to| {
        let (ndim, target) = (to.len(), to.clone());
        (vec(any::<bool>(), ndim), 0..=ndim).prop_flat_map(move |(ones, dropped)| {
            let from = target.iter().zip(&ones).skip(dropped).map(|(&len, &one)| if one { 1 } else { len });
            (of_shape(from.collect()), Just(target.clone()))
        })
    })
}

/// `<x, y>`, summed here and not by the crate.
fn dot(x: &Tensor<f64>, y: &Tensor<f64>) -> f64 {
    assert_eq!(x.shape(), y.shape());
    x.view().iter().zip(&y.view()).map(|(x, y)| x * y).sum()
}

/// Checks `<forward(x), y> = <x, adjoint(y)>` with `y = 1, 2, 3, ...`, which no two elements share.
fn check_adjoint(
    x: &Tensor<f64>,
    forward: impl Fn(&Tensor<f64>) -> Result<Tensor<f64>>,
    adjoint: impl Fn(&Tensor<f64>) -> Result<Tensor<f64>>,
) -> std::result::Result<(), TestCaseError> {
    let fx = forward(x).unwrap();
    let y = Tensor::from_vec(fx.shape(), (1..=fx.len()).map(|i| i as f64).collect()).unwrap();
    let ay = adjoint(&y).unwrap();
    prop_assert_eq!(ay.shape(), x.shape());
    prop_assert_eq!(dot(&fx, &y), dot(x, &ay));
    Ok(())
}

proptest! {
    #[test]
    fn broadcast_to_and_sum_to_are_adjoint((x, to) in broadcastable()) {
        check_adjoint(&x, |x| x.broadcast_to(&to), |y| y.sum_to(x.shape()))?;
    }

    #[test]
    fn slice_and_unslice_are_adjoint((x, axis, slice) in with_slice()) {
        prop_assert_eq!(x.slice(axis, slice).unwrap().shape()[axis], slice.len());
        check_adjoint(&x, |x| x.slice(axis, slice), |y| y.unslice(axis, slice, x.shape()[axis]))?;
    }

    #[test]
    fn index_select_and_index_add_are_adjoint((x, axis, indices) in with_indices()) {
        check_adjoint(&x, |x| x.index_select(axis, &indices), |y| y.index_add(axis, &indices, x.shape()[axis]))?;
    }

    #[test]
    fn a_slice_is_a_selection_of_its_positions((x, axis, slice) in with_slice()) {
        let indices: Vec<usize> = (slice.start..slice.end).step_by(slice.step).collect();
        prop_assert_eq!(x.slice(axis, slice).unwrap(), x.index_select(axis, &indices).unwrap());
    }

    #[test]
    fn padding_is_a_selection_of_its_sources(
        (x, axis) in with_axis(),
        before in 0_usize..6,
        after in 0_usize..6,
        mode in prop::sample::select(vec![PadMode::Reflect, PadMode::Replicate, PadMode::Circular]),
    ) {
        let mut padding = vec![(0, 0); x.ndim()];
        padding[axis] = (before, after);
        match mode.source_indices(x.shape()[axis], before, after) {
            Ok(indices) => {
                let padded = x.pad(&padding, mode).unwrap();
                prop_assert_eq!(&padded, &x.index_select(axis, &indices).unwrap());
                let middle = before..before + x.shape()[axis];
                prop_assert_eq!(padded.slice(axis, middle).unwrap(), x);
            }
            Err(_) => prop_assert!(x.pad(&padding, mode).is_err()),
        }
    }

    #[test]
    fn slices_concatenate_to_the_whole((x, axis, slice) in with_slice()) {
        let len = x.shape()[axis];
        let parts = [0..slice.start, slice.start..slice.end, slice.end..len].map(|r| x.slice(axis, r).unwrap());
        prop_assert_eq!(Tensor::concatenate(&parts.each_ref(), axis).unwrap(), x);
    }

    #[test]
    fn stacked_tensors_are_found_again(x in any_tensor(), axis in any::<prop::sample::Index>()) {
        let axis = axis.index(x.ndim() + 1);
        let stacked = Tensor::stack(&[&(&x * 2.0), &x], axis).unwrap();
        prop_assert_eq!(stacked.slice(axis, 1..2).unwrap().squeeze(axis).unwrap(), x);
    }

    #[test]
    fn permutations_undo_one_another(x in any_tensor(), seed in any::<u64>()) {
        let mut axes: Vec<usize> = (0..x.ndim()).collect();
        axes.sort_by_key(|&axis| (axis as u64 + 1).wrapping_mul(seed | 1).rotate_left(17));
        let mut inverse = vec![0; axes.len()];
        for (i, &axis) in axes.iter().enumerate() {
            inverse[axis] = i;
        }
        let y = x.permute(&axes).unwrap();
        prop_assert_eq!(y.shape().to_vec(), axes.iter().map(|&axis| x.shape()[axis]).collect::<Vec<_>>());
        prop_assert_eq!(y.permute(&inverse).unwrap(), x);
    }

    #[test]
    fn reshapes_keep_the_row_major_order(x in any_tensor()) {
        let flat = x.reshape([x.len()]).unwrap();
        prop_assert_eq!(flat.to_vec(), x.view().iter().copied().collect::<Vec<_>>());
        prop_assert_eq!(flat.reshape(x.shape()).unwrap(), x);
    }

    #[test]
    fn addition_broadcasts_as_if_both_were_repeated((x, shape) in broadcastable(), value in -8_i32..8) {
        let y = Tensor::arange(0.0, shape.iter().product::<usize>() as f64, 1.0).unwrap().reshape(&shape).unwrap();
        let y = y + f64::from(value);
        prop_assert_eq!(broadcast_shapes(x.shape(), &shape).unwrap(), shape.clone());
        let repeated = x.broadcast_to(&shape).unwrap();
        let expected: Vec<f64> = repeated.view().iter().zip(&y.view()).map(|(x, y)| x - y).collect();
        prop_assert_eq!((&x - &y).unwrap().to_vec(), expected.clone());
        prop_assert_eq!((-(&y - &x).unwrap()).to_vec(), expected);
    }

    #[test]
    fn sums_agree_with_one_axis_at_a_time(x in any_tensor(), flags in vec(any::<bool>(), 4)) {
        let axes: Vec<usize> = (0..x.ndim()).filter(|&axis| flags[axis]).collect();
        let mut expected = x.clone().into_array();
        for &axis in axes.iter().rev() {
            expected = expected.sum_axis(ndarray::Axis(axis));
        }
        prop_assert_eq!(x.sum(&axes, false).unwrap(), Tensor::from(expected));
        prop_assert_eq!(x.sum(&axes, true).unwrap().sum_all(), x.sum_all());
    }

    #[test]
    fn extremes_are_elements_and_bounds((x, axis) in with_axis()) {
        prop_assume!(x.shape()[axis] > 0);
        let (min, max) = (x.min(&[axis], true).unwrap(), x.max(&[axis], true).unwrap());
        prop_assert!(x.le(&max).unwrap().view().iter().all(|&holds| holds));
        prop_assert!(x.ge(&min).unwrap().view().iter().all(|&holds| holds));
        prop_assert_eq!(max.neg(), x.neg().min(&[axis], true).unwrap());
        let at = x.argmax(axis).unwrap();
        for (value, lane) in max.view().iter().zip(x.view().lanes(ndarray::Axis(axis))) {
            prop_assert_eq!(*value, lane.iter().copied().fold(f64::NEG_INFINITY, f64::max));
        }
        for (&at, lane) in at.view().iter().zip(x.view().lanes(ndarray::Axis(axis))) {
            let first = lane.iter().position(|v| lane.iter().all(|w| w <= v));
            prop_assert_eq!(Some(at), first);
        }
    }

    #[test]
    fn writing_to_a_clone_never_changes_the_original(x in any_tensor()) {
        let before = x.to_vec();
        let mut copies = std::array::from_fn::<_, 4, _>(|_| x.clone());
        copies[0].view_mut().fill(99.0);
        copies[1].map_inplace(|_| 99.0);
        copies[2].add_assign(&x).unwrap();
        copies[3] = std::mem::replace(&mut copies[3], Tensor::scalar(0.0)) * 99.0;
        prop_assert_eq!(x.to_vec(), before.clone());
        prop_assert_eq!(copies[2].to_vec(), before.iter().map(|v| 2.0 * v).collect::<Vec<_>>());
    }

    #[test]
    fn writing_to_a_part_never_changes_the_whole((x, axis, slice) in with_slice()) {
        let before = x.to_vec();
        let mut part = x.slice(axis, slice).unwrap();
        part.view_mut().fill(99.0);
        prop_assert_eq!(x.to_vec(), before);
        prop_assert!(part.view().iter().all(|&v| v == 99.0));
    }
}
