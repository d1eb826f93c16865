"""Writes training.json and half.safetensors beside this script: what PyTorch computes, in float64 unless said otherwise.

Run:  pip install torch safetensors numpy && python make_training.py

Tensors are stored as make_nn.py stores them. The file is an object of

    made_with       the version of PyTorch
    half            {x, f16, bf16}: x is float32, and the others, in half.safetensors, what it is rounded to
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


def main():
    torch.set_num_threads(1)
    golden = {"made_with": f"PyTorch {torch.__version__.split('+')[0]}"}
    for number, section in enumerate([half]):
        GENERATOR.manual_seed(number)
        torch.manual_seed(number)
        made = section()
        golden[section.__name__] = plain(made if isinstance(made, dict) else list(made))
    text = written(golden) + "\n"
    (FOLDER / "training.json").write_text(text)
    print(f"{len(text)} bytes")


if __name__ == "__main__":
    main()
