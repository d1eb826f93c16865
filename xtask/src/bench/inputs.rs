//! What a layer is computed on: the same random numbers from -1 to 1 for whoever computes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lucid_conv::Geometry;
use ndarray::{Array1, ArrayD};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::error::{Error, Result};

/// Operands of a layer, and a gradient of its output.
pub(super) struct Inputs {
    pub(super) x: ArrayD<f32>,
    pub(super) w: ArrayD<f32>,
    pub(super) b: Option<Array1<f32>>,
    pub(super) dy: ArrayD<f32>,
}

impl Inputs {
    pub(super) fn random<const N: usize>(geometry: &Geometry<N>, has_bias: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let mut array =
            |shape: Vec<usize>| ArrayD::<f32>::from_shape_simple_fn(shape, || rng.random_range(-1.0..1.0));
        let (x, w, dy) =
            (array(geometry.x_shape()), array(geometry.weight_shape()), array(geometry.y_shape()));
        let num_outputs = dy.shape()[1];
        let b = has_bias.then(|| Array1::from_shape_simple_fn(num_outputs, || rng.random_range(-1.0..1.0)));
        Inputs { x, w, b, dy }
    }

    /// Writes the arrays into `folder`, as raw little-endian float32 in row-major order, and names the files.
    pub(super) fn write(&self, folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
        let b = self.b.as_ref().map(|b| b.view().into_dyn());
        let arrays =
            [("x", Some(self.x.view())), ("w", Some(self.w.view())), ("b", b), ("dy", Some(self.dy.view()))];
        let mut files = BTreeMap::new();
        for (name, array) in arrays {
            let Some(array) = array else { continue };
            let path = folder.join(format!("{name}.f32"));
            write(&path, array.iter().copied())?;
            files.insert(name.to_owned(), path);
        }
        Ok(files)
    }
}

/// Writes a raw file of float32.
pub(super) fn write(path: &Path, numbers: impl IntoIterator<Item = f32>) -> Result<()> {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(f32::to_le_bytes).collect();
    fs::write(path, bytes).map_err(Error::io(path))
}

/// Reads a raw file of float32.
pub(super) fn read(path: &Path) -> Result<Vec<f32>> {
    let bytes = fs::read(path).map_err(Error::io(path))?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

#[cfg(test)]
mod tests {
    use lucid_conv::{Options, Shapes};

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let geometry =
            Options::<1>::conv_transpose().resolve(Shapes { x: &[1, 2, 5], w: &[2, 3, 4] }).unwrap();
        let inputs = Inputs::random(&geometry, true);
        let folder = tempfile::tempdir().unwrap();
        let files = inputs.write(folder.path()).unwrap();
        assert_eq!(files.keys().collect::<Vec<_>>(), ["b", "dy", "w", "x"]);
        assert_eq!(read(&files["w"]).unwrap(), inputs.w.iter().copied().collect::<Vec<_>>());
        assert!(!Inputs::random(&geometry, false).write(folder.path()).unwrap().contains_key("b"));
    }
}
