"""Small modules whose forward says what the layers are, for the tests of torch.export."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from rnngen.frontend.chain import Chain
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

torch.set_num_threads(1)

F64 = npt.NDArray[np.float64]


class Model(torch.nn.Module):
    """Modules by keyword, and a forward given as a function of the module and its inputs."""

    def __init__(self, run: Callable[..., Any], **parts: Any) -> None:
        super().__init__()
        self.run = run
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, x: Any) -> Any:
        return self.run(self, x)


class Two(Model):
    """The same with two inputs."""

    def forward(self, x: Any, state: Any) -> Any:
        return self.run(self, x, state)


class Three(Model):
    """The same with three inputs."""

    def forward(self, x: Any, h: Any, c: Any) -> Any:
        return self.run(self, x, h, c)


def settle(module: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The module with parameters and statistics that are no defaults, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in (*module.named_parameters(), *module.named_buffers()):
            if tensor.is_floating_point():
                low, high = (0.5, 1.5) if name.endswith("running_var") else (-0.8, 0.8)
                tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) * (high - low) + low)
    return module.eval()


def floats(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def symbols(count: int, *shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randint(count, shape, generator=torch.Generator().manual_seed(seed))


def run(chain: Chain, x: torch.Tensor, batch_first: bool = True) -> F64:
    """The chain's output (sequences, steps, words) of x (B, T, F), (T, B, F), or (B, T) symbols."""
    array = np.asarray(x.double().numpy())
    array = array if array.ndim == 3 else array[:, :, None]
    return run_layers(Network("n", chain.layers), array if batch_first else array.transpose(1, 0, 2))[-1]


def torch_run(module: torch.nn.Module, x: torch.Tensor) -> F64:
    """What PyTorch computes in float64; the first of several outputs."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            y = module.double()(x)
    finally:
        torch.set_default_dtype(before)
    while not isinstance(y, torch.Tensor):
        y = y[0]
    return np.asarray(y.double().numpy())


def kinds(chain: Chain) -> list[str]:
    """The layers' kinds, without the word Layer."""
    return [type(layer).__name__.removesuffix("Layer") for layer in chain.layers]
