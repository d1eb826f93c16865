//! Printing. A tensor prints on one line as nested brackets, like a literal; large ones are summarised by the
//! first and last three entries of every axis. The brackets are available alone, so that a tensor with more to
//! say about itself (that it requires a gradient, say) can print the same body.

use std::fmt::{self, Debug, Display, Write};

use ndarray::{ArrayViewD, Axis};

use crate::{element::Scalar, tensor::Tensor};

/// Tensors of more elements than this are summarised.
const SUMMARY_LEN: usize = 1000;

/// Entries that a summary shows at each end of an axis.
const EDGE: usize = 3;

impl<T: Scalar> Tensor<T> {
    /// The elements as nested brackets on one line: what stands between the parentheses of a printed tensor.
    ///
    /// Floats have at least one decimal or an exponent. Of more than 1000 elements, only the first and last
    /// three of each axis are shown.
    ///
    /// ```
    /// let x = lucid_tensor::tensor!([[1.0, 2.5], [4.0, f32::NAN]]);
    /// assert_eq!(x.format_nested(), "[[1.0, 2.5], [4.0, nan]]");
    /// ```
    pub fn format_nested(&self) -> String {
        let mut out = String::new();
        self.write_nested(&mut out, None).expect("writing to a string cannot fail");
        out
    }

    /// Writes what [`format_nested`](Self::format_nested) returns, with `precision` decimals where it is given.
    ///
    /// # Errors
    ///
    /// Those of the destination.
    pub fn write_nested(&self, out: &mut dyn Write, precision: Option<usize>) -> fmt::Result {
        // A zero among the lengths does not make the brackets around it fewer.
        let num_entries =
            self.shape().iter().fold(1_usize, |product, &len| product.saturating_mul(len.max(1)));
        write_view(self.view(), num_entries > SUMMARY_LEN, out, precision)
    }
}

fn write_view<T: Scalar>(
    view: ArrayViewD<'_, T>,
    summarise: bool,
    out: &mut dyn Write,
    precision: Option<usize>,
) -> fmt::Result {
    if view.ndim() == 0 {
        return view.iter().try_for_each(|value| value.write_to(out, precision));
    }
    let len = view.len_of(Axis(0));
    let is_hidden = |entry: usize| summarise && len > 2 * EDGE && entry >= EDGE && entry < len - EDGE;
    out.write_char('[')?;
    let mut entry = 0;
    while entry < len {
        if entry > 0 {
            out.write_str(", ")?;
        }
        if is_hidden(entry) {
            out.write_str("...")?;
            entry = len - EDGE;
        } else {
            write_view(view.index_axis(Axis(0), entry), summarise, out, precision)?;
            entry += 1;
        }
    }
    out.write_char(']')
}

impl<T: Scalar> Display for Tensor<T> {
    /// `Tensor([[1.0, 2.5]])`. A precision (`{:.3}`) sets the number of decimals.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision();
        f.write_str("Tensor(")?;
        self.write_nested(f, precision)?;
        f.write_str(")")
    }
}

impl<T: Scalar> Debug for Tensor<T> {
    /// `Tensor([[1.0, 2.5]], shape=[1, 2], f32)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = f.precision();
        f.write_str("Tensor(")?;
        self.write_nested(f, precision)?;
        write!(f, ", shape={:?}, {})", self.shape(), T::NAME)
    }
}

#[cfg(test)]
mod tests {
    use crate::{Tensor, tensor};

    #[test]
    fn prints_like_the_seed() {
        let y = tensor!([[[1.0_f32, 2.5, 4.0, 1.5]]]);
        assert_eq!(y.to_string(), "Tensor([[[1.0, 2.5, 4.0, 1.5]]])");
        assert_eq!(format!("{y:?}"), "Tensor([[[1.0, 2.5, 4.0, 1.5]]], shape=[1, 1, 4], f32)");
        assert_eq!(format!("{y:.2}"), "Tensor([[[1.00, 2.50, 4.00, 1.50]]])");
    }

    #[test]
    fn prints_every_type_and_rank() {
        assert_eq!(tensor!(3.0).to_string(), "Tensor(3.0)");
        assert_eq!(tensor!([true, false]).to_string(), "Tensor([true, false])");
        assert_eq!(tensor!([[1_usize], [2]]).to_string(), "Tensor([[1], [2]])");
        let special = tensor!([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
        assert_eq!(special.to_string(), "Tensor([nan, inf, -inf, -0.0])");
        assert_eq!(tensor!([0.1_f32, 1e-9, 16_777_216.0]).to_string(), "Tensor([0.1, 1e-9, 16777216.0])");
    }

    #[test]
    fn prints_empty_tensors() {
        assert_eq!(Tensor::<f32>::zeros([0]).unwrap().to_string(), "Tensor([])");
        assert_eq!(Tensor::<f32>::zeros([2, 0]).unwrap().to_string(), "Tensor([[], []])");
        let wide = Tensor::<f32>::zeros([1 << 40, 0]).unwrap();
        assert_eq!(wide.to_string(), "Tensor([[], [], [], ..., [], [], []])");
    }

    #[test]
    fn summarises_above_a_thousand_elements() {
        let shown = Tensor::<f32>::arange(0.0, 1000.0, 1.0).unwrap().to_string();
        assert!(!shown.contains("..."));
        let x = Tensor::<f32>::arange(0.0, 1001.0, 1.0).unwrap();
        assert_eq!(x.to_string(), "Tensor([0.0, 1.0, 2.0, ..., 998.0, 999.0, 1000.0])");
        let x = Tensor::<f32>::arange(0.0, 2000.0, 1.0).unwrap().reshape([2, 1000]).unwrap();
        assert_eq!(
            x.to_string(),
            "Tensor([[0.0, 1.0, 2.0, ..., 997.0, 998.0, 999.0], \
             [1000.0, 1001.0, 1002.0, ..., 1997.0, 1998.0, 1999.0]])"
        );
    }
}
