//! Every algorithm against the naive float64 reference, over a table of cases and over random geometries.
//!
//! The table is made of what implementations get wrong: strides beyond the kernel, dilations that share a divisor with
//! the stride, empty phases, grouped and depthwise channels, paddings of every form, sizes on both sides of every tile
//! edge, arrays that are not row-major. Bounds are those of `lucid_check`: rigorous, element by element.

use crate::support::{Arrays, Layout, Setup, Tensor, check, config, expected, setups};
use lucid_conv::{Options, Padding, convolve};
use ndarray::{ArrayD, Axis, Slice};
use proptest::prelude::*;

/// Both kinds of convolution.
fn kinds<const N: usize>() -> [Options<N>; 2] {
    [Options::conv(), Options::conv_transpose()]
}

#[test]
fn stride_and_dilation() {
    for options in kinds::<1>() {
        for (taps, stride, dilation) in [
            (1, 1, 1),
            (1, 3, 1),
            (2, 5, 1),
            (3, 2, 3),
            (4, 4, 2),
            (3, 4, 6),
            (5, 6, 4),
            (2, 3, 7),
            (16, 8, 1),
            (7, 1, 5),
        ] {
            check(
                &Setup::new(options.stride(stride).dilation(dilation), [3, 2], [40], [taps]).batch(Some(2)),
            );
        }
    }
}

#[test]
fn strides_and_dilations_that_differ_by_axis() {
    for options in kinds::<2>() {
        let options = options.stride([3, 1]).dilation([2, 4]).padding([2, 3]);
        check(&Setup::new(options, [2, 3], [7, 12], [2, 3]).batch(Some(2)));
        check(&Setup::new(options.stride([1, 4]).dilation([1, 2]), [3, 2], [12, 5], [4, 2]));
    }
    for options in kinds::<3>() {
        let options = options.stride([1, 2, 3]).dilation([3, 2, 1]).padding([(0, 1), (2, 0), (1, 1)]);
        check(&Setup::new(options, [2, 2], [8, 5, 7], [2, 3, 4]));
    }
}

#[test]
fn groups_and_depthwise_with_multipliers() {
    for options in kinds::<1>() {
        let options = options.stride(2).padding(1);
        for (groups, channels) in
            [(2, [4, 6]), (3, [9, 3]), (4, [4, 4]), (4, [4, 12]), (4, [12, 4]), (5, [5, 10])]
        {
            check(&Setup::new(options.groups(groups), channels, [17], [3]).batch(Some(3)));
        }
    }
    for options in kinds::<2>() {
        check(&Setup::new(options.groups(2).padding(1), [4, 6], [5, 9], [3, 2]).batch(Some(2)));
        check(&Setup::new(options.groups(3).stride([2, 3]), [3, 6], [7, 9], [2, 4]).batch(None));
    }
}

#[test]
fn paddings() {
    let pairs = [(0, 3), (4, 0), (1, 2), (7, 5)];
    for options in kinds::<1>() {
        for pair in pairs {
            check(&Setup::new(options.padding([pair]).stride(2), [2, 3], [13], [4]).batch(Some(2)));
        }
        // More than the kernel reaches: whole windows lie outside.
        check(&Setup::new(options.padding(6), [2, 2], [20], [3]));
        check(&Setup::new(options.padding(5), [2, 2], [20], [1]));
    }
    for options in kinds::<2>() {
        check(&Setup::new(options.padding([(0, 2), (3, 1)]), [2, 3], [9, 6], [3, 4]));
        check(&Setup::new(options.padding("valid".parse::<Padding<2>>().unwrap()), [2, 3], [4, 6], [3, 4]));
    }
}

#[test]
fn same() {
    for options in kinds::<1>() {
        for (taps, stride, dilation) in
            [(3, 1, 1), (4, 1, 1), (3, 2, 1), (4, 3, 1), (2, 5, 1), (3, 4, 2), (1, 3, 1), (2, 2, 5)]
        {
            for length in [1, 2, 10, 11] {
                let options = options.padding(Padding::Same).stride(stride).dilation(dilation);
                check(&Setup::new(options, [2, 2], [length], [taps]).batch(None));
            }
        }
    }
    for options in kinds::<2>() {
        check(&Setup::new(options.padding(Padding::Same).stride([2, 3]), [2, 3], [5, 8], [3, 2]));
    }
}

#[test]
fn output_padding_and_output_size() {
    let up = Options::<1>::conv_transpose;
    for (stride, dilation, output_padding) in [(2, 1, 1), (5, 1, 4), (1, 4, 3), (3, 2, 2)] {
        let options = up().stride(stride).dilation(dilation).output_padding(output_padding);
        check(&Setup::new(options, [3, 2], [6], [3]).batch(Some(2)));
        check(&Setup::new(options.padding(2), [3, 2], [6], [3]));
    }
    // (6 - 1) * 3 - 2 + 4 + 1 = 18, up to 18 + 3 - 1.
    for size in 18..=20 {
        check(&Setup::new(up().stride(3).padding(1).output_size(size), [2, 3], [6], [5]).batch(None));
    }
    let plane = Options::<2>::conv_transpose().stride([2, 3]);
    check(&Setup::new(plane.output_padding([1, 2]), [2, 3], [4, 5], [3, 2]));
    check(&Setup::new(plane.output_size([8, 15]), [2, 3], [4, 5], [1, 2]));
}

#[test]
fn batches_and_layouts() {
    for options in kinds::<2>() {
        let options = options.stride([2, 1]).padding(1).groups(2);
        for layout in Layout::ALL {
            for batch in [None, Some(0), Some(1), Some(3)] {
                check(&Setup::new(options, [4, 2], [6, 7], [3, 2]).batch(batch).layout(layout));
            }
        }
    }
    for layout in Layout::ALL {
        check(&Setup::new(Options::<1>::conv(), [3, 2], [300], [4]).layout(layout));
        check(
            &Setup::new(Options::<3>::conv_transpose().stride(2), [3, 2], [2, 3, 4], [2, 3, 2])
                .layout(layout),
        );
    }
}

/// What the taps reach beyond the fine grid, put there as zeros, takes the place of the padding.
#[test]
fn the_overhang_is_what_padding_supplies() {
    for (padding, stride, dilation) in [
        (Padding::from([(2, 3)]), 1, 1),
        (Padding::from([(0, 4)]), 3, 2),
        (Padding::from([(5, 0)]), 2, 3),
        (Padding::Same, 2, 2),
        (Padding::Valid, 3, 1),
    ] {
        let options = Options::<1>::conv().padding(padding).stride(stride).dilation(dilation);
        let setup = Setup::new(options, [2, 3], [14], [4]);
        let arrays = Arrays::random(&setup);
        let plan = setup.plan();
        let [(before, after)] = plan.geometry().overhang();
        let mut padded = ArrayD::zeros(vec![1, 2, before + 14 + after]);
        padded.slice_axis_mut(Axis(2), Slice::from(before..before + 14)).assign(&arrays.x);
        let y = convolve(&options.padding(Padding::Valid), padded.view(), arrays.w.view(), None).unwrap();
        let expected = expected(&setup, &Arrays { b: None, ..arrays });
        expected[Tensor::Y as usize].compare("y of the padded signal", y.view()).unwrap();
    }
}

/// One position, one tap, one channel, and fewer positions than a tile has lanes.
#[test]
fn the_smallest_sizes() {
    for options in kinds::<1>() {
        for length in 1..=9 {
            check(&Setup::new(options, [1, 1], [length], [1]));
            check(&Setup::new(options.padding([(1, 0)]).stride(2), [1, 2], [length], [2]).batch(None));
        }
    }
    for options in kinds::<3>() {
        check(&Setup::new(options, [1, 1], [1, 1, 1], [1, 1, 1]));
    }
    // A stride or a dilation that nothing steps by may be anything.
    for options in kinds::<1>() {
        check(&Setup::new(options.stride(1 << 61), [2, 3], [1], [1]));
        check(&Setup::new(options.dilation(1 << 62), [2, 3], [20], [1]));
    }
    check(&Setup::new(Options::<1>::conv().stride(isize::MAX as usize / 2), [2, 3], [20], [3]));
}

/// Coarse lengths on both sides of the edges of a block.
#[test]
fn lengths_around_the_edges_of_blocks() {
    for coarse in [255, 256, 257, 511, 512, 513] {
        let up = Options::<1>::conv_transpose().stride(2).padding(1);
        check(&Setup::new(up, [3, 4], [coarse], [4]).batch(Some(2)));
        let down = Options::<1>::conv().stride(2).padding(1);
        check(&Setup::new(down, [4, 3], [2 * coarse], [4]));
        check(&Setup::new(Options::conv().padding(2), [2, 2], [coarse], [5]));
    }
}

/// The direct sums take longer blocks.
#[test]
fn lengths_around_the_edges_of_long_blocks() {
    for coarse in [4095, 4096, 4097] {
        check(&Setup::new(Options::<1>::conv_transpose().stride(2), [1, 2], [coarse], [3]));
        check(&Setup::new(Options::<1>::conv().padding(1), [2, 1], [coarse], [3]));
    }
}

/// Rows longer than a block, whole rows per block, and blocks that end within a plane.
#[test]
fn blocks_of_grids() {
    for options in kinds::<2>() {
        for size in [[3, 300], [300, 3], [2, 257], [20, 24], [17, 16], [1, 600]] {
            check(&Setup::new(options.padding(1), [2, 3], size, [3, 3]).batch(Some(2)));
        }
        check(&Setup::new(options.stride([2, 1]), [2, 3], [6, 300], [2, 2]));
    }
    for options in kinds::<3>() {
        for size in [[2, 5, 270], [2, 40, 9], [3, 10, 30], [5, 7, 9]] {
            check(&Setup::new(options.padding([1, 0, 1]), [2, 2], size, [2, 1, 3]));
        }
    }
}

/// Channel counts on both sides of what one task takes, with and without groups: results of several tasks, reductions
/// in several portions.
#[test]
fn channels_around_the_edges_of_tasks() {
    for options in kinds::<1>() {
        for channels in [[31, 33], [33, 31], [65, 32], [3, 100], [100, 3]] {
            check(&Setup::new(options.stride(2), channels, [9], [3]));
            check(&Setup::new(options.padding(1), channels, [20], [1]).batch(Some(2)));
        }
        check(&Setup::new(options.groups(2), [66, 130], [10], [2]));
        check(&Setup::new(options, [40, 514], [5], [1]));
        check(&Setup::new(options, [514, 40], [5], [1]));
    }
    for options in kinds::<2>() {
        check(&Setup::new(options.padding(1), [40, 36], [4, 5], [3, 3]).batch(Some(2)));
    }
}

/// The gradient of the weight is summed in parts where positions are many and channels few.
#[test]
fn signals_of_many_blocks() {
    check(&Setup::new(Options::<1>::conv().padding(1), [20, 6], [4000], [3]));
    check(&Setup::new(Options::<1>::conv_transpose().stride(2).padding(1), [6, 3], [4100], [9]));
    check(&Setup::new(Options::<1>::conv().stride(3), [8, 10], [300], [4]).batch(Some(40)));
}

/// Rows that lie whole pages apart are packed eight at a time, by every instruction set: 512 `f64`, or 1024 `f32`.
#[test]
fn planes_of_whole_pages() {
    check(&Setup::new(Options::<1>::conv(), [1, 9], [512], [1]).batch(Some(8)));
    check(&Setup::new(Options::<1>::conv().padding(1), [4, 16], [512], [3]).batch(Some(8)));
    check(&Setup::new(Options::<2>::conv_transpose().stride([2, 1]).groups(2), [30, 24], [32, 32], [3, 1]));
}

/// Many taps leave few channels, and at last few positions, per block of columns.
#[test]
fn kernels_longer_than_a_block_of_columns() {
    let taps = 1300;
    check(&Setup::new(Options::<1>::conv(), [3, 2], [taps + 130], [taps]));
    check(&Setup::new(Options::<1>::conv_transpose().stride(3), [2, 3], [130], [taps]));
    let taps = 128 * 1024 + 3;
    check(&Setup::new(Options::<1>::conv(), [2, 2], [taps + 2], [taps]));
    check(&Setup::new(Options::<1>::conv_transpose().stride(3), [2, 2], [3], [taps]));
    check(&Setup::new(Options::<2>::conv().padding([0, 1]), [2, 2], [365, 362], [363, 363]));
}

proptest! {
    #![proptest_config(config(400))]

    #[test]
    fn random_signals(setup in setups::<1>(30)) {
        check(&setup);
    }
}

proptest! {
    #![proptest_config(config(150))]

    #[test]
    fn random_planes(setup in setups::<2>(9)) {
        check(&setup);
    }
}

proptest! {
    #![proptest_config(config(60))]

    #[test]
    fn random_volumes(setup in setups::<3>(5)) {
        check(&setup);
    }
}
