//! What went wrong in other frameworks, one test per case of the specification's list, named by its source.
//!
//! Each holds numbers worked out by hand, and faces the reference with every algorithm as well.

use crate::support::{Arrays, Setup, Tensor, check, check_arrays, expected, for_each_outcome, signal};
use lucid_conv::{Axes, Error, Options, Padding, Plan, Shapes, convolve};
use ndarray::{ArrayD, array};

/// The result `tensor` is `by_hand`, to the precision that the numbers are given in, from every algorithm.
fn check_by_hand<const N: usize>(setup: &Setup<N>, arrays: &Arrays, tensor: Tensor, by_hand: &ArrayD<f64>) {
    check_arrays(setup, arrays);
    let mut compared = 0;
    for_each_outcome::<f64, N>(setup, arrays, |of, label, got| {
        if of == tensor {
            compared += 1;
            assert_eq!(got.shape(), by_hand.shape(), "{label}");
            let close = got.iter().zip(by_hand).all(|(got, by_hand)| (got - by_hand).abs() < 5e-5);
            assert!(close, "{label}: {got} is not {by_hand}");
        }
    });
    assert!(compared >= 3, "{tensor:?} by two algorithms and the module's own function");
}

/// K1 s2 backward: the gradient reads every other position.
#[test]
fn pytorch_63314() {
    let setup = Setup::new(Options::<1>::conv_transpose().stride(2), [1, 1], [2], [1]);
    let mut arrays = Arrays::random(&setup);
    arrays.w = array![[[-0.7767]]].into_dyn();
    arrays.dy = signal(&[&[1.5, 0.0, 0.7]]);
    check_by_hand(&setup, &arrays, Tensor::Dx, &signal(&[&[-1.165, -0.5437]]));
}

/// K3 d2 o1 on a 1x1 input: the backward pass crashed. Taps land on 0, 2, 4 of 6 positions.
#[test]
fn pytorch_5112() {
    let options = Options::<2>::conv_transpose().dilation(2).output_padding(1);
    let setup = Setup::new(options, [1, 1], [1, 1], [3, 3]);
    let mut arrays = Arrays::random(&setup);
    arrays.w = ArrayD::from_shape_fn(vec![1, 1, 3, 3], |at| (3 * at[2] + at[3]) as f64);
    arrays.dy = ArrayD::from_shape_fn(vec![1, 1, 6, 6], |at| (10 * at[2] + at[3]) as f64);
    // Sum over k, m in 0..3 of (3 k + m) (20 k + 2 m) = 60 * 15 + 26 * 9 + 2 * 15.
    check_by_hand(&setup, &arrays, Tensor::Dx, &array![[[[1164.0]]]].into_dyn());
    let dw = ArrayD::from_shape_fn(vec![1, 1, 3, 3], |at| {
        (20 * at[2] + 2 * at[3]) as f64 * arrays.x[[0, 0, 0, 0]]
    });
    check_by_hand(&setup, &arrays, Tensor::Dw, &dw);
}

/// L50 s2 d3 K3, padding 4/4: 98 - 8 + 6 + 1 = 97 positions.
#[test]
fn onnxruntime_2518() {
    let options = Options::<1>::conv_transpose().stride(2).dilation(3).padding([(4, 4)]);
    let setup = Setup::new(options, [2, 3], [50], [3]);
    assert_eq!(setup.plan().geometry().y_shape(), [1, 3, 97]);
    check(&setup);
}

/// K2 s1 p3 d2 o1: an output padding at or above the stride but below the dilation. 6 - 6 + 2 + 1 + 1 = 4 positions,
/// y[j] = x[j + 3] + 10 x[j + 1].
#[test]
fn onnxruntime_14208() {
    let options = Options::<1>::conv_transpose().padding(3).dilation(2).output_padding(1);
    let setup = Setup::new(options, [1, 1], [7], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]]);
    arrays.w = signal(&[&[1.0, 10.0]]);
    arrays.b = None;
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[24.0, 35.0, 46.0, 57.0]]));
}

/// "same", K3 s2: the values, not only the length. One position too many is cropped at the end.
#[test]
fn keras_22876() {
    let setup = Setup::new(Options::<1>::conv_transpose().stride(2).padding(Padding::Same), [1, 1], [3], [3]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0, 3.0]]);
    arrays.w = signal(&[&[1.0, 10.0, 100.0]]);
    arrays.b = None;
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[1.0, 10.0, 102.0, 20.0, 203.0, 30.0]]));
}

/// An output size on an unbatched input is honoured: 5 or 6 positions of x = [1, 2, 3] by [1, 1], stride 2.
#[test]
fn pytorch_75889() {
    for (size, by_hand) in
        [(6, array![[1.0, 1.0, 2.0, 2.0, 3.0, 3.0]]), (7, array![[1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 0.0]])]
    {
        let options = Options::<1>::conv_transpose().stride(2).output_size(size);
        let setup = Setup::new(options, [1, 1], [3], [2]).batch(None);
        let mut arrays = Arrays::random(&setup);
        arrays.x = array![[1.0, 2.0, 3.0]].into_dyn();
        arrays.w = signal(&[&[1.0, 1.0]]);
        arrays.b = None;
        check_by_hand(&setup, &arrays, Tensor::Y, &by_hand.into_dyn());
    }
}

/// Groups of 0 divided by zero.
#[test]
fn pytorch_91587() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        let refused = options.groups(0).resolve(Shapes { x: &[1, 2, 3], w: &[2, 2, 1] });
        assert!(
            matches!(refused, Err(Error::Parameter { parameter: "groups", axis: None, .. })),
            "{refused:?}"
        );
    }
}

/// A 1-d stride s is one stride, and never becomes (s, s): 5 positions become 10, in one row.
#[test]
fn tensorrt_3737() {
    let options = Options::<1>::conv_transpose().stride(2);
    assert_eq!(options.stride, Axes([2]));
    let setup = Setup::new(options, [1, 1], [2], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0]]);
    arrays.w = signal(&[&[1.0, 10.0]]);
    arrays.b = None;
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[1.0, 10.0, 2.0, 20.0]]));
    // The same as rows of height 1 of a plane whose other stride is 1.
    let plane = Options::<2>::conv_transpose().stride([1, 2]);
    let x = arrays.x.clone().into_shape_with_order(vec![1, 1, 1, 2]).unwrap();
    let w = arrays.w.clone().into_shape_with_order(vec![1, 1, 1, 2]).unwrap();
    let y = convolve(&plane, x.view(), w.view(), None).unwrap();
    assert_eq!(y, array![[[[1.0, 10.0, 2.0, 20.0]]]].into_dyn());
}

/// Only the first item of a batch was computed.
#[test]
fn ggml_1448() {
    let setup = Setup::new(Options::<1>::conv_transpose(), [1, 1], [2], [2]).batch(Some(3));
    let mut arrays = Arrays::random(&setup);
    arrays.x = array![[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]].into_dyn();
    arrays.w = signal(&[&[1.0, 10.0]]);
    arrays.b = None;
    let by_hand = array![[[1.0, 12.0, 20.0]], [[3.0, 34.0, 40.0]], [[5.0, 56.0, 60.0]]].into_dyn();
    check_by_hand(&setup, &arrays, Tensor::Y, &by_hand);
}

/// col2im ignored the dilation: x = [1, 2] by [1, 10], d 3 puts the second tap three positions on.
#[test]
fn mxnet_11203() {
    let setup = Setup::new(Options::<1>::conv_transpose().dilation(3), [1, 1], [2], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0]]);
    arrays.w = signal(&[&[1.0, 10.0]]);
    arrays.b = None;
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[1.0, 2.0, 0.0, 10.0, 20.0]]));
    check(&Setup::new(Options::<2>::conv_transpose().dilation([3, 2]).stride(2), [3, 2], [4, 5], [2, 3]));
}

/// The weight of groups = 2 is (C_in, C_out / 2, K): y[c] sums over the inputs of its own half only.
#[test]
fn xnnpack_1951() {
    let setup = Setup::new(Options::<1>::conv_transpose().groups(2), [4, 6], [1], [1]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = array![[[1.0], [10.0], [100.0], [1000.0]]].into_dyn();
    arrays.w = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0], [1.0, 2.0, 3.0]]
        .into_shape_with_order(vec![4, 3, 1])
        .unwrap();
    arrays.b = None;
    let by_hand = array![[[41.0], [52.0], [63.0], [1700.0], [2800.0], [3900.0]]].into_dyn();
    check_by_hand(&setup, &arrays, Tensor::Y, &by_hand);
}

/// C_in and C_out were taken for one another: 1 -> 2 and 2 -> 1 channels.
#[test]
fn coremltools_1905() {
    let up = Options::<1>::conv_transpose();
    let widen = Setup::new(up, [1, 2], [2], [1]);
    let mut arrays = Arrays::random(&widen);
    arrays.x = signal(&[&[1.0, 2.0]]);
    arrays.w = array![[[3.0], [5.0]]].into_dyn();
    arrays.b = None;
    check_by_hand(&widen, &arrays, Tensor::Y, &signal(&[&[3.0, 6.0], &[5.0, 10.0]]));

    let narrow = Setup::new(up, [2, 1], [2], [1]);
    let mut arrays = Arrays::random(&narrow);
    arrays.x = signal(&[&[1.0, 2.0], &[10.0, 20.0]]);
    arrays.w = array![[[3.0]], [[5.0]]].into_dyn();
    arrays.b = None;
    check_by_hand(&narrow, &arrays, Tensor::Y, &signal(&[&[53.0, 106.0]]));
}

/// candle derives the height's output padding from the width's: a 2 x 2 input becomes 3 + 1 by 6 + 2 positions.
#[test]
fn candle_height_and_width() {
    let options = Options::<2>::conv_transpose().stride([2, 3]).output_padding([1, 2]);
    let setup = Setup::new(options, [1, 1], [2, 2], [1, 1]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = array![[[[1.0, 2.0], [3.0, 4.0]]]].into_dyn();
    arrays.w = array![[[[1.0]]]].into_dyn();
    arrays.b = Some(array![0.0].into_dyn());
    let by_hand = array![[[
        [1.0, 0.0, 0.0, 2.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
        [3.0, 0.0, 0.0, 4.0, 0.0, 0.0],
        [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    ]]];
    check_by_hand(&setup, &arrays, Tensor::Y, &by_hand.into_dyn());
}

/// The bias, once, with every algorithm: on a zero signal the output is the bias, also over several blocks and
/// portions of the reduction.
#[test]
fn onednn_4656_bias_once() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        let setup = Setup::new(options.stride(2).padding(1), [2, 3], [1200], [3]).batch(Some(2));
        let mut arrays = Arrays::random(&setup);
        arrays.x.fill(0.0);
        arrays.b = Some(array![1.0, -2.0, 4.0].into_dyn());
        let y = ArrayD::from_shape_fn(setup.y_shape(), |at| [1.0, -2.0, 4.0][at[1]]);
        check_by_hand(&setup, &arrays, Tensor::Y, &y);
    }
    let long = Setup::new(Options::<1>::conv(), [3, 2], [90_010], [90_000]);
    let mut arrays = Arrays::random(&long);
    arrays.x.fill(0.0);
    arrays.b = Some(array![1.0, -2.0].into_dyn());
    for_each_outcome::<f32, 1>(&long, &arrays, |tensor, label, got| {
        if tensor == Tensor::Y {
            assert!(got.indexed_iter().all(|(at, &y)| y == [1.0, -2.0][at[1]]), "{label}");
        }
    });
}

/// A stride beyond the kernel, or one that shares a divisor with the dilation, leaves positions with the bias only.
#[test]
fn empty_phases_hold_the_bias() {
    let setup = Setup::new(Options::<1>::conv_transpose().stride(3), [1, 1], [2], [1]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0]]);
    arrays.w = signal(&[&[10.0]]);
    arrays.b = Some(array![0.5].into_dyn());
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[10.5, 0.5, 0.5, 20.5]]));

    let setup = Setup::new(Options::<1>::conv_transpose().stride(2).dilation(2), [1, 1], [2], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0]]);
    arrays.w = signal(&[&[10.0, 100.0]]);
    arrays.b = Some(array![0.5].into_dyn());
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[10.5, 0.5, 120.5, 0.5, 200.5]]));
}

/// The seed's own example, with the numbers of the specification: its page said 3.5 for the third one.
#[test]
fn the_seeds_example() {
    let setup = Setup::new(Options::<1>::conv_transpose(), [1, 1], [3], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0, 3.0]]);
    arrays.w = signal(&[&[1.0, 0.5]]);
    arrays.b = None;
    arrays.dy = signal(&[&[1.0, 1.0, 1.0, 1.0]]);
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[1.0, 2.5, 4.0, 1.5]]));
    check_by_hand(&setup, &arrays, Tensor::Dx, &signal(&[&[1.5, 1.5, 1.5]]));
    check_by_hand(&setup, &arrays, Tensor::Dw, &signal(&[&[6.0, 6.0]]));
}

/// Lucid crashes where the padding is above d (K - 1); PyTorch crops into the signal.
#[test]
fn lucid_padding_beyond_the_kernel() {
    let setup = Setup::new(Options::<1>::conv_transpose().padding(2), [1, 1], [6], [2]);
    let mut arrays = Arrays::random(&setup);
    arrays.x = signal(&[&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]);
    arrays.w = signal(&[&[1.0, 10.0]]);
    arrays.b = None;
    check_by_hand(&setup, &arrays, Tensor::Y, &signal(&[&[23.0, 34.0, 45.0]]));
}

/// pytorch#12013: an empty batch gives an empty output and zero gradients of weight and bias.
#[test]
fn pytorch_12013_empty_batch() {
    for options in [Options::<1>::conv(), Options::conv_transpose()] {
        let setup = Setup::new(options, [2, 3], [5], [2]).batch(Some(0));
        let arrays = Arrays::random(&setup);
        assert!(expected(&setup, &arrays)[Tensor::Dw as usize].value.iter().all(|&dw| dw == 0.0));
        check_arrays(&setup, &arrays);
        let plan: Plan<1> = setup.plan();
        let all = plan.gradients(arrays.x.view(), arrays.w.view(), arrays.dy.view()).unwrap();
        assert_eq!(all.dx.shape(), [0, 2, 5]);
        assert_eq!(all.dw, ArrayD::<f64>::zeros(setup.w_shape()));
        assert_eq!(all.db, array![0.0, 0.0, 0.0]);
    }
}
