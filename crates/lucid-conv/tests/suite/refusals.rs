//! What is refused: each row of the specification's table of parameters, with a message that names the parameter, its
//! value, the axis and what would be accepted.

use crate::support::{Setup, check};
use lucid_conv::{Axes, Channels, Options, Padding, Shapes};
use ndarray::ArrayD;

fn conv() -> Options<1> {
    Options::conv()
}

fn up() -> Options<1> {
    Options::conv_transpose()
}

/// Resolving is refused with exactly this message.
fn refused<const N: usize>(options: Options<N>, x: &[usize], w: &[usize], message: &str) {
    let error = options.resolve(Shapes { x, w }).expect_err(message);
    assert_eq!(error.to_string(), message);
}

#[test]
fn channels_and_groups() {
    for kind in [conv(), up()] {
        refused(kind.groups(0), &[1, 4, 5], &[4, 4, 3], "groups = 0 is refused: accepted is at least 1");
        refused(kind, &[1, 0, 5], &[4, 4, 3], "in_channels = 0 is refused: accepted is at least 1");
    }
    refused(conv(), &[1, 4, 5], &[0, 4, 3], "out_channels = 0 is refused: accepted is at least 1");
    refused(conv(), &[1, 4, 5], &[4, 0, 3], "in_channels / groups = 0 is refused: accepted is at least 1");
    refused(up(), &[1, 4, 5], &[4, 0, 3], "out_channels / groups = 0 is refused: accepted is at least 1");
    let message = "out_channels = 5 is refused: accepted is a multiple of groups = 2";
    refused(conv().groups(2), &[1, 4, 5], &[5, 2, 3], message);
    let message = "in_channels = 5 is refused: accepted is a multiple of groups = 2";
    refused(up().groups(2), &[1, 5, 5], &[5, 2, 3], message);
}

#[test]
fn channels_of_a_module() {
    let refused = |options: Options<1>, input, output, message: &str| {
        let error = options.weight_shape(Channels { input, output }, Axes([3])).expect_err(message);
        assert_eq!(error.to_string(), message);
    };
    for kind in [conv(), up()] {
        refused(kind, 0, 2, "in_channels = 0 is refused: accepted is at least 1");
        refused(kind, 2, 0, "out_channels = 0 is refused: accepted is at least 1");
        let kind = kind.groups(3);
        refused(kind, 4, 3, "in_channels = 4 is refused: accepted is a multiple of groups = 3");
        refused(kind, 3, 4, "out_channels = 4 is refused: accepted is a multiple of groups = 3");
    }
    let error = up().weight_shape(Channels { input: 1 << 40, output: 1 << 40 }, Axes([3])).unwrap_err();
    assert!(error.to_string().contains("1099511627776, 1099511627776, 3"), "{error}");
}

#[test]
fn kernel_size_stride_and_dilation() {
    for kind in [conv(), up()] {
        refused(kind, &[1, 4, 5], &[4, 4, 0], "kernel_size[0] = 0 is refused: accepted is at least 1");
        refused(kind.stride(0), &[1, 4, 5], &[4, 4, 3], "stride[0] = 0 is refused: accepted is at least 1");
        refused(
            kind.dilation(0),
            &[1, 4, 5],
            &[4, 4, 3],
            "dilation[0] = 0 is refused: accepted is at least 1",
        );
        let error = kind.weight_shape(Channels { input: 1, output: 1 }, Axes([0])).unwrap_err();
        assert_eq!(error.to_string(), "kernel_size[0] = 0 is refused: accepted is at least 1");
    }
    let plane = Options::<2>::conv();
    let (x, w) = (&[1, 4, 5, 5], &[4, 4, 3, 3]);
    refused(plane.stride([2, 0]), x, w, "stride[1] = 0 is refused: accepted is at least 1");
    refused(plane.dilation([0, 2]), x, w, "dilation[0] = 0 is refused: accepted is at least 1");
    refused(plane, x, &[4, 4, 3, 0], "kernel_size[1] = 0 is refused: accepted is at least 1");
}

#[test]
fn padding_names() {
    assert_eq!("valid".parse(), Ok(Padding::<2>::Valid));
    assert_eq!("same".parse(), Ok(Padding::<2>::Same));
    for name in ["", "Same", "full", "1"] {
        let error = name.parse::<Padding<1>>().unwrap_err().to_string();
        let accepted = "a number, one number or (before, after) pair per axis, \"valid\" or \"same\"";
        assert_eq!(error, format!("padding = {name:?} is refused: accepted is {accepted}"));
    }
}

#[test]
fn a_crop_that_leaves_no_output() {
    let message = "no output is left on spatial axis 0: (2 - 1) * 1 - 2 - 2 + 1 * (3 - 1) + 0 + 1 is below 1";
    refused(up().padding(2), &[1, 1, 2], &[1, 1, 3], message);
    // One more position of output padding, and there is one.
    check(&Setup::new(up().padding(2).stride(2).output_padding(1), [1, 1], [1], [4]));
    let message = "no output is left on spatial axis 1: (2 - 1) * 1 - 1 - 3 + 1 * (2 - 1) + 0 + 1 is below 1";
    refused(Options::<2>::conv_transpose().padding([(0, 0), (1, 3)]), &[1, 1, 2, 2], &[1, 1, 2, 2], message);
    // No output size is accepted then.
    let message = "no output is left on spatial axis 0: (2 - 1) * 1 - 2 - 2 + 1 * (3 - 1) + 0 + 1 is below 1";
    refused(up().padding(2).output_size(1), &[1, 1, 2], &[1, 1, 3], message);
}

#[test]
fn a_kernel_beyond_the_padded_input() {
    let message =
        "no output is left on spatial axis 0: floor((5 + 1 + 0 - 3 * (3 - 1) - 1) / 2) + 1 is below 1";
    refused(conv().padding([(1, 0)]).dilation(3).stride(2), &[1, 1, 5], &[1, 1, 3], message);
    check(&Setup::new(conv().padding([(1, 1)]).dilation(3).stride(2), [1, 1], [5], [3]));
}

/// PyTorch's limit, max(stride, dilation), of which many implementations know the stride only.
#[test]
fn output_padding() {
    let limit = |options: Options<1>, value, limit| {
        let accepted = format!("below max(stride, dilation) = {limit}");
        let message = format!("output_padding[0] = {value} is refused: accepted is {accepted}");
        refused(options.output_padding(value), &[1, 1, 5], &[1, 1, 3], &message);
        check(&Setup::new(options.output_padding(value - 1), [1, 1], [5], [3]));
    };
    limit(up(), 1, 1);
    limit(up().stride(3), 3, 3);
    limit(up().stride(2).dilation(4), 4, 4);
    let plane = Options::<2>::conv_transpose().stride([3, 2]).output_padding([2, 2]);
    let message = "output_padding[1] = 2 is refused: accepted is below max(stride, dilation) = 2";
    refused(plane, &[1, 1, 5, 5], &[1, 1, 3, 3], message);

    let message = "output_padding[0] = 1 is refused: accepted is 0 on a convolution that is not transposed";
    refused(conv().stride(2).output_padding(1), &[1, 1, 5], &[1, 1, 3], message);
    let message = "output_padding[0] = 1 is refused: accepted is 0 with padding \"same\", which fixes the output's length";
    refused(up().stride(2).padding(Padding::Same).output_padding(1), &[1, 1, 5], &[1, 1, 3], message);
}

#[test]
fn output_size() {
    // (4 - 1) * 3 + 2 = 11 positions, up to 13.
    for (given, message) in [
        (10, "output_size[0] = 10 is refused: accepted is 11 to 13"),
        (14, "output_size[0] = 14 is refused: accepted is 11 to 13"),
        (0, "output_size[0] = 0 is refused: accepted is 11 to 13"),
    ] {
        refused(up().stride(3).output_size(given), &[1, 1, 4], &[1, 1, 2], message);
    }
    // A dilation above the stride allows as much as it does for the output padding.
    let message = "output_size[0] = 10 is refused: accepted is 7 to 9";
    refused(up().dilation(3).output_size(10), &[1, 1, 4], &[1, 1, 2], message);
    for size in 7..=9 {
        check(&Setup::new(up().dilation(3).output_size(size), [1, 1], [4], [2]));
    }
    let message = "output_size[0] = 13 is refused: accepted is 12 to 12";
    refused(up().stride(3).padding(Padding::Same).output_size(13), &[1, 1, 4], &[1, 1, 2], message);
    let message = "output_size = given is refused: accepted is none on a convolution that is not transposed";
    refused(conv().output_size(3), &[1, 1, 4], &[1, 1, 2], message);
}

#[test]
fn inputs_and_weights() {
    let accepted = "(batch, channels, 1 spatial) or (channels, 1 spatial)";
    for x in [&[5][..], &[1, 1, 1, 5], &[]] {
        refused(
            up(),
            x,
            &[1, 1, 2],
            &format!("x has {} axes (shape {x:?}): accepted is {accepted}", x.len()),
        );
    }
    let message = "w has 4 axes (shape [1, 1, 2, 2]): accepted is 3 (two of channels, 1 of taps)";
    refused(up(), &[1, 1, 5], &[1, 1, 2, 2], message);
    let message = "x has shape [1, 3, 5]: accepted is 4 channels, as weight [4, 2, 3] and groups = 2 ask for";
    refused(up().groups(2), &[1, 3, 5], &[4, 2, 3], message);
    refused(conv().groups(2), &[1, 3, 5], &[4, 2, 3], message);
    for kind in [conv(), up()] {
        refused(kind, &[1, 4, 0], &[4, 4, 3], "input length[0] = 0 is refused: accepted is at least 1");
        refused(kind, &[0, 4, 0], &[4, 4, 3], "input length[0] = 0 is refused: accepted is at least 1");
    }
    let message = "input length[1] = 0 is refused: accepted is at least 1";
    refused(Options::<2>::conv(), &[1, 1, 3, 0], &[1, 1, 1, 1], message);
}

#[test]
fn ranks() {
    let message = "rank = 4 is refused: accepted is 1, 2 or 3 spatial axes";
    refused(Options::<4>::conv(), &[1, 1, 2, 2, 2, 2], &[1, 1, 1, 1, 1, 1], message);
    refused(
        Options::<0>::conv(),
        &[1, 1],
        &[1, 1],
        "rank = 0 is refused: accepted is 1, 2 or 3 spatial axes",
    );
}

/// Arrays that a plan was not made for.
#[test]
fn arrays_of_other_shapes() {
    let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(shape);
    let setup = Setup::new(up().stride(2), [2, 3], [5], [2]);
    let plan = setup.plan();
    let (x, w, dy) = (zeros(&[1, 2, 5]), zeros(&[2, 3, 2]), zeros(&[1, 3, 10]));
    let (bias, short) = (ndarray::Array1::zeros(3), ndarray::Array1::zeros(2));
    let says = |result: lucid_conv::Result<()>, message: &str| {
        assert_eq!(result.unwrap_err().to_string(), message);
    };
    let y = plan.convolve(zeros(&[2, 2, 5]).view(), w.view(), None);
    says(y.map(drop), "x has shape [2, 2, 5]: accepted is [1, 2, 5]");
    let y = plan.convolve(x.view(), zeros(&[3, 2, 2]).view(), None);
    says(y.map(drop), "w has shape [3, 2, 2]: accepted is [2, 3, 2]");
    let y = plan.convolve(x.view(), w.view(), Some(short.view()));
    says(y.map(drop), "the bias has shape [2]: accepted is [3]");
    assert!(plan.convolve(x.view(), w.view(), Some(bias.view())).is_ok());
    let all = plan.gradients(x.view(), w.view(), zeros(&[1, 3, 11]).view());
    says(all.map(drop), "dy has shape [1, 3, 11]: accepted is [1, 3, 10]");
    let dw = plan.backward_weight(x.view(), dy.view());
    says(dw.map(drop), "the fine side has shape [1, 2, 5]: accepted is [1, 3, 10]");
    let y = plan.forward(dy.view(), w.view(), Some(bias.view()));
    says(y.map(drop), "the bias has shape [3]: accepted is [2]");
}

#[test]
fn sizes_beyond_the_address_space() {
    let overflows = |options: Options<1>, x: [usize; 3], w: [usize; 3]| {
        let error = options.resolve(Shapes { x: &x, w: &w }).unwrap_err().to_string();
        assert!(error.contains("does not fit the address space"), "{error}");
    };
    let huge = usize::MAX;
    for kind in [conv(), up()] {
        overflows(kind.padding([(huge, 1)]), [1, 1, 5], [1, 1, 3]);
        overflows(kind.dilation(huge), [1, 1, 5], [1, 1, 3]);
        overflows(kind, [1, 1, huge], [1, 1, 1]);
        overflows(kind, [huge, 1, 2], [1, 1, 1]);
        overflows(kind, [1, 1, 2], [1, 1, huge]);
        overflows(kind, [huge, huge, 2], [huge, huge, 1]);
    }
    overflows(up().stride(huge), [1, 1, 5], [1, 1, 3]);
    overflows(up().padding(Padding::Same).stride(huge / 2), [1, 1, 5], [1, 1, 3]);
    overflows(up().groups(huge / 2), [1, huge / 2, 5], [huge / 2, 4, 3]);
    overflows(conv().padding(huge / 4), [1, 1, 5], [1, 1, 3]);
    // An empty batch hides nothing.
    overflows(up().stride(huge / 4), [0, 1, 3], [1, 1, 3]);
}
