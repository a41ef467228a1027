"""Training through the exact arithmetic: values against the emulator with ==, gradients against the float network."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

import rnngen.flow.exact
from rnngen.emulate.network import run_values
from rnngen.errors import DataError, ModelError
from rnngen.flow import GenerateOptions, exact_network
from rnngen.frontend import load
from rnngen.nn import FactorisedLSTM, GroupedLSTM, hold_mask, release_masks
from rnngen.passes.fold import fold
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)

WIDTHS = [(2, 4), (4, 8), (8, 16), (18, 18)]
NETWORKS = {}


def load_once(model, *arguments):
    """``load``, which exports a live module, once for the same model with the same parameters."""
    values = (value.detach().numpy().tobytes() for value in model.parameters())
    key = (str(model), *values, *arguments)
    if key not in NETWORKS:
        NETWORKS[key] = load(model, *arguments)
    return NETWORKS[key]


@pytest.fixture(autouse=True)
def seed(monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr(rnngen.flow.exact, "load", load_once)


class Model(torch.nn.Module):
    """A recurrent layer, what is told of its output, and a head."""

    def __init__(self, rnn, size, head=None, select="every"):
        super().__init__()
        self.rnn = rnn
        self.head = head if head is not None else torch.nn.Linear(size, 3)
        self.select = select

    def forward(self, x):
        y, state = self.rnn(x)
        if self.select == "last":
            y = y[:, -1]
        elif self.select == "final":
            y = torch.cat([state[0], state[1]], dim=-1)
        return self.head(y)


def layer(kind, *sizes, **options):
    return getattr(torch.nn, kind)(*sizes, batch_first=True, **options)


def with_function(size, *functions):
    return torch.nn.Sequential(torch.nn.Linear(size, 4), *functions)


MODELS = {
    "lstm": lambda: layer("LSTM", 5, 7),
    "lstm head": lambda: Model(layer("LSTM", 5, 7), 7),
    "lstm two layers, last": lambda: Model(layer("LSTM", 5, 7, 2), 7, select="last"),
    "lstm without bias": lambda: layer("LSTM", 5, 7, bias=False),
    "lstm both ways": lambda: Model(layer("LSTM", 5, 4, bidirectional=True), 8),
    "lstm projected": lambda: Model(layer("LSTM", 5, 7, 2, proj_size=3), 3),
    "gru": lambda: layer("GRU", 5, 7),
    "gru both ways, final": lambda: Model(layer("GRU", 5, 4, bidirectional=True), 8, select="final"),
    "gru without bias": lambda: layer("GRU", 5, 7, bias=False),
    "rnn tanh": lambda: Model(layer("RNN", 5, 7), 7),
    "rnn relu": lambda: Model(layer("RNN", 5, 7, nonlinearity="relu"), 7, head=torch.nn.Linear(7, 2, bias=False)),
    "relu head": lambda: Model(layer("LSTM", 5, 7), 7, with_function(7, torch.nn.ReLU(), torch.nn.Linear(4, 2))),
    "sigmoid head": lambda: Model(layer("GRU", 5, 7), 7, with_function(7, torch.nn.Sigmoid())),
    "tanh head": lambda: Model(layer("LSTM", 5, 7), 7, with_function(7, torch.nn.Tanh())),
    "function of h": lambda: Model(layer("LSTM", 5, 7), 7, torch.nn.Sequential(torch.nn.ReLU(), torch.nn.Linear(7, 2))),
    "factorised": lambda: Model(FactorisedLSTM(5, 7, 3, batch_first=True), 7),
    "grouped": lambda: Model(GroupedLSTM(6, 8, 4, 2, batch_first=True), 4),
}


def make(kind, scale=1.5):
    """The same parameters each time: the first random numbers of a test."""
    model = MODELS[kind]()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "hh" not in name or "relu" not in kind:
                value.mul_(scale)
    return model


def inputs(kind, amplitude=1.0, sequences=6, steps=9):
    size = 6 if kind == "grouped" else 5
    return amplitude * (2 * torch.rand(sequences, steps, size) - 1)


def emulated(model, options, x):
    """The integers of the accelerator that a plain copy of the model gives."""
    network = fold(load_once(model, options.imports))
    calibrate = None if options.calibrate is None else np.asarray(options.calibrate, dtype=np.float64)
    quantised = quantise(network, options.weight_bits, options.activation_bits, calibrate)
    return quantised, run_values(quantised, (x if x.dim() == 3 else x[..., None]).double().numpy())


def options_for(kind, weights, activations):
    calibrate = inputs(kind).numpy()
    return GenerateOptions(calibrate=calibrate, weight_bits=weights, activation_bits=activations)


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("weights", "activations"), WIDTHS)
def test_forward_is_the_emulator_bit_for_bit(kind, weights, activations):
    model, options = make(kind), options_for(kind, weights, activations)
    exact = exact_network(model, options)
    for amplitude in (1.0, 30.0):
        x = inputs(kind, amplitude)
        quantised, emulation = emulated(model, options, x)
        assert np.array_equal(exact.integers(x).detach().numpy(), emulation.output)
        assert amplitude == 1.0 or emulation.input_saturations > 0
        expected = quantised.output_format.to_float(emulation.output)
        assert np.array_equal(exact(x).detach().numpy(), expected)
        assert exact(x).dtype == torch.float32
        assert np.array_equal(exact(x.double()).detach().numpy(), expected)


@pytest.mark.parametrize(
    ("kind", "points"), [("lstm", {"preactivation", "tanh_input", "c"}), ("gru", {"preactivation", "inner"})]
)
@pytest.mark.parametrize(("weights", "activations"), WIDTHS)
def test_forward_is_the_emulator_where_every_point_saturates(kind, points, weights, activations):
    model = make(kind, 20.0)
    calibrate = inputs(kind, 0.03).numpy()  # too little by far, and less in most features
    calibrate[..., 1:] *= 0.01
    options = GenerateOptions(calibrate=calibrate, weight_bits=weights, activation_bits=activations)
    x = inputs(kind, 5.0, sequences=40, steps=30)
    emulation = emulated(model, options, x)[1]
    assert weights == 2 or points <= set(emulation.saturations[0])
    assert np.array_equal(exact_network(model, options).integers(x).detach().numpy(), emulation.output)


def test_proved_ranges_too():
    model, options = make("lstm head"), GenerateOptions(weight_bits=4, activation_bits=8)
    x = inputs("lstm head")
    assert np.array_equal(exact_network(model, options).integers(x).detach(), emulated(model, options, x)[1].output)


class Symbols(torch.nn.Module):
    def __init__(self, rnn):
        super().__init__()
        self.table, self.rnn, self.head = torch.nn.Embedding(9, 6), rnn, torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(self.table(x))[0])


@pytest.mark.parametrize(
    "rnn",
    [
        layer("LSTM", 6, 4), layer("LSTM", 6, 7, proj_size=4), layer("GRU", 6, 4), layer("GRU", 6, 4, bias=False),
        layer("RNN", 6, 4), FactorisedLSTM(6, 4, 3, batch_first=True), GroupedLSTM(6, 8, 4, 2, batch_first=True),
    ],
    ids=str,
)  # fmt: skip
def test_symbols(rnn):
    model = Symbols(rnn)
    x = torch.randint(0, 9, (5, 7))
    for weights, activations in ((4, 8), (8, 16), (18, 18)):
        options = GenerateOptions(calibrate=x[..., None], weight_bits=weights, activation_bits=activations)
        exact = exact_network(model, options)
        assert np.array_equal(exact.integers(x[..., None].float()).detach(), emulated(model, options, x)[1].output)
    assert torch.equal(exact(x[..., None]), exact(x[..., None].float()))
    found = []
    for y in (model.double()(x), exact(x[..., None].double())):
        y.square().sum().backward()
        found.append([value.grad.clone() for value in model.parameters()])
        model.zero_grad()
    for plain, through in zip(*found):
        assert (plain - through).abs().max() <= 5e-3 * plain.abs().max() + 1e-9
    for wrong in (-1.0, 9.0, 0.5):
        with pytest.raises(DataError, match=r"^The input must hold symbols, integers within 0\.\.8\.$"):
            exact(torch.full((1, 1, 1), wrong))


@pytest.mark.parametrize("kind", MODELS)
def test_gradients_are_the_float_networks_where_nothing_is_coarse(kind):
    model = make(kind).double()
    x = inputs(kind).double()
    exact = exact_network(model, GenerateOptions(calibrate=x.numpy(), weight_bits=18, activation_bits=18))
    found = []
    for forward in (model, exact):
        own = x.clone().requires_grad_()
        y = forward(own)
        y = y[0] if isinstance(y, tuple) else y
        weights = torch.linspace(-1, 1, y.numel(), dtype=torch.float64)
        (y.reshape(-1) * weights).sum().backward()
        found.append([own.grad, *(value.grad.clone() for value in model.parameters())])
        model.zero_grad()
    for plain, through in zip(*found):
        assert torch.isfinite(through).all()
        assert (plain - through).abs().max() <= 5e-3 * plain.abs().max() + 1e-9


@pytest.mark.parametrize("kind", MODELS)
def test_training_lowers_the_loss_at_4_bit_weights_and_8_bit_activations(kind):
    model = make(kind)
    x = inputs(kind, sequences=16)
    exact = exact_network(model, options_for(kind, 4, 8))
    target = torch.rand_like(exact(x)) * 0.5
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    losses = []
    for _ in range(12):
        loss = (exact(x) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        assert all(torch.isfinite(value.grad).all() for value in model.parameters())
        optimiser.step()
        losses.append(float(loss.detach()))
    assert min(losses[6:]) < 0.95 * losses[0]


def test_one_step_down_the_gradient_lowers_the_loss():
    model = make("lstm head")
    x = inputs("lstm head", sequences=32)
    exact = exact_network(model, options_for("lstm head", 8, 16))
    target = torch.rand_like(exact(x))
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    losses = []
    for _ in range(2):
        loss = (exact(x) - target).square().mean()
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[1] < losses[0]


def test_gradient_stops_where_values_saturate():
    model = torch.nn.Sequential(layer("RNN", 1, 1, nonlinearity="relu"))
    model = Model(model[0], 1, torch.nn.Linear(1, 1, bias=False))
    with torch.no_grad():
        for value in model.parameters():
            value.zero_()
        model.rnn.weight_ih_l0.fill_(1.0)
        model.head.weight.fill_(1.0)
    exact = exact_network(model, GenerateOptions(calibrate=np.ones((1, 3, 1)), weight_bits=8, activation_bits=8))
    for amplitude, expected in ((0.5, 1.0), (5.0, 0.0)):  # the input's format ends at about 1
        x = torch.full((1, 1, 1), amplitude, requires_grad=True)
        exact(x).sum().backward()
        assert float(x.grad) == pytest.approx(expected, abs=0.02)


def test_masks_hold_in_training_and_the_result_is_the_circuits():
    model = make("lstm head")
    x = inputs("lstm head")
    options = options_for("lstm head", 4, 8)
    masks = {name: torch.rand(model.rnn.get_parameter(name).shape) < 0.5 for name in ("weight_ih_l0", "weight_hh_l0")}
    for name, keep in masks.items():
        hold_mask(model, f"rnn.{name}", keep)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.05, weight_decay=0.01)
    exact = exact_network(model, options)
    before = {name: value.detach().clone() for name, value in model.named_parameters()}
    for _ in range(3):
        optimiser.zero_grad()
        exact(x).square().mean().backward()
        optimiser.step()
    assert any((value != before[name]).any() for name, value in model.named_parameters())
    exact = exact_network(model, options)  # formats of the weights as they are now, as generate chooses them
    values = exact.integers(x).detach().numpy()
    release_masks(model)
    assert all(not model.rnn.get_parameter(name)[~keep].any() for name, keep in masks.items())
    assert np.array_equal(values, emulated(model, options, x)[1].output)
    assert np.array_equal(values, exact.integers(x).detach().numpy())  # it goes on with the plain weights


def test_it_adds_nothing_to_the_model():
    model = make("lstm head")
    names, values = list(model.state_dict()), copy.deepcopy(model.state_dict())
    exact = exact_network(model, options_for("lstm head", 8, 16))
    exact(inputs("lstm head"))
    assert list(model.state_dict()) == names
    assert all(torch.equal(value, values[name]) for name, value in model.state_dict().items())
    assert list(exact.state_dict()) == [f"model.{name}" for name in names]
    assert {id(value) for value in exact.parameters()} == {id(value) for value in model.parameters()}


class Normed(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.norm = layer("LSTM", 5, 4), torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 2)
        self.norm.running_var.fill_(2.0)
        self.eval()

    def forward(self, x):
        return self.head(self.norm(self.rnn(x)[0][:, -1]))


class Best(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.head = layer("LSTM", 5, 4), torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.head(self.rnn(x)[0]).argmax(dim=-1)


def hard():
    return Model(layer("LSTM", 5, 7), 7, with_function(7, torch.nn.Hardsigmoid()))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Normed, r"^Layer 'head' does not compute with the parameter 'head\.weight' as it is \(something was folded"),
        (Best, r"is an argmax, which has no gradient; end the model before it\.$"),
        (hard, r"takes in the 1/6 of a hard sigmoid"),
        (lambda: "model.pt", r"^Only a live module can be trained, not 'model\.pt'"),
    ],
)
def test_refused(model, message):
    with pytest.raises(ModelError, match=message):
        exact_network(model())


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (torch.zeros(2, 3), r"^The input must have the shape \(sequences, steps, 5\) .* not \(2, 3\)\.$"),
        (torch.zeros(2, 3, 4), r"not \(2, 3, 4\)"),
        (torch.full((1, 2, 5), float("nan")), r"not finite"),
    ],
)
def test_inputs_that_are_none(x, message):
    exact = exact_network(make("lstm"))
    with pytest.raises(DataError, match=message):
        exact(x)


def test_parameters_that_are_no_numbers():
    model = make("lstm head")
    exact = exact_network(model)
    with torch.no_grad():
        model.head.weight[0, 0] = float("inf")
    with pytest.raises(ModelError, match=r"^Layer 'head': head\.weight holds a value that is not finite; train with"):
        exact(inputs("lstm head"))
