"""What ONNX Runtime makes of some frames, for the test to compare with.

    python reference.py                writes reference.safetensors, frames of a spectrum and what comes out
    python reference.py --onnx FILE    writes the ONNX model, for the benchmark

Needs numpy, onnx, onnxruntime and pip.
"""

import argparse
from pathlib import Path

import numpy
import onnx
import onnxruntime

from fetch import model
from safetensors_io import write

FRAMES = 24

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--onnx", type=Path)
path = parser.parse_args().onnx
made = model()
if path:
    onnx.save(made, path)
else:
    # A gliding voice of twelve harmonics, loud and soft, in noise.
    time = numpy.arange(256 * (FRAMES + 1)) / 16000
    phase = 2 * numpy.pi * (140 * time + 60 * time ** 2)
    voice = sum(numpy.sin(k * phase) / k for k in range(1, 13)) * numpy.sin(2 * numpy.pi * 4 * time) ** 2
    samples = 0.1 * voice + 0.02 * numpy.random.default_rng(0).standard_normal(len(time))
    window = numpy.sqrt(0.5 - 0.5 * numpy.cos(2 * numpy.pi * numpy.arange(512) / 512))
    spectra = numpy.fft.rfft([window * samples[256 * t:256 * t + 512] for t in range(FRAMES)])
    # [frames, 257, 2]
    x = numpy.stack([spectra.real, spectra.imag], axis=-1).astype("<f4")

    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    caches = {value.name: numpy.zeros(value.shape, "f4") for value in session.get_inputs()[1:]}
    outputs = []
    for frame in x:
        enhanced, *new = session.run(None, {"mix": frame[None, :, None], **caches})
        caches = dict(zip(caches, new))
        outputs.append(enhanced[0, :, 0])
    # As lucid has them: [1, 2, frames, 257].
    arrange = lambda frames: numpy.ascontiguousarray(numpy.stack(frames).transpose(2, 0, 1)[None])
    versions = {"made by": f"onnxruntime {onnxruntime.__version__}"}
    here = Path(__file__).parent
    write(here / "reference.safetensors", {"x": arrange(x), "y": arrange(outputs)}, versions)
