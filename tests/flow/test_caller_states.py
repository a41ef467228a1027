"""States as real values: into the engines' integers, through the emulator, and out again, against PyTorch."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnngen.cli import main
from rnngen.emit.design import Design, read_design
from rnngen.emulate.network import run_values
from rnngen.errors import DataError, DesignError
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.flow.states import decode_states, encode_states, read_states, write_states
from rnngen.ir.layers import FactorisedLayer, GroupCell, GroupedLayer, Layer, ParallelLayer, RecurrentLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import with_states
from rnngen.ir.reference import State, cell_size, recurrent_layers, run_network
from rnngen.passes.quantise import quantise

torch.set_num_threads(1)

BOUND = 2e-4
KINDS: dict[str, type[torch.nn.RNNBase]] = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn_tanh": torch.nn.RNN}


def layers_of(module: torch.nn.RNNBase, cell: str) -> tuple[Layer, ...]:
    names = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] + ["weight_hr"] * bool(module.proj_size)
    found: list[Layer] = []
    for number in range(module.num_layers):
        branches = []
        for suffix in ("", "_reverse")[: 1 + module.bidirectional]:
            arrays = [getattr(module, f"{name}_l{number}{suffix}").detach().double().numpy() for name in names]
            branches.append(RecurrentLayer(f"l{number}{suffix}", cell, *arrays, reverse=bool(suffix)))
        found.append(branches[0] if len(branches) == 1 else ParallelLayer(f"p{number}", tuple(branches)))
    return tuple(found)


def close(got: Any, expected: Any) -> None:
    assert np.abs(np.asarray(got) - np.asarray(expected)).max() <= BOUND


@pytest.mark.parametrize("layers, bidirectional", [(1, False), (2, False), (1, True)])
@pytest.mark.parametrize("cell, projection", [("lstm", 0), ("lstm", 8), ("gru", 0), ("rnn_tanh", 0)])
def test_emulator_against_pytorch(cell: str, projection: int, layers: int, bidirectional: bool) -> None:
    torch.manual_seed(0)
    more: dict[str, Any] = {"proj_size": projection} if projection else {}
    module = KINDS[cell](6, 20, layers, batch_first=True, bidirectional=bidirectional, **more)
    network = Network("n", layers_of(module, cell))
    random, count = np.random.default_rng(0), layers * (1 + bidirectional)
    x = random.uniform(-1, 1, (4, 20, 6))
    h = random.uniform(-1, 1, (count, 4, projection or 20)) * (0.2 if projection else 1.0)
    c = random.uniform(-1, 1, (count, 4, 20)) if cell == "lstm" else None
    names = [layer.name for layer in recurrent_layers(network)]
    states: dict[str, State] = {name: (h[k], None if c is None else c[k]) for k, name in enumerate(names)}
    quantised = quantise(network, 16, 16)
    begun = with_states(quantised, encode_states(network, quantised, states))
    emulation = run_values(begun, x)
    given = torch.from_numpy(h) if c is None else (torch.from_numpy(h), torch.from_numpy(c))
    with torch.no_grad():
        output, final = module.double()(torch.from_numpy(x), given)
    close(quantised.output_format.to_float(emulation.output), output.numpy())
    left = decode_states(network, quantised, dict(enumerate(emulation.states)))
    h_n, c_n = final if c is not None else (final, None)
    for number, name in enumerate(names):
        close(left[name][0], h_n[number].numpy())
        if c_n is not None:
            close(left[name][1], c_n[number].numpy())


def own_layers() -> dict[str, Layer]:
    random = np.random.default_rng(3)

    def some(*shape: int) -> np.ndarray:
        return random.uniform(-0.5, 0.5, shape)

    groups = tuple(GroupCell(f"g{k}", some(8, 2), some(8, 2), some(8)) for k in range(2))
    factorised = FactorisedLayer("f", some(3, 4), some(3, 5), some(20, 3), some(20))
    return {"factorised": factorised, "grouped": GroupedLayer("g", groups, some(4, 4))}


@pytest.mark.parametrize("kind", ["factorised", "grouped"])
def test_factorised_and_grouped_layers(kind: str) -> None:
    """h belongs to the branch, c to its engines: against the equations in float64."""
    layer = own_layers()[kind]
    network = Network("n", (layer,))
    quantised = quantise(network, 16, 16)
    random = np.random.default_rng(1)
    x = random.uniform(-1, 1, (3, 6, 4))
    state = (random.uniform(-0.5, 0.5, (3, layer.output_size)), random.uniform(-1, 1, (3, cell_size(layer))))
    expected = run_network(network, x, {layer.name: state})
    emulation = run_values(with_states(quantised, encode_states(network, quantised, {layer.name: state})), x)
    close(quantised.output_format.to_float(emulation.output), expected.layers[-1])
    left = decode_states(network, quantised, dict(enumerate(emulation.states)))
    for got, wanted in zip(left[layer.name], expected.states[layer.name]):
        close(got, wanted)
    assert np.abs(expected.layers[-1] - run_network(network, x).layers[-1]).max() > 0.01


def lstm_network() -> Network:
    torch.manual_seed(1)
    return Network("n", layers_of(torch.nn.LSTM(3, 5, 2), "lstm"))


def test_going_on_is_exact() -> None:
    """Two halves with the state of the first handed on as real values give the bits of the whole: an LSTM's are all."""
    network = lstm_network()
    quantised = quantise(network, 8, 12)
    x = np.random.default_rng(0).uniform(-1, 1, (3, 9, 3))
    whole, first = run_values(quantised, x), run_values(quantised, x[:, :4])
    left = decode_states(network, quantised, dict(enumerate(first.states)))
    second = run_values(with_states(quantised, encode_states(network, quantised, left)), x[:, 4:])
    assert np.array_equal(whole.output[:, 4:], second.output)


def test_each_sequence_is_what_it_is_alone() -> None:
    network = lstm_network()
    quantised = quantise(network, 8, 12)
    random = np.random.default_rng(0)
    x = random.uniform(-1, 1, (3, 4, 3))
    states = {f"l{k}": (random.uniform(-1, 1, (3, 5)), random.uniform(-1, 1, (3, 5))) for k in range(2)}
    encoded = encode_states(network, quantised, states)
    together = run_values(with_states(quantised, encoded), x)
    for number in range(3):
        alone = {index: {what: values[number] for what, values in found.items()} for index, found in encoded.items()}
        output = run_values(with_states(quantised, alone), x[number : number + 1]).output
        assert np.array_equal(output[0], together.output[number])


def test_a_state_outside_its_format_is_refused() -> None:
    network = lstm_network()
    quantised = quantise(network, 8, 12)
    states = {"l0": (np.full((1, 5), -1.5), np.zeros((1, 5)))}
    sentence = (
        "The state h of layer 'l0' reaches -1.5, but its format s12.11 holds -1 to 0.999512; calibrate with input that "
        "leads to such states."
    )
    with pytest.raises(DataError, match=f"^{re.escape(sentence)}$"):
        encode_states(network, quantised, states)
    states = {"l0": (np.full((1, 5), 1.0), np.zeros((1, 5)))}  # one unit more than the largest: it saturates
    assert encode_states(network, quantised, states)[0]["h"].max() == 2047


# Files and commands


class Streaming(torch.nn.Module):
    """Goes on with the caller's state."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.LSTM(3, 5, batch_first=True)

    def forward(self, x: Any, state: Any) -> Any:
        return self.rnn(x, state)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> tuple[Design, Path, torch.nn.Module]:
    torch.manual_seed(0)
    module, folder = Streaming(), tmp_path_factory.mktemp("design") / "d"
    generate(module, folder, GenerateOptions(multipliers=16, weight_bits=16))
    return read_design(folder), folder, module.double()


def test_a_model_with_a_callers_state_has_state_access(design: tuple[Design, Path, torch.nn.Module]) -> None:
    made, _, _ = design
    assert made.network.caller_state
    assert made.document["state_access"] is True


def test_the_command(design: tuple[Design, Path, torch.nn.Module], tmp_path: Path) -> None:
    _, folder, module = design
    random = np.random.default_rng(0)
    x, h, c = (random.uniform(-1, 1, shape) for shape in ((3, 7, 3), (3, 5), (1, 5)))
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "in.npz", **{"rnn.l0.h_0": h, "rnn.l0.c_0": c})
    arguments = ["emulate", str(folder), "--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    arguments += ["--state", str(tmp_path / "in.npz"), "--final-state", str(tmp_path / "out.npz")]
    assert main(arguments) == 0
    given = (torch.from_numpy(h)[None], torch.from_numpy(np.repeat(c, 3, axis=0))[None])
    with torch.no_grad():
        output, (h_n, c_n) = module(torch.from_numpy(x), given)
    close(np.load(tmp_path / "y.npy"), output.numpy())
    left = np.load(tmp_path / "out.npz")
    assert sorted(left.files) == ["rnn.l0.c_n", "rnn.l0.h_n"]
    close(left["rnn.l0.h_n"], h_n[0].numpy())
    close(left["rnn.l0.c_n"], c_n[0].numpy())


def test_final_states_can_be_given(design: tuple[Design, Path, torch.nn.Module], tmp_path: Path) -> None:
    made, _, _ = design
    x = np.random.default_rng(0).uniform(-1, 1, (2, 8, 3))
    whole, first = emulate(made, x), emulate(made, x[:, :3])
    write_states(tmp_path / "s.npz", first.states)
    second = emulate(made, x[:, 3:], states=tmp_path / "s.npz")
    assert np.array_equal(whole.output[:, 3:], second.output)
    assert second.error.max_abs < BOUND


def test_a_design_without_access_is_refused(tmp_path: Path) -> None:
    torch.manual_seed(0)
    made = generate(torch.nn.GRU(3, 5), tmp_path / "d", GenerateOptions(multipliers=16))
    sentence = "The design has no access to its states, so none can be given; generate it again with --state."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        emulate(made, np.zeros((1, 2, 3)), states={made.network.layers[0].name: (np.zeros((1, 5)), None)})


H, C = np.zeros((2, 5)), np.zeros((2, 5))
FILES = {
    "an unknown name": (
        {"l0.h": H},
        "holds 'l0.h'; give each state once, by names such as l0.h_0, l1.h_0.",
    ),
    "one state twice": (
        {"l0.h_0": H, "l0.h_n": H},
        "holds 'l0.h_n'; give each state once, by names such as l0.h_0, l1.h_0.",
    ),
    "c alone": ({"l0.c_0": C}, "gives layer 'l0' a c but no h; give both."),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_refused(tmp_path: Path, name: str) -> None:
    arrays, sentence = FILES[name]
    path = tmp_path / "s.npz"
    np.savez(path, **arrays)
    with pytest.raises(DataError, match=f"^{re.escape(f'State {str(path)!r} {sentence}')}$"):
        read_states(path, lstm_network(), 2)


def test_more_files_that_are_refused(tmp_path: Path) -> None:
    path, network = tmp_path / "s.npz", lstm_network()

    def refused(sentence: str) -> None:
        with pytest.raises(DataError, match=f"^{sentence}$"):
            read_states(path, network, 2)

    refused(re.escape(f"State '{path}' does not exist or is not a file; give an .npz file."))
    for content in (b"PK nothing", b"PK\x03\x04 nothing", b""):
        path.write_bytes(content)
        refused(re.escape(f"State '{path}' cannot be read as .npz (") + r".*\); save it with numpy\.savez\.")
    np.savez(path, **{"l0.h_0": H > 0, "l0.c_0": C})
    refused(re.escape(f"State '{path}': 'l0.h_0' must hold numbers, not bool."))
    np.savez(path, **{"l0.h_0": H[:, :4], "l0.c_0": C})
    refused(re.escape("The state h of layer 'l0' must have the shape (2, 5) (sequences, words), not (2, 4)."))
