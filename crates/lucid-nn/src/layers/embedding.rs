//! From indices to learnable vectors.

use lucid_autograd::{Element, Var};
use lucid_tensor::Tensor;
use rand::Rng;

use crate::error::{Result, check};
use crate::{Module, Path};

/// A learnable vector for each of a number of symbols.
///
/// Its input is a tensor of indices, which have no gradient; so it is no [`Forward`](crate::Forward) layer, and
/// [`lookup`](Self::lookup) is its method.
///
/// ```
/// use lucid_nn::{Embedding, Tensor};
///
/// let embedding = Embedding::<f32>::new(10, 3, Some(0), &mut rand::rng())?;
/// let y = embedding.lookup(&Tensor::from([[1, 2], [4, 0]]))?;
/// assert_eq!(y.shape(), [2, 2, 3]);
/// assert_eq!(y.value().to_vec()[9..], [0.0; 3]);
/// # Ok::<(), lucid_nn::Error>(())
/// ```
#[derive(Debug)]
pub struct Embedding<T: Element = f32> {
    /// The vectors: `(num_embeddings, embedding_dim)`.
    pub weight: Var<T>,
    /// The index whose vector gets no gradient.
    pub padding_idx: Option<usize>,
}

impl<T: Element> Embedding<T> {
    /// Vectors drawn from the standard normal distribution; that of `padding_idx` is zero.
    ///
    /// # Errors
    /// [`Error::Parameter`](crate::Error::Parameter) for a zero number or a `padding_idx` that is not below
    /// `num_embeddings`.
    pub fn new(
        num_embeddings: usize,
        embedding_dim: usize,
        padding_idx: Option<usize>,
        rng: &mut (impl Rng + ?Sized),
    ) -> Result<Self> {
        check(num_embeddings > 0, "num_embeddings", num_embeddings, "at least 1")?;
        check(embedding_dim > 0, "embedding_dim", embedding_dim, "at least 1")?;
        if let Some(index) = padding_idx {
            let accepted = format!("below num_embeddings = {num_embeddings}");
            check(index < num_embeddings, "padding_idx", index, &accepted)?;
        }
        let mut weight = Tensor::normal([num_embeddings, embedding_dim], T::zero(), T::one(), rng)?;
        if let Some(index) = padding_idx {
            let is_padding = (0..num_embeddings).map(|row| row == index).collect();
            let is_padding = Tensor::from_vec([num_embeddings, 1], is_padding)?;
            weight = Tensor::where_(&is_padding, &Tensor::scalar(T::zero()), &weight)?;
        }
        Ok(Embedding { weight: Var::leaf(weight), padding_idx })
    }

    /// The vectors of `indices`.
    ///
    /// # Shapes
    /// `(...)` to `(..., embedding_dim)`.
    ///
    /// # Errors
    /// For an index that is not below the number of vectors.
    pub fn lookup(&self, indices: &Tensor<usize>) -> Result<Var<T>> {
        let flat = indices.to_vec();
        let mut rows = self.weight.index_select(0, &flat)?;
        let is_padding = |&index: &usize| Some(index) == self.padding_idx;
        if flat.iter().any(is_padding) {
            let mask = Tensor::from_vec([flat.len(), 1], flat.iter().map(is_padding).collect())?;
            rows = Var::where_(&mask, &rows.detach(), &rows)?;
        }
        let dims = &rows.shape()[1..];
        Ok(rows.reshape([indices.shape(), dims].concat())?)
    }
}

impl<T: Element> Module<T> for Embedding<T> {
    fn visit(&self, path: &Path, visit: &mut dyn FnMut(&Path, &Var<T>)) {
        self.weight.visit(&path.join("weight"), visit);
    }

    fn set_training(&mut self, _: bool) {}
}
