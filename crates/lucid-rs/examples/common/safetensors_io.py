"""Safetensors files in Python with numpy alone: the length of a header, the header in JSON, the numbers."""

import json
from pathlib import Path

import numpy

TYPES = {"F16": "<f2", "F32": "<f4"}


def write(path, arrays, metadata=None):
    """Writes a dictionary of arrays, as a whole or not at all."""
    header, blocks, at = {}, [], 0
    if metadata:
        header["__metadata__"] = metadata
    for name, array in sorted(arrays.items()):
        dtype = next(name for name, numpy_name in TYPES.items() if numpy.dtype(numpy_name) == array.dtype)
        block = numpy.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": dtype, "shape": list(array.shape), "data_offsets": [at, at + len(block)]}
        blocks.append(block)
        at += len(block)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    temporary = Path(path).with_suffix(".tmp")
    temporary.write_bytes(b"".join([len(text).to_bytes(8, "little"), text, *blocks]))
    temporary.replace(path)


def read(path):
    """The arrays of a file by name."""
    data = Path(path).read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            array = numpy.frombuffer(data[start + begin:start + end], TYPES[entry["dtype"]])
            arrays[name] = array.reshape(entry["shape"])
    return arrays
