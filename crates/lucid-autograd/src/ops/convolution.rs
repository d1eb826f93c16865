//! The six convolutions, as three bilinear functions whose derivatives are one another.
//!
//! With `forward(x, w)`, `backward_data(y, w)` and `backward_weight(x, y)` of `lucid-conv`, all three are parts of one
//! trilinear form, `sum of y w x` over the links of the two grids; each is its gradient by one of the operands. So the
//! gradient of any of them is the other two, of any order.

use lucid_conv::{Kind, Options, Pass, Plan, Shapes};
use lucid_tensor::Tensor;

use crate::element::Element;
use crate::error::{Error, Result};
use crate::node::{Links, Operation};
use crate::record::record;
use crate::var::Var;

/// One of the three passes on two operands, and a bias on the result's channels.
struct Convolution<T, const N: usize> {
    plan: Plan<N>,
    pass: Pass,
    a: Tensor<T>,
    b: Tensor<T>,
}

impl<T: Element, const N: usize> Operation<T> for Convolution<T, N> {
    fn name(&self) -> &'static str {
        match self.pass {
            Pass::Forward => "convolution forward",
            Pass::BackwardData => "convolution backward_data",
            Pass::BackwardWeight => "convolution backward_weight",
        }
    }

    fn backward(&self, links: &Links<'_, T>, dy: &Var<T>) -> Result<Vec<Option<Var<T>>>> {
        let (a, b) = (links.input(0, &self.a), links.input(1, &self.b));
        let run = |pass, a: &Var<T>, b: &Var<T>| convolution(&self.plan, pass, a, b, None);
        // y = forward(x, w), x = backward_data(y, w), w = backward_weight(x, y)
        let first = links.needs(0).then(|| match self.pass {
            Pass::Forward => run(Pass::BackwardData, dy, &b),
            Pass::BackwardData => run(Pass::Forward, dy, &b),
            Pass::BackwardWeight => run(Pass::BackwardData, &b, dy),
        });
        let second = links.needs(1).then(|| match self.pass {
            Pass::Forward => run(Pass::BackwardWeight, &a, dy),
            Pass::BackwardData => run(Pass::BackwardWeight, dy, &a),
            Pass::BackwardWeight => run(Pass::Forward, &a, dy),
        });
        let mut gradients = vec![first.transpose()?, second.transpose()?];
        if links.has(2) {
            let channel_axis = dy.ndim() - N - 1;
            let others: Vec<usize> = (0..dy.ndim()).filter(|&axis| axis != channel_axis).collect();
            gradients.push(if links.needs(2) { Some(dy.sum(&others, false)?) } else { None });
        }
        Ok(gradients)
    }
}

fn convolution<T: Element, const N: usize>(
    plan: &Plan<N>,
    pass: Pass,
    a: &Var<T>,
    b: &Var<T>,
    bias: Option<&Var<T>>,
) -> Result<Var<T>> {
    let (a_value, b_value, bias_value) = (a.value(), b.value(), bias.map(Var::value));
    let bias_view = match &bias_value {
        None => None,
        Some(bias) => Some(bias.view().into_dimensionality().map_err(|_| Error::Rank {
            what: "the bias",
            given: bias.shape().to_vec(),
            accepted: "one axis, the output channels",
        })?),
    };
    let result = match pass {
        Pass::Forward => plan.forward(a_value.view(), b_value.view(), bias_view)?,
        Pass::BackwardData => plan.backward_data(a_value.view(), b_value.view(), bias_view)?,
        Pass::BackwardWeight => plan.backward_weight(a_value.view(), b_value.view())?,
    };
    let inputs: Vec<&Var<T>> = [a, b].into_iter().chain(bias).collect();
    Ok(record(Tensor::from(result), &inputs, || {
        Box::new(Convolution { plan: *plan, pass, a: a_value, b: b_value })
    }))
}

impl<T: Element> Var<T> {
    /// The convolution or transposed convolution, of rank `N` 1, 2 or 3, of this input with the weight `w`, plus the
    /// bias `b`.
    ///
    /// # Shapes
    /// The input is `(batch, channels, N spatial)` or without the batch; `w` is `(out channels, in channels / groups,
    /// N taps)`, or `(in channels, out channels / groups, N taps)` when transposed; `b` is `(out channels)`.
    ///
    /// ```
    /// use lucid_autograd::{Var, lucid_conv::Options};
    /// use lucid_tensor::tensor;
    ///
    /// let x = Var::leaf(tensor!([[[1.0, 2.0, 3.0]]]));
    /// let w = Var::leaf(tensor!([[[1.0, 0.5]]]));
    /// let y = x.convolve(&w, None, &Options::<1>::conv_transpose())?;
    /// assert_eq!(y.value(), tensor!([[[1.0, 2.5, 4.0, 1.5]]]));
    /// y.backward()?;
    /// assert_eq!(x.grad(), Some(tensor!([[[1.5, 1.5, 1.5]]])));
    /// # Ok::<(), lucid_autograd::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Error::Conv`](crate::Error::Conv) for options or shapes that don't fit.
    pub fn convolve<const N: usize>(&self, w: &Self, b: Option<&Self>, options: &Options<N>) -> Result<Self> {
        let plan = Plan::new(options.resolve(Shapes { x: &self.shape(), w: &w.shape() })?);
        let pass = match options.kind {
            Kind::Conv => Pass::Forward,
            Kind::ConvTranspose => Pass::BackwardData,
        };
        convolution(&plan, pass, self, w, b)
    }
}
