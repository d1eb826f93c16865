//! One spatial axis: the sizes of both grids by the formulas of the module, and which positions a tap links.
//!
//! With `s` stride, `d` dilation, `K` taps, `p` and `q` the padding before and after, `o` the output padding:
//!
//! - convolution: `L_out = floor((L_in + p + q - d (K - 1) - 1) / s) + 1`
//! - transposed: `L_out = (L_in - 1) s - p - q + d (K - 1) + o + 1`
//!
//! What comes out has neither `q` nor `o`: the sizes say it all.

use std::ops::Range;

use crate::axes::Padding;
use crate::error::{Error, Result};
use crate::options::{Kind, Options, at_least_one};

/// The link of the two grids along one spatial axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Axis {
    pub(crate) fine: usize,
    pub(crate) coarse: usize,
    pub(crate) taps: usize,
    pub(crate) stride: usize,
    pub(crate) dilation: usize,
    pub(crate) pad_before: usize,
}

impl Axis {
    /// The coarse positions within `coarse` that tap number `tap` links to a fine position within `fine`.
    ///
    /// `l * stride + tap * dilation - pad_before >= f`  =>  `l >= (f + pad_before - tap * dilation) / stride`,
    /// rounded up, and 0 where that is negative. So the first `l` at or past fine position `f` is that quotient, for
    /// both ends of the range.
    pub(crate) fn coarse_range(&self, tap: usize, coarse: Range<usize>, fine: Range<usize>) -> Range<usize> {
        let first_at =
            |f: usize| (f + self.pad_before).saturating_sub(tap * self.dilation).div_ceil(self.stride);
        let start = first_at(fine.start).max(coarse.start);
        start..first_at(fine.end).min(coarse.end).max(start)
    }

    /// The fine position that `tap` links to coarse position `l`, where [`coarse_range`](Self::coarse_range) holds `l`.
    pub(crate) fn fine_at(&self, l: usize, tap: usize) -> usize {
        l * self.stride + tap * self.dilation - self.pad_before
    }

    /// Whether every tap of every coarse position lies on the fine grid.
    pub(crate) fn is_inside(&self) -> bool {
        self.pad_before == 0 && (self.coarse - 1) * self.stride + (self.taps - 1) * self.dilation < self.fine
    }
}

/// Both sizes along an axis, and how far the coarse grid begins before the fine one.
struct Grids {
    fine: i128,
    coarse: i128,
    pad_before: i128,
}

/// What is asked for along one axis.
///
/// No number, and not the kernel's span either, is above `isize::MAX` < 2^63 => a formula with one product of two of
/// them and a few sums stays below 2^126 + 2^66 => `i128` holds it, and the formulas stand as they are written.
struct Request {
    axis: usize,
    length: i128,
    taps: i128,
    stride: i128,
    dilation: i128,
    before: i128,
    after: i128,
    output_padding: i128,
    output_size: Option<usize>,
    /// `d (K - 1) + 1`: the fine positions from the first tap to the last.
    span: i128,
}

impl<const N: usize> Options<N> {
    /// The link along `axis` of an input of `length` positions and a kernel of `taps`.
    pub(crate) fn resolve_axis(&self, axis: usize, length: usize, taps: usize) -> Result<Axis> {
        at_least_one("input length", Some(axis), length)?;
        at_least_one("kernel_size", Some(axis), taps)?;
        let overflow = || self.overflow(axis, length, taps);
        let (stride, dilation) = (self.stride[axis], self.dilation[axis]);
        let request = self.request(axis, length, taps).ok_or_else(overflow)?;
        let Grids { fine, coarse, pad_before } = match (self.kind, self.padding) {
            (Kind::Conv, Padding::Same) => request.conv_same(),
            (Kind::Conv, _) => request.conv()?,
            (Kind::ConvTranspose, Padding::Same) => request.transposed_same()?,
            (Kind::ConvTranspose, _) => request.transposed()?,
        };
        // `coarse_range` and `fine_at` form no larger number than this one.
        let reach = fine.max(coarse * request.stride) + pad_before + request.span;
        if reach > isize::MAX as i128 {
            return Err(overflow());
        }
        let [fine, coarse, pad_before] =
            [fine, coarse, pad_before].map(|size| usize::try_from(size).expect("from 0 to the reach"));
        Ok(Axis { fine, coarse, taps, stride, dilation, pad_before })
    }

    fn overflow(&self, axis: usize, length: usize, taps: usize) -> Error {
        let (stride, dilation, padding) = (self.stride[axis], self.dilation[axis], self.padding);
        let output_padding = self.output_padding[axis];
        Error::Overflow {
            quantity: "a spatial axis",
            given: format!(
                "axis {axis}: length {length}, kernel_size {taps}, stride {stride}, dilation {dilation}, \
                 padding {padding:?}, output_padding {output_padding}"
            ),
        }
    }

    /// The numbers of one axis; `None` where one is above `isize::MAX`.
    fn request(&self, axis: usize, length: usize, taps: usize) -> Option<Request> {
        let signed = |value: usize| isize::try_from(value).ok().map(|value| value as i128);
        let (before, after) = match self.padding {
            Padding::Explicit(pairs) => pairs[axis],
            Padding::Valid | Padding::Same => (0, 0),
        };
        let span = self.dilation[axis].checked_mul(taps - 1)?.checked_add(1)?;
        Some(Request {
            axis,
            length: signed(length)?,
            taps: signed(taps)?,
            stride: signed(self.stride[axis])?,
            dilation: signed(self.dilation[axis])?,
            before: signed(before)?,
            after: signed(after)?,
            output_padding: signed(self.output_padding[axis])?,
            output_size: self.output_size.map(|size| size[axis]),
            span: signed(span)?,
        })
    }
}

impl Request {
    /// `L_out = floor((L_in + p + q - d (K - 1) - 1) / s) + 1`
    fn conv(&self) -> Result<Grids> {
        let Request { axis, length, taps, stride, dilation, before, after, span, .. } = *self;
        if length + before + after < span {
            let formula = format!(
                "floor(({length} + {before} + {after} - {dilation} * ({taps} - 1) - 1) / {stride}) + 1"
            );
            return Err(Error::EmptyOutput { axis, formula });
        }
        let coarse = (length + before + after - span) / stride + 1;
        Ok(Grids { fine: length, coarse, pad_before: before })
    }

    /// `L_out = ceil(L_in / s)`; of what the last window lacks, the odd position is at the end.
    fn conv_same(&self) -> Grids {
        let Request { length, stride, span, .. } = *self;
        let coarse = (length - 1) / stride + 1;
        let lacking = ((coarse - 1) * stride + span - length).max(0);
        Grids { fine: length, coarse, pad_before: lacking / 2 }
    }

    /// `L_out = (L_in - 1) s - p - q + d (K - 1) + o + 1`, or the output size, if some `o` below `max(s, d)` gives it.
    fn transposed(&self) -> Result<Grids> {
        let Request { axis, length, taps, stride, dilation, before, after, output_padding, span, .. } = *self;
        let shortest = (length - 1) * stride - before - after + span;
        let longest = shortest + stride.max(dilation) - 1;
        let fine = match self.output_size {
            Some(given) if longest >= 1 => self.accepted(given, shortest.max(1), longest)?,
            Some(_) => longest,
            None => shortest + output_padding,
        };
        if fine < 1 {
            let added = fine - shortest;
            let formula = format!(
                "({length} - 1) * {stride} - {before} - {after} + {dilation} * ({taps} - 1) + {added} + 1"
            );
            return Err(Error::EmptyOutput { axis, formula });
        }
        Ok(Grids { fine, coarse: length, pad_before: before })
    }

    /// `L_out = L_in s`; of what is too much, the odd position is cropped at the end, where anything lacking is too.
    fn transposed_same(&self) -> Result<Grids> {
        let Request { length, stride, span, .. } = *self;
        let fine = length * stride;
        if let Some(given) = self.output_size {
            self.accepted(given, fine, fine)?;
        }
        Ok(Grids { fine, coarse: length, pad_before: (span - stride).max(0) / 2 })
    }

    /// The output size `given`, if it is within its bounds.
    fn accepted(&self, given: usize, min: i128, max: i128) -> Result<i128> {
        if (min..=max).contains(&(given as i128)) {
            return Ok(given as i128);
        }
        let shown = |bound: i128| usize::try_from(bound).unwrap_or(usize::MAX);
        Err(Error::OutputSize { axis: self.axis, given, min: shown(min), max: shown(max) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coarse_range_is_what_a_search_finds() {
        for stride in 1..4 {
            for dilation in 1..4 {
                for pad_before in 0..5 {
                    let axis = Axis { fine: 9, coarse: 6, taps: 3, stride, dilation, pad_before };
                    for tap in 0..3 {
                        for fine in [0..9, 2..7, 4..4] {
                            for coarse in [0..6, 1..4] {
                                let found: Vec<usize> = coarse
                                    .clone()
                                    .filter(|l| {
                                        (l * stride + tap * dilation)
                                            .checked_sub(pad_before)
                                            .is_some_and(|f| fine.contains(&f))
                                    })
                                    .collect();
                                let range = axis.coarse_range(tap, coarse, fine.clone());
                                assert_eq!(range.collect::<Vec<_>>(), found, "{axis:?} {tap}");
                            }
                        }
                    }
                }
            }
        }
    }
}
