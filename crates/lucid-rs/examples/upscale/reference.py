"""The network as an ONNX model, and what ONNX Runtime makes of it, for the test to compare with.

    python reference.py                writes reference.safetensors, an input and its output
    python reference.py --onnx FILE    writes the model of model.safetensors, for the benchmark

Needs numpy, onnx and onnxruntime.
"""

import argparse
import sys
from pathlib import Path

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "common"))
from safetensors_io import read, write


def model(weights):
    """Six convolutions with LeakyReLU, and a transposed one; x is padded by 7 already."""
    nodes, name = [], "x"
    for layer in range(1, 7):
        inputs = [name, f"conv{layer}.weight", f"conv{layer}.bias"]
        nodes.append(helper.make_node("Conv", inputs, [f"conv{layer}"], kernel_shape=[3, 3]))
        nodes.append(helper.make_node("LeakyRelu", [f"conv{layer}"], [f"act{layer}"], alpha=0.1))
        name = f"act{layer}"
    options = dict(kernel_shape=[4, 4], strides=[2, 2], pads=[3, 3, 3, 3])
    nodes.append(helper.make_node("ConvTranspose", [name, "conv7.weight", "conv7.bias"], ["y"], **options))
    graph = helper.make_graph(
        nodes,
        "upconv_7",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, "height", "width"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, "upscaled height", "upscaled width"])],
        [numpy_helper.from_array(array.astype("<f4"), name) for name, array in weights.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(made)
    return made


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--onnx", type=Path)
path = parser.parse_args().onnx
made = model(read(HERE / "model.safetensors"))
if path:
    onnx.save(made, path)
else:
    # Any numbers would do; these have the edges and the range of a picture.
    rows, columns = numpy.mgrid[0:38, 0:34]
    edges = (numpy.hypot(rows - 15, columns - 18) < 9) ^ (3 * rows + columns > 90)
    x = numpy.stack([edges, 0.3 + 0.4 * edges, columns / 33]).astype("<f4")[None]
    session = onnxruntime.InferenceSession(made.SerializeToString(), providers=["CPUExecutionProvider"])
    versions = {"made by": f"onnxruntime {onnxruntime.__version__}"}
    write(HERE / "reference.safetensors", {"x": x, "y": session.run(["y"], {"x": x})[0]}, versions)
