//! NaN and infinities come out where the sums over existing positions put them, and nowhere else.
//!
//! The reference leaves out what lies off the grid, so it is the judge here too: `lucid_check` accepts a NaN only for a
//! NaN and an infinity only for the same one. Algorithms that multiply zeros for positions off the grid would turn
//! them into NaN.

use crate::support::{Arrays, Setup, Tensor, check_arrays, config, expected, for_each_outcome, setups};
use lucid_conv::{Algorithm, Isa, Options, Padding, Pass};
use ndarray::{ArrayD, array};
use proptest::prelude::*;

const SPECIAL: [f64; 4] = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 0.0];

/// Every special value at the start, in the middle and at the end of x, w and dy in turn.
fn check_specials<const N: usize>(setup: &Setup<N>) {
    let plain = Arrays::random(setup);
    for operand in 0..3 {
        for place in 0..3 {
            for special in SPECIAL {
                let mut arrays = plain.clone();
                let array = arrays.operand_mut(operand);
                array[place * (array.len() - 1) / 2] = special;
                check_arrays(setup, &arrays);
            }
        }
    }
}

#[test]
fn one_value_at_a_time() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        check_specials(&Setup::new(options.padding(2).stride(2).dilation(3), [3, 2], [11], [3]));
        check_specials(&Setup::new(options.padding(3), [2, 2], [300], [3]).batch(Some(2)));
        check_specials(&Setup::new(options.padding(Padding::Same).stride(4).groups(2), [4, 2], [6], [2]));
    }
    for options in [Options::<2>::conv(), Options::conv_transpose()] {
        check_specials(&Setup::new(options.padding([1, 2]).stride([2, 1]), [2, 3], [5, 6], [2, 4]));
    }
}

/// Filters of channels that do not mix pad rows with zeros, and count the end of a row twice, once with zeros.
#[test]
fn one_value_at_a_time_where_channels_do_not_mix() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        for length in [11, 35] {
            check_specials(&Setup::new(options.padding(2).groups(2), [2, 2], [length], [3]).batch(Some(2)));
            check_specials(&Setup::new(options.padding(4).stride(2).groups(2), [2, 4], [length], [3]));
            check_specials(&Setup::new(options.padding(1).stride(3).groups(2), [4, 2], [length], [4]));
        }
    }
    for options in [Options::<2>::conv(), Options::conv_transpose()] {
        check_specials(&Setup::new(options.padding([1, 2]).groups(2), [2, 2], [4, 13], [2, 3]));
    }
}

/// Infinities of both signs in one sum are NaN, and zero times infinity is one, where both exist.
#[test]
fn infinities_that_meet() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        let setup = Setup::new(options.padding(1).stride(2), [3, 3], [8], [3]);
        let mut arrays = Arrays::random(&setup);
        arrays.w[[0, 0, 0]] = f64::INFINITY;
        arrays.w[[1, 0, 0]] = f64::NEG_INFINITY;
        arrays.w[[0, 1, 2]] = 0.0;
        arrays.x[[0, 1, 3]] = f64::INFINITY;
        arrays.x[[0, 1, 4]] = f64::NEG_INFINITY;
        arrays.x[[0, 0, 5]] = 0.0;
        arrays.dy[[0, 2, 1]] = f64::INFINITY;
        let bias = arrays.b.as_mut().unwrap();
        bias[[1]] = f64::NAN;
        bias[[2]] = f64::INFINITY;
        let y = &expected(&setup, &arrays)[Tensor::Y as usize].value;
        assert!(y.iter().any(|value| value.is_nan()) && y.iter().any(|value| value.is_finite()), "{y}");
        check_arrays(&setup, &arrays);
    }
}

/// Of three taps and a padding of 2, the first two only read before the single position: their weights are never used.
#[test]
fn an_infinite_weight_that_reads_only_outside_contributes_nothing() {
    let options = Options::<1>::conv().padding([(2, 0)]);
    let setup = Setup::new(options, [1, 1], [1], [3]).batch(None);
    let arrays = Arrays {
        x: array![[2.0]].into_dyn(),
        w: array![[[f64::INFINITY, f64::NAN, 3.0]]].into_dyn(),
        b: Some(array![1.0].into_dyn()),
        dy: array![[5.0]].into_dyn(),
    };
    check_arrays(&setup, &arrays);
    for_each_outcome::<f32, 1>(&setup, &arrays, |tensor, label, got| {
        let value = *got.iter().last().unwrap();
        let by_hand = [7.0, 15.0, 10.0, 5.0][tensor as usize];
        assert_eq!(value, by_hand, "{label}");
    });
    // The same taps of a larger problem, which goes through blocks of columns.
    let setup = Setup::new(Options::<1>::conv().padding([(2, 0)]).stride(300), [3, 2], [298], [3]);
    let mut arrays = Arrays::random(&setup);
    arrays.w.iter_mut().step_by(3).for_each(|w| *w = f64::NEG_INFINITY);
    assert!(expected(&setup, &arrays)[Tensor::Y as usize].value.iter().all(|value| value.is_finite()));
    check_arrays(&setup, &arrays);
}

/// What a crop takes away takes its infinities along.
#[test]
fn an_infinity_that_is_cropped_contributes_nothing() {
    let setup = Setup::new(Options::<1>::conv_transpose().padding([(1, 0)]), [2, 2], [40], [2]);
    let mut arrays = Arrays::random(&setup);
    // y[j] with j = l + k - 1 takes x[0] by the last tap only.
    arrays.w[[0, 0, 0]] = 0.5;
    arrays.x[[0, 0, 0]] = f64::INFINITY;
    let y = &expected(&setup, &arrays)[Tensor::Y as usize].value;
    assert_eq!(y.iter().filter(|value| !value.is_finite()).count(), 2, "one position of two channels: {y}");
    check_arrays(&setup, &arrays);
}

#[test]
fn overflow_in_float32_is_infinite() {
    let setup = Setup::new(Options::<1>::conv(), [1, 1], [2], [2]).batch(None);
    let big = 3e38;
    let arrays = Arrays {
        x: array![[big, big]].into_dyn(),
        w: array![[[1.0, 1.0]]].into_dyn(),
        b: None,
        dy: array![[1.0]].into_dyn(),
    };
    for_each_outcome::<f32, 1>(&setup, &arrays, |tensor, label, got| {
        if tensor == Tensor::Y {
            assert_eq!(got[[0, 0]], f32::INFINITY, "{label}");
        }
    });
}

proptest! {
    #![proptest_config(config(300))]

    /// Several special values at random places of random geometries.
    #[test]
    fn random_places(
        setup in setups::<1>(20),
        places in proptest::collection::vec((0..3usize, any::<prop::sample::Index>(), 0..4usize), 1..5),
    ) {
        let mut arrays = Arrays::random(&setup);
        for (operand, index, special) in places {
            let array = arrays.operand_mut(operand);
            if !array.is_empty() {
                array[index.index(array.len())] = SPECIAL[special];
            }
        }
        check_arrays(&setup, &arrays);
    }
}

/// The sums of shared products may overflow when they are combined, where no sum of the definition does.
#[test]
fn what_overflows_on_the_way_is_summed_again() {
    let setup = Setup::new(Options::<1>::conv().padding(1), [1, 1], [4], [3]);
    let array = |values: [f32; 4]| ArrayD::from_shape_vec(vec![1, 1, 4], values.to_vec()).unwrap();
    let dy = array([1.0, 0.0, 0.0, 1.0]);
    for (x, expected) in
        [([0.0, 1e38, 0.0, 0.0], [0.0, 0.0, 1e38]), ([0.0, 0.0, 5e37, 0.0], [5e37, 0.0, 0.0])]
    {
        for isa in Isa::available() {
            let plan = setup.plan().with_isa(isa).unwrap();
            let plan = plan.with_algorithm(Pass::BackwardWeight, Algorithm::Minimal).unwrap();
            let dw = plan.backward_weight(array(x).view(), dy.view()).unwrap();
            assert_eq!(dw.as_slice().unwrap(), expected, "{isa}");
        }
    }
}
