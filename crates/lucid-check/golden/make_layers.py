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
    """Steps in training on all inputs, then in evaluation on the last."""
    layer = layer.double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(randn(*parameter.shape))
    state = {key: value.clone() for key, value in layer.state_dict().items()}
    steps = []
    for training, x in [(True, x) for x in inputs] + [(False, inputs[-1])]:
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


FAMILIES = [norms]


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
