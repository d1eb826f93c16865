//! The safetensors format: eight bytes with the length of a header, the header in JSON with every tensor's name, type,
//! shape and range of bytes, then the bytes, all little-endian.
//!
//! A file comes from anywhere, so nothing it says is believed before it has been compared with the file's own length:
//! what is allocated for its tensors is what their elements take. The header is read first and judged as a whole
//! (`header.rs`). Tensors are read and written one by one, never the file as a whole, and the bytes written depend only
//! on the state dict: metadata is written in order.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use lucid_autograd::Element;
use lucid_tensor::Tensor;
use safetensors::tensor::TensorInfo;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::dtype::Reading;
use super::header::{Header, MAX_HEADER_BYTES, METADATA};
use super::{Damage, Dtype, StateDict, atomic};
use crate::error::{Error, Result, Unreadable};

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
        self.save_as(path, Dtype::of::<T>())
    }

    /// As [`save`](Self::save), with every element rounded to `dtype`, to the nearest and ties to even: a file of half the
    /// size or a quarter.
    ///
    /// ```
    /// use lucid_nn::{Dtype, StateDict};
    /// use lucid_tensor::tensor;
    ///
    /// let state: StateDict = [("x".to_string(), tensor!([0.1, 2.0]))].into_iter().collect();
    /// let same = StateDict::<f32>::from_bytes(&state.to_bytes_as(Dtype::Bf16)?)?;
    /// assert_eq!(same.get("x"), Some(&tensor!([0.100097656, 2.0])));
    /// # Ok::<(), lucid_nn::Error>(())
    /// ```
    ///
    /// # Errors
    /// As `save`, and [`Error::NotStorable`] for a number that is too large for the type: it would become infinite.
    pub fn save_as(&self, path: impl AsRef<Path>, dtype: Dtype) -> Result<()> {
        let header = self.header(dtype)?;
        atomic::replace(path.as_ref(), |file| self.write_to(&header, dtype, file))
    }

    /// Reads a safetensors file. `F16`, `BF16`, `F32`, `F64` and `I64` (which PyTorch counts in) are read into either element
    /// type, rounded to the nearest number that it has. Of tensors with elements of other types the names are kept, as [`unreadable`](Self::unreadable).
    ///
    /// # Errors
    /// [`Error::Io`] when the file can't be read; [`Error::Format`] when it is damaged, before any tensor is read.
    pub fn load(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let io_error = |source| Error::Io { action: "reading", path: path.to_path_buf(), source };
        // Asked before opening, which would wait for the other end of a pipe.
        let metadata = std::fs::metadata(path).map_err(io_error)?;
        if !metadata.is_file() {
            return Err(Error::Format { path: path.to_path_buf(), damage: Damage::NotAFile });
        }
        read(&mut File::open(path).map_err(io_error)?, metadata.len(), path)
    }

    /// The content of the file that [`save`](Self::save) would write.
    ///
    /// # Errors
    /// As `save`.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.to_bytes_as(Dtype::of::<T>())
    }

    /// The content of the file that [`save_as`](Self::save_as) would write.
    ///
    /// # Errors
    /// As `save_as`.
    pub fn to_bytes_as(&self, dtype: Dtype) -> Result<Vec<u8>> {
        let header = self.header(dtype)?;
        let mut bytes = Vec::new();
        self.write_to(&header, dtype, &mut bytes).map_err(|source| Error::Io {
            action: "writing",
            path: IN_MEMORY.into(),
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

    fn header(&self, dtype: Dtype) -> Result<Vec<u8>> {
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
        for (name, tensor) in self.iter() {
            if let Some(element) = tensor.view().iter().find(|&&element| dtype.overflows(element)) {
                return Err(not_storable(format!(
                    "{name} has the element {element}, too large for {:?}",
                    dtype.stored()
                )));
            }
        }
        let header = WrittenHeader { state: self, dtype };
        let mut header = serde_json::to_vec(&header).map_err(|error| not_storable(error.to_string()))?;
        // The tensors begin at a multiple of 8, as the format asks for.
        header.resize(header.len().next_multiple_of(8), b' ');
        if header.len() as u64 > MAX_HEADER_BYTES {
            let reason =
                format!("its header would have {} bytes: accepted are {MAX_HEADER_BYTES}", header.len());
            return Err(not_storable(reason));
        }
        Ok(header)
    }

    fn write_to(&self, header: &[u8], dtype: Dtype, out: &mut impl Write) -> io::Result<()> {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(header)?;
        let mut bytes = Vec::with_capacity(BLOCK_BYTES);
        for (_, tensor) in self.iter() {
            let tensor = tensor.contiguous();
            for block in tensor.as_slice().unwrap_or_default().chunks(BLOCK_BYTES / dtype.num_bytes()) {
                bytes.clear();
                dtype.encode(block, &mut bytes);
                out.write_all(&bytes)?;
            }
        }
        Ok(())
    }
}

/// The header as JSON, with the tensors in the order of the state dict.
struct WrittenHeader<'a, T: Element> {
    state: &'a StateDict<T>,
    dtype: Dtype,
}

impl<T: Element> Serialize for WrittenHeader<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.state.metadata().is_empty() {
            map.serialize_entry(METADATA, self.state.metadata())?;
        }
        let mut end = 0;
        for (name, tensor) in self.state.iter() {
            let start = end;
            end += tensor.len() * self.dtype.num_bytes();
            let (dtype, shape) = (self.dtype.stored(), tensor.shape().to_vec());
            map.serialize_entry(name, &TensorInfo { dtype, shape, data_offsets: (start, end) })?;
        }
        map.end()
    }
}

/// Reads `len` bytes, of which `path` is where they come from.
fn read<T: Element>(file: &mut impl Read, len: u64, path: &Path) -> Result<StateDict<T>> {
    let io_error = |source| Error::Io { action: "reading", path: path.to_path_buf(), source };
    let damaged = |damage| Error::Format { path: path.to_path_buf(), damage };
    let left = len.checked_sub(8).ok_or_else(|| damaged(Damage::TooShort { len }))?;
    let mut prefix = [0; 8];
    file.read_exact(&mut prefix).map_err(io_error)?;
    let given = u64::from_le_bytes(prefix);
    if given > left.min(MAX_HEADER_BYTES) {
        return Err(damaged(Damage::HeaderLength { given, left }));
    }
    // given <= MAX_HEADER_BYTES < 2^32, so the cast keeps it.
    let mut header = vec![0; given as usize];
    file.read_exact(&mut header).map_err(io_error)?;
    let Header { metadata, tensors } = Header::parse(&header, left - given).map_err(damaged)?;
    drop(header);

    let mut state = StateDict::new();
    state.metadata = metadata;
    for (name, info) in tensors {
        match Reading::of(info.dtype) {
            Some(reading) => {
                let tensor = read_tensor(file, reading, &info).map_err(|error| {
                    io_error(io::Error::new(error.kind(), format!("its tensor {name}: {error}")))
                })?;
                state.insert(name, tensor);
            }
            None => {
                skip(file, &info).map_err(io_error)?;
                let (dtype, shape) = (format!("{:?}", info.dtype), info.shape);
                state.unreadable.push(Unreadable { name, dtype, shape });
            }
        }
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

fn read_tensor<T: Element>(
    file: &mut impl Read,
    reading: Reading,
    info: &TensorInfo,
) -> io::Result<Tensor<T>> {
    // The header has been judged: the range is as long as the shape says, and no longer than the file.
    let mut num_bytes = info.data_offsets.1 - info.data_offsets.0;
    let mut elements: Vec<T> = Vec::new();
    // A file may be longer than the memory.
    elements.try_reserve_exact(num_bytes / reading.num_bytes()).map_err(|_| io::ErrorKind::OutOfMemory)?;
    let mut block = vec![0; num_bytes.min(BLOCK_BYTES)];
    while num_bytes > 0 {
        let block_len = num_bytes.min(BLOCK_BYTES);
        let block = &mut block[..block_len];
        file.read_exact(block)?;
        reading.decode(block, &mut elements);
        num_bytes -= block.len();
    }
    Tensor::from_vec(&info.shape, elements).map_err(io::Error::other)
}
