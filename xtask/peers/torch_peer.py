"""PyTorch behind the protocol of README.md: eager mode, `inference_mode` for the forward pass."""

import torch
from torch.nn import functional

from protocol import Peer, serve


class Torch(Peer):
    name = "torch"
    version = torch.__version__
    passes = ("forward", "train")

    def prepare(self, layer, arrays, request):
        torch.set_num_threads(request["threads"])
        tensors = {name: None if array is None else torch.from_numpy(array) for name, array in arrays.items()}
        x, w, b, dy = (tensors[name] for name in ("x", "w", "b", "dy"))
        function = getattr(functional, layer.op)
        options = dict(stride=layer.stride, padding=layer.padding, dilation=layer.dilation, groups=layer.groups)
        if layer.is_transposed:
            options["output_padding"] = layer.output_padding

        @torch.inference_mode()
        def forward():
            return {"y": function(x, w, b, **options)}

        if request["pass"] == "forward":
            return forward
        leaves = {"x": x, "w": w} | ({} if b is None else {"b": b})
        for leaf in leaves.values():
            leaf.requires_grad_()

        def train():
            y = function(x, w, b, **options)
            gradients = torch.autograd.grad(y, list(leaves.values()), dy)
            return {"y": y} | {f"d{name}": gradient for name, gradient in zip(leaves, gradients)}

        return train

    def to_numpy(self, result):
        return result.detach().numpy()


serve(Torch())
