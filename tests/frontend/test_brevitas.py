"""brevitas: the integers are the module's own, and the float layers compute what the module computes."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from brevitas.nn import QuantLSTM, QuantRNN
from brevitas.quant import fixed_point
from brevitas.quant.scaled_int import Int8ActPerTensorFloat, Int8WeightPerTensorFloat, Int32Bias
from brevitas.quant.shifted_scaled_int import ShiftedUint8WeightPerTensorFloat

from rnngen.errors import ModelError
from rnngen.frontend.brevitas_model import _weights, is_brevitas, read_brevitas
from rnngen.ir.layers import ParallelLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import run_layers

torch.set_num_threads(1)
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

PER_TENSOR = fixed_point.Int8WeightPerTensorFixedPoint
PER_CHANNEL = fixed_point.Int8WeightPerChannelFixedPoint
ACTIVATION = fixed_point.Int8ActPerTensorFixedPoint
WEIGHTS_ONLY = dict.fromkeys(
    ("io_quant", "gate_acc_quant", "sigmoid_quant", "tanh_quant", "cell_state_quant", "bias_quant")
)
GATES = ("input_gate_params", "forget_gate_params", "cell_gate_params", "output_gate_params")


def lstm(spread=(1.0, 1.0, 1.0, 1.0), **options):
    """A module in evaluation mode whose gates have weights of different sizes."""
    torch.manual_seed(0)
    chosen = {**WEIGHTS_ONLY, "weight_quant": PER_TENSOR, "batch_first": True, **options}
    module = QuantLSTM(3, 4, **chosen)
    for layer in module.layers:
        for direction in layer:
            for gate, factor in zip(GATES, spread, strict=True):
                params = getattr(direction, gate)
                params.input_weight.weight.data *= factor
                params.hidden_weight.weight.data *= factor
    return module.double().eval()


def input_of():
    return np.random.default_rng(0).normal(size=(2, 6, 3))


OPTIONS = [
    {},
    {"num_layers": 2},
    {"bidirectional": True},
    {"bidirectional": True, "num_layers": 2},
    {"bias": False},
    {"weight_quant": PER_CHANNEL},
    {"weight_bit_width": 4},
    {"spread": (1.0, 0.25, 1.0, 4.0)},
    {"shared_intra_layer_weight_quant": True},
    {"bidirectional": True, "shared_input_hidden_weights": True},
]


@pytest.mark.parametrize("options", OPTIONS)
def test_float_layers_equal_the_module(options):
    module = lstm(**options)
    read = read_brevitas(module)
    with torch.no_grad():
        expected = module(torch.from_numpy(input_of()))[0].numpy()
    got = run_layers(Network("network", read.chain.layers), input_of())[-1]
    assert np.abs(got - expected).max() < 1e-12


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_rnn(nonlinearity):
    torch.manual_seed(0)
    quantisers = dict.fromkeys(("io_quant", "gate_acc_quant", "bias_quant"))
    module = QuantRNN(3, 4, nonlinearity=nonlinearity, weight_quant=PER_TENSOR, batch_first=True, **quantisers)
    module = module.double().eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(input_of()))[0].numpy()
    read = read_brevitas(module)
    assert np.abs(run_layers(Network("network", read.chain.layers), input_of())[-1] - expected).max() < 1e-12
    assert read.chain.layers[0].cell == f"rnn_{nonlinearity}"


def own_integers(gates, part):
    """Integers and scale of each gate as brevitas tells them."""
    tensors = [getattr(gate, part)() for gate in gates]
    return [(tensor.int().numpy().astype(np.int64), tensor.scale.detach().double().numpy()) for tensor in tensors]


@pytest.mark.parametrize("options", OPTIONS)
def test_integers_are_those_of_the_module(options):
    module = lstm(**options)
    read = read_brevitas(module)
    for number, layer in enumerate(module.layers):
        for reverse, direction in enumerate(layer):
            found = read.layers[f"l{number}" + "_reverse" * reverse]
            gates = [getattr(direction, gate) for gate in GATES]
            for made, part in ((found.weight_ih, "input_weight"), (found.weight_hh, "hidden_weight")):
                expected = own_integers(gates, part)
                values = np.concatenate([integers * scale for integers, scale in expected])
                assert np.array_equal(made.integers * made.scale, values)
                finest = min(scale.min() for _, scale in expected)
                coarsest = max(scale.max() for _, scale in expected)
                assert made.scale == finest
                assert made.bits == options.get("weight_bit_width", 8) + np.log2(coarsest / finest)
                assert np.abs(made.integers).max() <= made.format.maximum


def test_gates_apart_need_more_bits():
    """Scales of gates 16 apart: four bits more, the integers of the coarse gates shifted."""
    found = read_brevitas(lstm(spread=(1.0, 0.25, 1.0, 4.0))).layers["l0"].weight_ih
    assert (found.bits, str(found.format)) == (12, f"s12.{found.fraction}")
    assert not np.any(found.integers[12:] % 16)
    assert np.any(found.integers[4:8] % 2)


def calibrated(**options):
    """A module that has seen data, so that its scales of activations are set."""
    torch.manual_seed(0)
    quantisers = dict.fromkeys(("io_quant", "gate_acc_quant", "tanh_quant", "cell_state_quant"), ACTIVATION)
    module = QuantLSTM(3, 4, batch_first=True, **{"weight_quant": PER_TENSOR, **quantisers, **options})
    module.train()
    for _ in range(3):
        module(torch.randn(4, 6, 3))
    return module.eval()


def test_quantised_bias():
    module = calibrated()
    read = read_brevitas(module)
    (direction,) = module.layers[0]
    bias = read.layers["l0"].bias
    step = direction.io_quant(torch.zeros(1, 1, 3))
    for number, gate in enumerate(getattr(direction, name) for name in GATES):
        tensor = gate.bias_quant(gate.bias, step, gate.input_weight())
        rows = slice(4 * number, 4 * number + 4)
        expected = tensor.int().numpy() * tensor.scale.detach().double().numpy()
        assert np.array_equal(bias.integers[rows] * bias.scale, expected)
        assert np.array_equal(read.chain.layers[0].bias_ih[rows], expected)
    assert bias.bits >= 32
    assert not np.any(read.chain.layers[0].bias_hh)


def test_activations_are_reported_not_used():
    module = calibrated()
    read = read_brevitas(module)
    (direction,) = module.layers[0]
    found = read.layers["l0"].activations
    assert set(found) == {
        *("output_quant", "cell_state_quant", "input_acc_quant", "forget_acc_quant", "cell_acc_quant"),
        *("output_acc_quant", "input_sigmoid_quant", "forget_sigmoid_quant", "cell_tanh_quant"),
        *("output_sigmoid_quant", "hidden_state_tanh_quant"),
    }
    assert found["output_quant"].scale == float(direction.io_quant.scale())
    assert (found["output_quant"].bits, found["output_quant"].signed) == (8, True)
    assert not found["input_sigmoid_quant"].signed
    assert read.chain.notes == (
        "Module QuantLSTM's quantisers of activations are not taken over: formats are found by calibration.",
    )
    x = input_of() / 4  # within what it has seen, so that nothing saturates
    with torch.no_grad():
        expected = module(torch.from_numpy(x).float())[0].numpy()
    got = run_layers(Network("network", read.chain.layers), x)[-1]
    assert 0 < np.abs(got - expected).max() < 0.02  # what 8-bit activations cost


def test_chain():
    read = read_brevitas(lstm(bidirectional=True, num_layers=2), "encoder.lstm")
    chain = read.chain
    assert (chain.title, chain.stem, chain.source, chain.kind, chain.notes) == (
        "Module encoder.lstm",
        "encoder.lstm",
        "brevitas.nn.QuantLSTM",
        "module",
        (),
    )
    assert [layer.name for layer in chain.layers] == ["encoder.lstm.l0", "encoder.lstm.l1"]
    assert all(isinstance(layer, ParallelLayer) for layer in chain.layers)
    assert list(read.layers) == [
        *("encoder.lstm.l0", "encoder.lstm.l0_reverse"),
        *("encoder.lstm.l1", "encoder.lstm.l1_reverse"),
    ]
    assert [branch.name for branch in chain.layers[1].branches] == list(read.layers)[2:]
    assert [branch.reverse for branch in chain.layers[1].branches] == [False, True]
    assert all(layer.bias is None for layer in read.layers.values())


def test_is_brevitas():
    class Mine(QuantLSTM):
        pass

    assert is_brevitas(lstm())
    assert is_brevitas(Mine(3, 4))
    assert not is_brevitas(torch.nn.LSTM(3, 4))
    assert not is_brevitas(3)


ADVICE = (
    "train with a power-of-two quantiser, for instance brevitas.quant.fixed_point.Int8WeightPerTensorFixedPoint "
    "(restrict_scaling_type = RestrictValueType.POWER_OF_TWO)."
)


def refused(module, sentence):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        read_brevitas(module)


def test_other_scales():
    module = lstm(weight_quant=Int8WeightPerTensorFloat)
    scale = float(module.layers[0][0].input_gate_params.input_weight().scale)
    refused(
        module,
        f"The weight_ih of layer 'l0' has the scale {scale:.9g}, which is no power of two; {ADVICE}",
    )
    module = calibrated(io_quant=Int8ActPerTensorFloat, bias_quant=Int32Bias)
    (direction,) = module.layers[0]
    scale = float(direction.io_quant.scale()) * float(direction.input_gate_params.input_weight().scale)
    refused(module, f"The bias of layer 'l0' has the scale {scale:.9g}, which is no power of two; {ADVICE}")


def test_other_modules():
    refused(torch.nn.LSTM(3, 4), "Module LSTM must be a QuantLSTM or QuantRNN of brevitas, not a LSTM.")

    class Mine(QuantLSTM):
        def forward(self, inp):
            return super().forward(inp)[0]

    refused(Mine(3, 4).eval(), "Module Mine is a Mine with a forward of its own; use QuantLSTM itself.")
    refused(
        lstm().train(),
        "Module QuantLSTM is in training mode, in which its scales still move; call its eval() first.",
    )
    refused(
        QuantLSTM(3, 4, **WEIGHTS_ONLY, weight_quant=PER_TENSOR, coupled_input_forget_gates=True).eval(),
        "Layer 'l0' has coupled input and forget gates, which is not supported; train it with "
        "coupled_input_forget_gates=False.",
    )
    refused(
        lstm(weight_quant=None),
        "The weight_ih of layer 'l0' is not quantised to integers (it is a Parameter); give it a weight_quant, or use "
        "torch.nn.LSTM.",
    )
    refused(
        lstm(bias_quant=Int32Bias),
        "The bias of layer 'l0' cannot be quantised by the module itself (Input scale required); give it an io_quant, "
        "or bias_quant=None.",
    )


def test_zero_points():
    module = lstm(weight_quant=ShiftedUint8WeightPerTensorFloat)
    point = float(module.layers[0][0].input_gate_params.input_weight().zero_point)
    refused(
        module,
        f"The weight_ih of layer 'l0' has the zero point {point:g}; only 0 is supported, so use a symmetric quantiser.",
    )


def test_scales_far_apart():
    module = lstm(spread=(1.0, 1.0, 1.0, 2048.0))
    fraction = max(
        -int(np.log2(float(getattr(module.layers[0][0], gate).input_weight().scale))) for gate in GATES
    )
    refused(
        module,
        f"The weight_ih of layer 'l0' needs 19 bits at the finest of its scales, 2**-{fraction}; at most 18 are "
        f"possible, so train it with fewer bits or with one scale (shared_intra_layer_weight_quant=True, a quantiser "
        f"per tensor).",
    )
    refused(
        lstm(spread=(1.0, 1.0, 1.0, 2.0**70)),
        "The weight_ih of layer 'l0' has scales too far apart for exact integers; use one scale.",
    )


def tensor(values, scale):
    """A quantised tensor as brevitas gives it."""
    return SimpleNamespace(
        value=torch.tensor(values, dtype=torch.float64),
        scale=torch.tensor(scale, dtype=torch.float64),
        zero_point=torch.tensor(0.0),
        bit_width=torch.tensor(4.0),
        signed=True,
    )


def test_odd_tensors():
    for values, scale, sentence in [
        ([[0.3]], 0.5, "The w has values that are no multiples of its scale; quantise it again."),
        (
            [[1.0, 2.0], [3.0, 4.0]],
            [1.0, 1.0],
            "The w has scales of the shape (2,), which do not go with its own (2, 2); use a scale per tensor or per "
            "channel.",
        ),
    ]:
        with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
            _weights("w", [tensor(values, scale)])


def test_hand_worked():
    """0.75 at 1/4 is 3; at 1/8, the finest scale of the tensor, 6; 4 bits and one of shift."""
    made = _weights("w", [tensor([[0.75], [-1.0]], 0.25), tensor([[0.125], [-0.5]], [[0.125], [0.125]])])
    assert made.integers.tolist() == [[6], [-8], [1], [-4]]
    assert (made.fraction, made.scale, made.bits) == (3, 0.125, 5)
    assert made.values.tolist() == [[0.75], [-1.0], [0.125], [-0.5]]


def test_unsigned_weights_need_a_sign():
    one = tensor([[3.75]], 0.25)
    one.signed = False
    made = _weights("w", [one])
    assert (made.integers.tolist(), made.bits) == ([[15]], 5)
    assert made.format.maximum == 15
