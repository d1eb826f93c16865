//! The safetensors format: eight bytes with the length of a header, the header in JSON with every tensor's name, type,
//! shape and range of bytes, then the bytes, all little-endian.
//!
//! A file comes from anywhere, so nothing it says is believed before it has been compared with the file's own length:
//! what is allocated is never more than the file is long. The header is checked by the `safetensors` crate (ranges that
//! overlap, leave gaps or don't fit their shape). Tensors are read and written one by one, never the file as a whole,
//! and the bytes written depend only on the state dict: metadata is written in order.

use std::any::Any;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use lucid_autograd::Element;
use lucid_tensor::{Scalar, Tensor};
use safetensors::tensor::{Dtype, Metadata, TensorInfo};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::{StateDict, atomic};
use crate::error::{Error, Result, Unreadable};

/// The longest header that the `safetensors` crate and PyTorch read.
const MAX_HEADER_BYTES: u64 = 100_000_000;
/// The name under which the format stores strings in place of a tensor.
const METADATA: &str = "__metadata__";
/// What errors call bytes that are not in a file.
const IN_MEMORY: &str = "<bytes in memory>";
/// How much is converted at a time: a multiple of every element's size.
const BLOCK_BYTES: usize = 1 << 16;

impl<T: Element> StateDict<T> {
    /// Writes a safetensors file, atomically: when this fails or is interrupted, an existing file is as it was.
    ///
    /// The elements are stored as they are, as `F32` or `F64`, NaN included.
    ///
    /// # Errors
    /// [`Error::Io`] when the file can't be written; [`Error::DuplicateNames`] when the state dict was taken from a module
    /// with several tensors of one name; [`Error::NotStorable`] when a tensor is called `__metadata__`, which the format
    /// uses itself, or when there are [`unreadable`](Self::unreadable) tensors, which would be lost.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let header = self.header()?;
        atomic::replace(path, |file| self.write_to(&header, file))
    }

    /// Reads a safetensors file. `F32`, `F64` and `I64` (which PyTorch counts in) are read into either element type, rounded
    /// to the nearest number that it has. Of tensors with elements of other types the names are kept, as
    /// [`unreadable`](Self::unreadable).
    ///
    /// # Errors
    /// [`Error::Io`] when the file can't be read; [`Error::Format`] when it is damaged.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io_error = |source| Error::Io { action: "reading", path: path.to_path_buf(), source };
        // Asked before opening, which would wait for the other end of a pipe.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if !metadata.is_file() {
            return Err(wrong(path, "it is not a regular file"));
        }
        read(&mut File::open(path).map_err(io_error)?, metadata.len(), path)
    }

    /// The content of the file that [`save`](Self::save) would write.
    ///
    /// # Errors
    /// As `save`.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        let path = Path::new(IN_MEMORY);
        let header = self.header()?;
        let mut bytes = Vec::new();
        self.write_to(&header, &mut bytes).map_err(|source| Error::Io {
            action: "writing",
            path: path.to_path_buf(),
            source,
        })?;
        Ok(bytes)
    }

    /// As [`load`](Self::load), from the content of a file.
    ///
    /// # Errors
    /// As `load`.
    pub fn from_bytes(mut bytes: &[u8]) -> Result<Self> {
        let len = bytes.len() as u64;
        read(&mut bytes, len, Path::new(IN_MEMORY))
    }

    fn header(&self) -> Result<Vec<u8>> {
        let not_storable = |reason: String| Error::NotStorable { reason };
        Self::require_no_duplicates(&self.duplicates)?;
        if self.get(METADATA).is_some() {
            let reason = "a tensor is called __metadata__, which the format uses for strings";
            return Err(not_storable(reason.to_string()));
        }
        if let Some(Unreadable { name, dtype, .. }) = self.unreadable().first() {
            return Err(not_storable(format!(
                "the file it was read from has {} of another type that would be lost, first {name} of type {dtype}: \
                 take_unreadable() gives them up",
                self.unreadable().len()
            )));
        }
        let mut header =
            serde_json::to_vec(&Header(self)).map_err(|error| not_storable(error.to_string()))?;
        // The tensors begin at a multiple of 8, as the format asks for.
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() as u64 > MAX_HEADER_BYTES {
            let reason =
                format!("its header would have {} bytes: accepted are {MAX_HEADER_BYTES}", header.len());
            return Err(not_storable(reason));
        }
        Ok(header)
    }

    fn write_to(&self, header: &[u8], out: &mut impl Write) -> io::Result<()> {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header)?;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        for (_, tensor) in self.iter() {
            let tensor = tensor.contiguous();
            for block in tensor.as_slice().unwrap_or_default().chunks(BLOCK_BYTES / size_of::<T>()) {
                bytes.clear();
                block.iter().for_each(|&element| encode(element, &mut bytes));
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

/// The header as JSON, with the tensors in the order of the state dict.
struct Header<'a, T: Element>(&'a StateDict<T>);

impl<T: Element> Serialize for Header<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.0.metadata().is_empty() {
            map.serialize_entry(METADATA, self.0.metadata())?;
        }
        let mut end = 0;
        for (name, tensor) in self.0.iter() {
            let start = end;
            end += tensor.len() * size_of::<T>();
            let info = TensorInfo {
                dtype: dtype::<T>(),
                shape: tensor.shape().to_vec(),
                data_offsets: (start, end),
            };
            map.serialize_entry(name, &info)?;
        }
        map.end()
    }
}

/// Reads `len` bytes, of which `path` is where they come from.
fn read<T: Element>(file: &mut impl Read, len: u64, path: &Path) -> Result<StateDict<T>> {
    let io_error = |source| Error::Io { action: "reading", path: path.to_path_buf(), source };
    let mut prefix = [0; 8];
    let Some(rest_len) = len.checked_sub(8) else {
        return Err(wrong(path, format!("it has {len} bytes: at least 8 tell the length of the header")));
    };
    file.read_exact(&mut prefix).map_err(io_error)?;
    let header_len = u64::from_le_bytes(prefix);
    if header_len > rest_len.min(MAX_HEADER_BYTES) {
        let reason = format!(
            "its header is said to have {header_len} bytes: {rest_len} are left of the file, and at most \
             {MAX_HEADER_BYTES} are accepted"
        );
        return Err(wrong(path, reason));
    }
    // header_len <= MAX_HEADER_BYTES < 2^32, so the cast keeps it.
    let mut header = vec![0; header_len as usize];
    file.read_exact(&mut header).map_err(io_error)?;
    let header = std::str::from_utf8(&header).map_err(|error| wrong(path, format!("its header: {error}")))?;
    let header: Metadata =
        serde_json::from_str(header).map_err(|error| wrong(path, format!("its header: {error}")))?;
    let data_len = rest_len - header_len;
    if header.data_len() as u64 != data_len {
        let reason = format!(
            "its tensors are said to have {} bytes, but {data_len} follow the header",
            header.data_len()
        );
        return Err(wrong(path, reason));
    }

    let mut state = StateDict::new();
    state.metadata.extend(header.metadata().clone().unwrap_or_default());
    // In the order of their bytes, and without gaps: the header has been checked for that.
    let mut names = header.offset_keys();
    names.reverse();
    while let Some(name) = names.pop() {
        let Some(info) = header.info(&name) else { continue };
        if !matches!(info.dtype, Dtype::F32 | Dtype::F64 | Dtype::I64) {
            skip(file, info).map_err(io_error)?;
            let (dtype, shape) = (format!("{:?}", info.dtype), info.shape.clone());
            state.unreadable.push(Unreadable { name, dtype, shape });
            continue;
        }
        let tensor = read_tensor(file, info).map_err(|error| match error {
            Failure::Io(error) => io_error(error),
            Failure::Format(reason) => wrong(path, format!("its tensor {name}: {reason}")),
        })?;
        state.insert(name, tensor);
    }
    Ok(state)
}

/// Passes over the bytes of a tensor.
fn skip(file: &mut impl Read, info: &TensorInfo) -> io::Result<()> {
    let num_bytes = (info.data_offsets.1 - info.data_offsets.0) as u64;
    if io::copy(&mut file.take(num_bytes), &mut io::sink())? < num_bytes {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(())
}

enum Failure {
    Io(io::Error),
    Format(String),
}

fn read_tensor<T: Element>(
    file: &mut impl Read,
    info: &TensorInfo,
) -> std::result::Result<Tensor<T>, Failure> {
    // The header has been checked: the range is as long as the shape says, and no longer than the file.
    let mut num_bytes = info.data_offsets.1 - info.data_offsets.0;
    let mut elements: Vec<T> = Vec::with_capacity(num_bytes / (info.dtype.bitsize() / 8));
    let mut block = vec![0; num_bytes.min(BLOCK_BYTES)];
    while num_bytes > 0 {
        let block_len = num_bytes.min(BLOCK_BYTES);
        let block = &mut block[..block_len];
        file.read_exact(block).map_err(Failure::Io)?;
        decode(info.dtype, block, &mut elements);
        num_bytes -= block.len();
    }
    Tensor::from_vec(&info.shape, elements).map_err(|error| Failure::Format(error.to_string()))
}

fn dtype<T: Element>() -> Dtype {
    if <T as Scalar>::NAME == "f32" { Dtype::F32 } else { Dtype::F64 }
}

/// Appends the element's bytes. `f32` is told from `f64` by type and not converted, which would change some NaNs.
fn encode<T: Element>(element: T, bytes: &mut Vec<u8>) {
    match (&element as &dyn Any).downcast_ref::<f32>() {
        Some(element) => bytes.extend(element.to_le_bytes()),
        None => bytes.extend(lucid_tensor::Element::to_f64(element).to_le_bytes()),
    }
}

/// Appends the elements that `bytes` holds, converted only where their type is another.
fn decode<T: Element>(dtype: Dtype, bytes: &[u8], elements: &mut Vec<T>) {
    let (f32s, f64s) = (bytes.as_chunks::<4>().0, bytes.as_chunks::<8>().0);
    let f32s = f32s.iter().map(|&bytes| f32::from_le_bytes(bytes));
    let i64s = f64s.iter().map(|&bytes| i64::from_le_bytes(bytes) as f64);
    let f64s = f64s.iter().map(|&bytes| f64::from_le_bytes(bytes));
    match (dtype, (elements as &mut dyn Any).downcast_mut::<Vec<f32>>()) {
        (Dtype::F32, Some(elements)) => elements.extend(f32s),
        (Dtype::F32, None) => elements.extend(f32s.map(|value| crate::number::number::<T>(value.into()))),
        (Dtype::I64, _) => elements.extend(i64s.map(crate::number::number::<T>)),
        (_, _) => elements.extend(f64s.map(crate::number::number::<T>)),
    }
}

fn wrong(path: &Path, reason: impl ToString) -> Error {
    Error::Format { path: path.to_path_buf(), reason: reason.to_string() }
}
