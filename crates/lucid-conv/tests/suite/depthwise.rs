//! Channels that do not mix, where their filters have edges: lengths around each vector, piece and chunk, all strides that
//! have an interleave of their own, taps that reach beyond the row, multipliers of either side.

use crate::support::{Setup, check};
use lucid_conv::Options;

fn kinds<const N: usize>() -> [Options<N>; 2] {
    [Options::conv(), Options::conv_transpose()]
}

/// Vectors have 2 to 16 lanes, and a block has up to 8 of them.
#[test]
fn lengths_around_every_vector() {
    for options in kinds::<1>() {
        let options = options.groups(2);
        for length in (1..=35).chain([63, 64, 65, 127, 128, 129]) {
            check(&Setup::new(options.padding(1), [2, 2], [length], [3]));
            check(&Setup::new(options.padding(1).stride(2), [2, 2], [length + 1], [4]).batch(None));
        }
    }
}

#[test]
fn strides_and_dilations() {
    for options in kinds::<1>() {
        for stride in 1..=9 {
            for (taps, dilation) in [(1, 1), (3, 1), (stride, 1), (2 * stride, 1), (5, 2), (4, stride)] {
                let options = options.groups(3).stride(stride).dilation(dilation);
                check(&Setup::new(options, [3, 3], [75], [taps]));
                check(&Setup::new(options.padding((taps - 1) * dilation / 2), [3, 3], [31], [taps]));
            }
        }
        for stride in [16, 17, 40] {
            check(&Setup::new(options.groups(2).stride(stride), [2, 2], [170], [stride + 3]));
            check(&Setup::new(options.groups(2).stride(stride), [2, 2], [170], [2]));
        }
    }
}

/// Whole windows lie in the padding, before the row, after it, or both.
#[test]
fn paddings_beyond_the_kernel() {
    for options in kinds::<1>() {
        let options = options.groups(2);
        for pair in [(6, 0), (0, 6), (9, 4)] {
            for stride in [1, 2, 3] {
                check(&Setup::new(options.padding([pair]).stride(stride), [2, 2], [23], [3]));
            }
        }
        check(&Setup::new(options.padding(20), [2, 2], [60], [2]));
    }
}

#[test]
fn multipliers() {
    for options in kinds::<1>() {
        for channels in [[2, 4], [4, 2], [2, 16], [16, 2], [2, 6]] {
            for stride in 1..=3 {
                let options = options.groups(2).stride(stride).padding(1);
                check(&Setup::new(options, channels, [37], [4]).batch(Some(2)));
            }
        }
    }
    for options in kinds::<2>() {
        check(&Setup::new(options.groups(2).padding(1), [2, 6], [5, 9], [3, 3]).batch(Some(2)));
        check(&Setup::new(options.groups(2).stride([2, 1]), [6, 2], [5, 9], [3, 3]));
    }
}

/// A long row has pieces of 512 positions.
#[test]
fn lengths_around_the_edges_of_pieces() {
    for options in kinds::<1>() {
        for length in [511, 512, 513, 1023, 1024, 1025] {
            check(&Setup::new(options.groups(2).padding(2), [2, 2], [length], [5]));
            check(&Setup::new(options.groups(2).padding(2).stride(2), [2, 2], [length], [5]));
            check(&Setup::new(options.groups(2).padding(2).stride(3), [2, 2], [length], [5]));
        }
    }
}

/// Rows of an image are buffered some at a time, with those that the taps across rows reach.
#[test]
fn chunks_of_rows() {
    for options in kinds::<2>() {
        let options = options.groups(2);
        for size in [[90, 100], [300, 31], [3, 700], [3, 2]] {
            check(&Setup::new(options.padding(1), [2, 2], size, [3, 3]));
            check(&Setup::new(options.padding([2, 0]).stride([1, 2]), [2, 2], size, [3, 1]));
        }
        check(&Setup::new(options.stride([3, 2]).dilation([2, 1]), [2, 2], [100, 60], [3, 4]));
        check(&Setup::new(options.stride([2, 1]).padding([5, 1]), [2, 2], [60, 60], [2, 3]));
        check(&Setup::new(options, [2, 2], [90, 90], [3, 3]).batch(Some(2)));
    }
    for options in kinds::<3>() {
        let options = options.groups(2);
        check(&Setup::new(options.padding(1), [2, 2], [4, 20, 30], [3, 3, 3]).batch(Some(2)));
        check(&Setup::new(options.stride([2, 3, 2]).padding([2, 1, 0]), [2, 2], [5, 9, 12], [3, 2, 3]));
        check(&Setup::new(options.stride([1, 1, 4]).dilation([2, 2, 1]), [2, 4], [6, 7, 12], [3, 2, 3]));
        check(&Setup::new(options, [2, 2], [4, 50, 60], [2, 2, 2]));
    }
}
