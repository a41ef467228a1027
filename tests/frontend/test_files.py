"""Model files: what is read, and each way a file can be bad."""

import io
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch

from rnngen.errors import ModelError
from rnngen.frontend import inspect, load

SAVE = r"torch\.save\(model\.state_dict\(\), path\)"


@pytest.fixture
def lstm() -> torch.nn.LSTM:
    torch.manual_seed(0)
    return torch.nn.LSTM(3, 4, num_layers=2)


def same(first, second):
    """Whether two networks have equal layers."""
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return len(first.layers) == len(second.layers) and all(
        a.name == b.name and all(np.array_equal(getattr(a, name), getattr(b, name)) for name in names)
        for a, b in zip(first.layers, second.layers)
    )


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("extension", [".pt", ".pth", ".PT"])
def test_state_dict_module_and_safetensors_are_one_network(tmp_path, lstm, extension, zipped):
    path = tmp_path / f"lstm{extension}"
    torch.save(lstm.state_dict(), path, _use_new_zipfile_serialization=zipped)
    other = tmp_path / "lstm.safetensors"
    safetensors.torch.save_file(lstm.state_dict(), other)
    live, network = load(lstm), load(str(path))
    assert same(network, live)
    assert same(network, load(other))
    assert (network.name, network.source) == ("lstm", path.name)
    assert [inspect(model).format for model in (path, other, lstm)] == ["torch", "safetensors", "module"]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_floating_types_are_converted_exactly(tmp_path, lstm, dtype):
    state = {name: tensor.to(dtype) for name, tensor in lstm.state_dict().items()}
    torch.save(state, tmp_path / "a.pt")
    safetensors.torch.save_file(state, tmp_path / "a.safetensors")
    for name in ("a.pt", "a.safetensors"):
        layer = load(tmp_path / name).layers[1]
        assert np.array_equal(layer.weight_ih, state["weight_ih_l1"].double().numpy())
        assert inspect(tmp_path / name).layers[0].dtype == str(dtype).removeprefix("torch.")


def test_extra_state_is_left_alone(tmp_path, lstm):
    torch.save({**lstm.state_dict(), "norm._extra_state": {"calls": 3}}, tmp_path / "a.pt")
    assert same(load(tmp_path / "a.pt"), load(lstm))


def bad_type(tensor, kind):
    if kind == "qint8":
        return torch.quantize_per_tensor(tensor, 0.1, 0, torch.qint8)
    if kind == "sparse":
        return tensor.to_sparse()
    return tensor.to("meta") if kind == "meta" else tensor.to(getattr(torch, kind))


@pytest.mark.filterwarnings("ignore")  # PyTorch announces that it will remove quantised tensors
@pytest.mark.parametrize(
    "kind, label",
    [
        ("qint8", "qint8"),
        ("int8", "int8"),
        ("complex64", "complex64"),
        ("float8_e4m3fn", "float8_e4m3fn"),
        ("sparse", "float32 in the layout sparse_coo"),
        ("meta", r"float32 without values \(meta device\)"),
    ],
)
def test_types_that_hold_no_plain_numbers(tmp_path, lstm, kind, label):
    state = lstm.state_dict()
    state["weight_hh_l1"] = bad_type(state["weight_hh_l1"], kind)
    torch.save(state, tmp_path / "a.pt")
    message = rf"^Parameter 'weight_hh_l1' has the type {label}, which is not one of float16, bfloat16, "
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


def test_missing_file(tmp_path):
    with pytest.raises(ModelError, match=r"^Model file '.*none\.pt' does not exist; check the path\.$"):
        load(tmp_path / "none.pt")


def test_path_the_system_refuses():
    with pytest.raises(ModelError, match=r"^Model file 'x+\.pt' does not exist; check the path\.$"):
        load("x" * 300 + ".pt")


def test_folder(tmp_path):
    with pytest.raises(ModelError, match=r"^Model '.*' must be a file, not a folder or device; give the file inside"):
        load(tmp_path)


@pytest.mark.parametrize("name, extension", [("a.bin", r"\.bin"), ("a", "")])
def test_unknown_extension(tmp_path, name, extension):
    (tmp_path / name).write_bytes(b"")
    message = (
        rf"^Model file '{name}' must end in one of \.safetensors, \.pt, \.pth, \.pt2, \.onnx, \.keras, \.npz, "
        rf"not '{extension}'; "
        r"save the parameters with safetensors or with torch\.save\(model\.state_dict\(\), path\)\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / name)


@pytest.mark.parametrize("name", ["a.pt", "a.safetensors"])
def test_unreadable_file(tmp_path, monkeypatch, name):
    (tmp_path / name).write_bytes(b"x")

    def refuse(self, *arguments, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "read_bytes", refuse)
    message = rf"^Model '{name}' cannot be read \(Permission denied\); check the file and its permissions\.$"
    with pytest.raises(ModelError, match=message):
        load(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x10\0\0\0\0\0\0\0{notjson}       "])
def test_corrupt_safetensors(tmp_path, content):
    path = tmp_path / "a.safetensors"
    path.write_bytes(content)
    message = r"^Model 'a\.safetensors' is not a valid safetensors file \(.+\); copy or save it again with safetensors'"
    with pytest.raises(ModelError, match=message):
        load(path)


def test_truncated_safetensors(arrays, save):
    path = save(arrays(3, 4))
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ModelError, match=r"^Model 'model\.safetensors' is not a valid safetensors file "):
        load(path)


@pytest.mark.parametrize(
    "content, reason",
    [
        (b"", "EOFError"),
        (b"x" * 100, "Unsupported operand 120"),
        (b"PK\x03\x04" + b"x" * 100, "PytorchStreamReader .*"),
    ],
)
def test_corrupt_state_dict(tmp_path, content, reason):
    path = tmp_path / "a.pt"
    path.write_bytes(content)
    message = rf"^Model 'a\.pt' is not a valid PyTorch file \({reason}\); copy it again or save it again with {SAVE}\.$"
    with pytest.raises(ModelError, match=message):
        load(path)


@pytest.mark.parametrize("zipped", [True, False])
def test_damaged_state_dict_never_gives_a_traceback(tmp_path, lstm, zipped):
    buffer = io.BytesIO()
    torch.save(lstm.state_dict(), buffer, _use_new_zipfile_serialization=zipped)
    choice = random.Random(0)
    refusals = []
    for _ in range(400):
        content = bytearray(buffer.getvalue())
        for _ in range(choice.choice((1, 2, 5))):
            content[choice.randrange(min(len(content), 1500))] = choice.randrange(256)
        if choice.random() < 0.2:
            del content[choice.randrange(len(content)) :]
        path = tmp_path / "a.pt"
        path.write_bytes(content)
        try:
            load(path)
        except ModelError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert not any("\n" in refusal for refusal in refusals)


@pytest.mark.parametrize("wrap", [lambda model: model, lambda model: {"model": model}])
def test_pickled_module(tmp_path, lstm, wrap):
    torch.save(wrap(lstm), tmp_path / "a.pt")
    message = (
        r"^Model 'a\.pt' holds pickled Python objects \(torch\.nn\.modules\.rnn\.LSTM\), which are never loaded "
        rf"because they can run code; save the parameters instead: {SAVE}\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore")  # PyTorch announces that it will remove quantised tensors
def test_packed_state_dict(tmp_path):
    model = torch.nn.Sequential(torch.nn.LSTM(3, 4))
    quantised = torch.ao.quantization.quantize_dynamic(model, {torch.nn.LSTM})
    torch.save(quantised.state_dict(), tmp_path / "a.pt")
    message = (
        r"^Model 'a\.pt' holds packed parameters of a quantised model; rnngen quantises the network itself, "
        r"so save the state dict of the model before quantisation\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


@pytest.mark.filterwarnings("ignore")  # PyTorch calls TorchScript deprecated
def test_torchscript(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "a.pt"))
    message = r"^Model 'a\.pt' is a TorchScript archive, not a state dict; save the parameters instead: torch\.save\("
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize("value, kind", [([1], "list"), (torch.ones(2), "Tensor"), (3, "int")])
def test_not_a_dict(tmp_path, value, kind):
    torch.save(value, tmp_path / "a.pt")
    message = rf"^Model 'a\.pt' holds a {kind}, not a dict of tensors; save the parameters instead: {SAVE}\.$"
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


@pytest.mark.parametrize("key, value, kind", [("epoch", 3, "int"), ("model", {}, "dict"), (7, torch.ones(1), "Tensor")])
def test_not_a_dict_of_tensors(tmp_path, key, value, kind):
    torch.save({"a": torch.ones(1), key: value}, tmp_path / "a.pt")
    message = (
        rf"^Model 'a\.pt' must be a dict of tensors by name, but its entry {key!r} is a {kind}; "
        rf"save the state dict alone: {SAVE}\.$"
    )
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "a.pt")


def test_torch_is_missing(tmp_path, lstm):
    torch.save(lstm.state_dict(), tmp_path / "a.pt")
    script = (
        "import sys; sys.modules['torch'] = None\n"
        "from rnngen.errors import ToolError\n"
        "from rnngen.frontend import load\n"
        "try:\n    load(sys.argv[1])\n"
        "except ToolError as error:\n    print(error)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "a.pt")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == (
        "Reading 'a.pt' needs PyTorch, which is not installed; "
        "run 'python -m pip install torch', or save the model as .safetensors.\n"
    )
