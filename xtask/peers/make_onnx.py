"""Writes one-node ONNX models for the peers that load one. Same loop as a peer's: one JSON object a line with `layer`,
`files` and `path`, answered by one with `answer` when the file is there."""

import json
import sys

from onnx import TensorProto, checker, helper, numpy_helper, save

from protocol import Layer, read_all


def make(request):
    """Writes the model of a request to its path."""
    layer = Layer(request["layer"])
    arrays = read_all(layer, request["files"])
    attributes = dict(kernel_shape=layer.kernel, strides=layer.stride, pads=layer.padding * 2,
                      dilations=layer.dilation, group=layer.groups)
    if layer.is_transposed:
        attributes["output_padding"] = layer.output_padding
    # The weights are initializers and no inputs: constants, which a runtime may lay out once.
    constants = {name: arrays[name] for name in ("w", "b") if arrays[name] is not None}
    node = helper.make_node("ConvTranspose" if layer.is_transposed else "Conv", ["x", *constants], ["y"], **attributes)
    graph = helper.make_graph(
        [node],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, layer.x_shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, layer.y_shape)],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    # An operator set and a file version that every peer reads.
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    checker.check_model(model)
    save(model, request["path"])


for line in sys.stdin:
    try:
        make(json.loads(line))
        answer = {"answer": "made"}
    except Exception as error:
        answer = {"answer": "failed", "reason": f"{type(error).__name__}: {error}"}
    print(json.dumps(answer), flush=True)
