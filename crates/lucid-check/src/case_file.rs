//! Conformance cases on disk: one `.safetensors` file each, the tensors under their names and the options of
//! the convolution as strings in its metadata.
//!
//! A file that is not quite a case is refused with its name and the reason. Nothing is guessed, because a
//! verifier that skips what it cannot read reports success for it.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use ndarray::ArrayD;
use safetensors::tensor::TensorView;
use safetensors::{SafeTensors, serialize};

use crate::{Case, Dtype, Error, Gradients, Op};

impl Case {
    /// Reads a case from a file.
    ///
    /// Tensors, all F64 or all F32: `x`, `w`, `y`, optional `b`; and either none of `dy`, `dx`, `dw` or all of
    /// them, then with an optional `db`. Metadata: `op`, `stride`, `padding`, `dilation`, `groups`; optional
    /// are `padding_after` (that before) and `output_padding` (zeros).
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be read; [`Error::Malformed`] when a tensor or key is missing or
    /// cannot be understood, or when shapes and options contradict each other.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let bytes = fs::read(path).map_err(|source| io_error(path, source))?;
        Self::from_bytes(&bytes).map_err(|reason| Error::Malformed { path: path.to_owned(), reason })
    }

    /// Writes the case to a file, in the element type that it names.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be written; [`Error::Malformed`] when the case is inconsistent.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        let path = path.as_ref();
        let bytes = self.validate().and_then(|()| self.to_bytes());
        let bytes = bytes.map_err(|reason| Error::Malformed { path: path.to_owned(), reason })?;
        fs::write(path, bytes).map_err(|source| io_error(path, source))
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(|error| error.to_string())?;
        let metadata = header.metadata().clone().unwrap_or_default();
        let file = SafeTensors::deserialize(bytes).map_err(|error| error.to_string())?;

        let op: Op = text(&metadata, "op")?.parse()?;
        let padding = list(&metadata, "padding")?;
        let optional_list = |key: &str, default: Vec<usize>| match metadata.contains_key(key) {
            true => list(&metadata, key),
            false => Ok(default),
        };
        let groups = text(&metadata, "groups")?;
        let dtype = common_dtype(&file)?;
        let given = ["dy", "dx", "dw"].map(|name| file.tensor(name).is_ok());
        let gradients = if given.contains(&true) || file.tensor("db").is_ok() {
            let (dy, dx, dw) = (tensor(&file, "dy")?, tensor(&file, "dx")?, tensor(&file, "dw")?);
            Some(Gradients { dy, dx, dw, db: optional_tensor(&file, "db")? })
        } else {
            None
        };
        let case = Self {
            op,
            stride: list(&metadata, "stride")?,
            padding_after: optional_list("padding_after", padding.clone())?,
            output_padding: optional_list("output_padding", vec![0; op.rank()])?,
            padding,
            dilation: list(&metadata, "dilation")?,
            groups: groups.parse().map_err(|_| format!("metadata groups {groups:?} is not a number"))?,
            dtype,
            x: tensor(&file, "x")?,
            w: tensor(&file, "w")?,
            b: optional_tensor(&file, "b")?,
            y: tensor(&file, "y")?,
            gradients,
        };
        case.validate()?;
        Ok(case)
    }

    fn to_bytes(&self) -> Result<Vec<u8>, String> {
        let mut tensors = vec![("x", &self.x), ("w", &self.w), ("y", &self.y)];
        tensors.extend(self.b.iter().map(|b| ("b", b)));
        if let Some(Gradients { dy, dx, dw, db }) = &self.gradients {
            tensors.extend([("dy", dy), ("dx", dx), ("dw", dw)]);
            tensors.extend(db.iter().map(|db| ("db", db)));
        }
        let dtype = match self.dtype {
            Dtype::F32 => safetensors::Dtype::F32,
            Dtype::F64 => safetensors::Dtype::F64,
        };
        let encode = |array: &ArrayD<f64>| -> Vec<u8> {
            match self.dtype {
                Dtype::F32 => array.iter().flat_map(|&value| (value as f32).to_le_bytes()).collect(),
                Dtype::F64 => array.iter().flat_map(|value| value.to_le_bytes()).collect(),
            }
        };
        let encoded: Vec<_> =
            tensors.iter().map(|(name, array)| (*name, array.shape().to_vec(), encode(array))).collect();
        let views: Result<Vec<_>, _> = encoded
            .iter()
            .map(|(name, shape, bytes)| Ok((*name, TensorView::new(dtype, shape.clone(), bytes)?)))
            .collect();
        let views = views.map_err(|error: safetensors::SafeTensorError| error.to_string())?;
        serialize(views, Some(self.metadata())).map_err(|error| error.to_string())
    }

    fn metadata(&self) -> HashMap<String, String> {
        let mut entries = vec![
            ("op", self.op.to_string()),
            ("stride", format!("{:?}", self.stride)),
            ("padding", format!("{:?}", self.padding)),
            ("dilation", format!("{:?}", self.dilation)),
            ("groups", self.groups.to_string()),
        ];
        if self.padding_after != self.padding {
            entries.push(("padding_after", format!("{:?}", self.padding_after)));
        }
        if self.op.is_transposed() {
            entries.push(("output_padding", format!("{:?}", self.output_padding)));
        }
        entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    }
}

/// The `.safetensors` files of a folder, sorted by name; those of its subfolders are not among them.
///
/// # Errors
/// [`Error::Io`] when the folder does not exist or cannot be read.
pub fn read_dir(path: impl AsRef<Path>) -> Result<Vec<PathBuf>, Error> {
    let path = path.as_ref();
    let entries = fs::read_dir(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.map_err(|source| io_error(path, source))?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "safetensors"));
    files.sort();
    Ok(files)
}

fn io_error(path: &Path, source: io::Error) -> Error {
    Error::Io { path: path.to_owned(), source }
}

fn text<'a>(metadata: &'a HashMap<String, String>, key: &str) -> Result<&'a str, String> {
    metadata.get(key).map(String::as_str).ok_or_else(|| format!("metadata {key} is missing"))
}

fn list(metadata: &HashMap<String, String>, key: &str) -> Result<Vec<usize>, String> {
    let value = text(metadata, key)?;
    serde_json::from_str(value)
        .map_err(|_| format!("metadata {key} {value:?} is not a JSON list of numbers that are not negative"))
}

/// The element type of the tensors that make a case; whatever else the file holds is not looked at.
fn common_dtype(file: &SafeTensors<'_>) -> Result<Dtype, String> {
    let mut common = None;
    for name in ["x", "w", "b", "y", "dy", "dx", "dw", "db"] {
        let Ok(view) = file.tensor(name) else { continue };
        let dtype = match view.dtype() {
            safetensors::Dtype::F32 => Dtype::F32,
            safetensors::Dtype::F64 => Dtype::F64,
            other => return Err(format!("tensor {name} is {other:?}, neither F32 nor F64")),
        };
        if *common.get_or_insert(dtype) != dtype {
            return Err(format!("tensor {name} is {dtype:?}, the ones before it are not"));
        }
    }
    common.ok_or_else(|| "tensor x is missing".to_owned())
}

fn optional_tensor(file: &SafeTensors<'_>, name: &str) -> Result<Option<ArrayD<f64>>, String> {
    if file.tensor(name).is_ok() { tensor(file, name).map(Some) } else { Ok(None) }
}

fn tensor(file: &SafeTensors<'_>, name: &str) -> Result<ArrayD<f64>, String> {
    let view = file.tensor(name).map_err(|_| format!("tensor {name} is missing"))?;
    let data: Vec<f64> = match view.dtype() {
        safetensors::Dtype::F32 => {
            view.data().as_chunks().0.iter().map(|&bytes| f64::from(f32::from_le_bytes(bytes))).collect()
        }
        safetensors::Dtype::F64 => {
            view.data().as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect()
        }
        other => return Err(format!("tensor {name} is {other:?}, neither F32 nor F64")),
    };
    ArrayD::from_shape_vec(view.shape(), data).map_err(|error| format!("tensor {name}: {error}"))
}
