"""Writes nn.json and state_dict.safetensors beside this script: what PyTorch computes, in float64.

Run:  pip install torch safetensors numpy && python make_nn.py

A tensor is {"shape": [...], "data": [...]}, row-major; class indices are stored as numbers like all others.
"options" are the arguments of PyTorch under their names there. The file is an object of

    made_with       the version of PyTorch
    elementwise     [{op, options, x, y, dx, d2x}]: first and second derivative at every element
    kinks           the same without d2x, at the points where the function has a corner
    along_axis      [{op, options: {dim}, x, y, dy, dx, v, dvdx}]: dvdx is the gradient of <dx, v> by x
    losses          [{loss, options, input, target, value, dinput}]: options has reduction, and the tensors
                    pos_weight or weight where given; dinput is the gradient of the sum of value
    optimizers      {start: [p, q], gradients: [[dp, dq] per step], runs: [{optimizer, options,
                    parameters: [[p, q] after each step]}]}: two tensors, the same gradients in every run
    clip_grad_norm  [{options, gradients: [...], norm: number, clipped: [...]}]
    modules         [{module, options, weight, bias, x, y, dy, dx, dw, db}]; bias and db only where there is
                    one, output_size (of the forward call) only where given
    init            [{module, options, fan_in, bound}]: weight and bias begin uniform in +-bound
    state_dict      {layers, keys, shapes, x, y}: of state_dict.safetensors, float32
"""

import json
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save_file

FOLDER = Path(__file__).resolve().parent
GENERATOR = torch.Generator()


def tensor(numbers):
    return torch.tensor(numbers, dtype=torch.float64)


def randn(*shape):
    """Normal numbers of four decimals, which are easier to read in a failing test."""
    return torch.randn(shape, generator=GENERATOR, dtype=torch.float64).mul(1e4).round().div(1e4)


def plain(value):
    """Tensors as objects of shape and data, everything inside `value`."""
    if isinstance(value, torch.Tensor):
        # Autograd may return a tensor of zeros without storage; the sum has one.
        data = (value.detach() + torch.zeros(value.shape, dtype=value.dtype)).reshape(-1).tolist()
        assert all(math.isfinite(number) for number in data), data
        return {"shape": list(value.shape), "data": data}
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    return value


def gradient(y, x, dy=None):
    """The gradient of <y, dy> by x, that can be differentiated again; zero where y does not depend on x."""
    dy = torch.ones_like(y) if dy is None else dy
    if not y.requires_grad:
        return torch.zeros_like(x)
    found, = torch.autograd.grad(y, x, dy, create_graph=True, allow_unused=True)
    return torch.zeros_like(x) if found is None else found


ANY = [-3.0, -1.7, -0.5, -0.1, 0.05, 0.3, 1.0, 2.4, 5.5]
POSITIVE = [0.05, 0.3, 1.0, 2.4, 7.5]
TAILS = [-800.0, -40.0, -12.0, 12.0, 19.5, 20.5, 40.0, 800.0]
ELEMENTWISE = {
    "exp": (torch.exp, {}, [ANY]),
    "ln": (torch.log, {}, [POSITIVE]),
    "sqrt": (torch.sqrt, {}, [POSITIVE]),
    "powf": (lambda x, exponent: x**exponent, {"exponent": 2.5}, [POSITIVE]),
    "abs": (torch.abs, {}, [ANY]),
    "tanh": (torch.tanh, {}, [ANY, TAILS]),
    "sigmoid": (torch.sigmoid, {}, [ANY, TAILS]),
    "relu": (F.relu, {}, [ANY]),
    "leaky_relu": (F.leaky_relu, {"negative_slope": 0.1}, [ANY]),
    "elu": (F.elu, {"alpha": 1.0}, [ANY, TAILS]),
    "elu_alpha": (F.elu, {"alpha": 0.7}, [ANY]),
    "gelu": (F.gelu, {"approximate": "none"}, [ANY, TAILS]),
    "gelu_tanh": (F.gelu, {"approximate": "tanh"}, [ANY, TAILS]),
    "silu": (F.silu, {}, [ANY, TAILS]),
    "softplus": (F.softplus, {"beta": 1.0, "threshold": 20.0}, [ANY, TAILS]),
    "softplus_beta": (F.softplus, {"beta": 2.0, "threshold": 20.0}, [ANY]),
    "sin": (torch.sin, {}, [ANY]),
    "cos": (torch.cos, {}, [ANY]),
    "clamp": (torch.clamp, {"min": -0.6, "max": 1.2}, [ANY]),
}
KINKS = {"abs": [0.0], "relu": [0.0], "leaky_relu": [0.0], "elu": [0.0], "clamp": [-0.6, 1.2]}


def elementwise():
    for op, (function, options, inputs) in ELEMENTWISE.items():
        for numbers in inputs:
            x = tensor(numbers).requires_grad_()
            y = function(x, **options)
            dx = gradient(y, x)
            yield dict(op=op, options=options, x=x, y=y, dx=dx, d2x=gradient(dx, x))


def kinks():
    for op, numbers in KINKS.items():
        function, options, _ = ELEMENTWISE[op]
        x = tensor(numbers).requires_grad_()
        y = function(x, **options)
        yield dict(op=op, options=options, x=x, y=y, dx=gradient(y, x))


def along_axis():
    for op, function in [("softmax", F.softmax), ("log_softmax", F.log_softmax)]:
        for shape, dim, scale in [([3, 4], 1, 1.0), ([3, 4], 0, 1.0), ([2, 3, 2], 1, 1.0), ([1, 5], -1, 400.0)]:
            x, dy, v = (randn(*shape) * scale).requires_grad_(), randn(*shape), randn(*shape)
            y = function(x, dim=dim)
            dx = gradient(y, x, dy)
            yield dict(op=op, options=dict(dim=dim), x=x, y=y, dy=dy, dx=dx, v=v, dvdx=gradient(dx, x, v))


def losses():
    def each_reduction(loss, function, x, target, **options):
        for reduction in ["mean", "sum", "none"]:
            x = x.detach().requires_grad_()
            value = function(x, target, reduction=reduction, **options)
            yield dict(loss=loss, options=options | dict(reduction=reduction), input=x, target=target, value=value,
                       dinput=gradient(value, x))

    x, target = randn(3, 4) * 1.5, randn(3, 4)
    yield from each_reduction("mse", F.mse_loss, x, target)
    yield from each_reduction("l1", F.l1_loss, x, target)
    yield from each_reduction("huber", F.huber_loss, x, target, delta=1.0)
    yield from each_reduction("huber", F.huber_loss, x, target, delta=0.5)
    yield from each_reduction("smooth_l1", F.smooth_l1_loss, x, target, beta=1.0)
    yield from each_reduction("smooth_l1", F.smooth_l1_loss, x, target, beta=0.5)

    logits = torch.cat([randn(3, 3) * 2, tensor([[60.0], [-60.0], [900.0]])], dim=1)
    labels = tensor([[0, 1, 0.25, 1], [1, 1, 0, 0], [0.5, 0, 1, 0]])
    yield from each_reduction("bce_with_logits", F.binary_cross_entropy_with_logits, logits, labels)
    yield from each_reduction("bce_with_logits", F.binary_cross_entropy_with_logits, logits, labels,
                              pos_weight=tensor([0.5, 1.0, 3.0, 2.0]))

    weight = tensor([0.5, 2.0, 1.0, 0.25])
    for smoothing in [0.0, 0.1]:
        for shape, classes in [((5, 4), [3, 0, 1, 1, 2]), ((2, 4, 3), [[0, 3, 1], [2, 2, 0]])]:
            logits, classes = randn(*shape) * 2, torch.tensor(classes)
            yield from each_reduction("cross_entropy", F.cross_entropy, logits, classes, label_smoothing=smoothing)
            yield from each_reduction("cross_entropy", F.cross_entropy, logits, classes, label_smoothing=smoothing,
                                      weight=weight)
    yield from each_reduction("cross_entropy", F.cross_entropy, tensor([[900.0, -900.0, 0.0]]), torch.tensor([1]),
                              label_smoothing=0.0)


def optimizers():
    start = [randn(4), randn(2, 3)]
    # The gradients of a narrow valley on the way down, with a change of sign and a zero in them.
    steps = [[randn(4) * 2 * 0.6**step, randn(2, 3) * 0.6**step] for step in range(5)]
    steps[2][0][1] = 0.0
    sgd, adam, adamw = torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW
    runs = [
        (sgd, dict(lr=0.1)),
        (sgd, dict(lr=0.1, momentum=0.9)),
        (sgd, dict(lr=0.1, momentum=0.9, nesterov=True)),
        (sgd, dict(lr=0.1, momentum=0.9, dampening=0.3)),
        (sgd, dict(lr=0.1, weight_decay=0.05)),
        (sgd, dict(lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.05)),
        (adam, dict(lr=0.001, betas=[0.9, 0.999], eps=1e-8)),
        (adam, dict(lr=0.05, betas=[0.5, 0.9], eps=1e-6)),
        (adam, dict(lr=0.05, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.1)),
        (adamw, dict(lr=0.001, betas=[0.9, 0.999], eps=1e-8, weight_decay=0.01)),
        (adamw, dict(lr=0.05, betas=[0.8, 0.99], eps=1e-8, weight_decay=0.1)),
    ]

    def trajectory(optimizer, options):
        parameters = [torch.nn.Parameter(p.clone()) for p in start]
        optimizer = optimizer(parameters, **options)
        after = []
        for gradients in steps:
            for parameter, grad in zip(parameters, gradients):
                parameter.grad = grad.clone()
            optimizer.step()
            after.append([p.detach().clone() for p in parameters])
        return after

    return dict(start=start, gradients=steps,
                runs=[dict(optimizer=optimizer.__name__, options=options, parameters=trajectory(optimizer, options))
                      for optimizer, options in runs])


def clip_grad_norm():
    gradients = [randn(3), randn(2, 2)]
    for options in [dict(max_norm=1.0), dict(max_norm=100.0), dict(max_norm=1.0, norm_type="inf"),
                    dict(max_norm=0.5, norm_type=1.0)]:
        parameters = [torch.nn.Parameter(torch.zeros_like(grad)) for grad in gradients]
        for parameter, grad in zip(parameters, gradients):
            parameter.grad = grad.clone()
        norm_type = float(options.get("norm_type", 2.0))
        norm = torch.nn.utils.clip_grad_norm_(parameters, options["max_norm"], norm_type=norm_type)
        yield dict(options=options, gradients=gradients, norm=norm.item(), clipped=[p.grad for p in parameters])


def modules():
    def run(module, x, output_size=None, **options):
        layer = getattr(torch.nn, module)(**options, dtype=torch.float64)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(randn(*parameter.shape))
        x = x.requires_grad_()
        y = layer(x) if output_size is None else layer(x, output_size=output_size)
        dy = randn(*y.shape)
        entry = dict(module=module, options=options, weight=layer.weight, x=x, y=y, dy=dy)
        entry |= {} if output_size is None else dict(output_size=output_size)
        y.backward(dy)
        entry |= dict(dx=x.grad, dw=layer.weight.grad)
        return entry if layer.bias is None else entry | dict(bias=layer.bias, db=layer.bias.grad)

    yield run("Linear", randn(3, 4), in_features=4, out_features=2)
    yield run("Linear", randn(2, 3, 4), in_features=4, out_features=3, bias=False)
    yield run("Linear", randn(4), in_features=4, out_features=2)

    conv = dict(in_channels=2, out_channels=3)
    for mode in ["zeros", "reflect", "replicate", "circular"]:
        yield run("Conv1d", randn(2, 2, 7), **conv, kernel_size=3, padding=2, padding_mode=mode)
        yield run("Conv1d", randn(1, 2, 8), **conv, kernel_size=4, padding=3, stride=2, padding_mode=mode)
        yield run("Conv1d", randn(2, 6), **conv, kernel_size=4, padding="same", dilation=1, padding_mode=mode)
        yield run("Conv2d", randn(1, 2, 4, 5), **conv, kernel_size=[2, 3], padding=[1, 2], padding_mode=mode)
    for kernel_size, dilation in [(1, 1), (2, 1), (3, 1), (4, 1), (5, 2), (2, 3), (4, 3)]:
        yield run("Conv1d", randn(1, 2, 9), **conv, kernel_size=kernel_size, dilation=dilation, padding="same")
    yield run("Conv1d", randn(1, 4, 9), in_channels=4, out_channels=6, kernel_size=3, groups=2, padding="valid")

    for length in [9, 10, 11]:
        yield run("ConvTranspose1d", randn(2, 2, 4), output_size=[length], **conv, kernel_size=4, stride=3, padding=2)
    yield run("ConvTranspose1d", randn(2, 4), output_size=[8], **conv, kernel_size=3, stride=2, padding=1, bias=False)
    yield run("ConvTranspose2d", randn(1, 2, 3, 4), output_size=[6, 11], **conv, kernel_size=[3, 4], stride=[2, 3],
              padding=[1, 1])


def init():
    def bound(module, fan_in, **options):
        layer = getattr(torch.nn, module)(**options)
        limit = 1 / math.sqrt(fan_in)
        for parameter in layer.parameters():
            largest = parameter.abs().max().item()
            assert largest <= limit * (1 + 1e-6), (module, options, largest, limit)
            assert largest > 0.9 * limit or parameter.numel() < 100, (module, options, largest, limit)
        return dict(module=module, options=options, fan_in=fan_in, bound=limit)

    yield bound("Linear", 300, in_features=300, out_features=200)
    yield bound("Conv1d", 16 * 7, in_channels=16, out_channels=128, kernel_size=7)
    yield bound("Conv1d", 4 * 5, in_channels=16, out_channels=128, kernel_size=5, groups=4)
    yield bound("Conv2d", 8 * 3 * 5, in_channels=8, out_channels=128, kernel_size=[3, 5])
    yield bound("ConvTranspose1d", 64 * 16, in_channels=128, out_channels=64, kernel_size=16)
    yield bound("ConvTranspose1d", 16 * 4, in_channels=256, out_channels=128, kernel_size=4, groups=8)
    yield bound("ConvTranspose2d", 128 * 3 * 2, in_channels=16, out_channels=128, kernel_size=[3, 2])


def state_dict():
    layers = torch.nn.Sequential(
        torch.nn.Conv1d(2, 4, 3, padding=1),
        torch.nn.LeakyReLU(0.1),
        torch.nn.ConvTranspose1d(4, 2, 4, stride=2, padding=1),
    )
    with torch.no_grad():
        for parameter in layers.parameters():
            parameter.copy_(randn(*parameter.shape))
    state = layers.state_dict()
    save_file(state, FOLDER / "state_dict.safetensors")
    x = randn(2, 2, 6).float()
    return dict(
        layers=[
            dict(module="Conv1d", options=dict(in_channels=2, out_channels=4, kernel_size=3, padding=1)),
            dict(module="LeakyReLU", options=dict(negative_slope=0.1)),
            dict(module="ConvTranspose1d",
                 options=dict(in_channels=4, out_channels=2, kernel_size=4, stride=2, padding=1)),
        ],
        keys=list(state),
        shapes={key: list(value.shape) for key, value in state.items()},
        x=x,
        y=layers(x),
    )


def written(value, indent=""):
    """JSON with one line for every list of numbers and every object that fits into 100 columns."""
    flat = json.dumps(value)
    numbers = isinstance(value, list) and not any(isinstance(inner, (dict, list)) for inner in value)
    if numbers or len(flat) <= 100 or not isinstance(value, (dict, list)) or "data" in value:
        return flat
    deeper = indent + " "
    if isinstance(value, dict):
        inner = [f"{deeper}{json.dumps(key)}: {written(item, deeper)}" for key, item in value.items()]
    else:
        inner = [deeper + written(item, deeper) for item in value]
    brackets = "{}" if isinstance(value, dict) else "[]"
    return brackets[0] + "\n" + ",\n".join(inner) + "\n" + indent + brackets[1]


def main():
    torch.set_num_threads(1)
    sections = [elementwise, kinks, along_axis, losses, optimizers, clip_grad_norm, modules, init, state_dict]
    golden = {"made_with": f"PyTorch {torch.__version__.split('+')[0]}"}
    for number, section in enumerate(sections):
        GENERATOR.manual_seed(number)
        torch.manual_seed(number)
        made = section()
        golden[section.__name__] = plain(made if isinstance(made, dict) else list(made))
    text = written(golden) + "\n"
    (FOLDER / "nn.json").write_text(text)
    print(f"{len(text)} bytes")


if __name__ == "__main__":
    main()
