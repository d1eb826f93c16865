//! A convolution as a file describes it, with a list per parameter, turned into the library's options, whose rank is a
//! type. Conformance cases and benchmark layers share it, so they can't come to read a parameter differently.

use lucid_check::Op;
use lucid_conv::{Algorithm, Kind, Options, Padding, Pass, Plan};

use crate::error::{Error, Result};

/// The parameters of a convolution; every list has one number per spatial axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Convolution<'a> {
    pub(crate) op: Op,
    pub(crate) stride: &'a [usize],
    pub(crate) padding: &'a [usize],
    pub(crate) padding_after: &'a [usize],
    pub(crate) dilation: &'a [usize],
    pub(crate) output_padding: &'a [usize],
    pub(crate) groups: usize,
}

/// Which pass computes which tensor of a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Passes {
    pub(crate) y: Pass,
    pub(crate) dx: Pass,
    pub(crate) dw: Pass,
}

impl Convolution<'_> {
    /// The library's options.
    ///
    /// # Errors
    /// [`Error::NumAxes`] for a list that has not `N` numbers.
    pub(crate) fn options<const N: usize>(&self) -> Result<Options<N>> {
        let before = per_axis::<N>("padding", self.padding)?;
        let after = per_axis::<N>("padding_after", self.padding_after)?;
        let options = if self.op.is_transposed() { Options::conv_transpose() } else { Options::conv() };
        Ok(options
            .stride(per_axis::<N>("stride", self.stride)?)
            .padding(Padding::Explicit(std::array::from_fn(|axis| (before[axis], after[axis]))))
            .dilation(per_axis::<N>("dilation", self.dilation)?)
            .output_padding(per_axis::<N>("output_padding", self.output_padding)?)
            .groups(self.groups))
    }
}

/// `list` as an array.
///
/// # Errors
/// [`Error::NumAxes`], naming `parameter`, when it has not `N` numbers.
pub(crate) fn per_axis<const N: usize>(parameter: &'static str, list: &[usize]) -> Result<[usize; N]> {
    list.try_into().map_err(|_| Error::NumAxes { parameter, given: list.to_vec(), rank: N })
}

impl Passes {
    /// The table in `lucid-conv`'s README.
    pub(crate) fn of(kind: Kind) -> Self {
        let dw = Pass::BackwardWeight;
        match kind {
            Kind::Conv => Passes { y: Pass::Forward, dx: Pass::BackwardData, dw },
            Kind::ConvTranspose => Passes { y: Pass::BackwardData, dx: Pass::Forward, dw },
        }
    }
}

/// `plan` with `algorithm` for every pass that it computes.
pub(crate) fn with_algorithm<const N: usize>(plan: Plan<N>, algorithm: Algorithm) -> Result<Plan<N>> {
    let mut computed = Pass::ALL.into_iter().filter(|&pass| algorithm.computes(pass));
    Ok(computed.try_fold(plan, |plan, pass| plan.with_algorithm(pass, algorithm))?)
}

#[cfg(test)]
mod tests {
    use lucid_conv::Shapes;

    use super::*;

    const PLAIN: Convolution<'_> = Convolution {
        op: Op::ConvTranspose2d,
        stride: &[2, 3],
        padding: &[0, 1],
        padding_after: &[4, 5],
        dilation: &[1, 2],
        output_padding: &[1, 0],
        groups: 2,
    };

    #[test]
    fn every_parameter_arrives_on_its_axis() {
        let options = PLAIN.options::<2>().unwrap();
        let expected = Options::conv_transpose()
            .stride([2, 3])
            .padding([(0, 4), (1, 5)])
            .dilation([1, 2])
            .output_padding([1, 0])
            .groups(2);
        assert_eq!(options, expected);
    }

    #[test]
    fn an_algorithm_is_forced_where_it_computes_the_pass() {
        let options = Options::<1>::conv_transpose();
        let plan = Plan::new(options.resolve(Shapes { x: &[1, 2, 3], w: &[2, 2, 1] }).unwrap());
        let forced = with_algorithm(plan, Algorithm::Col2im).unwrap();
        assert_eq!(forced.recipe(Pass::BackwardData).algorithm, Algorithm::Col2im);
        assert_eq!(forced.recipe(Pass::Forward), plan.recipe(Pass::Forward));
    }

    #[test]
    fn a_list_of_another_length_is_named() {
        let wrong = Convolution { dilation: &[1], ..PLAIN };
        let error = wrong.options::<2>().unwrap_err().to_string();
        assert!(error.contains("dilation = [1]") && error.contains("list of 2"), "{error}");
    }
}
