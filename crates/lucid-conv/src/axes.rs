//! Parameters with one value per spatial axis: a number for all of them, or an array.

use std::ops::Deref;
use std::str::FromStr;

use crate::error::Error;

/// One number per spatial axis, outermost axis first.
///
/// Wherever one is asked for, a plain number (the same on every axis) or an array of `N` will do.
///
/// ```
/// use lucid_conv::Axes;
///
/// assert_eq!(*Axes::<2>::from(3), [3, 3]);
/// assert_eq!(*Axes::from([3, 5]), [3, 5]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Axes<const N: usize>(pub [usize; N]);

impl<const N: usize> From<usize> for Axes<N> {
    fn from(value: usize) -> Self {
        Axes([value; N])
    }
}

impl<const N: usize> From<[usize; N]> for Axes<N> {
    fn from(values: [usize; N]) -> Self {
        Axes(values)
    }
}

impl<const N: usize> Deref for Axes<N> {
    type Target = [usize; N];

    fn deref(&self) -> &[usize; N] {
        &self.0
    }
}

/// How much of the fine grid lies outside what exists: zeros around the input of a convolution, or what is cropped
/// from the output of a transposed one.
///
/// ```
/// use lucid_conv::Padding;
///
/// assert_eq!(Padding::<2>::from(1), Padding::Explicit([(1, 1), (1, 1)]));
/// assert_eq!(Padding::from([(1, 2)]), Padding::Explicit([(1, 2)]));
/// assert_eq!("same".parse(), Ok(Padding::<1>::Same));
/// assert!("sane".parse::<Padding<1>>().is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Padding<const N: usize> {
    /// `(before, after)` per spatial axis.
    Explicit([(usize, usize); N]),
    /// None: the same as 0.
    Valid,
    /// What makes the output `ceil(input / stride)` long, or `input * stride` for a transposed convolution. An odd
    /// element goes to the end. Where a transposed kernel spans less than a stride, the missing positions are added
    /// at the end and hold the bias only.
    Same,
}

impl<const N: usize> From<usize> for Padding<N> {
    fn from(value: usize) -> Self {
        Padding::Explicit([(value, value); N])
    }
}

impl<const N: usize> From<[usize; N]> for Padding<N> {
    fn from(values: [usize; N]) -> Self {
        Padding::Explicit(values.map(|value| (value, value)))
    }
}

impl<const N: usize> From<[(usize, usize); N]> for Padding<N> {
    fn from(pairs: [(usize, usize); N]) -> Self {
        Padding::Explicit(pairs)
    }
}

impl<const N: usize> FromStr for Padding<N> {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match name {
            "valid" => Ok(Padding::Valid),
            "same" => Ok(Padding::Same),
            _ => Err(Error::Parameter {
                parameter: "padding",
                axis: None,
                value: format!("{name:?}"),
                accepted: "a number, one number or (before, after) pair per axis, \"valid\" or \"same\""
                    .into(),
            }),
        }
    }
}

#[cfg(feature = "serde")]
mod serialised {
    //! `Axes` is a list (a single number is read too); `Padding` a list of pairs, `"valid"` or `"same"`.

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::{Serialize, Serializer};

    use super::{Axes, Padding};

    #[derive(serde::Deserialize)]
    #[serde(untagged, expecting = "a number or a list with one number per spatial axis")]
    enum AxesForm {
        Number(usize),
        List(Vec<usize>),
    }

    #[derive(serde::Deserialize)]
    #[serde(
        untagged,
        expecting = "a number, a list with one number or (before, after) pair per spatial axis, \"valid\" or \"same\""
    )]
    enum PaddingForm {
        Number(usize),
        List(Vec<usize>),
        Pairs(Vec<(usize, usize)>),
        Name(String),
    }

    fn per_axis<T, const N: usize, E: Error>(list: Vec<T>) -> Result<[T; N], E> {
        list.try_into().map_err(|list: Vec<T>| {
            E::custom(format!("{} values given: accepted is one per spatial axis, {N}", list.len()))
        })
    }

    impl<const N: usize> Serialize for Axes<N> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0)
        }
    }

    impl<'de, const N: usize> Deserialize<'de> for Axes<N> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match AxesForm::deserialize(deserializer)? {
                AxesForm::Number(value) => Ok(value.into()),
                AxesForm::List(list) => per_axis(list).map(Axes),
            }
        }
    }

    impl<const N: usize> Serialize for Padding<N> {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            match self {
                Padding::Explicit(pairs) => serializer.collect_seq(pairs),
                Padding::Valid => serializer.serialize_str("valid"),
                Padding::Same => serializer.serialize_str("same"),
            }
        }
    }

    impl<'de, const N: usize> Deserialize<'de> for Padding<N> {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            match PaddingForm::deserialize(deserializer)? {
                PaddingForm::Number(value) => Ok(value.into()),
                PaddingForm::List(list) => per_axis::<_, N, D::Error>(list).map(Padding::from),
                PaddingForm::Pairs(pairs) => per_axis(pairs).map(Padding::Explicit),
                PaddingForm::Name(name) => name.parse().map_err(D::Error::custom),
            }
        }
    }
}
