"""The trainable modules against the paper's equations written out, against torch.nn.LSTM, and imported."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.frontend.own_modules import find_own, is_own, layers_of, own_layer
from rnngen.ir.network import GroupedLayer, Network
from rnngen.ir.reference import run_layers
from rnngen.nn import FactorisedLSTM, GroupedLSTM

torch.set_num_threads(1)

MODULES = {
    "factorised": lambda **options: FactorisedLSTM(6, 4, 3, **options),
    "grouped": lambda **options: GroupedLSTM(6, 8, 4, 2, **options),
}
CASES = [pytest.param(make, bias, id=f"{kind}-{bias}") for kind, make in MODULES.items() for bias in (True, False)]


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def arrays_of(module):
    return {name: value.detach().numpy() for name, value in module.named_parameters()}


def factorised_by_hand(module, x, h, c):
    """One sequence (T, I), equations (2) to (4) of the paper: T = W2 W1 with its bias, no projection."""
    own = arrays_of(module)
    w1 = np.concatenate([own["weight_in"], own["weight_rec"]], axis=1)
    rows = np.split(own["weight_out"], 4)
    biases = np.split(own.get("bias", np.zeros(4 * len(c))), 4)
    outputs = []
    for x_t in x:
        inner = w1 @ np.concatenate([x_t, h])
        i, f, g, o = (w2 @ inner + b for w2, b in zip(rows, biases))
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
        outputs.append(h)
    return np.array(outputs), h, c


def grouped_by_hand(module, x, h, c):
    """One sequence (T, I): a map of each group's own slices, gates set side by side, then the projection."""
    own, k = arrays_of(module), module.groups
    outputs = []
    for x_t in x:
        gates = {name: [] for name in "ifgo"}
        for j in range(k):
            x_j, h_j = (v[j * len(v) // k : (j + 1) * len(v) // k] for v in (x_t, h))
            z = own["weight_ih"][j] @ x_j + own["weight_hh"][j] @ h_j
            z = z + own["bias"][j] if "bias" in own else z
            for name, part in zip("ifgo", np.split(z, 4)):
                gates[name].append(part)
        i, f, g, o = (np.concatenate(gates[name]) for name in "ifgo")
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = own["projection"] @ (sigmoid(o) * np.tanh(c))
        outputs.append(h)
    return np.array(outputs), h, c


def by_hand(module, x, h, c):
    run = factorised_by_hand if isinstance(module, FactorisedLSTM) else grouped_by_hand
    return run(module, x, h, c)


@pytest.mark.parametrize("make, bias", CASES)
def test_equals_the_equations(make, bias):
    module = make(bias=bias).double()
    x, h, c = torch.randn(9, 3, 6), torch.randn(1, 3, module.output_size), torch.randn(1, 3, module.hidden_size)
    x, h, c = x.double(), h.double(), c.double()
    y, (h_n, c_n) = module(x, (h, c))
    for n in range(3):
        expected = by_hand(module, x[:, n].numpy(), h[0, n].numpy(), c[0, n].numpy())
        for found, wanted in zip((y[:, n], h_n[0, n], c_n[0, n]), expected):
            assert np.abs(found.detach().numpy() - wanted).max() < 1e-12


@pytest.mark.parametrize("make, bias", CASES)
def test_layouts_and_states_are_those_of_torch(make, bias):
    module = make(bias=bias).double()
    other = make(bias=bias, batch_first=True).double()
    other.load_state_dict(module.state_dict())
    x = torch.randn(7, 3, 6).double()
    y, (h, c) = module(x)
    assert (y.shape, h.shape, c.shape) == ((7, 3, 4), (1, 3, 4), (1, 3, module.hidden_size))
    assert torch.equal(other(x.transpose(0, 1))[0], y.transpose(0, 1))
    alone, (h_alone, c_alone) = other(x[:, 1])
    assert (h_alone.shape, c_alone.shape) == ((1, 4), (1, module.hidden_size))
    for found, wanted in ((alone, y[:, 1]), (h_alone, h[:, 1]), (c_alone, c[:, 1])):
        assert (found - wanted).abs().max() < 1e-14
    first, state = module(x[:4])
    second, (h_n, c_n) = module(x[4:], state)
    for found, wanted in ((torch.cat([first, second]), y), (h_n, h), (c_n, c)):
        assert (found - wanted).abs().max() < 1e-14
    _, state = module(x[:4, 1])
    assert (module(x[4:, 1], state)[0] - y[4:, 1]).abs().max() < 1e-14


def test_factorised_of_full_rank_is_an_lstm():
    lstm = torch.nn.LSTM(3, 4).double()
    module = FactorisedLSTM(3, 4, 7).double()
    with torch.no_grad():  # W1 the identity, W2 the LSTM's own matrix
        module.weight_in.copy_(torch.eye(7)[:, :3])
        module.weight_rec.copy_(torch.eye(7)[:, 3:])
        module.weight_out.copy_(torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], dim=1))
        module.bias.copy_(lstm.bias_ih_l0 + lstm.bias_hh_l0)
    check_alike(module, lstm)


def test_one_group_is_an_lstm_with_projection():
    lstm = torch.nn.LSTM(3, 6, proj_size=2).double()
    module = GroupedLSTM(3, 6, 2, 1).double()
    with torch.no_grad():
        module.weight_ih.copy_(lstm.weight_ih_l0[None])
        module.weight_hh.copy_(lstm.weight_hh_l0[None])
        module.bias.copy_((lstm.bias_ih_l0 + lstm.bias_hh_l0)[None])
        module.projection.copy_(lstm.weight_hr_l0)
    check_alike(module, lstm)


def check_alike(module, lstm):
    x = torch.randn(11, 2, 3).double()
    start = (torch.randn(1, 2, module.output_size).double(), torch.randn(1, 2, module.hidden_size).double())
    for state in (None, start):
        y, last = module(x, state)
        expected, expected_last = lstm(x, state)
        for found, wanted in zip((y, *last), (expected, *expected_last)):
            assert found.shape == wanted.shape
            assert (found - wanted).abs().max() < 1e-12


@pytest.mark.parametrize("make, bias", CASES)
def test_gradients_are_right(make, bias):
    module = make(bias=bias).double()
    names, values = zip(*module.named_parameters())
    x = torch.randn(3, 2, 6).double().requires_grad_()

    def outputs(x, *parameters):
        y, (h, c) = torch.func.functional_call(module, dict(zip(names, parameters)), (x,))
        return y, h, c

    assert torch.autograd.gradcheck(outputs, (x, *values))


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_it_learns(make):
    module = make(batch_first=True)
    head = torch.nn.Linear(4, 1)
    x = torch.randn(32, 6, 6)
    target = torch.cumsum(x[:, :, :1], dim=1)
    optimiser = torch.optim.Adam([*module.parameters(), *head.parameters()], lr=0.02)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.mse_loss(head(module(x)[0]), target)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]


def test_start_values_of_the_factorised():
    module = FactorisedLSTM(300, 100, 64)
    product = module.weight_out @ torch.cat([module.weight_in, module.weight_rec], dim=1)
    assert abs(product.var().item() * 3 * 100 - 1) < 0.1  # as nn.LSTM's own matrix
    assert 0.09 < module.bias.abs().max().item() <= 0.1
    before = module.weight_out.clone()
    module.reset_parameters()
    assert not torch.equal(module.weight_out, before)


def test_start_values_of_the_grouped():
    module = GroupedLSTM(40, 100, 20, 4)
    for values, bound in (
        (module.weight_ih, 0.2),
        (module.weight_hh, 0.2),
        (module.bias, 0.2),
        (module.projection, 0.1),
    ):
        assert 0.9 * bound < values.abs().max().item() <= bound


def test_names_and_shapes():
    shapes = {name: tuple(value.shape) for name, value in FactorisedLSTM(6, 4, 3).state_dict().items()}
    assert shapes == {"weight_in": (3, 6), "weight_rec": (3, 4), "weight_out": (16, 3), "bias": (16,)}
    shapes = {name: tuple(value.shape) for name, value in GroupedLSTM(6, 8, 4, 2).state_dict().items()}
    assert shapes == {"weight_ih": (2, 16, 3), "weight_hh": (2, 16, 2), "bias": (2, 16), "projection": (4, 8)}


@pytest.mark.parametrize(
    "module, text",
    [
        (FactorisedLSTM(6, 4, 3), "FactorisedLSTM(6, 4, rank=3)"),
        (
            FactorisedLSTM(6, 4, 3, bias=False, batch_first=True),
            "FactorisedLSTM(6, 4, rank=3, bias=False, batch_first=True)",
        ),
        (GroupedLSTM(6, 8, 4, 2), "GroupedLSTM(6, 8, proj_size=4, groups=2)"),
        (
            GroupedLSTM(6, 8, 4, 2, bias=False, batch_first=True),
            "GroupedLSTM(6, 8, proj_size=4, groups=2, bias=False, batch_first=True)",
        ),
    ],
)
def test_what_it_prints(module, text):
    assert repr(module) == text


def test_device_and_type():
    module = GroupedLSTM(6, 8, 4, 2, device="meta", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float64)}
    module = FactorisedLSTM(6, 4, 3, device="meta", dtype=torch.float64)
    assert {(p.device.type, p.dtype) for p in module.parameters()} == {("meta", torch.float64)}


def refused(sentence, function, *arguments, **options):
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        function(*arguments, **options)


@pytest.mark.parametrize(
    "make, sizes, sentence",
    [
        (FactorisedLSTM, (0, 4, 3), "FactorisedLSTM: input_size must be a whole number of at least 1, not 0."),
        (FactorisedLSTM, (6, 4.0, 3), "FactorisedLSTM: hidden_size must be a whole number of at least 1, not 4.0."),
        (FactorisedLSTM, (6, 4, 0), "FactorisedLSTM: rank must be a whole number of at least 1, not 0."),
        (FactorisedLSTM, (6, 4, True), "FactorisedLSTM: rank must be a whole number of at least 1, not True."),
        (
            FactorisedLSTM,
            (6, 4, 11),
            "FactorisedLSTM: rank must be at most 10 (the smaller of 4 x hidden size and input size + hidden size), "
            "not 11; nn.LSTM itself has that rank.",
        ),
        (
            FactorisedLSTM,
            (40, 4, 17),
            "FactorisedLSTM: rank must be at most 16 (the smaller of 4 x hidden size and input size + hidden size), "
            "not 17; nn.LSTM itself has that rank.",
        ),
        (GroupedLSTM, (6, 8, 4, 0), "GroupedLSTM: groups must be a whole number of at least 1, not 0."),
        (GroupedLSTM, (6, 8, 0, 2), "GroupedLSTM: proj_size must be a whole number of at least 1, not 0."),
        (
            GroupedLSTM,
            (5, 8, 4, 2),
            "GroupedLSTM: input_size must be a multiple of groups (2), not 5; "
            "choose another size or another number of groups.",
        ),
        (
            GroupedLSTM,
            (6, 7, 4, 2),
            "GroupedLSTM: hidden_size must be a multiple of groups (2), not 7; "
            "choose another size or another number of groups.",
        ),
        (
            GroupedLSTM,
            (6, 8, 3, 2),
            "GroupedLSTM: proj_size must be a multiple of groups (2), not 3; "
            "choose another size or another number of groups.",
        ),
    ],
)
def test_refused_sizes(make, sizes, sentence):
    refused(sentence, make, *sizes)


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_refused_inputs(make):
    module, first = make(), make(batch_first=True)
    label = type(module).__name__
    shape = f"{label}: input must have the shape (steps, batch, 6) or (steps, 6), not "
    refused(f"{shape}(7, 2, 5).", module, torch.zeros(7, 2, 5))
    refused(f"{shape}(6,).", module, torch.zeros(6))
    refused(f"{shape}(1, 1, 1, 6).", module, torch.zeros(1, 1, 1, 6))
    refused(
        f"{label}: input must have the shape (batch, steps, 6) or (steps, 6), not (2, 7, 5).",
        first,
        torch.zeros(2, 7, 5),
    )
    for found, empty in ((module, (0, 2, 6)), (first, (2, 0, 6)), (module, (0, 6)), (first, (0, 6))):
        refused(f"{label}: input must have at least one step, not the shape {empty}.", found, torch.zeros(empty))
    packed = torch.nn.utils.rnn.pack_sequence([torch.zeros(3, 6), torch.zeros(2, 6)])
    refused(
        f"{label}: input must be a tensor, not a PackedSequence; "
        f"run packed sequences one by one, or pad them and take each one's own last step.",
        module,
        packed,
    )


@pytest.mark.parametrize("make", MODULES.values(), ids=MODULES)
def test_refused_states(make):
    module = make()
    label, hidden = type(module).__name__, module.hidden_size
    x, good = torch.zeros(7, 2, 6), torch.zeros(1, 2, 4)
    refused(f"{label}: h_0 must have the shape (1, 2, 4), not (1, 3, 4).", module, x, (torch.zeros(1, 3, 4), good))
    refused(
        f"{label}: c_0 must have the shape (1, 2, {hidden}), not (2, {hidden}).",
        module,
        x,
        (good, torch.zeros(2, hidden)),
    )
    refused(f"{label}: h_0 must have the shape (1, 4), not (1, 2, 4).", module, x[:, 0], (good, torch.zeros(1, hidden)))


@pytest.mark.parametrize("make, bias", CASES)
def test_imported_layer_computes_the_same(make, bias):
    module = make(bias=bias, batch_first=True).double()
    x = torch.randn(3, 8, 6).double()
    expected = module(x)[0].detach().numpy()
    (layer,) = layers_of(module, "enc")
    state = {f"enc.{name}": value.numpy() for name, value in module.state_dict().items()}
    same = own_layer("enc", state)
    for found in (layer, same):
        assert found.name == "enc"
        assert np.abs(run_layers(Network("net", (found,)), x.numpy())[0] - expected).max() < 1e-12
    top = own_layer("", {name: value.numpy() for name, value in module.state_dict().items()})
    assert (top.name, layers_of(module, "")[0].name) == ("l0", "l0")


def test_import_copies_and_converts():
    module = GroupedLSTM(6, 8, 4, 2)
    (layer,) = layers_of(module, "enc")
    assert isinstance(layer, GroupedLayer)
    assert [group.name for group in layer.groups] == ["enc.0", "enc.1"]
    before = layer.projection.copy()
    with torch.no_grad():
        module.projection.zero_()
    assert layer.projection.dtype == np.float64
    assert np.array_equal(layer.projection, before)


def test_parametrised_weights_are_read_as_they_act():
    module = torch.nn.utils.parametrizations.weight_norm(FactorisedLSTM(6, 4, 3), "weight_out")
    with torch.no_grad():
        module.parametrizations.weight_out.original0.mul_(2)
    (layer,) = layers_of(module, "enc")
    assert np.array_equal(layer.weight_out, module.weight_out.detach().double().numpy())


def test_only_own_modules_are_own():
    assert is_own(FactorisedLSTM(6, 4, 3))
    assert is_own(GroupedLSTM(6, 8, 4, 2))
    assert not is_own(torch.nn.LSTM(6, 4))
    refused(
        "Layer 'enc' must be a FactorisedLSTM or GroupedLSTM of rnngen.nn, not a LSTM.",
        layers_of,
        torch.nn.LSTM(6, 4),
        "enc",
    )


class Doubled(FactorisedLSTM):
    """Another output than its base's."""

    def forward(self, x, state=None):
        y, last = super().forward(x, state)
        return 2 * y, last


class Renamed(FactorisedLSTM):
    """The same under another name."""


def test_subclasses_that_compute_something_else():
    sentence = (
        "Layer 'enc' is a Doubled, which computes something else than FactorisedLSTM, the class it comes from; "
        "use FactorisedLSTM itself."
    )
    refused(sentence, layers_of, Doubled(6, 4, 3), "enc")
    assert layers_of(Renamed(6, 4, 3), "enc")[0].rank == 3


def test_module_without_values():
    module = FactorisedLSTM(6, 4, 3, device="meta")
    refused(
        "Layer 'enc': weight_in has no values (meta device); load the parameters before importing it.",
        layers_of,
        module,
        "enc",
    )


def test_what_is_found_in_a_state_dict():
    factorised = [f"a.{name}" for name in ("weight_in", "weight_rec", "weight_out", "bias")]
    grouped = [f"b.c.{name}" for name in ("weight_ih", "weight_hh", "projection")]
    cell = [f"d.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")]
    assert find_own([*factorised, *grouped, *cell, "e.weight"]) == {"a": "factorised", "b.c": "grouped"}
    assert find_own(["weight_in", "weight_rec", "weight_out", "head.weight"]) == {"": "factorised"}
    assert find_own(factorised[1:]) == {}
    assert find_own([*factorised, "a.peephole"]) == {}
    assert find_own([f"d.{name}" for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "projection")]) == {}
    assert own_layer("d", {name: np.zeros(()) for name in cell}) is None


@pytest.mark.parametrize(
    "kind, change, sentence",
    [
        (
            "factorised",
            {"weight_rec": (3,)},
            "Layer 'enc': weight_rec must have 2 dimensions of at least 1, not the shape (3,).",
        ),
        (
            "factorised",
            {"weight_in": (3, 0)},
            "Layer 'enc': weight_in must have 2 dimensions of at least 1, not the shape (3, 0).",
        ),
        ("factorised", {"weight_out": (12, 3)}, "Layer 'enc': weight_out must have shape (16, 3), not (12, 3)."),
        ("factorised", {"bias": (4,)}, "Layer 'enc': bias must have shape (16,), not (4,)."),
        (
            "grouped",
            {"weight_ih": (16, 3)},
            "Layer 'enc': weight_ih must have 3 dimensions of at least 1, not the shape (16, 3).",
        ),
        (
            "grouped",
            {"weight_hh": (2, 16, 0)},
            "Layer 'enc': weight_hh must have 3 dimensions of at least 1, not the shape (2, 16, 0).",
        ),
        (
            "grouped",
            {"projection": (4,)},
            "Layer 'enc': projection must have 2 dimensions of at least 1, not the shape (4,).",
        ),
        (
            "grouped",
            {"weight_hh": (3, 16, 2)},
            "Layer 'enc': weight_hh must have the shape (2, 16, states of a group), not (3, 16, 2).",
        ),
        ("grouped", {"bias": (32,)}, "Layer 'enc': bias must have the shape (2, 16), not (32,)."),
        ("grouped", {"projection": (4, 7)}, "Layer 'enc': projection must have shape (4, 8), not (4, 7)."),
        (
            "grouped",
            {"weight_ih": (2, 15, 3), "weight_hh": (2, 15, 2), "bias": (2, 15)},
            "Layer 'enc.0': weight_ih must have 4 rows a hidden unit, not shape (15, 3).",
        ),
    ],
)
def test_refused_state_dicts(kind, change, sentence):
    shapes = {name: tuple(value.shape) for name, value in MODULES[kind]().state_dict().items()} | change
    refused(sentence, own_layer, "enc", {f"enc.{name}": np.zeros(shape) for name, shape in shapes.items()})


def test_variance_by_hand():
    """I = H = r = 1: s = (3 * 1 * 1) ** -0.5, so every weight is within sqrt(3 s)."""
    bound = math.sqrt(3 / math.sqrt(3))
    values = [abs(FactorisedLSTM(1, 1, 1).weight_out).max().item() for _ in range(50)]
    assert 0.9 * bound < max(values) <= bound
