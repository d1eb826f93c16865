//! Losses of probabilities, computed from logits because the logarithm of a rounded probability is wrong or infinite.
//!
//! The logarithm of a probability that is one, or of a class that does not count, is multiplied by 0: where such a
//! logarithm is infinite it is left out instead, since 0 times infinity is NaN.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;

use super::{Reduction, check_same_shape};
use crate::error::{Error, Result, check};
use crate::number::number;

/// What [`bce_with_logits`] can be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BceOptions<T: Element> {
    /// The weight of positive targets; it broadcasts to the logits' shape. 1 when absent.
    pub pos_weight: Option<Tensor<T>>,
    /// What becomes of the losses of the elements.
    pub reduction: Reduction,
}

/// The cross-entropy of independent yes-or-no questions. With `s` the sigmoid of a logit `x`, `t` its target in 0..=1
/// and `p` the weight of positive ones, it is `-p t ln s - (1 - t) ln(1 - s)`, computed as
/// `p t softplus(-x) + (1 - t) softplus(x)`: exact to rounding for any finite logit.
///
/// # Shapes
/// `logits` and `target` are equal; the result has rank 0, or their shape with [`Reduction::None`].
///
/// ```
/// use lucid_nn::{Var, loss::{BceOptions, bce_with_logits}};
/// use lucid_tensor::tensor;
///
/// let logits = Var::leaf(tensor!([0.0, 1000.0]));
/// let loss = bce_with_logits(&logits, &tensor!([1.0, 1.0]).into(), &BceOptions::default())?;
/// assert_eq!(loss.item()?, 0.5 * std::f64::consts::LN_2);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
///
/// # Errors
/// When the shapes differ or `pos_weight` does not broadcast to them.
pub fn bce_with_logits<T: Element>(
    logits: &Var<T>,
    target: &Var<T>,
    options: &BceOptions<T>,
) -> Result<Var<T>> {
    check_same_shape(&logits.shape(), &target.shape())?;
    let mut positive = (target * &(-logits).softplus(T::one()))?;
    if let Some(pos_weight) = &options.pos_weight {
        // Multiplied as it is, a weight with more axes than the logits would broadcast them instead.
        positive = (&positive * &pos_weight.broadcast_to(logits.shape())?.into())?;
    }
    let negative = (&(-target + T::one()) * &logits.softplus(T::one()))?;
    Ok(options.reduction.apply((&positive + &negative)?))
}

/// What [`cross_entropy`] can be told.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CrossEntropyOptions<T: Element> {
    /// One weight per class: `(C)`. All are 1 when absent.
    pub weight: Option<Tensor<T>>,
    /// The part of each target that is spread evenly over all classes: in 0..=1 (Szegedy et al. 2016).
    pub label_smoothing: f64,
    /// What becomes of the losses of the positions. The mean is weighted: it is the sum divided by the sum of the
    /// weights of the target classes.
    pub reduction: Reduction,
}

/// The cross-entropy of one choice among `C` classes. With `q` the log-softmax of the logits over the classes, `t` the
/// target class, `w` the classes' weights and `e` the label smoothing, it is
/// `-(1 - e) w[t] q[t] - e / C * sum over c of w[c] q[c]`.
///
/// # Shapes
/// `logits` is `(N, C)` or `(N, C, spatial...)`, `target` is `(N)` or `(N, spatial...)`; the result has rank 0, or the
/// shape of `target` with [`Reduction::None`].
///
/// ```
/// use lucid_nn::{Var, loss::{CrossEntropyOptions, cross_entropy}};
/// use lucid_tensor::tensor;
///
/// let logits = Var::leaf(tensor!([[0.0, 0.0], [1000.0, 0.0]]));
/// let loss = cross_entropy(&logits, &tensor!([1, 0]), &CrossEntropyOptions::default())?;
/// assert_eq!(loss.item()?, 0.5 * std::f64::consts::LN_2);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
///
/// # Errors
/// When the shapes do not fit; [`Error::Parameter`] for a target that is not below `C` and for a label smoothing outside
/// 0..=1.
pub fn cross_entropy<T: Element>(
    logits: &Var<T>,
    target: &Tensor<usize>,
    options: &CrossEntropyOptions<T>,
) -> Result<Var<T>> {
    let shape = logits.shape();
    let &[num_samples, num_classes, ref spatial @ ..] = shape.as_slice() else {
        let accepted = "2 or more: (N, C) or (N, C, spatial...)";
        return Err(lucid_autograd::Error::Rank { what: "the logits", given: shape, accepted }.into());
    };
    let smoothing = options.label_smoothing;
    check((0.0..=1.0).contains(&smoothing), "label_smoothing", smoothing, "a number in 0..=1")?;
    check_same_shape(&[&[num_samples], spatial].concat(), target.shape())?;
    let classes = target.to_vec();
    if let Some(class) = classes.iter().find(|&&class| class >= num_classes) {
        return Err(Error::Parameter {
            parameter: "target",
            given: format!("class {class}"),
            accepted: format!("classes below {num_classes}, as many as axis 1 of logits of shape {shape:?}"),
        });
    }
    let weight = match &options.weight {
        Some(weight) if weight.shape() != [num_classes] => {
            let (given, expected) = (weight.shape().to_vec(), vec![num_classes]);
            let what = "the classes' weight";
            return Err(lucid_autograd::Error::Shape { what, given, expected }.into());
        }
        Some(weight) => weight.to_vec(),
        None => vec![T::one(); num_classes],
    };

    // losses = -sum over the classes of coefficient * log-probability, without the classes whose coefficient is 0.
    let spread = number::<T>(smoothing / num_classes as f64);
    let spatial_len = spatial.iter().product::<usize>();
    let mut coefficients = Vec::with_capacity(classes.len() * num_classes);
    for targets in classes.chunks(spatial_len.max(1)) {
        for (class, &weight) in weight.iter().enumerate() {
            let of_target = number::<T>(1.0 - smoothing) + spread;
            coefficients
                .extend(targets.iter().map(|&t| weight * if t == class { of_target } else { spread }));
        }
    }
    let coefficients = Tensor::from_vec(&shape, coefficients)?;
    let counts = coefficients.map(|coefficient| coefficient != T::zero());
    let zero = Var::constant(Tensor::scalar(T::zero()));
    let log_probabilities = Var::where_(&counts, &logits.log_softmax(1)?, &zero)?;
    let losses = -(&log_probabilities * &coefficients.into())?.sum(&[1], false)?;
    Ok(match options.reduction {
        Reduction::Mean => {
            let total: T = classes.iter().map(|&class| weight[class]).sum();
            losses.sum_all() / total
        }
        other => other.apply(losses),
    })
}
