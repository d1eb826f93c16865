"""Writes training.json and half.safetensors beside this script: what PyTorch computes, in float64 unless said otherwise.

Run:  pip install torch safetensors numpy && python make_training.py

Tensors are stored as make_nn.py stores them. The file is an object of

    made_with       the version of PyTorch
    half            {x, f16, bf16}: x is float32, and the others, in half.safetensors, what it is rounded to
    recurrent       [{module, options, parameters, gradients, x, dx, y, dy, state, dstate, end, dend}]: parameters
                    and gradients by name; state, its gradient, the state at the end and the gradient that arrives
                    there by name (h, and c of LSTM), state and dstate only where it does not start from zeros
    schedules       [{schedule, options, lr: [the learning rate of each step]}], with losses: [...] for plateau
                    (ReduceLROnPlateau), one before each step but the first; the options are lucid's
"""

import torch
from safetensors.torch import save_file

from make_nn import FOLDER, GENERATOR, plain, randn, written


def half():
    # Of every size that both types have, subnormal ones of f16 included.
    x = torch.randn(64, generator=GENERATOR) * 2.0 ** torch.arange(-24, 8).repeat_interleave(2)
    state = dict(f16=x.half(), bf16=x.bfloat16())
    save_file(state, FOLDER / "half.safetensors")
    return dict(x=x, f16=state["f16"].double(), bf16=state["bf16"].double())


def recurrent():
    def run(module, shape, state=True, **options):
        layer = getattr(torch.nn, module)(**options, dtype=torch.float64)
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(randn(*parameter.shape) * 0.5)
        x = randn(*shape).requires_grad_()
        names = ["h", "c"] if module == "LSTM" else ["h"]
        first = layer.num_layers * (2 if layer.bidirectional else 1)
        batch = [] if len(shape) == 2 else [shape[0 if layer.batch_first else 1]]
        start = [randn(first, *batch, layer.hidden_size).requires_grad_() for _ in names] if state else None
        handed = start and (start[0] if module == "GRU" else tuple(start))
        y, end = layer(x, handed)
        end = [end] if module == "GRU" else list(end)
        dy, dend = randn(*y.shape), [randn(*value.shape) for value in end]
        torch.autograd.backward([y, *end], [dy, *dend])
        parameters = dict(layer.named_parameters())
        entry = dict(module=module, options=options, parameters=parameters,
                     gradients={name: parameter.grad for name, parameter in parameters.items()},
                     x=x, dx=x.grad, y=y, dy=dy, end=dict(zip(names, end)), dend=dict(zip(names, dend)))
        if state:
            entry |= dict(state=dict(zip(names, start)), dstate={n: value.grad for n, value in zip(names, start)})
        return entry

    for module in ["GRU", "LSTM"]:
        yield run(module, [5, 2, 3], input_size=3, hidden_size=4)
        yield run(module, [1, 1, 3], input_size=3, hidden_size=2)
        yield run(module, [4, 3], input_size=3, hidden_size=2)
        yield run(module, [3, 4, 2], state=False, input_size=2, hidden_size=3, bias=False, batch_first=True)
        yield run(module, [2, 3, 2], input_size=2, hidden_size=3, num_layers=2, batch_first=True, bidirectional=True)
        yield run(module, [3, 2], input_size=2, hidden_size=2, num_layers=3, bidirectional=True, bias=False)


def schedules():
    def run(schedule, count, make, losses=None, **options):
        optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=options.get("lr", 0.1))
        scheduler = make(optimizer)
        lrs = [optimizer.param_groups[0]["lr"]]
        for step in range(count - 1):
            optimizer.step()
            scheduler.step(*([losses[step]] if losses else []))
            lrs.append(optimizer.param_groups[0]["lr"])
        return dict(schedule=schedule, options=options, lr=lrs) | (dict(losses=losses) if losses else {})

    s = torch.optim.lr_scheduler
    yield run("step", 12, lambda o: s.StepLR(o, 3, 0.5), step_size=3, gamma=0.5)
    yield run("multi_step", 12, lambda o: s.MultiStepLR(o, [2, 3, 8], 0.1), milestones=[2, 3, 8], gamma=0.1)
    yield run("exponential", 12, lambda o: s.ExponentialLR(o, 0.9), gamma=0.9)
    yield run("cosine", 11, lambda o: s.CosineAnnealingLR(o, 10, eta_min=0.01), num_steps=10, final_share=0.1)
    for anneal in ["cos", "linear"]:
        yield run("one_cycle", 20, lambda o: s.OneCycleLR(o, max_lr=0.1, total_steps=20, pct_start=0.25, div_factor=25,
                                                          final_div_factor=1e4, anneal_strategy=anneal),
                  num_steps=20, rise=0.25, first_share=1 / 25, final_share=1 / 25 / 1e4, anneal=anneal)
    yield run("warm_up", 12, lambda o: s.SequentialLR(o, [s.LinearLR(o, 0.2, 1.0, 4), s.ExponentialLR(o, 0.9)], [4]),
              num_steps=4, first_share=0.2, then=dict(exponential=dict(gamma=0.9)))
    losses = [1.0, 0.9, 0.89999, 0.95, 0.96, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86, 0.87, 0.88, 0.89, 0.7]
    yield run("plateau", len(losses) + 1, lambda o: s.ReduceLROnPlateau(o, factor=0.5, patience=1, cooldown=2, threshold=1e-3,
                                                                        min_lr=0.02),
              losses=losses, factor=0.5, patience=1, cooldown=2, threshold=1e-3, min_share=0.2)


def main():
    torch.set_num_threads(1)
    golden = {"made_with": f"PyTorch {torch.__version__.split('+')[0]}"}
    for number, section in enumerate([half, recurrent, schedules]):
        GENERATOR.manual_seed(number)
        torch.manual_seed(number)
        made = section()
        golden[section.__name__] = plain(made if isinstance(made, dict) else list(made))
    text = written(golden) + "\n"
    (FOLDER / "training.json").write_text(text)
    print(f"{len(text)} bytes")


if __name__ == "__main__":
    main()
