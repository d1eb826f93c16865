//! The two grids of a convolution by the formulas of the specification, in signed numbers as they are written there.

use lucid_conv::{Kind, Padding};

use super::Setup;

/// Both sizes along one spatial axis, and how far the coarse grid begins before the fine one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) fine: usize,
    pub(crate) coarse: usize,
    pub(crate) pad_before: usize,
}

impl Grid {
    /// The grids of `setup` along `axis`, which must leave an output.
    pub(crate) fn of<const N: usize>(setup: &Setup<N>, axis: usize) -> Grid {
        let options = &setup.options;
        let length = signed(setup.length[axis]);
        let (s, d, k) =
            (signed(options.stride[axis]), signed(options.dilation[axis]), signed(setup.taps[axis]));
        let same = options.padding == Padding::Same;
        let (p, q) = match options.padding {
            Padding::Explicit(pairs) => (signed(pairs[axis].0), signed(pairs[axis].1)),
            Padding::Valid | Padding::Same => (0, 0),
        };
        match options.kind {
            // "same": L_out = ceil(L_in / s), and what the last window reaches beyond the input is split over both
            // ends, the odd one at the end.
            Kind::Conv if same => {
                let coarse = (length + s - 1) / s;
                let missing = ((coarse - 1) * s + d * (k - 1) + 1 - length).max(0);
                Grid::new(length, coarse, missing / 2)
            }
            Kind::Conv => Grid::new(length, (length + p + q - d * (k - 1) - 1).div_euclid(s) + 1, p),
            // "same": L_out = L_in s; of d (K - 1) + 1 - s positions too many the odd one goes at the end.
            Kind::ConvTranspose if same => Grid::new(length * s, length, (d * (k - 1) + 1 - s).max(0) / 2),
            Kind::ConvTranspose => {
                let o = signed(options.output_padding[axis]);
                let fine = match options.output_size {
                    Some(size) => signed(size[axis]),
                    None => (length - 1) * s - p - q + d * (k - 1) + o + 1,
                };
                Grid::new(fine, length, p)
            }
        }
    }

    fn new(fine: isize, coarse: isize, pad_before: isize) -> Grid {
        assert!(fine >= 1 && coarse >= 1, "a setup without an output: fine {fine}, coarse {coarse}");
        Grid {
            fine: fine.unsigned_abs(),
            coarse: coarse.unsigned_abs(),
            pad_before: pad_before.unsigned_abs(),
        }
    }
}

fn signed(value: usize) -> isize {
    isize::try_from(value).expect("the sizes of a test are small")
}
