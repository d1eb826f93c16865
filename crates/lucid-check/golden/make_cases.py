"""Writes the conformance cases of ../cases with PyTorch, in float64.

Run:  pip install torch safetensors numpy && python make_cases.py

Every row of CASES is one file. Its numbers come from a generator seeded with the name of the file, so a row
that is added changes no other file. The files whose name begins with `rnd_` were not made by this script.

A convolution is computed as `conv(pad(x))`, a transposed one as `pad(conv_transpose(x))` without any padding
argument, where a negative pad crops: so every legal geometry can be had, also those that PyTorch refuses
(asymmetric padding, output padding that reaches beyond the last tap, "same" with a stride). Autograd gives the
gradients through pad and convolution. Where PyTorch takes the geometry itself, its own result has to agree.
"""

import json
import zlib
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save

FOLDER = Path(__file__).resolve().parent.parent / "cases"
CONV = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


def conv(name, n, channels, length, kernel, **options):
    """A plain convolution; `channels` = (in, out), the rest one number per axis."""
    return dict(name=name, transposed=False, n=n, channels=channels, length=length, kernel=kernel, **options)


def tran(name, n, channels, length, kernel, **options):
    """A transposed convolution; `n` None is an unbatched input."""
    return dict(name=name, transposed=True, n=n, channels=channels, length=length, kernel=kernel, **options)


REGRESSIONS = [
    tran("pytorch_63314", 1, (1, 1), [2], [1], stride=[2], bias=False, w=[-0.7767], dy=[1.5, 0.0, 0.7]),
    tran("pytorch_5112", 1, (1, 1), [1, 1], [3, 3], dilation=[2, 2], output_padding=[1, 1]),
    tran("onnxruntime_2518", 1, (2, 3), [50], [3], stride=[2], dilation=[3], padding=[4]),
    tran("onnxruntime_14208", 1, (3, 2), [6], [2], padding=[3], dilation=[2], output_padding=[1]),
    # "same": the length is L * stride, the odd element of the crop at the end.
    tran("keras_22876_k3s2", 2, (2, 3), [5], [3], stride=[2], padding=[0], padding_after=[1]),
    tran("keras_22876_k3s2_2d", 1, (2, 2), [4, 5], [3, 3], stride=[2, 2], padding=[0, 0], padding_after=[1, 1]),
    tran("pytorch_75889", None, (2, 3), [7], [3], stride=[2], padding=[1], output_padding=[1]),
    tran("tensorrt_3737", 1, (3, 2), [9], [8], stride=[4], padding=[2]),
    tran("ggml_1448", 4, (3, 2), [8], [4], stride=[2], padding=[1]),
    tran("mxnet_11203", 2, (3, 2), [5, 4], [3, 3], stride=[2, 2], padding=[1, 1], dilation=[2, 2]),
    tran("xnnpack_1951", 2, (4, 6), [4, 5], [3, 2], stride=[2, 2], groups=2),
    tran("coremltools_1905", 1, (2, 7), [6], [3], stride=[2], groups=1),
    tran("candle_output_padding", 2, (2, 3), [4, 5], [3, 4], stride=[2, 3], padding=[1, 0], output_padding=[1, 2]),
    tran("onednn_4656", 2, (3, 4), [5, 6], [3, 3], stride=[1, 2], padding=[1, 1]),
    tran("empty_phases", 2, (3, 2), [6], [2], stride=[5]),
    tran("empty_phases_gcd", 1, (2, 3), [7], [3], stride=[4], dilation=[2], padding=[1]),
]

CASES = [
    # The seed's two examples.
    tran("seed_example", 1, (1, 1), [3], [2], bias=False, x=[1.0, 2.0, 3.0], w=[1.0, 0.5], dy=[1.0] * 4),
    tran("seed_decoder", 1, (4, 2), [5], [3], stride=[2], padding=[1], output_padding=[1]),
    # Strides 1 to 5, with kernels above, at and below them.
    tran("transpose_s1", 2, (3, 4), [11], [5], padding=[2]),
    tran("transpose_s2_k4", 1, (5, 3), [13], [4], stride=[2], padding=[1]),
    tran("transpose_s3_k6", 3, (2, 4), [7], [6], stride=[3], padding=[1], output_padding=[2]),
    tran("transpose_s4_k8", 1, (6, 3), [10], [8], stride=[4], padding=[2]),
    tran("transpose_s5_k10", 1, (4, 3), [9], [10], stride=[5], padding=[3], output_padding=[1]),
    tran("transpose_s5_k7", 2, (3, 2), [6], [7], stride=[5], padding=[2]),
    tran("transpose_s3_k3", 1, (3, 5), [8], [3], stride=[3]),
    tran("transpose_s3_k1", 1, (3, 2), [5], [1], stride=[3], output_padding=[2]),
    tran("transpose_k1", 2, (5, 4), [6], [1]),
    tran("transpose_s8_k16", 1, (4, 2), [12], [16], stride=[8], padding=[4]),
    # Dilation, alone and with a stride that shares a factor with it.
    tran("transpose_d3", 1, (3, 3), [9], [4], dilation=[3], padding=[2]),
    tran("transpose_s2_d3", 2, (2, 3), [8], [4], stride=[2], dilation=[3], padding=[3], output_padding=[1]),
    tran("transpose_s4_d6", 1, (2, 2), [6], [4], stride=[4], dilation=[6], padding=[5], output_padding=[5]),
    tran("transpose_s2_d2_o1", 1, (3, 2), [7], [3], stride=[2], dilation=[2], output_padding=[1]),
    tran("transpose_o_above_stride", 1, (2, 2), [6], [3], stride=[2], dilation=[5], padding=[1], output_padding=[4]),
    # Groups: depthwise, a multiplier, fewer outputs than inputs.
    tran("transpose_depthwise", 2, (6, 6), [7], [4], stride=[2], padding=[1], groups=6),
    tran("transpose_multiplier", 1, (3, 9), [6], [3], stride=[2], groups=3),
    tran("transpose_groups2", 2, (8, 4), [5], [5], stride=[3], padding=[1], groups=2),
    # Padding: asymmetric, and more than the kernel reaches.
    tran("transpose_asymmetric", 1, (3, 2), [8], [5], stride=[2], padding=[3], padding_after=[1]),
    tran("transpose_padding_above_kernel", 2, (2, 3), [9], [3], stride=[2], padding=[5], padding_after=[4]),
    tran("transpose_crop_to_one", 1, (2, 2), [5], [3], stride=[2], padding=[5]),
    tran("transpose_o_beyond_last_tap", 1, (2, 3), [4], [1], stride=[4], output_padding=[3]),
    tran("transpose_same_k3s5", 1, (2, 2), [4], [3], stride=[5], output_padding=[2]),
    # Batch and bias.
    tran("transpose_batch0", 0, (3, 2), [5], [4], stride=[2], padding=[1]),
    tran("transpose_unbatched_nobias", None, (3, 2), [5], [4], stride=[2], bias=False),
    tran("transpose_one_position", 3, (4, 3), [1], [4], stride=[2], padding=[1]),
    # Lengths around tile edges.
    tran("transpose_len63", 1, (2, 1), [63], [4], stride=[2], padding=[1]),
    tran("transpose_len64", 1, (1, 2), [64], [4], stride=[2], padding=[1]),
    tran("transpose_len65", 1, (2, 1), [65], [4], stride=[2], padding=[1]),
    tran("transpose_len127", 1, (1, 2), [127], [6], stride=[3], padding=[1], output_padding=[1]),
    tran("transpose_len128", 1, (2, 1), [128], [16], stride=[8], padding=[4]),
    tran("transpose_len129", 1, (1, 2), [129], [4], stride=[2], padding=[1]),
    tran("transpose_channels", 1, (33, 17), [5], [4], stride=[2], padding=[1]),
    # Two and three axes.
    tran("transpose2d_mixed", 2, (3, 4), [4, 6], [3, 2], stride=[3, 1], padding=[1, 0], dilation=[1, 3],
         output_padding=[2, 1]),
    tran("transpose2d_depthwise", 1, (4, 4), [5, 3], [4, 4], stride=[2, 2], padding=[1, 1], groups=4),
    tran("transpose2d_asymmetric", 1, (2, 3), [4, 5], [4, 3], stride=[2, 3], padding=[2, 0], padding_after=[0, 1]),
    tran("transpose2d_empty_phases", None, (2, 2), [3, 4], [2, 1], stride=[3, 2], output_padding=[1, 0]),
    tran("transpose2d_batch0", 0, (2, 2), [3, 4], [3, 3], stride=[2, 2]),
    tran("transpose3d", 1, (2, 3), [3, 4, 2], [3, 2, 3], stride=[2, 1, 3], padding=[1, 0, 1],
         output_padding=[1, 0, 2]),
    tran("transpose3d_groups", 2, (4, 2), [2, 3, 3], [2, 3, 1], stride=[1, 2, 2], dilation=[2, 1, 1], groups=2,
         padding=[0, 1, 0]),
    tran("transpose3d_unbatched", None, (2, 2), [2, 2, 3], [2, 2, 2], stride=[2, 2, 2], padding=[0, 1, 0],
         padding_after=[1, 0, 0], bias=False),
    # Plain convolutions.
    conv("conv_s1", 2, (3, 4), [17], [5], padding=[2]),
    conv("conv_s2_k4", 1, (4, 3), [20], [4], stride=[2], padding=[1]),
    conv("conv_s3_unread_end", 2, (2, 3), [15], [4], stride=[3]),
    conv("conv_s5_k2", 1, (3, 2), [23], [2], stride=[5], padding=[1]),
    conv("conv_s4_d6", 1, (2, 2), [31], [3], stride=[4], dilation=[6], padding=[5]),
    conv("conv_asymmetric", 1, (2, 3), [14], [5], stride=[2], padding=[4], padding_after=[1]),
    conv("conv_same_k4s3", 1, (2, 2), [11], [4], stride=[3], padding=[1], padding_after=[1]),
    conv("conv_padding_above_kernel", 1, (2, 2), [6], [2], padding=[4], padding_after=[3]),
    conv("conv_depthwise", 2, (6, 6), [12], [3], padding=[1], groups=6),
    conv("conv_multiplier", 1, (3, 6), [10], [4], stride=[2], groups=3),
    conv("conv_groups2", 1, (8, 4), [9], [3], dilation=[2], padding=[2], groups=2),
    conv("conv_batch0", 0, (2, 3), [8], [3], padding=[1]),
    conv("conv_unbatched_nobias", None, (3, 2), [9], [4], stride=[2], bias=False),
    conv("conv_len65", 1, (2, 1), [65], [3], padding=[1]),
    conv("conv_len127", 1, (1, 2), [127], [4], stride=[2], padding=[1]),
    conv("conv_len129", 1, (2, 1), [129], [7], padding=[3]),
    conv("conv_channels", 1, (17, 33), [9], [3], padding=[1]),
    conv("conv2d_mixed", 2, (3, 4), [9, 7], [3, 2], stride=[2, 1], padding=[1, 0], dilation=[1, 3]),
    conv("conv2d_groups", 1, (4, 6), [6, 8], [2, 3], stride=[1, 3], padding=[0, 2], padding_after=[1, 0], groups=2),
    conv("conv2d_unbatched", None, (2, 3), [5, 6], [3, 3], stride=[2, 2], padding=[1, 1]),
    conv("conv3d", 1, (2, 3), [4, 5, 6], [3, 2, 3], stride=[2, 1, 2], padding=[1, 0, 1]),
    conv("conv3d_groups", 2, (2, 4), [3, 4, 4], [2, 3, 1], dilation=[1, 1, 2], groups=2, bias=False),
    # Values without gradients, and float32.
    tran("transpose_no_gradients", 1, (3, 2), [6], [4], stride=[2], gradients=False),
    tran("transpose_f32", 2, (4, 3), [9], [4], stride=[2], padding=[1], dtype=torch.float32),
    conv("conv2d_f32", 1, (3, 4), [6, 7], [3, 3], stride=[2, 1], padding=[1, 1], dtype=torch.float32),
]


def pads_of(before, after):
    """The argument of F.pad, which wants the last axis first."""
    return [pad for axis in reversed(range(len(before))) for pad in (before[axis], after[axis])]


def apply(case, x, w, b):
    """The output by explicit padding or cropping around an operation without padding."""
    rank, channel = len(case["kernel"]), (-1,) + (1,) * len(case["kernel"])
    options = dict(stride=case["stride"], dilation=case["dilation"], groups=case["groups"])
    before, after = case["padding"], case["padding_after"]
    if case["transposed"]:
        y = TRANSPOSED[rank](x, w, **options)
        after = [o - q for o, q in zip(case["output_padding"], after)]
        y = F.pad(y, pads_of([-p for p in before], after))
    else:
        y = CONV[rank](F.pad(x, pads_of(before, after)), w, **options)
    return y if b is None else y + b.reshape(channel)


def pytorchs_own(case, x, w, b):
    """The output by PyTorch's own padding arguments, or None where it refuses them."""
    rank, before = len(case["kernel"]), case["padding"]
    options = dict(stride=case["stride"], padding=before, dilation=case["dilation"], groups=case["groups"])
    if before != case["padding_after"]:
        return None
    try:
        if case["transposed"]:
            return TRANSPOSED[rank](x, w, b, output_padding=case["output_padding"], **options)
        return CONV[rank](x, w, b, **options)
    except RuntimeError as error:
        print(f"{case['name']}: PyTorch refuses it: {error}")
        return None


def numbers(case, key, shape, generator):
    """The numbers of the row where it has some, else normal ones, exact in the element type of the file."""
    if key in case:
        return torch.tensor(case[key], dtype=torch.float64).reshape(shape)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(case["dtype"]).double()


def in_order(file):
    """The same file with its header in alphabetical order; safetensors writes metadata in a random one."""
    length = 8 + int.from_bytes(file[:8], "little")
    header = json.dumps(json.loads(file[8:length]), sort_keys=True, separators=(",", ":")).encode()
    return file[:8] + header.ljust(length - 8) + file[length:]


def write(case):
    """Computes one case and writes its file; returns the number of bytes."""
    rank = len(case["kernel"])
    defaults = dict(stride=[1] * rank, dilation=[1] * rank, padding=[0] * rank, output_padding=[0] * rank, groups=1,
                    bias=True, gradients=True, dtype=torch.float64)
    case = defaults | case
    case.setdefault("padding_after", case["padding"])
    generator = torch.Generator().manual_seed(zlib.crc32(case["name"].encode()))

    (c_in, c_out), groups = case["channels"], case["groups"]
    w_channels = [c_in, c_out // groups] if case["transposed"] else [c_out, c_in // groups]
    batch = [] if case["n"] is None else [case["n"]]
    x = numbers(case, "x", batch + [c_in] + case["length"], generator).requires_grad_()
    w = numbers(case, "w", w_channels + case["kernel"], generator).requires_grad_()
    b = numbers(case, "b", [c_out], generator).requires_grad_() if case["bias"] else None

    y = apply(case, x, w, b)
    own = pytorchs_own(case, x, w, b)
    assert own is None or (own.shape == y.shape and torch.allclose(own, y, rtol=1e-12, atol=1e-12)), case["name"]

    tensors = dict(x=x, w=w, y=y) | ({} if b is None else dict(b=b))
    if case["gradients"]:
        dy = numbers(case, "dy", y.shape, generator)
        leaves = [x, w] + ([] if b is None else [b])
        tensors |= dict(zip(["dy", "dx", "dw", "db"], [dy, *torch.autograd.grad(y, leaves, dy)]))
        if own is not None:
            for ours, theirs in zip(torch.autograd.grad(apply(case, x, w, b), leaves, dy),
                                    torch.autograd.grad(own, leaves, dy)):
                assert torch.allclose(ours, theirs, rtol=1e-12, atol=1e-12), case["name"]

    metadata = {key: json.dumps(case[key]) for key in ["stride", "padding", "dilation"]}
    metadata |= dict(op=f"conv{'_transpose' if case['transposed'] else ''}{rank}d", groups=str(groups))
    if case["transposed"]:
        metadata["output_padding"] = json.dumps(case["output_padding"])
    if case["padding_after"] != case["padding"]:
        metadata["padding_after"] = json.dumps(case["padding_after"])
    path = FOLDER / f"{case['name']}.safetensors"
    file = save({name: t.detach().to(case["dtype"]).contiguous() for name, t in tensors.items()}, metadata)
    return path.write_bytes(in_order(file))


def main():
    torch.set_num_threads(1)
    rows = [row | dict(name=f"regression_{row['name']}") for row in REGRESSIONS] + CASES
    assert len({row["name"] for row in rows}) == len(rows)
    FOLDER.mkdir(exist_ok=True)
    total = sum(write(row) for row in rows)
    print(f"{len(rows)} cases, {total} bytes")


if __name__ == "__main__":
    main()
