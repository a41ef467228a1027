"""rnngen factorize: what is written, what is said, what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

from rnngen.cli import main
from rnngen.frontend import load
from rnngen.nn import FactorisedLSTM

torch.set_num_threads(1)


class Tagger(torch.nn.Module):
    """An LSTM among other things."""

    def __init__(self, lstm):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 6)
        self.lstm = lstm
        self.norm = torch.nn.BatchNorm1d(4)
        self.head = torch.nn.Linear(4, 2).half()


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def save(tmp_path):
    def write(state, name="model.safetensors"):
        path = tmp_path / name
        if path.suffix == ".safetensors":
            save_torch(state, path, {"format": "pt", "epoch": "7"})
        else:
            torch.save(state, path)
        return path

    return write


def factorize(*arguments):
    return main(["factorize", *(str(argument) for argument in arguments)])


def load_module(state, prefix, sizes):
    """The new parameters in the module that they are meant for; strict, so that the names are checked."""
    module = FactorisedLSTM(*sizes)
    start = f"{prefix}." if prefix else ""
    module.load_state_dict({name.removeprefix(start): value for name, value in state.items() if name.startswith(start)})
    return module


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt", "model.pth"])
def test_full_rank_computes_the_same(save, tmp_path, name):
    model = Tagger(torch.nn.LSTM(6, 4))
    path, out = save(model.state_dict(), name), tmp_path / "new" / "out.safetensors"
    assert factorize(path, "--rank", 10, "-o", out) == 0
    module = load_module(load_torch(out), "lstm", (6, 4, 10))
    x = torch.randn(8, 3, 6)
    assert (module(x)[0] - model.lstm(x)[0]).abs().max() < 1e-6
    assert load(out).layers[0].rank == 10


@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_everything_else_is_copied_bit_for_bit(save, tmp_path, name):
    state = Tagger(torch.nn.LSTM(6, 4)).state_dict()
    state |= {
        "steps": torch.arange(5),
        "mask": torch.tensor([True, False]),
        "scalar": torch.tensor(3.0),
        "empty": torch.zeros(0, 3),
        "rough": torch.tensor([1.0, float("nan"), -0.0], dtype=torch.bfloat16),
    }
    if name == "model.pt":
        state |= {"turned": torch.randn(3, 4).t(), "strided": torch.arange(9)[::2]}
    out = tmp_path / "out.safetensors"
    assert factorize(save(state, name), "--rank", 3, "-o", out) == 0
    found = load_torch(out)
    kept = {key for key in state if not key.startswith("lstm.")}
    assert set(found) == kept | {f"lstm.{leaf}" for leaf in ("weight_in", "weight_rec", "weight_out", "bias")}
    for key in kept:
        assert (found[key].dtype, found[key].shape) == (state[key].dtype, state[key].shape)
        assert found[key].numel() == 0 or torch.equal(
            found[key].reshape(-1).view(torch.uint8), state[key].contiguous().reshape(-1).view(torch.uint8)
        )
    with safe_open(out, "pt") as file:
        assert file.metadata() == ({"format": "pt", "epoch": "7"} if name == "model.safetensors" else {"format": "pt"})


def test_a_file_without_metadata(tmp_path):
    arrays = {f"{name}_l0": np.ones(shape) for name, shape in (("weight_ih", (8, 3)), ("weight_hh", (8, 2)))}
    save_file(arrays, tmp_path / "model.safetensors")
    out = tmp_path / "out.safetensors"
    assert factorize(tmp_path / "model.safetensors", "--rank", 1, "-o", out) == 0
    with safe_open(out, "np") as file:
        assert file.metadata() is None
    found = load_file(out)
    assert {name: (array.shape, array.dtype) for name, array in found.items()} == {
        "weight_in": ((1, 3), np.float64),
        "weight_rec": ((1, 2), np.float64),
        "weight_out": ((8, 1), np.float64),
        "bias": ((8,), np.float64),
    }
    product = found["weight_out"] @ np.hstack([found["weight_in"], found["weight_rec"]])
    assert np.abs(product - 1).max() < 1e-14


@pytest.mark.parametrize(
    "dtype, expected",
    [
        (torch.float64, torch.float64),
        (torch.float32, torch.float32),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
    ],
)
def test_types(save, tmp_path, capsys, dtype, expected):
    lstm = torch.nn.LSTM(6, 4).to(dtype)
    out = tmp_path / "out.safetensors"
    assert factorize(save(lstm.state_dict()), "--rank", 10, "-o", out, "--json") == 0
    said, found = json.loads(capsys.readouterr().out), load_torch(out)
    assert {value.dtype for value in found.values()} == {expected}
    assert said["dtype"] == str(expected).removeprefix("torch.")
    w = torch.cat([lstm.weight_ih_l0, lstm.weight_hh_l0], dim=1).double()
    product = found["weight_out"].double() @ torch.cat([found["weight_in"], found["weight_rec"]], dim=1).double()
    measured = ((product - w).norm() / w.norm()).item()  # of the values that were written
    assert said["layers"][0]["relative_error"] == pytest.approx(measured, rel=1e-6, abs=1e-15)


def test_several_layers(save, tmp_path, capsys):
    lstm = torch.nn.LSTM(6, 4, num_layers=2)
    out = tmp_path / "out.safetensors"
    assert factorize(save(lstm.state_dict(prefix="enc.")), "--rank", 8, "-o", out, "--json") == 0
    assert [layer["name"] for layer in json.loads(capsys.readouterr().out)["layers"]] == ["enc.0", "enc.1"]
    state = load_torch(out)
    modules = torch.nn.ModuleList([FactorisedLSTM(6, 4, 8), FactorisedLSTM(4, 4, 8)])
    modules.load_state_dict({name.removeprefix("enc."): value for name, value in state.items()})
    w = torch.cat([lstm.weight_ih_l1, lstm.weight_hh_l1], dim=1)
    product = modules[1].weight_out @ torch.cat([modules[1].weight_in, modules[1].weight_rec], dim=1)
    assert (product - w).abs().max() < 1e-6  # I + H = 8: full rank in this layer
    assert torch.equal(modules[1].bias, lstm.bias_ih_l1 + lstm.bias_hh_l1)


def test_selected(save, tmp_path):
    state = torch.nn.LSTM(6, 4).state_dict(prefix="a.") | torch.nn.LSTM(6, 4).state_dict(prefix="b.lstm.")
    out = tmp_path / "out.safetensors"
    assert factorize(save(state), "--rank", 2, "-o", out, "--select", "b") == 0
    found = load_torch(out)
    assert {name for name in found if name.startswith("a.")} == {name for name in state if name.startswith("a.")}
    assert {name for name in found if name.startswith("b.")} == {
        f"b.lstm.{leaf}" for leaf in ("weight_in", "weight_rec", "weight_out", "bias")
    }


def diagonal(tmp_path):
    """I = H = 1; W = [[3, 0], [0, 4], [0, 0], [0, 0]]: rank 1 keeps 16 of 25 parts."""
    arrays = {"weight_ih_l0": np.array([[3.0], [0], [0], [0]]), "weight_hh_l0": np.array([[0.0], [4], [0], [0]])}
    save_file({f"lstm.{name}": array for name, array in arrays.items()}, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_lines(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    assert factorize(diagonal(tmp_path), "--rank", 1, "-o", out) == 0
    assert capsys.readouterr().out.splitlines() == [
        "lstm: rank 1 of 2, relative error 0.6, energy kept 64.00%, multiply-accumulates a step 8 -> 6 (75.0%).",
        f"Output: {out} (float64)",
    ]


def test_warning(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    path = diagonal(tmp_path)
    warning = (
        "Rank 2 saves nothing in layer 'lstm.l0': 12 multiply-accumulates a step and not 8; "
        "a rank of at most 1 saves some."
    )
    assert factorize(path, "--rank", 2, "-o", out) == 0
    assert capsys.readouterr().out.splitlines()[1] == warning
    assert factorize(path, "--rank", 2, "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out)["layers"][0]["warning"] == warning


def test_json(tmp_path, capsys):
    out = tmp_path / "out.safetensors"
    assert factorize(diagonal(tmp_path), "--rank", 1, "-o", out, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "output": str(out),
        "dtype": "float64",
        "layers": [
            {
                "name": "lstm",
                "rank": 1,
                "largest_rank": 2,
                "relative_error": pytest.approx(0.6, abs=1e-12),
                "energy_kept": pytest.approx(0.64, abs=1e-12),
                "macs_before": 8,
                "macs_after": 6,
                "warning": "",
            }
        ],
    }


def test_the_same_bytes_again(tmp_path):
    path = diagonal(tmp_path)
    for name in ("a", "b"):
        assert factorize(path, "--rank", 1, "-o", tmp_path / f"{name}.safetensors") == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


def test_tensors_are_aligned(save, tmp_path):
    state = torch.nn.LSTM(6, 4).state_dict(prefix="lstm.") | {"a": torch.tensor([True]), "b": torch.arange(3)}
    out = tmp_path / "out.safetensors"
    assert factorize(save(state), "--rank", 3, "-o", out) == 0
    content = out.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    assert length % 8 == 0
    sizes = {"F32": 4, "I64": 8, "BOOL": 1}
    for name, entry in header.items():
        assert name == "__metadata__" or entry["data_offsets"][0] % sizes[entry["dtype"]] == 0


def refused(capsys, sentence, path, *options, rank=2, out="out.safetensors"):
    target = Path(path).parent / out
    there = target.exists()
    capsys.readouterr()
    assert factorize(path, "--rank", rank, "-o", target, *options) == 2
    assert re.fullmatch(re.escape(f"rnngen: {sentence}\n"), capsys.readouterr().err)
    assert target.exists() == there


def test_refused_ranks(save, capsys):
    path = save(torch.nn.LSTM(6, 4).state_dict(prefix="lstm."))
    for rank in (0, 11, -3):
        refused(
            capsys,
            "The rank of layer 'lstm.l0' must be within 1..10 (the smaller of 4 x hidden size and input size + hidden "
            f"size), not {rank}.",
            path,
            rank=rank,
        )


def test_refused_outputs(save, capsys):
    path = save(torch.nn.LSTM(6, 4).state_dict())
    before = path.read_bytes()
    refused(capsys, "Output 'out.pt' must end in .safetensors, the only format that is written.", path, out="out.pt")
    sentence = f"Output '{path}' is the model itself, which is never overwritten; give another name."
    refused(capsys, sentence, path, out=path.name)
    assert path.read_bytes() == before


def test_output_that_cannot_be_written(save, tmp_path, capsys):
    path = save(torch.nn.LSTM(6, 4).state_dict())
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out.safetensors"
    assert factorize(path, "--rank", 2, "-o", target) == 2
    assert re.fullmatch(rf"rnngen: '{re.escape(str(target))}' cannot be written: .*\.\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    "module, sentence",
    [
        (torch.nn.GRU(6, 4), "Layer 'enc' is a GRU and cannot be factorised; select an LSTM."),
        (torch.nn.RNN(6, 4), "Layer 'enc' is a plain RNN and cannot be factorised; select an LSTM."),
        (
            torch.nn.LSTM(6, 4, bidirectional=True),
            "Layer 'enc' is bidirectional and cannot be factorised; select an LSTM of one direction.",
        ),
        (
            torch.nn.LSTM(6, 4, proj_size=2),
            "Layer 'enc.l0' cannot be factorised because it has a projection; "
            "the forward LSTM without projection that begins at zero can be.",
        ),
        (FactorisedLSTM(6, 4, 2), "Layer 'enc' is a factorised LSTM already; select a dense one."),
    ],
)
def test_refused_layers(save, capsys, module, sentence):
    refused(capsys, sentence, save(module.state_dict(prefix="enc.")))


def test_choice_missing(save, capsys):
    state = torch.nn.LSTM(6, 4).state_dict(prefix="a.") | torch.nn.LSTM(6, 4).state_dict(prefix="b.")
    refused(
        capsys,
        "Model 'model.safetensors' holds 2 recurrent layers ('a', 'b'); choose one by its name (--select).",
        save(state),
    )


@pytest.mark.parametrize("layers, name", [(1, "enc.bias"), (1, "enc.scale"), (2, "enc.1.weight_in")])
def test_no_room_for_the_new_parameters(save, capsys, layers, name):
    state = torch.nn.LSTM(6, 4, num_layers=layers).state_dict(prefix="enc.") | {name: torch.zeros(3)}
    refused(
        capsys,
        f"Parameter '{name}' stands where the parameters of the factorised layer must stand alone; "
        f"rename it, or put the LSTM in a module of its own.",
        save(state),
    )


def test_type_that_cannot_be_copied(save, capsys):
    state = torch.nn.LSTM(6, 4).state_dict(prefix="enc.") | {"wave": torch.zeros(3, dtype=torch.complex64)}
    refused(
        capsys,
        "Parameter 'wave' has the type complex64, which is not one of float16, bfloat16, float32, float64, int8, "
        "uint8, int16, int32, int64, bool, so it cannot be copied; remove it from the state dict.",
        save(state, "model.pt"),
    )


def test_not_a_state_dict(tmp_path, capsys):
    path = tmp_path / "model.onnx"
    path.write_bytes(b"")
    refused(
        capsys,
        "Model file 'model.onnx' must be a state dict (.safetensors, .pt, .pth) to have a layer exchanged, not a "
        ".onnx file; save the parameters with safetensors or with torch.save(model.state_dict(), path).",
        path,
    )


def test_no_such_file(tmp_path, capsys):
    path = tmp_path / "none.safetensors"
    refused(capsys, f"Model file '{path}' does not exist; check the path.", path)
