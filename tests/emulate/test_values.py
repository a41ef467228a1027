"""The emulator bit for bit against a model in plain Python integers, and closely against PyTorch.

The model is written from the definitions of ``rnngen.ir.quantised``: it knows binary points, not shifts, and
works in exact fractions, one element at a time.
"""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from rnngen.arith.format import Format
from rnngen.emulate.network import Emulation, run_values
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer
from rnngen.ir.quantised import Block, Branch, QuantisedLayer, QuantisedNetwork
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)

CHAIN = (Block((Branch(((0,),)),)), Block((Branch(((1,),)),), source=1))


def real(integer: int, fmt: Format) -> Fraction:
    return Fraction(int(integer)) / Fraction(2) ** fmt.fraction


class Model:
    """Exact narrowing with a count of saturations for each layer and point."""

    def __init__(self) -> None:
        self.counts: dict[tuple[int, str], int] = Counter()

    def narrow(self, value: Fraction, width: int, fraction: int, point: tuple[int, str]) -> int:
        """Rounds half up, then saturates."""
        integer = math.floor(value * Fraction(2) ** fraction + Fraction(1, 2))
        limited = min(max(integer, -(2 ** (width - 1))), 2 ** (width - 1) - 1)
        self.counts[point] += limited != integer
        return limited


def lstm_step(
    model: Model, index: int, layer: QuantisedLayer, x: list[int], h: list[int], c: list[int]
) -> tuple[list[int], list[int]]:
    formats, product = layer.formats, layer.formats.product
    units, z_fmt = layer.output_size, layer.formats.preactivation
    table = formats.table
    tanh = {n: int(v) for n, v in zip(range(z_fmt.minimum, z_fmt.maximum + 1), table.direct.tolist(), strict=True)}
    new_h, new_c = [], []
    for unit in range(units):
        gates = {}
        for row, gate in enumerate("ifgo"):
            k = row * units + unit
            total = real(layer.bias[k], product.bias)
            total += sum(real(w, product.weight_x) * real(v, product.x) for w, v in zip(layer.weight_x[k], x))
            total += sum(real(w, product.weight_h) * real(v, product.h) for w, v in zip(layer.weight_h[k], h))
            # A sigmoid's input has one fraction bit less: sigmoid(z) = (1 + tanh(z / 2)) / 2.
            fraction = z_fmt.fraction - (gate != "g")
            z = model.narrow(total, z_fmt.width, fraction, (index, "preactivation"))
            unit_value = Fraction(tanh[z]) / 2**formats.gate_fraction
            gates[gate] = unit_value if gate == "g" else (1 + unit_value) / 2
        cell = gates["f"] * real(c[unit], formats.c) + gates["i"] * gates["g"]
        kept = model.narrow(cell, formats.c.width, formats.c.fraction, (index, "c"))
        # tanh(c): c at its own binary point, saturated to the reach of the tanh input.
        reach = min(formats.c.width, z_fmt.width - (z_fmt.fraction - formats.c.fraction))
        short = model.narrow(cell, reach, formats.c.fraction, (index, "tanh_input"))
        squashed = Fraction(tanh[short * 2 ** (z_fmt.fraction - formats.c.fraction)]) / 2**formats.gate_fraction
        new_c.append(kept)
        new_h.append(model.narrow(gates["o"] * squashed, formats.h.width, formats.h.fraction, (index, "h")))
    return new_h, new_c


def linear_step(model: Model, index: int, layer: QuantisedLayer, x: list[int]) -> list[int]:
    product, y = layer.formats.product, layer.formats.y
    rows = zip(layer.weight_x, layer.bias, strict=True)
    sums = [
        real(bias, product.bias) + sum(real(w, product.weight_x) * real(v, product.x) for w, v in zip(row, x))
        for row, bias in rows
    ]
    return [model.narrow(total, y.width, y.fraction, (index, "y")) for total in sums]


def run_model(network: QuantisedNetwork, x: np.ndarray) -> tuple[list[list[list[int]]], Model, int]:
    """Output integers, saturations inside, and saturated inputs."""
    inputs, model, outputs = Model(), Model(), []
    fmt = network.input_format
    for sequence in x.tolist():
        states = [([0] * layer.output_size, [0] * layer.output_size) for layer in network.layers]
        outputs.append([])
        for step in sequence:
            values = [inputs.narrow(Fraction(v), fmt.width, fmt.fraction, (0, "x")) for v in step]
            for index, layer in enumerate(network.layers):
                if layer.kind == "lstm":
                    states[index] = lstm_step(model, index, layer, values, *states[index])
                    values = states[index][0]
                else:
                    values = linear_step(model, index, layer, values)
            outputs[-1].append(values)
    return outputs, model, sum(inputs.counts.values())


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


def assert_equal(network: QuantisedNetwork, x: np.ndarray) -> tuple[Emulation, Model]:
    got = run_values(network, x)
    output, model, input_saturations = run_model(network, x)
    assert got.output.tolist() == output
    counts = {
        (index, point): n for index, counted in enumerate(got.saturations) for point, n in counted.items() if n
    }
    assert counts == {key: n for key, n in model.counts.items() if n}
    assert got.input_saturations == input_saturations
    assert got.total_saturations == sum(model.counts.values())
    return got, model


@given(
    st.integers(0, 10**6), st.integers(2, 18), st.integers(4, 18), st.integers(1, 3), st.integers(1, 3),
    st.integers(1, 2), st.booleans(), st.sampled_from([0.05, 0.5, 3.0, 12.0]), st.booleans(),
)  # fmt: skip
@example(1, 18, 18, 3, 3, 2, True, 3.0, False)
@example(2, 2, 4, 3, 3, 2, True, 12.0, True)
@example(3, 2, 18, 1, 1, 1, False, 0.05, False)
def test_every_bit_and_every_count(
    seed: int, weight_bits: int, activation_bits: int, inputs: int, units: int, layers: int, head: bool,
    scale: float, calibrated: bool,
) -> None:  # fmt: skip
    network = random_network(seed, inputs, units, layers, head, scale)
    generator = np.random.default_rng(seed + 1)
    calm = generator.uniform(-0.2, 0.2, (2, 3, inputs)) if calibrated else None
    x = generator.uniform(-1.5, 1.5, (2, 3, inputs))
    assert_equal(quantise(network, weight_bits, activation_bits, calm), x)


def test_every_narrowing_point_saturates() -> None:
    """Calibrated on silence, then driven hard: each named point counts, and the values stay exact."""
    network = random_network(5, 3, 3, 1, True, 0.7)
    quantised = quantise(network, 8, 12, np.full((1, 1, 3), 1e-3))
    narrow_c = Format(8, 9)  # |c| < 1/4
    layer = quantised.layers[0]
    formats = type(layer.formats)(layer.formats.product, layer.formats.preactivation, 12, narrow_c, Format(12, 15))
    product = quantised.layers[1].formats.product
    head_product = type(product)(3, 0, Format(12, 15), product.weight_x, Format(12, 15), product.weight_x,
                                 Format(40, product.weight_x.fraction + 15))  # fmt: skip
    head = quantised.layers[1]
    head_formats = type(head.formats)(head_product, Format(6, 15))
    layers = (
        QuantisedLayer("l", layer.weight_x * 0 + 127, layer.weight_h, layer.bias, formats),
        QuantisedLayer("head", head.weight_x, None, head.bias, head_formats),
    )
    saturating = QuantisedNetwork("n", layers, CHAIN, 8, 12)
    # Large inputs reach the limits of the pre-activation only if x has the integer bits: 2**(11 - 5) = 64.
    wide = type(layer.formats.product)(
        3, 3, Format(12, 5), Format(8, 3), Format(12, 15), layer.formats.product.weight_h,
        Format(40, max(8, 15 + layer.formats.product.weight_h.fraction)),
    )  # fmt: skip
    wide_formats = type(layer.formats)(wide, layer.formats.preactivation, 12, narrow_c, Format(12, 15))
    wide_layer = QuantisedLayer("l", layers[0].weight_x, layer.weight_h, layer.bias, wide_formats)
    generator = np.random.default_rng(6)
    for network_case in (saturating, QuantisedNetwork("n", (wide_layer, layers[1]), CHAIN, 8, 12)):
        got, model = assert_equal(network_case, generator.uniform(-90, 90, (3, 5, 3)))
    for point in ((0, "preactivation"), (0, "c"), (0, "tanh_input"), (0, "h"), (1, "y")):
        assert model.counts[point] > 0, point
    assert got.input_saturations > 0


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
