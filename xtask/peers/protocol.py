"""The peer's side of the protocol of README.md: reads requests from standard input, one JSON object a line, and answers
each on standard output. A peer in Python is a `Peer` with two methods and one call of `serve`."""

import json
import math
import os
import sys
import time
from pathlib import Path

import numpy

VERSION = 1


class Unsupported(Exception):
    """The library can't compute the layer; the text says why."""


class Layer:
    """A layer as a request describes it, with the shapes that follow."""

    def __init__(self, fields):
        for name, value in fields.items():
            setattr(self, name, value)
        self.rank = len(self.input)
        self.is_transposed = self.op.startswith("conv_transpose")
        outer, inner = self.out_channels, self.in_channels
        if self.is_transposed:
            outer, inner = inner, outer
        self.x_shape = (self.batch, self.in_channels, *self.input)
        self.w_shape = (outer, inner // self.groups, *self.kernel)
        self.b_shape = (self.out_channels,)
        self.y_shape = (self.batch, self.out_channels, *self.output)


class Peer:
    """What a library has to say and do."""

    name = None
    version = None
    passes = ("forward",)

    def prepare(self, layer, arrays, request):
        """Returns a function without arguments that computes once and returns {"y": array} or, for `train`,
        {"y", "dx", "dw", "db": arrays}; raises `Unsupported`. `arrays` has x, w, b and dy, absent ones as None."""
        raise NotImplementedError

    def prepare_model(self, inputs, request):
        """As `prepare`, for the whole network in the file `request["onnx"]`, with a dictionary of its inputs."""
        raise Unsupported(f"{self.name} does not compute ONNX models here")

    def to_numpy(self, result):
        """An array of what the function returned, as numpy's."""
        return result


def read(path, shape):
    """The raw float32 file at `path`."""
    array = numpy.fromfile(path, dtype="<f4")
    if array.size != math.prod(shape):
        raise ValueError(f"{path} holds {array.size} numbers: expected are {math.prod(shape)} for {shape}")
    return array.reshape(shape)


def read_all(layer, files):
    """x, w, b and dy from the files of a request; None for those that are not in it."""
    shapes = {"x": layer.x_shape, "w": layer.w_shape, "b": layer.b_shape, "dy": layer.y_shape}
    return {name: read(files[name], shape) if files.get(name) else None for name, shape in shapes.items()}


def serve(peer):
    """Answers requests until standard input ends."""
    # Whatever a library prints would be taken for an answer.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    run = None
    for line in sys.stdin:
        try:
            request = json.loads(line)
            kind = request["request"]
            if kind == "hello":
                answer = {"answer": "hello", "protocol": VERSION, "name": peer.name, "version": peer.version,
                          "passes": list(peer.passes)}
            elif kind == "prepare":
                # The previous layer's arrays are gone before the next one's are there.
                run = None
                run, answer = prepare(peer, request)
            elif kind == "prepare_model":
                run = None
                run, answer = prepare_model(peer, request)
            elif kind == "run":
                if run is None:
                    raise ValueError("run comes before anything is prepared")
                answer = {"answer": "ran", "seconds": sample(run, request["iterations"])}
            else:
                raise ValueError(f"request {kind!r} is unknown: accepted are hello, prepare, prepare_model and run")
        except Unsupported as reason:
            answer = {"answer": "unsupported", "reason": str(reason)}
        except Exception as error:  # Whatever it is, the parent has to hear of it.
            answer = {"answer": "failed", "reason": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


def prepare(peer, request):
    """The function to time, and the answer that names the files of its results."""
    if request["pass"] not in peer.passes:
        raise Unsupported(f"{peer.name} does not compute {request['pass']}")
    layer = Layer(request["layer"])
    run = peer.prepare(layer, read_all(layer, request["files"]), request)
    shapes = {"y": layer.y_shape, "dx": layer.x_shape, "dw": layer.w_shape, "db": layer.b_shape}
    files = {}
    for name, result in run().items():
        array = peer.to_numpy(result)
        if tuple(array.shape) != shapes[name]:
            raise ValueError(f"{name} has shape {tuple(array.shape)}: expected is {shapes[name]}")
        path = Path(request["folder"]) / f"{peer.name}.{name}.f32"
        array.astype("<f4").tofile(path)
        files[name] = str(path)
    return run, {"answer": "prepared", "files": files}


def prepare_model(peer, request):
    """As `prepare`, for a network."""
    inputs = {name: read(array["file"], array["shape"]) for name, array in request["inputs"].items()}
    run = peer.prepare_model(inputs, request)
    files = {}
    for name, result in run().items():
        files[name] = str(Path(request["folder"]) / f"{peer.name}.{name}.f32")
        peer.to_numpy(result).astype("<f4").tofile(files[name])
    return run, {"answer": "prepared", "files": files}


def sample(run, iterations):
    """Seconds per iteration."""
    start = time.perf_counter()
    for _ in range(iterations):
        run()
    return (time.perf_counter() - start) / iterations
