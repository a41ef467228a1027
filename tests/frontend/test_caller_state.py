"""States that the caller gives and takes: inputs and outputs of forward, against PyTorch."""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.errors import ModelError
from rnngen.frontend import load, run_reference
from rnngen.frontend.exported import read_live, read_pt2
from rnngen.frontend.framework import judge
from rnngen.ir.layers import RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.reference import recurrent_layers, run_network
from rnngen.nn import FactorisedLSTM, GroupedLSTM
from tests.frontend.exported_models import Model, Three, Two, settle

torch.set_num_threads(1)

GIVEN = "The states that sequences begin with are the caller's: they are written over the control port."
TAKEN = "The final states that the model returns beside its output are read over the control port."


def arrays(*shape: int, seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).uniform(-1.0, 1.0, shape))


def compare(network: Network, x: Any, states: dict[str, Any], output: Any, finals: dict[str, Any]) -> None:
    """run_network and the judge against PyTorch's output and final states."""
    given = {name: tuple(part.numpy() for part in parts) for name, parts in states.items()}
    given = {name: parts if len(parts) == 2 else (*parts, None) for name, parts in given.items()}
    run = run_network(network, x.numpy(), given)
    judged = run_reference(network, x.numpy(), given)
    for last, left in ((run.layers[-1], run.states), (judged.output, judged.states)):
        np.testing.assert_allclose(last, output.detach().numpy(), rtol=0, atol=1e-12)
        assert finals.keys() <= left.keys()
        for name, parts in finals.items():
            for got, expected in zip(left[name], parts):
                np.testing.assert_allclose(got, expected.detach().numpy(), rtol=0, atol=1e-12)


CASES = [
    ("LSTM", 1, False, {}),
    ("LSTM", 2, False, {"proj_size": 2}),
    ("LSTM", 1, True, {}),
    ("GRU", 1, False, {}),
    ("GRU", 2, True, {}),
    ("RNN", 2, False, {"nonlinearity": "relu"}),
]


def state_of(rnn: Any, sequences: int, seed: int) -> Any:
    count = rnn.num_layers * (1 + rnn.bidirectional)
    h = arrays(count, sequences, rnn.proj_size or rnn.hidden_size, seed=seed)
    return (h, arrays(count, sequences, rnn.hidden_size, seed=seed + 1)) if rnn.mode == "LSTM" else h


def by_layer(network: Network, state: Any) -> dict[str, Any]:
    parts = state if isinstance(state, tuple) else (state,)
    names = [layer.name for layer in recurrent_layers(network)]
    return {name: tuple(part[number] for part in parts) for number, name in enumerate(names)}


@pytest.mark.parametrize(("kind", "layers", "bidirectional", "more"), CASES)
def test_a_module_with_its_state(kind: str, layers: int, bidirectional: bool, more: dict[str, Any]) -> None:
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(3, 4, layers, batch_first=True, bidirectional=bidirectional, **more)
    module = settle(Two(lambda m, x, s: m.rnn(x, s), rnn=rnn))
    network = load(module)
    assert network.caller_state
    x, state = arrays(3, 5, 3, seed=1), state_of(rnn, 3, seed=2)
    output, final = module.double()(x, state)
    compare(network, x, by_layer(network, state), output, by_layer(network, final))


def test_states_flat_with_a_head() -> None:
    """h and c as inputs of their own, the final ones given back, a Linear layer behind."""
    torch.manual_seed(0)

    def forward(m: Any, x: Any, h: Any, c: Any) -> Any:
        y, (h_n, c_n) = m.rnn(x, (h.contiguous(), c))
        return m.fc(y), h_n, c_n

    module = settle(Three(forward, rnn=nn.LSTM(3, 4), fc=nn.Linear(4, 2)))
    chain = read_live(module)
    assert (chain.caller_state, chain.notes) == (True, (GIVEN, TAKEN))
    network = load(module)
    x, (h, c) = arrays(5, 3, 3, seed=1), state_of(module.rnn, 3, seed=2)
    output, h_n, c_n = module.double()(x, h, c)
    final = {"rnn.l0": (h_n[0], c_n[0])}
    compare(network, x.transpose(0, 1), {"rnn.l0": (h[0], c[0])}, output.transpose(0, 1), final)


def test_two_modules_with_a_state_each() -> None:
    torch.manual_seed(0)

    def forward(m: Any, x: Any, s: Any) -> Any:
        y, h = m.one(x, s[0])
        y, hc = m.two(y, s[1])
        return y[:, -1], (h, hc)

    module = settle(Two(forward, one=nn.GRU(3, 4, batch_first=True), two=nn.LSTM(4, 2, batch_first=True)))
    network = load(module)
    x, h, pair = arrays(3, 5, 3, seed=1), state_of(module.one, 3, seed=2), state_of(module.two, 3, seed=4)
    output, (h_n, hc_n) = module.double()(x, (h, pair))
    states = {"one.l0": (h[0],), "two.l0": (pair[0][0], pair[1][0])}
    final = {"one.l0": (h_n[0],), "two.l0": (hc_n[0][0], hc_n[1][0])}
    compare(network, x, states, output[:, None], final)
    judgement = judge(module)
    assert judgement is not None
    assert judgement.difference < 1e-12


def test_a_sequence_without_a_batch() -> None:
    module = settle(Two(lambda m, x, h: m.rnn(x, h), rnn=nn.GRU(3, 4)))
    example = (arrays(5, 3, seed=1), arrays(1, 4, seed=2))
    network = load(module, example=example)
    output, final = module.double()(*example)
    compare(network, example[0][None], {"rnn.l0": (example[1],)}, output[None], {"rnn.l0": (final,)})


def test_final_states_alone() -> None:
    """What begins with zeros and gives its final state back."""
    network = load(settle(Model(lambda m, x: m.rnn(x), rnn=nn.GRU(3, 4))))
    assert network.caller_state
    assert not load(settle(Model(lambda m, x: m.rnn(x)[0], rnn=nn.GRU(3, 4)))).caller_state


def test_a_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = settle(Two(lambda m, x, s: m.rnn(x, s), rnn=nn.LSTM(3, 4, 2, batch_first=True))).double()
    x, state = arrays(3, 5, 3, seed=1), state_of(module.rnn, 3, seed=2)
    torch.export.save(torch.export.export(module, (x, state)), tmp_path / "model.pt2")
    assert read_pt2(tmp_path / "model.pt2").caller_state
    network = load(tmp_path / "model.pt2")
    output, final = module(x, state)
    compare(network, x, by_layer(network, state), output, by_layer(network, final))
    judgement = judge(tmp_path / "model.pt2")
    assert judgement is not None
    assert judgement.difference < 1e-12


def test_the_module_is_compared_with_its_states(monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that goes to another place than what was followed is found."""
    from rnngen.frontend import confirm

    monkeypatch.setattr(confirm, "_states", lambda *_: {})
    with pytest.raises(ModelError, match="what was followed of its forward differs by"):
        read_live(settle(Two(lambda m, x, h: m.rnn(x, h)[0], rnn=nn.GRU(3, 4))))


def final_of_another(m: Any, x: Any) -> Any:
    y, h = m.one(x)
    return y, m.two(y)[1]


ZEROS = (torch.zeros(5, 2, 3), torch.zeros(1, 2, 4), torch.zeros(1, 2, 4))
LSTM = {"rnn": nn.LSTM(3, 4)}
REFUSED: dict[str, tuple[Any, Any, str]] = {
    "one of two modules": (
        lambda m, x, h: m.two(m.one(x, h)[0])[0],
        {"one": nn.GRU(3, 4), "two": nn.GRU(4, 4)},
        "'two.l0' begins with a state of the model's own, while the caller gives that of 'one.l0'; take the states of "
        "all recurrent layers from inputs, or of none.",
    ),
    "one for two": (
        lambda m, x, h: m.two(m.one(x, h)[0], h)[0],
        {"one": nn.GRU(3, 4), "two": nn.GRU(4, 4)},
        "'two' takes a state that another cell takes too; give each its own.",
    ),
    "h as c": (
        lambda m, x, h: m.rnn(x, (h, h))[0],
        LSTM,
        "'rnn' takes the same input as h and as c; each needs an input of its own.",
    ),
    "h alone": (
        lambda m, x, h: m.rnn(x, (h, torch.zeros(1, 2, 4, dtype=h.dtype)))[0],
        LSTM,
        "'rnn' takes one of h_0 and c_0 from the model's input 'state' and the other one not; take both from inputs.",
    ),
    "changed on the way": (
        lambda m, x, h: m.rnn(x, h * 2.0)[0],
        {"rnn": nn.GRU(3, 4)},
        "'mul' (mul) takes the model's input 'state'; only the first input of forward can be followed, and states that "
        "go to a recurrent layer as they are, so leave the others out.",
    ),
    "a part of it": (
        lambda m, x, h: m.rnn(x, h[:, :1].expand(1, 2, 4).contiguous())[0],
        {"rnn": nn.GRU(3, 4)},
        "'slice_1' (slice) takes the model's input 'state'; only the first input of forward can be followed, and "
        "states that go to a recurrent layer as they are, so leave the others out.",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refusals(name: str) -> None:
    forward, parts, sentence = REFUSED[name]
    with pytest.raises(ModelError, match=f"^{re.escape(f'Module Two: {sentence}')}$"):
        read_live(settle(Two(forward, **parts)), ZEROS[:2])


def test_a_final_state_of_a_layer_that_is_not_needed_is_refused() -> None:
    module = settle(Model(final_of_another, one=nn.GRU(3, 4), two=nn.GRU(4, 4)))
    sentence = (
        "Module Model: 'two.l0' gives out its final state, but the first output of forward does not need this layer; "
        "leave the state out."
    )
    with pytest.raises(ModelError, match=f"^{re.escape(sentence)}$"):
        read_live(module)


def test_names_of_layers() -> None:
    network = load(settle(Model(lambda m, x: m.rnn(x), rnn=nn.GRU(3, 4, 2))))
    assert [layer.name for layer in network.layers if isinstance(layer, RecurrentLayer)] == ["rnn.l0", "rnn.l1"]


def test_a_state_without_an_axis_of_layers() -> None:
    module = settle(Two(lambda m, x, h: m.rnn(x, h.unsqueeze(0))[0], rnn=nn.GRU(3, 4, batch_first=True)))
    x, h = arrays(2, 5, 3, seed=1), arrays(2, 4, seed=2)
    network = load(module, example=(x, h))
    compare(network, x, {"rnn.l0": (h,)}, module.double()(x, h), {})


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize(("kind", "bidirectional"), [("LSTM", False), ("GRU", True)])
def test_an_onnx_file(tmp_path: Path, kind: str, bidirectional: bool, dynamo: bool) -> None:
    torch.manual_seed(0)
    rnn = getattr(nn, kind)(3, 4, 2, bidirectional=bidirectional)
    forward: Any = (lambda m, x, h, c: m.rnn(x, (h, c))) if kind == "LSTM" else (lambda m, x, h: m.rnn(x, h))
    module = settle((Three if kind == "LSTM" else Two)(forward, rnn=rnn)).double()
    x, state = arrays(5, 3, 3, seed=1), state_of(module.rnn, 3, seed=2)
    inputs = (x, *state) if kind == "LSTM" else (x, state)
    path = tmp_path / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(module, inputs, path, dynamo=dynamo, verbose=False)
    network = load(path)
    assert network.caller_state
    output, final = module(*inputs)
    states, finals = by_layer(network, state), by_layer(network, final)
    compare(network, x.transpose(0, 1), states, output.transpose(0, 1), finals)


def test_final_states_of_modules_of_our_own() -> None:
    """A grouped LSTM, whose c has another size than its h, behind a factorised one."""
    torch.manual_seed(0)

    def forward(m: Any, x: Any) -> Any:
        y, first = m.one(x)
        y, second = m.two(y)
        return y, first, second

    one = FactorisedLSTM(3, 4, 2, batch_first=True)
    module = settle(Model(forward, one=one, two=GroupedLSTM(4, 6, 4, 2, batch_first=True)))
    network = load(module)
    assert network.caller_state
    x = arrays(2, 5, 3, seed=1)
    output, (h_1, c_1), (h_2, c_2) = module.double()(x)
    compare(network, x, {}, output, {"one": (h_1[0], c_1[0]), "two": (h_2[0], c_2[0])})
