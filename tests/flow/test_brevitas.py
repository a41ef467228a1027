"""Modules of brevitas to designs: the engines hold the module's own integers, and compute what it computes."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brevitas.nn import QuantLSTM, QuantRNN
from brevitas.quant import fixed_point
from safetensors.numpy import load_file

from rnngen.emulate.network import run_values
from rnngen.errors import FormatError, ModelError
from rnngen.flow import GenerateOptions, emulate, generate, simulate
from rnngen.frontend import inspect, load
from rnngen.ir.layers import AffineLayer
from rnngen.ir.network import Network
from rnngen.ir.trained import QuantisedWeights, TrainedLayer
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PER_TENSOR = fixed_point.Int8WeightPerTensorFixedPoint
WEIGHTS_ONLY = dict.fromkeys(
    ("io_quant", "gate_acc_quant", "sigmoid_quant", "tanh_quant", "cell_state_quant", "bias_quant")
)
GATES = ("input_gate_params", "forget_gate_params", "cell_gate_params", "output_gate_params")


def lstm(bits: int = 8, **options: Any) -> Any:
    torch.manual_seed(0)
    chosen = {**WEIGHTS_ONLY, "weight_quant": PER_TENSOR, "weight_bit_width": bits, "batch_first": True, **options}
    return QuantLSTM(3, 8, **chosen).double().eval()


def own_integers(direction: Any, part: str) -> tuple[np.ndarray, float]:
    """The integers of all gates at the finest of their scales, from the module's own words."""
    tensors = [getattr(getattr(direction, gate), part)() for gate in GATES]
    scale = min(float(tensor.scale) for tensor in tensors)
    rows = [tensor.int().numpy().astype(np.int64) * round(float(tensor.scale) / scale) for tensor in tensors]
    return np.concatenate(rows), scale


def forward(module: Any, x: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return np.asarray(module(torch.from_numpy(x))[0].numpy())


@pytest.mark.parametrize(
    "options", [{}, {"num_layers": 2}, {"bidirectional": True}, {"shared_intra_layer_weight_quant": True}]
)
@pytest.mark.parametrize("bits", [4, 8])
def test_engines_hold_the_integers_of_the_module(tmp_path: Path, bits: int, options: dict[str, Any]) -> None:
    module = lstm(bits, **options)
    design = generate(module, tmp_path / "d", GenerateOptions(multipliers=40))
    integers = load_file(tmp_path / "d" / "data" / "integers.safetensors")
    directions = [direction for layer in module.layers for direction in layer]
    assert len(design.quantised.layers) == len(directions)
    for number, direction in enumerate(directions):
        product = design.quantised.layers[number].formats.product
        for name, part, used in (
            ("weight_x", "input_weight", product.weight_x),
            ("weight_h", "hidden_weight", product.weight_h),
        ):
            expected, scale = own_integers(direction, part)
            assert np.array_equal(integers[f"{number}.{name}"], expected)
            assert 2.0**-used.fraction == scale
    x = np.random.default_rng(0).uniform(-1, 1, (4, 20, 3))
    report = emulate(design, x)
    assert np.abs(report.output - forward(module, x)).max() <= 2e-4


def test_a_plain_rnn(tmp_path: Path) -> None:
    torch.manual_seed(0)
    quantisers = dict.fromkeys(("io_quant", "gate_acc_quant", "bias_quant"))
    module = QuantRNN(3, 8, weight_quant=PER_TENSOR, weight_bit_width=4, batch_first=True, **quantisers)
    module = module.double().eval()
    design = generate(module, tmp_path / "d", GenerateOptions(multipliers=8))
    x = np.random.default_rng(0).uniform(-1, 1, (4, 20, 3))
    assert np.abs(emulate(design, x).output - forward(module, x)).max() <= 2e-4
    assert design.quantised.weight_bits == design.quantised.layers[0].formats.product.weight_x.width


@pytest.mark.verilator
def test_the_circuit_is_exact(tmp_path: Path) -> None:
    generate(lstm(4), tmp_path / "d", GenerateOptions(multipliers=16))
    result = simulate(tmp_path / "d", steps=5)
    assert result.comparison.bit_exact
    assert result.comparison.cycle_exact


class Around(torch.nn.Module):
    """A QuantLSTM inside another module."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = lstm()
        self.fc = torch.nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.fc(self.rnn(x)[0])


def test_a_part_of_a_module() -> None:
    network = load(Around().eval(), select="rnn")
    assert [layer.name for layer in network.layers] == ["rnn.l0"]
    assert list(network.trained) == ["rnn.l0"]
    summary = inspect(lstm())
    assert (summary.source, summary.reason, [layer.name for layer in summary.chain]) == (
        "brevitas.nn.QuantLSTM",
        "",
        ["l0"],
    )


def refused(kind: type[Exception], sentence: str, run: Any) -> None:
    with pytest.raises(kind, match=f"^{re.escape(sentence)}$"):
        run()


def test_modules_that_are_refused() -> None:
    refused(
        ModelError,
        "Module Around holds rnn of brevitas, whose forward is not followed inside another one; choose one by its name "
        "(--select).",
        lambda: load(Around().eval()),
    )
    refused(
        ModelError,
        "An example input is not for a module of brevitas, whose layers say all; leave it out.",
        lambda: load(lstm(), example=torch.zeros(1, 2, 3)),
    )


def test_a_scaling_folded_in_is_refused() -> None:
    network = load(lstm())
    scaled = replace(network, layers=(AffineLayer("bn", np.full(3, 3.0), np.zeros(3)), *network.layers))
    refused(
        ModelError,
        "Layer 'l0' was trained with integer weights, but its weights are others now, such as by a scaling folded into "
        "them; leave that to the host.",
        lambda: quantise(fold(scaled)),
    )


def test_scales_too_far_apart_are_refused() -> None:
    """W_hh in units 2**-5 of those of W_ih: both products 16 bits wide operands, room for 2."""
    network = load(lstm())
    (layer,) = network.layers
    weight = QuantisedWeights(network.trained["l0"].weight_ih.integers, network.trained["l0"].weight_hh.fraction + 5, 8)
    changed = replace(
        network,
        layers=(replace(layer, weight_ih=weight.values),),
        trained={"l0": replace(network.trained["l0"], weight_ih=weight)},
    )
    x = np.full((1, 4, 3), 0.9)
    text = (
        "Layer 'l0' was trained with integers whose products with x and with h lie 5 bits apart, and beside operands "
        "of 16 bits the multiplier has room for 2; use at most 13 activation bits, or train both weights with scales "
        "that are nearer to each other."
    )
    refused(FormatError, text, lambda: quantise(changed, 8, 16, x))
    text = text.replace("16 bits", "14 bits").replace("for 2", "for 4")
    refused(FormatError, text, lambda: quantise(changed, 8, 14, x))
    fitting = quantise(changed, 8, 13, x)
    assert np.array_equal(fitting.layers[0].weight_x, weight.integers)
    expected = run_values(fitting, x).output
    assert expected.any()


def trained_bias(fraction: int) -> Network:
    network = load(lstm())
    (layer,) = network.layers
    bias = QuantisedWeights(np.arange(32) - 15, fraction, 8)
    changed = replace(layer, bias_ih=bias.values, bias_hh=np.zeros(32))
    return replace(network, layers=(changed,), trained={"l0": replace(network.trained["l0"], bias=bias)})


def test_a_bias_of_integers_is_exact_or_refused() -> None:
    quantised = quantise(trained_bias(10), 8, 16)
    product = quantised.layers[0].formats.product
    assert np.array_equal(quantised.layers[0].bias, (np.arange(32) - 15) << (product.bias.fraction - 10))
    finest = product.fraction
    assert quantise(trained_bias(finest)).layers[0].bias.tolist() == (np.arange(32) - 15).tolist()
    refused(
        FormatError,
        f"Layer 'l0' was trained with a bias in units of 2**-{finest + 1}, which an accumulator of {finest} fraction "
        f"bits does not hold exactly; use more activation bits.",
        lambda: quantise(trained_bias(finest + 1)),
    )


def test_unequal_widths_are_extended() -> None:
    """4 bits and 8 bits: one width, both kept."""
    network = load(lstm(4))
    found = network.trained["l0"]
    wide = TrainedLayer(found.weight_ih, replace(found.weight_hh, bits=8), None)
    product = quantise(replace(network, trained={"l0": wide})).layers[0].formats.product
    assert (product.weight_x.width, product.weight_h.width) == (8, 8)
    assert product.weight_x.fraction == found.weight_ih.fraction
