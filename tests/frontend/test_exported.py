"""Live modules through torch.export, held equal to PyTorch in float64."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

from rnngen import nn as own
from rnngen.errors import ModelError
from rnngen.frontend.exported import read_exported, read_live
from rnngen.ir.layers import ActivationLayer, LastStepLayer, ParallelLayer, RecurrentLayer
from tests.frontend.exported_models import Model, Three, Two, floats, kinds, run, settle, symbols, torch_run

nn = torch.nn


def last(module: Any, x: Any) -> Any:
    return module.rnn(x)[0][:, -1]


def check(module: torch.nn.Module, x: torch.Tensor, batch_first: bool = True, example: Any = None) -> Any:
    """Import, and compare with PyTorch on x, whose sizes are not those of the import's example."""
    settle(module)
    chain = read_live(module, example)
    assert (chain.host_before, chain.host_after) == ((), ())
    expected, got = torch_run(module, x), run(chain, x, batch_first)
    if expected.ndim < x.ndim and any(isinstance(layer, LastStepLayer) for layer in chain.layers):
        got = got[:, 0]
    elif not batch_first:
        got = got.transpose(1, 0, 2)
    np.testing.assert_allclose(got.reshape(expected.shape), expected, rtol=0, atol=1e-12)
    return chain


GRID = [
    (cell, layers, bidirectional, bias, batch_first, proj)
    for cell in ("LSTM", "GRU", "RNN_tanh", "RNN_relu")
    for layers, bidirectional, bias, batch_first, proj in (
        (1, False, True, True, 0),
        (2, True, False, False, 0),
        (3, True, True, True, 2),
        (2, False, False, True, 3),
    )
    if not proj or cell == "LSTM"
]


@pytest.mark.parametrize(("cell", "layers", "bidirectional", "bias", "batch_first", "proj"), GRID)
def test_every_option_of_a_recurrent_module(
    cell: str, layers: int, bidirectional: bool, bias: bool, batch_first: bool, proj: int
) -> None:
    kind, _, nonlinearity = cell.partition("_")
    extra = {"nonlinearity": nonlinearity} if nonlinearity else {"proj_size": proj} if proj else {}
    module = getattr(nn, kind)(
        3,
        4,
        layers,
        bias=bias,
        batch_first=batch_first,
        bidirectional=bidirectional,
        dropout=0.5 * (layers > 1),
        **extra,
    )
    chain = check(module, floats(2, 6, 3), batch_first)
    dropped = f"'{cell.lower()}' has a dropout between its layers, which does nothing at inference."
    states = "The final states that the model returns beside its output are read over the control port."
    assert chain.notes == ((dropped,) if layers > 1 else ()) + (states,)
    assert len(chain.layers) == layers
    assert chain.kind == "module"
    assert chain.title == f"Module {kind}"


def reshaped(module: Any, x: Any) -> Any:
    return module.rnn(x)[1].transpose(0, 1).reshape(x.size(0), -1)


def viewed(module: Any, x: Any) -> Any:
    h = module.rnn(x)[1].view(2, 2, x.size(0), 4)[-1]
    return torch.cat((h[0], h[1]), -1)


def joined(module: Any, x: Any) -> Any:
    h = module.rnn(x)[1]
    return torch.cat((h[-2], h[-1]), dim=1)


def ends(module: Any, x: Any) -> Any:
    y = module.rnn(x)[0]
    return torch.cat((y[:, -1, :4], y[:, 0, 4:]), 1)


def stacked(module: Any, x: Any) -> Any:
    h = module.rnn(x)[1]
    return torch.stack((h[-2], h[-1]), 1).flatten(1)


BOTH: dict[str, tuple[Callable[..., Any], int, bool | None]] = {
    "last step": (last, 2, False),
    "last step kept": (lambda m, x: m.rnn(x)[0][:, -1:, :], 2, False),
    "h_n reshaped": (reshaped, 1, True),
    "h_n viewed": (viewed, 2, True),
    "h_n joined": (joined, 2, True),
    "h_n stacked": (stacked, 2, True),
    "h_n sliced": (lambda m, x: m.rnn(x)[1][-2:].permute(1, 0, 2).flatten(1), 2, True),
    "ends of both": (ends, 2, True),
    "both swapped": (lambda m, x: (lambda y: torch.cat((y[..., 4:], y[..., :4]), -1))(m.rnn(x)[0]), 2, None),
}


@pytest.mark.parametrize("name", BOTH)
def test_outputs_of_both_directions(name: str) -> None:
    take, layers, final = BOTH[name]
    chain = check(Model(take, rnn=nn.GRU(3, 4, layers, batch_first=True, bidirectional=True)), floats(2, 6, 3))
    assert isinstance(chain.layers[layers - 1], ParallelLayer)
    steps = [layer for layer in chain.layers if isinstance(layer, LastStepLayer)]
    assert [layer.final for layer in steps] == ([] if final is None else [final])


ONE: dict[str, tuple[Callable[..., Any], bool, bool | None]] = {
    "forward": (lambda m, x: m.rnn(x)[0][..., :4], False, None),
    "reverse": (lambda m, x: m.rnn(x)[0][..., 4:], True, None),
    "chunk": (lambda m, x: m.rnn(x)[0].chunk(2, -1)[1], True, None),
    "split": (lambda m, x: m.rnn(x)[0].split(4, -1)[0], False, None),
    "view": (lambda m, x: m.rnn(x)[0].view(x.size(0), x.size(1), 2, 4)[:, :, 1], True, None),
    "forward last": (lambda m, x: m.rnn(x)[0][:, -1, :4], False, False),
    "reverse last": (lambda m, x: m.rnn(x)[0][:, -1, 4:], True, False),
    "reverse first": (lambda m, x: m.rnn(x)[0][:, 0, 4:], True, True),
    "forward h_n": (lambda m, x: m.rnn(x)[1][-2], False, False),
    "reverse h_n": (lambda m, x: m.rnn(x)[1][-1], True, True),
}


@pytest.mark.parametrize("name", ONE)
def test_a_single_direction_prunes_the_other(name: str) -> None:
    take, reverse, final = ONE[name]
    chain = check(Model(take, rnn=nn.GRU(3, 4, 2, batch_first=True, bidirectional=True)), floats(2, 6, 3))
    layer = chain.layers[1]
    assert isinstance(layer, RecurrentLayer)
    assert (layer.reverse, layer.name) == (reverse, "rnn.l1" + "_reverse" * reverse)
    steps = [layer.final for layer in chain.layers if isinstance(layer, LastStepLayer)]
    assert steps == ([] if final is None else [final])


@pytest.mark.parametrize(
    ("take", "layers"),
    [
        (lambda m, x: m.rnn(x)[1][0][-1], 2),
        (lambda m, x: m.rnn(x)[1][0][0], 1),  # of the first layer: the second is dropped
        (lambda m, x: m.rnn(x)[0][:, x.size(1) - 1], 2),
        (lambda m, x: m.rnn(x)[0].transpose(0, 1)[-1], 2),
        (lambda m, x: m.rnn(x)[0].narrow(1, -1, 1).squeeze(1), 2),
    ],
)
def test_states_and_last_steps_of_an_lstm(take: Callable[..., Any], layers: int) -> None:
    chain = check(Model(take, rnn=nn.LSTM(3, 4, 2, batch_first=True)), floats(2, 6, 3))
    assert len(chain.layers) == layers + 1
    assert chain.layers[-1] == LastStepLayer(f"rnn.l{layers - 1}.last", 4, False)


def test_h_n_of_one_layer_squeezed() -> None:
    check(Model(lambda m, x: m.rnn(x)[1].squeeze(0), rnn=nn.GRU(3, 4, batch_first=True)), floats(2, 6, 3))


def test_a_projected_lstm_with_h_n() -> None:
    module = Model(
        lambda m, x: m.fc(m.rnn(x)[1][0][-1]), rnn=nn.LSTM(3, 4, proj_size=2, batch_first=True), fc=nn.Linear(2, 5)
    )
    check(module, floats(2, 6, 3))


ACTIVATIONS: dict[str, tuple[Callable[[Any], Any], ActivationLayer]] = {
    "relu": (torch.relu, ActivationLayer("relu", "relu", 4)),
    "relu_": (lambda y: functional.relu(y, inplace=True), ActivationLayer("relu", "relu", 4)),
    "sigmoid": (torch.sigmoid, ActivationLayer("sigmoid", "sigmoid", 4)),
    "tanh": (torch.tanh, ActivationLayer("tanh", "tanh", 4)),
    "hardsigmoid": (functional.hardsigmoid, ActivationLayer("hardsigmoid", "hardsigmoid", 4)),
    "hardtanh": (functional.hardtanh, ActivationLayer("hardtanh", "hardtanh", 4)),
    "limits": (lambda y: functional.hardtanh(y, -0.2, 0.3), ActivationLayer("hardtanh", "hardtanh", 4, -0.2, 0.3)),
    "relu6": (lambda y: functional.relu6(y * 20.0), ActivationLayer("hardtanh", "hardtanh", 4, 0.0, 6.0)),
    "clamp": (lambda y: y.clamp(-0.1, 0.2), ActivationLayer("clamp", "hardtanh", 4, -0.1, 0.2)),
    "clamp below": (lambda y: y.clamp(min=0), ActivationLayer("clamp", "relu", 4)),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations(name: str) -> None:
    function, layer = ACTIVATIONS[name]
    chain = check(Model(lambda m, x: function(m.rnn(x)[0]), rnn=nn.RNN(3, 4, batch_first=True)), floats(2, 6, 3))
    made = chain.layers[-1]
    assert isinstance(made, ActivationLayer)
    assert (made.function, made.size, made.low, made.high) == (layer.function, 4, layer.low, layer.high)


@pytest.mark.parametrize(
    "module", [nn.ReLU(), nn.ReLU6(), nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Hardtanh(-2, 1)]
)
def test_activation_modules_behind_and_before(module: torch.nn.Module) -> None:
    model = Model(lambda m, x: m.act(m.rnn(m.fc(x).mul(1.0))[0]), fc=nn.Linear(3, 5), act=module, rnn=nn.GRU(5, 4))
    assert check(model, floats(6, 2, 3), False).layers[-1].name == "act"


def test_a_sequential_head() -> None:
    head = nn.Sequential(
        nn.Dropout(0.3), nn.Linear(4, 6), nn.ReLU(inplace=True), nn.Identity(), nn.Linear(6, 2, bias=False)
    )
    model = Model(lambda m, x: m.head(m.rnn(x)[0][:, -1]), rnn=nn.LSTM(3, 4, batch_first=True), head=head)
    chain = check(model, floats(2, 6, 3))
    assert kinds(chain) == ["Recurrent", "LastStep", "Linear", "Activation", "Linear"]
    assert [layer.name for layer in chain.layers][2:] == ["head.1", "head.2", "head.4"]
    assert chain.notes == ("'head.0' is a dropout, which does nothing at inference.",)


AROUND: dict[str, tuple[Callable[..., Any], dict[str, Any], list[str]]] = {
    "batch norm before, channels first": (
        lambda m, x: m.rnn(m.bn(x.transpose(1, 2)).transpose(1, 2))[0],
        {"bn": nn.BatchNorm1d(3)},
        ["Affine", "Recurrent"],
    ),
    "batch norm behind the last step": (
        lambda m, x: m.bn(m.rnn(x)[0][:, -1]),
        {"bn": nn.BatchNorm1d(4)},
        ["Recurrent", "LastStep", "Affine"],
    ),
    "batch norm behind, channels first": (
        lambda m, x: m.bn(m.rnn(x)[0].permute(0, 2, 1)).permute(0, 2, 1),
        {"bn": nn.BatchNorm1d(4, affine=False)},
        ["Recurrent", "Affine"],
    ),
    "scaled input": (lambda m, x: m.rnn((x - 0.5) / 2.0)[0], {}, ["Affine", "Affine", "Recurrent"]),
    "scaled by buffers": (
        lambda m, x: m.rnn((x - m.b.running_mean) * m.b.running_var)[0],
        {"b": nn.BatchNorm1d(3)},
        ["Affine", "Affine", "Recurrent"],
    ),
    "turned": (lambda m, x: 1.0 - m.rnn(-x)[0], {}, ["Affine", "Recurrent", "Affine"]),
    "added with a factor": (
        lambda m, x: torch.add(m.rnn(x)[0], m.fc.bias, alpha=3),
        {"fc": nn.Linear(2, 4)},
        ["Recurrent", "Affine"],
    ),
    "matmul": (
        lambda m, x: m.rnn(x)[0] @ m.fc.weight + m.rnn.bias_ih_l0[:2],
        {"fc": nn.Linear(2, 4)},
        ["Recurrent", "Linear"],
    ),
    "steps merged": (
        lambda m, x: m.fc(m.rnn(x)[0].reshape(-1, 4)).view(x.size(0), x.size(1), -1),
        {"fc": nn.Linear(4, 2)},
        ["Recurrent", "Linear"],
    ),
    "argmax": (lambda m, x: m.rnn(x)[0].argmax(-1), {}, ["Recurrent", "Argmax"]),
    "argmax of the last step": (
        lambda m, x: m.fc(m.rnn(x)[0][:, -1]).argmax(1, keepdim=True),
        {"fc": nn.Linear(4, 3)},
        ["Recurrent", "LastStep", "Linear", "Argmax"],
    ),
    "max": (lambda m, x: torch.max(m.rnn(x)[0][:, -1], 1)[1], {}, ["Recurrent", "LastStep", "Argmax"]),
    "softmax and argmax": (lambda m, x: m.rnn(x)[0].softmax(-1).argmax(-1), {}, ["Recurrent", "Argmax"]),
    "log softmax and argmax": (lambda m, x: m.rnn(x)[0].log_softmax(-1).argmax(-1), {}, ["Recurrent", "Argmax"]),
    "two modules": (
        lambda m, x: m.two(torch.tanh(m.fc(m.rnn(x)[0])))[0],
        {"fc": nn.Linear(4, 5), "two": nn.LSTM(5, 2, batch_first=True, bidirectional=True)},
        ["Recurrent", "Linear", "Activation", "Parallel"],
    ),
    "one module twice": (
        lambda m, x: m.rnn(m.fc(m.rnn(x)[0]))[0],
        {"fc": nn.Linear(4, 3)},
        ["Recurrent", "Linear", "Recurrent"],
    ),
}


@pytest.mark.parametrize("name", AROUND)
def test_what_stands_around(name: str) -> None:
    forward, parts, expected = AROUND[name]
    chain = check(Model(forward, rnn=nn.GRU(3, 4, batch_first=True), **parts), floats(2, 6, 3))
    assert kinds(chain) == expected
    names = [layer.name for layer in chain.layers]
    assert len(set(names)) == len(names)


def test_softmax_before_an_argmax_is_noted() -> None:
    chain = read_live(Model(lambda m, x: m.rnn(x)[0].softmax(-1).argmax(-1), rnn=nn.GRU(3, 4)))
    assert chain.notes == ("'softmax' (softmax) is dropped because the argmax behind it is the same.",)


def test_embedding_front() -> None:
    module = Model(
        lambda m, x: m.rnn(m.emb(x))[0], emb=nn.Embedding(9, 3, padding_idx=0), rnn=nn.LSTM(3, 4, batch_first=True)
    )
    assert kinds(check(module, symbols(9, 2, 6))) == ["Embedding", "Recurrent"]


def test_one_hot_front() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.rnn(functional.one_hot(x, 9).to(m.rnn.weight_ih_l0.dtype))[0]

    chain = check(Model(forward, rnn=nn.GRU(9, 4, batch_first=True)), symbols(9, 2, 6), example=symbols(9, 3, 7))
    assert kinds(chain) == ["Embedding", "Recurrent"]


def test_a_forward_that_says_float32_itself() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.fc(m.rnn(functional.one_hot(x, 9).float())[0][:, -1])

    module = settle(Model(forward, rnn=nn.LSTM(9, 4, batch_first=True), fc=nn.Linear(4, 2)))
    chain = read_live(module)  # its example, symbols, is found too
    assert kinds(chain) == ["Embedding", "Recurrent", "LastStep", "Linear"]
    x = symbols(9, 2, 6)
    with torch.no_grad():
        expected = module(x).double().numpy()
    np.testing.assert_allclose(run(chain, x)[:, 0], expected, rtol=0, atol=1e-6)
    module.double()
    with torch.no_grad():
        y = module.rnn(functional.one_hot(x, 9).double())[0][:, -1]
        np.testing.assert_allclose(run(chain, x)[:, 0], module.fc(y).numpy(), rtol=0, atol=1e-12)
    assert refusal(module) == (
        "Module Model: no example input for forward(x) was found (one_hot is only applicable to index tensor of type "
        "LongTensor); give one as example=, or save the state dict and select the layers in it (--select)."
    )


def test_initial_states_that_are_parameters() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.rnn(
            x,
            (
                m.h.weight.view(2, 1, 4).expand(-1, x.size(0), -1).contiguous(),
                m.c.weight.view(2, 1, 4).repeat(1, x.size(0), 1),
            ),
        )[0]

    parts = {"h": nn.Linear(4, 2), "c": nn.Linear(4, 2)}
    chain = check(Model(forward, rnn=nn.LSTM(3, 4, bidirectional=True, batch_first=True), **parts), floats(2, 6, 3))
    layer = chain.layers[0]
    assert isinstance(layer, ParallelLayer)
    assert all(branch.h_0 is not None and branch.c_0 is not None for branch in layer.branches)


def test_initial_states_of_zeros_are_none() -> None:
    module = Model(lambda m, x: m.rnn(x, torch.zeros(1, x.size(0), 4))[0], rnn=nn.GRU(3, 4, batch_first=True))
    layer = check(module, floats(2, 6, 3)).layers[0]
    assert isinstance(layer, RecurrentLayer)
    assert layer.h_0 is None


def test_one_sequence_without_a_batch_axis() -> None:
    module = settle(Model(lambda m, x: m.fc(m.rnn(x.view(-1, 3))[0]), rnn=nn.LSTM(3, 4), fc=nn.Linear(4, 2)))
    chain = read_live(module, torch.zeros(7, 3))
    x = floats(6, 3)
    np.testing.assert_allclose(run(chain, x[None])[0], torch_run(module, x), rtol=0, atol=1e-12)


def test_weights_in_weight_norm() -> None:
    linear = nn.utils.parametrizations.weight_norm(nn.Linear(4, 2))
    check(Model(lambda m, x: m.fc(m.rnn(x)[0]), rnn=nn.GRU(3, 4, batch_first=True), fc=linear), floats(2, 6, 3))


def test_modules_of_rnngen() -> None:
    factorised = own.FactorisedLSTM(3, 4, 2, batch_first=True)
    module = Model(lambda m, x: m.fc(m.rnn(x)[0][:, -1]), rnn=factorised, fc=nn.Linear(4, 2))
    assert kinds(check(module, floats(2, 6, 3))) == ["Factorised", "LastStep", "Linear"]
    grouped = own.GroupedLSTM(4, 8, 6, groups=2)
    module = Model(lambda m, x: torch.relu(m.rnn(x)[0]), rnn=grouped)
    assert kinds(check(module, floats(6, 2, 4), False)) == ["Grouped", "Activation"]


CELLS = [nn.LSTMCell(3, 4), nn.GRUCell(3, 4, bias=False), nn.RNNCell(3, 4), nn.RNNCell(3, 4, nonlinearity="relu")]


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_run_step_by_step(cell: torch.nn.Module) -> None:
    settle(cell)
    chain = read_live(cell)
    assert chain.notes == ("Each call of the model is one step; the accelerator keeps the state.",)
    x, state, expected = floats(2, 6, 3), None, []
    cell.double()
    with torch.no_grad():
        for t in range(6):
            state = cell(x[:, t], state)
            expected.append(state[0] if isinstance(state, tuple) else state)
    np.testing.assert_allclose(run(chain, x), torch.stack(expected, 1).numpy(), rtol=0, atol=1e-12)


def test_a_model_of_two_cells_with_its_states_passed_in_and_out() -> None:
    def forward(m: Any, x: Any, states: Any) -> Any:
        h, c = m.one(m.fc(x), states[0])
        g = m.two(torch.tanh(h), states[1])
        return m.out(g), ((h, c), g)

    parts = {"fc": nn.Linear(3, 5), "one": nn.LSTMCell(5, 4), "two": nn.GRUCell(4, 6), "out": nn.Linear(6, 2)}
    module = settle(Two(forward, **parts))
    zeros = [torch.zeros(3, size) for size in (4, 4, 6)]
    chain = read_live(module, (torch.zeros(3, 3), ((zeros[0], zeros[1]), zeros[2])))
    assert kinds(chain) == ["Linear", "Recurrent", "Activation", "Recurrent", "Linear"]
    module.double()
    x, expected = floats(2, 6, 3), []
    state: Any = ((floats(2, 4) * 0, floats(2, 4) * 0), floats(2, 6) * 0)
    with torch.no_grad():
        for t in range(6):
            y, state = module(x[:, t], state)
            expected.append(y)
    np.testing.assert_allclose(run(chain, x), torch.stack(expected, 1).numpy(), rtol=0, atol=1e-12)


def test_what_stays_on_the_host_is_said() -> None:
    conv = nn.Conv1d(2, 3, 3, padding=1)
    parts = {"conv": conv, "rnn": nn.LSTM(3, 4, batch_first=True), "fc": nn.Linear(4, 2)}
    chain = read_live(settle(Model(lambda m, x: m.fc(m.rnn(m.conv(x).transpose(1, 2))[0].mean(1)).softmax(1), **parts)))
    assert chain.host_before == (
        "'conv' (conv1d) is computed on the host.",
        "'transpose' (permute) is computed on the host.",
    )
    assert chain.host_after == (
        "'mean' (mean) is computed on the host.",
        "'fc' (linear) is computed on the host.",
        "'softmax' (softmax) is computed on the host.",
    )
    assert kinds(chain) == ["Recurrent"]


def test_layers_before_what_the_host_must_do_go_to_the_host() -> None:
    parts = {"fc": nn.Linear(3, 5), "norm": nn.LayerNorm(5), "rnn": nn.GRU(5, 4, batch_first=True)}
    chain = read_live(settle(Model(lambda m, x: m.rnn(m.norm(torch.relu(m.fc(x))))[0], **parts)))
    assert chain.host_before == (
        "'fc' is computed on the host.",
        "'relu' is computed on the host.",
        "'norm' (layer_norm) is computed on the host.",
    )
    assert kinds(chain) == ["Recurrent"]


def test_the_module_is_left_as_it_was() -> None:
    module = Model(lambda m, x: m.rnn(x)[0], rnn=nn.LSTM(3, 4, dropout=0.2, num_layers=2)).train()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    kind = torch.get_default_dtype()
    read_live(module)
    assert module.training
    assert torch.get_default_dtype() == kind
    assert all(torch.equal(before[name], tensor) for name, tensor in module.state_dict().items())
    assert all(tensor.dtype == torch.float32 for tensor in module.parameters())


def test_an_exported_program() -> None:
    module = settle(Model(last, rnn=nn.LSTM(3, 4, batch_first=True)))
    chain = read_exported(torch.export.export(module, (torch.zeros(2, 5, 3),)))
    assert (chain.kind, chain.title) == ("pt2", "The exported program")
    x = floats(2, 6, 3)
    np.testing.assert_allclose(run(chain, x)[:, 0], torch_run(module, x), rtol=0, atol=1e-12)


# Refusals


def loop(m: Any, x: Any) -> Any:
    h = torch.zeros(x.size(0), 4)
    for t in range(x.size(1)):
        h = m.cell(x[:, t], h)
    return h


BRANCHES = (
    "joins branches of the network; only a chain of layers is supported, "
    "so use a model whose layers follow one another."
)
LSTM = {"rnn": nn.LSTM(3, 4, batch_first=True)}
BOTH_WAYS = {"rnn": nn.GRU(3, 4, 2, batch_first=True, bidirectional=True)}

REFUSED: dict[str, tuple[Callable[..., Any], dict[str, Any], str]] = {
    "residual": (lambda m, x: x + m.rnn(x)[0], {"rnn": nn.GRU(4, 4)}, f"'add' (add) {BRANCHES}"),
    "parallel": (
        lambda m, x: torch.cat((m.rnn(x)[0], m.two(x)[0]), -1),
        {"rnn": nn.GRU(3, 4), "two": nn.GRU(3, 4)},
        f"'cat' (cat) {BRANCHES}",
    ),
    "attention": (
        lambda m, x: (lambda y: (m.fc(y).softmax(1) * y).sum(1))(m.rnn(x)[0]),
        {**LSTM, "fc": nn.Linear(4, 1)},
        f"'mul' (mul) {BRANCHES}",
    ),
    "sum of directions": (
        lambda m, x: (lambda y: y[..., :4] + y[..., 4:])(m.rnn(x)[0]),
        BOTH_WAYS,
        f"'add' (add) {BRANCHES}",
    ),
    "norm between": (
        lambda m, x: m.two(m.norm(m.rnn(x)[0]))[0],
        {**LSTM, "norm": nn.LayerNorm(4), "two": nn.GRU(4, 2, batch_first=True)},
        "'two' is a recurrent layer behind what stays on the host ('norm' (layer_norm) is computed on the host); the "
        "layers of the accelerator must follow one another.",
    ),
    "c_n": (
        lambda m, x: m.rnn(x)[1][1][-1],
        LSTM,
        "'rnn' gives out the cell state c_n, which the accelerator keeps inside; only h_n and the output can be taken.",
    ),
    "states of two layers": (
        lambda m, x: m.rnn(x)[1].transpose(0, 1).flatten(1),
        BOTH_WAYS,
        "'rnn' gives out the states of 2 layers together; take those of one, for instance h_n[-1].",
    ),
    "first step": (
        lambda m, x: m.rnn(x)[0][:, 0],
        BOTH_WAYS,
        "'rnn' gives out a choice of steps that no layer has (first of direction 0, first of direction 1); "
        "take y[-1] or h_n for all directions.",
    ),
    "twice the same": (
        lambda m, x: (lambda y: torch.cat((y[..., :4], y[..., :4]), -1))(m.rnn(x)[0]),
        BOTH_WAYS,
        "'rnn' gives out the same direction twice; take each once.",
    ),
    "directions apart": (
        lambda m, x: m.rnn(x)[1][-2:],
        BOTH_WAYS,
        "'rnn' gives out its directions on separate axes; join them along the features.",
    ),
    "a sequence taken as a step": (
        lambda m, x: m.rnn(x)[0][:, -1],
        {"rnn": nn.LSTM(3, 4)},
        "'rnn' gives sequences along axis 1, of which entry -1 is taken as if they were steps; check batch_first.",
    ),
    "another time axis": (
        lambda m, x: m.two(m.rnn(x)[0])[0],
        {**LSTM, "two": nn.GRU(4, 2)},
        "'two' takes as steps an axis that another layer takes as sequences; check batch_first.",
    ),
    "behind one step": (
        lambda m, x: m.two(m.rnn(x)[0][:, -1:])[0],
        {**LSTM, "two": nn.GRU(4, 2, batch_first=True)},
        "'two' is a recurrent layer behind one that leaves a single step; give it the whole sequence.",
    ),
    "a loop over a cell": (
        loop,
        {"cell": nn.GRUCell(3, 4)},
        "'cell' (gru_cell) is a cell whose state does not come from an input of forward (a loop over the steps is "
        "unrolled by torch.export); use nn.LSTM, nn.GRU or nn.RNN with the same weights, or pass the state in and out.",
    ),
    "no recurrent layer": (
        lambda m, x: torch.relu(m.fc(x)),
        {"fc": nn.Linear(3, 4)},
        "'forward' gives nothing that a supported recurrent layer computed; LSTM, GRU and RNN layers are supported.",
    ),
    "only the host": (
        lambda m, x: m.conv(x),
        {"conv": nn.Conv1d(3, 4, 1)},
        "'forward' gives nothing that a supported recurrent layer computed ('conv' (conv1d) is computed on the host); "
        "LSTM, GRU and RNN layers are supported.",
    ),
    "two outputs": (
        lambda m, x: (lambda y: (y, torch.relu(y)))(m.rnn(x)[0]),
        LSTM,
        "'forward' gives 2 tensors, and number 2 is no final state of a recurrent layer; "
        "one output is supported, so wrap the model in one that returns it alone.",
    ),
    "changed in place": (
        lambda m, x: (lambda y: (y.transpose(1, 2), functional.relu(y, inplace=True))[0] * 1.0)(m.rnn(x)[0]),
        LSTM,
        "'mul' reads a tensor that 'relu' changed in place; use the form that gives a new tensor.",
    ),
    "another change in place": (
        lambda m, x: m.rnn(x)[0].fill_(1.0),
        LSTM,
        "'fill' (fill_) changes a tensor in place, which is not followed; use the form that gives a new tensor.",
    ),
    "a batch norm of the input's own statistics": (
        lambda m, x: m.bn(m.rnn(x)[0][:, -1]),
        {**LSTM, "bn": nn.BatchNorm1d(4, track_running_stats=False)},
        "'bn' is a batch norm that takes its statistics from the input; "
        "export the model in eval mode, with track_running_stats=True.",
    ),
    "a dropout that is on": (
        lambda m, x: functional.dropout(m.rnn(x)[0], 0.5, training=True),
        LSTM,
        "'dropout' is a dropout in training mode; export the model in eval mode.",
    ),
    "a state of the input": (
        lambda m, x: m.rnn(x, [x[:, 0, :1].view(1, -1, 1).expand(1, -1, 4).contiguous()] * 2)[0],
        LSTM,
        "'rnn' computes its initial state h_0 from the model's input; "
        "a state that is zero, a parameter or an input of forward by itself is supported.",
    ),
    "merged steps": (
        lambda m, x: m.rnn(x.reshape(1, -1, 3))[0],
        LSTM,
        "'rnn' takes an axis in which steps and sequences are merged; reshape it back.",
    ),
    "an embedding behind": (
        lambda m, x: m.emb(m.rnn(x)[0].argmax(-1)),
        {**LSTM, "emb": nn.Embedding(4, 2)},
        "'emb' is an embedding behind other layers; it must be the first, on the model's input.",
    ),
    "constants alone": (
        lambda m, x: m.rnn.bias_ih_l0 * 2.0,
        LSTM,
        "'forward' gives as its first output nothing that depends on its first input.",
    ),
}


def refusal(module: torch.nn.Module, example: Any = None) -> str:
    with pytest.raises(ModelError) as caught:
        read_live(module, example)
    return str(caught.value)


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    forward, parts, sentence = REFUSED[name]
    example = (symbols(4, 2, 5, 3) * 1.0,) if "emb" in parts else None
    assert refusal(Model(forward, **parts), example) == f"Module Model: {sentence}"


def test_a_fixed_step_is_refused() -> None:
    text = refusal(Model(lambda m, x: m.rnn(x)[0][:, 6], **LSTM), torch.zeros(2, 7, 3))
    assert re.fullmatch(
        r"Module Model: what was followed of its forward differs by [0-9.e-]+ on an input of shape \(2, 9, 3\); its "
        r"forward must do the same in every call and for every length, so keep no state in the module, and take the "
        r"last step as y\[:, -1\], not by a fixed number\.",
        text,
    )


def test_a_forward_that_changes_from_call_to_call_is_refused() -> None:
    text = refusal(Model(lambda m, x: m.rnn(x)[0] * float(np.random.default_rng().random()), **LSTM))
    assert re.match(r"Module Model: what was followed of its forward differs by ", text)


class Remembering(torch.nn.Module):
    """Goes on with the state of the call before."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(3, 4)
        self.state: Any = None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y, self.state = self.rnn(x, self.state)
        out: torch.Tensor = y
        return out


def test_a_state_kept_in_the_module_is_refused() -> None:
    module = settle(Remembering())
    for example in (None, torch.ones(7, 1, 3)):
        assert re.fullmatch(
            r"Module Remembering: what was followed of its forward differs by [0-9.e-]+ on an input of shape "
            r"\(9, [15], 3\); its forward must do the same in every call and for every length, so keep no state in the "
            r"module, and take the last step as y\[:, -1\], not by a fixed number\.",
            refusal(module, example),
        )
    assert module.state is None


def test_a_second_input_is_refused() -> None:
    module = Two(lambda m, x, z: m.rnn(x + z)[0], rnn=nn.GRU(3, 4))
    assert refusal(module, (torch.zeros(5, 2, 3), torch.zeros(5, 2, 3))) == (
        "Module Two: 'add' (add) takes the model's input 'state'; "
        "only the first input of forward can be followed, and states that go to a recurrent layer as they are, so "
        "leave the others out."
    )


def test_packed_sequences_are_refused() -> None:
    def forward(m: Any, x: Any, lengths: Any) -> Any:
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True)
        return nn.utils.rnn.pad_packed_sequence(m.rnn(packed)[0], batch_first=True)[0]

    assert refusal(Two(forward, **LSTM), (torch.zeros(2, 5, 3), torch.tensor([5, 4]))) == (
        "Module Two: 'rnn' runs on packed sequences; leave pack_padded_sequence out of forward, because the "
        "accelerator ends each sequence by itself."
    )


def test_a_cell_whose_state_is_kept_back_is_refused() -> None:
    module = Three(lambda m, x, h, c: m.cell(x, (h, c))[0], cell=nn.LSTMCell(3, 4))
    zeros = torch.zeros(2, 4)
    text = refusal(module, (torch.zeros(2, 3), zeros, zeros.clone()))
    assert re.fullmatch(
        r"Module Three: 'forward' takes in the state of a cell but does not give out the new one \(getitem_1\)\.", text
    )


def test_cells_that_share_a_state_are_refused() -> None:
    def forward(m: Any, x: Any, h: Any) -> Any:
        g = m.one(x, h)
        f = m.two(g, h)
        return f, g, f

    module = Two(forward, one=nn.GRUCell(4, 4), two=nn.GRUCell(4, 4))
    assert refusal(module, (torch.zeros(2, 4), torch.zeros(2, 4))) == (
        "Module Two: 'two' takes a state that another cell takes too; give each its own."
    )
    both = Two(lambda m, x, h: m.cell(x, (h, h)), cell=nn.LSTMCell(4, 4))
    assert refusal(both, (torch.zeros(2, 4), torch.zeros(2, 4))) == (
        "Module Two: 'cell' takes the same input as h and as c; each needs an input of its own."
    )


def test_an_input_given_out_is_refused() -> None:
    module = Two(lambda m, x, h: (m.rnn(x)[0], h), **LSTM)
    text = refusal(module, (torch.zeros(2, 5, 3), torch.zeros(2)))
    assert text == "Module Two: 'forward' gives out its input 'state' unchanged; leave it out."


def test_a_state_for_each_sequence_is_refused() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.rnn(x, m.fc.weight.view(1, 3, 4))[0]

    module = Model(forward, rnn=nn.GRU(3, 4, batch_first=True), fc=nn.Linear(4, 3))
    assert refusal(module, torch.zeros(3, 5, 3)) == (
        "Module Model: 'rnn' has an initial state h_0 that differs from sequence to sequence; "
        "it must be the same for all."
    )


def test_no_example_found() -> None:
    class Named(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn = nn.GRU(3, 4)

        def forward(self, x: Any, mask: Any) -> Any:
            return self.rnn(x * mask)[0]

    assert refusal(Named()) == (
        "Module Named: no example input for forward(x, mask) was found (test_no_example_found.<locals>.Named.forward() "
        "missing 1 required positional argument: 'mask'); give one as example=, or save the state dict and select the "
        "layers in it (--select)."
    )
    assert refusal(nn.Sequential(nn.ReLU(), nn.Flatten(5))).startswith("Module Sequential: ")


def test_a_forward_that_cannot_be_exported() -> None:
    def forward(m: Any, x: Any) -> Any:
        return m.rnn(x if float(x.sum()) > 0 else -x)[0]

    text = refusal(Model(forward, **LSTM))
    assert re.fullmatch(
        r"Module Model: torch\.export cannot follow its forward \(.+[^.]\); give another example input as example=, or "
        r"save the state dict and select the layers in it \(--select\)\.",
        text,
    )


def test_a_module_without_values() -> None:
    assert refusal(nn.LSTM(3, 4, device="meta")) == (
        "Module LSTM has parameters without values (meta device); load the parameters before importing it."
    )


def test_a_module_that_cannot_be_copied() -> None:
    module = nn.Sequential(nn.LSTM(3, 4))
    module.generator = (step for step in range(3))
    assert refusal(module) == (
        "Module Sequential cannot be copied (cannot pickle 'generator' object); "
        "give a module that copy.deepcopy copies."
    )
