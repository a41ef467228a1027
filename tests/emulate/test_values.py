"""Runs of the emulator: states, traces, and closely against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnngen.emulate.network import run_values
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)



def random_network(seed: int, inputs: int, units: int, layers: int, head: bool, scale: float) -> Network:
    generator = np.random.default_rng(seed)
    chain: list[RecurrentLayer | LinearLayer] = []
    size = inputs
    for index in range(layers):
        shapes = ((4 * units, size), (4 * units, units), (4 * units,), (4 * units,))
        chain.append(RecurrentLayer(f"l{index}", "lstm", *(generator.normal(0, scale, shape) for shape in shapes)))
        size = units
    if head:
        chain.append(LinearLayer("head", generator.normal(0, scale, (2, size)), generator.normal(0, scale, 2)))
    return Network("n", tuple(chain))


def test_state_is_cleared_between_sequences() -> None:
    quantised = quantise(random_network(7, 2, 3, 2, False, 1.0))
    x = np.random.default_rng(8).uniform(-1, 1, (4, 6, 2))
    together = run_values(quantised, x).output
    alone = [run_values(quantised, x[i : i + 1]).output[0] for i in range(4)]
    assert np.array_equal(together, np.stack(alone))
    assert np.array_equal(run_values(quantised, np.repeat(x[:1], 3, axis=0)).output, np.repeat(together[:1], 3, axis=0))


def test_layers_and_traces_are_the_ones_of_the_run() -> None:
    quantised = quantise(random_network(9, 2, 3, 2, True, 1.0))
    x = np.random.default_rng(10).uniform(-1, 1, (2, 4, 2))
    progress: list[tuple[int, int]] = []
    got = run_values(quantised, x, keep_blocks=True, keep_traces=True, progress=lambda *at: progress.append(at))
    plain = run_values(quantised, x)
    assert np.array_equal(got.output, plain.output)
    assert (plain.blocks, plain.traces) == ((), ())
    assert np.array_equal(got.blocks[-1], got.output)
    assert [layer.shape for layer in got.blocks] == [(2, 4, 3), (2, 4, 3), (2, 4, 2)]
    for layer, trace in zip(got.blocks, got.traces, strict=True):
        last = trace["y" if "y" in trace else "h"]
        assert np.array_equal(last.transpose(2, 0, 1), layer)
    assert progress == [(done, 12) for done in range(1, 13)]  # 4 steps of each of 3 layers


@pytest.mark.parametrize("inputs, hidden", [(6, 20), (16, 48)])
def test_close_to_pytorch_with_head(inputs: int, hidden: int) -> None:
    torch.manual_seed(3)
    lstm, linear = torch.nn.LSTM(inputs, hidden, batch_first=True), torch.nn.Linear(hidden, 3)
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    arrays = [getattr(lstm, name).detach().numpy().astype(np.float64) for name in names]
    head = [p.detach().numpy().astype(np.float64) for p in (linear.weight, linear.bias)]
    network = Network("n", (RecurrentLayer("l", "lstm", *arrays), LinearLayer("head", *head)))
    x = np.random.default_rng(4).uniform(-1, 1, (3, 20, inputs))
    quantised = quantise(network, 16, 16, x)
    got = quantised.output_format.to_float(run_values(quantised, x).output)
    with torch.no_grad():
        wanted = linear.double()(lstm.double()(torch.from_numpy(x))[0]).numpy()
    assert np.abs(got - wanted).max() < 2e-4
