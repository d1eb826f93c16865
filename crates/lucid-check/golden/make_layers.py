"""Writes layers.json beside this script: what PyTorch's layers compute, in float64.

Run:  pip install torch safetensors numpy && python make_layers.py

The file is an object of made_with (the version of PyTorch) and layers, a list of

    module    the name of the class
    options   its arguments, under PyTorch's names
    state     its state dict before the first step; a count is a tensor like all others
    steps     [{training, x, y, dy, dx, gradients}]: forward passes in training or in evaluation, one after the
              other, each with the gradients of <y, dy> by x and, by name, by the parameters
    after     its state dict after the last step, less what PyTorch leaves alone

Tensors are as in nn.json.
"""

import torch

from make_nn import FOLDER, GENERATOR, plain, randn, written


def run(layer, options, *inputs, name=None):
    """Steps in training on all inputs; then in evaluation on the last, where that is another computation."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(randn(*parameter.shape))
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    steps = []
    evaluated = inputs[-1:] if isinstance(layer, torch.nn.modules.batchnorm._NormBase) else ()
    for training, x in [(True, x) for x in inputs] + [(False, x) for x in evaluated]:
        layer.train(training)
        layer.zero_grad()
        x = x.detach().requires_grad_()
        y = layer(x)
        dy = randn(*y.shape)
        y.backward(dy)
        gradients = {key: parameter.grad.clone() for key, parameter in layer.named_parameters()}
        steps.append(dict(training=training, x=x, y=y, dy=dy, dx=x.grad, gradients=gradients))
    after = dict(layer.state_dict())
    if isinstance(layer, torch.nn.modules.instancenorm._InstanceNorm):
        # PyTorch counts batches in batch normalisation only.
        after.pop("num_batches_tracked", None)
    return dict(module=name or type(layer).__name__, options=options, state=state, steps=steps, after=after)


def torch_layer(module, *inputs, **options):
    return run(getattr(torch.nn, module)(**options), options, *inputs)


def norms():
    two = lambda *shape: [randn(*shape) * 2 + 1, randn(*shape) - 1]
    yield torch_layer("BatchNorm1d", *two(4, 3), num_features=3)
    yield torch_layer("BatchNorm1d", *two(2, 3, 5), num_features=3, momentum=None)
    yield torch_layer("BatchNorm1d", *two(2, 3, 5), num_features=3, affine=False, eps=0.01)
    yield torch_layer("BatchNorm2d", *two(2, 2, 3, 2), num_features=2, momentum=0.3)
    yield torch_layer("BatchNorm2d", *two(2, 2, 2, 2), num_features=2, track_running_stats=False)
    yield torch_layer("BatchNorm3d", *two(1, 2, 2, 2, 3), num_features=2)
    yield torch_layer("InstanceNorm1d", *two(2, 3, 5), num_features=3)
    yield torch_layer("InstanceNorm1d", *two(3, 4), num_features=3, affine=True)
    yield torch_layer("InstanceNorm1d", *two(3, 4), num_features=3, affine=True, track_running_stats=True)
    yield torch_layer("InstanceNorm2d", *two(2, 3, 2, 3), num_features=3, affine=True, track_running_stats=True,
                      momentum=0.3)
    yield torch_layer("InstanceNorm3d", *two(2, 2, 2, 2, 2), num_features=2, track_running_stats=True, eps=0.1)
    yield torch_layer("GroupNorm", randn(2, 6, 3), num_groups=3, num_channels=6)
    yield torch_layer("GroupNorm", randn(2, 4), num_groups=2, num_channels=4, eps=0.1)
    yield torch_layer("GroupNorm", randn(2, 4, 2, 3), num_groups=1, num_channels=4, affine=False)
    yield torch_layer("LayerNorm", randn(2, 3, 4), normalized_shape=[4])
    yield torch_layer("LayerNorm", randn(2, 3, 4), normalized_shape=[3, 4], bias=False)
    yield torch_layer("LayerNorm", randn(3, 4), normalized_shape=[4], elementwise_affine=False, eps=0.1)


class Snake(torch.nn.Module):
    """As BigVGAN defines it; with beta, SnakeBeta."""

    def __init__(self, channels, log_scale, beta):
        super().__init__()
        self.log_scale = log_scale
        self.alpha = torch.nn.Parameter(torch.zeros(channels))
        if beta:
            self.beta = torch.nn.Parameter(torch.zeros(channels))

    def forward(self, x):
        along = lambda numbers: (numbers.exp() if self.log_scale else numbers).reshape(-1, *[1] * (x.dim() - 2))
        alpha = along(self.alpha)
        beta = along(self.beta) if hasattr(self, "beta") else alpha
        return x + (1.0 / (beta + 1e-9)) * torch.sin(x * alpha) ** 2


def activations():
    yield torch_layer("PReLU", randn(2, 3, 4), num_parameters=3)
    yield torch_layer("PReLU", randn(5), num_parameters=1)
    yield torch_layer("PReLU", randn(2, 2, 2, 2), num_parameters=2)
    for beta, name in [(False, "Snake"), (True, "SnakeBeta")]:
        for log_scale in [False, True]:
            options = dict(channels=3, log_scale=log_scale)
            yield run(Snake(**options, beta=beta), options, randn(2, 3, 4), name=name)


def resizing():
    yield torch_layer("PixelShuffle", randn(2, 8, 2, 3), upscale_factor=2)
    yield torch_layer("PixelShuffle", randn(9, 1, 2), upscale_factor=3)
    shapes = {1: [2, 2, 5], 2: [1, 2, 3, 4], 3: [1, 1, 2, 3, 2]}
    for rank, shape in shapes.items():
        linear = {1: "linear", 2: "bilinear", 3: "trilinear"}[rank]
        for scale in [3.0, 1.5, 0.5]:
            if scale * min(shape[2:]) < 1:
                continue
            yield torch_layer("Upsample", randn(*shape), scale_factor=(scale,) * rank, mode="nearest")
            for align_corners in [False, True]:
                yield torch_layer("Upsample", randn(*shape), scale_factor=(scale,) * rank, mode=linear,
                                  align_corners=align_corners)
        for size in [[7, 3, 5][:rank], [1] * rank]:
            yield torch_layer("Upsample", randn(*shape), size=size, mode="nearest")
            for align_corners in [False, True]:
                yield torch_layer("Upsample", randn(*shape), size=size, mode=linear, align_corners=align_corners)
    # PyTorch's padding begins at the last axis.
    for rank, shape, padding in [(1, [2, 2, 5], [3, 1]), (2, [1, 2, 3, 4], [2, 1, 0, 2]),
                                 (3, [1, 1, 2, 3, 3], [1, 2, 0, 1, 1, 0])]:
        yield torch_layer(f"ConstantPad{rank}d", randn(*shape), padding=padding, value=0.5)
        for mode in ["Reflection", "Replication", "Circular"]:
            yield torch_layer(f"{mode}Pad{rank}d", randn(*shape), padding=padding)


def pools():
    shapes = {1: [2, 2, 7], 2: [1, 2, 5, 6], 3: [1, 1, 4, 3, 5]}
    for rank, shape in shapes.items():
        for options in [dict(kernel_size=2), dict(kernel_size=3, stride=2, padding=1),
                        dict(kernel_size=3, stride=2, padding=1, ceil_mode=True),
                        dict(kernel_size=2, stride=3, padding=1, ceil_mode=True)]:
            yield torch_layer(f"AvgPool{rank}d", randn(*shape), **options)
            yield torch_layer(f"AvgPool{rank}d", randn(*shape), **options, count_include_pad=False)
            yield torch_layer(f"MaxPool{rank}d", randn(*shape), **options)
        yield torch_layer(f"MaxPool{rank}d", randn(*shape), kernel_size=2, stride=1, dilation=2, padding=1)
        # Equal numbers, of which the first gets the gradient.
        yield torch_layer(f"MaxPool{rank}d", randn(*shape).round(), kernel_size=3, stride=1)
        for size in [[1] * rank, [3, 2, 4][:rank], [9] * rank]:
            yield torch_layer(f"AdaptiveAvgPool{rank}d", randn(*shape), output_size=size)
    yield torch_layer("AvgPool2d", randn(2, 5, 6), kernel_size=[2, 3], stride=[1, 2], padding=[1, 0])


def weight_norms():
    def normed(module, x, dim, **options):
        for weight_norm in [torch.nn.utils.weight_norm, torch.nn.utils.parametrizations.weight_norm]:
            layer = weight_norm(getattr(torch.nn, module)(**options).double(), dim=dim)
            entry = run(layer, options | dict(dim=dim), x, name=f"weight_norm {module}")
            # Gradients go by the first of the two names.
            for step in entry["steps"]:
                rename = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
                step["gradients"] = {rename.get(key, key): grad for key, grad in step["gradients"].items()}
            entry["after"] = {}
            yield entry

    channels = dict(in_channels=2, out_channels=3)
    yield from normed("Conv1d", randn(2, 2, 5), 0, **channels, kernel_size=3)
    yield from normed("Conv1d", randn(2, 2, 5), 2, **channels, kernel_size=3, padding=1)
    yield from normed("Conv1d", randn(2, 2, 5), None, **channels, kernel_size=3, bias=False)
    yield from normed("Conv2d", randn(1, 2, 4, 4), 0, **channels, kernel_size=2)
    yield from normed("Conv3d", randn(1, 2, 2, 3, 2), 1, **channels, kernel_size=2)
    yield from normed("ConvTranspose1d", randn(2, 2, 3), 0, **channels, kernel_size=4, stride=2, padding=1)
    yield from normed("ConvTranspose1d", randn(2, 2, 3), 1, **channels, kernel_size=4, stride=2, padding=1)
    yield from normed("ConvTranspose2d", randn(1, 2, 2, 3), 0, **channels, kernel_size=2)
    yield from normed("ConvTranspose3d", randn(1, 2, 1, 2, 2), 0, **channels, kernel_size=2)


FAMILIES = [norms, activations, resizing, pools, weight_norms]


def main():
    torch.set_num_threads(1)
    layers = []
    for number, family in enumerate(FAMILIES):
        GENERATOR.manual_seed(100 + number)
        layers += plain(list(family()))
    text = written({"made_with": f"PyTorch {torch.__version__.split('+')[0]}", "layers": layers}) + "\n"
    (FOLDER / "layers.json").write_text(text)
    print(f"{len(layers)} layers, {len(text)} bytes")


if __name__ == "__main__":
    main()
