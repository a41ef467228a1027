"""rnngen prune: what is written, what is said, what is recognised, what is refused."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.numpy import save_file
from safetensors.torch import load_file as load_torch
from safetensors.torch import save_file as save_torch

from rnngen.cli import main
from rnngen.errors import ModelError
from rnngen.flow import FitOptions, PruneOptions, fit, prune_masks
from rnngen.frontend import load
from rnngen.nn import FactorisedLSTM

torch.set_num_threads(1)


class Tagger(torch.nn.Module):
    """A recurrent module among other things."""

    def __init__(self, recurrent):
        super().__init__()
        self.embedding = torch.nn.Embedding(9, 8)
        self.lstm = recurrent
        self.norm = torch.nn.BatchNorm1d(8)
        self.head = torch.nn.Linear(8, 4)


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


@pytest.fixture
def out(tmp_path):
    return tmp_path / "new" / "out.safetensors"


def prune(*arguments):
    return main(["prune", *(str(argument) for argument in arguments)])


def counts(weights, banks):
    """Non-zeros of each bank of each row, from the definition: element j is in bank j mod B."""
    return [[int((row[bank::banks] != 0).sum()) for bank in range(banks)] for row in weights]


@pytest.mark.parametrize("kind", [torch.nn.LSTM, torch.nn.GRU, torch.nn.RNN])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_what_is_written(save, out, kind, name):
    state = Tagger(kind(8, 8, num_layers=2, bidirectional=True)).state_dict()
    state |= {"steps": torch.arange(5), "rough": torch.tensor([float("nan"), -0.0], dtype=torch.bfloat16)}
    path = save(state, name)
    assert prune(path, "-o", out, "--sparsity", "1/2", "--sparsity-recurrent", "75%", "--banks", 2) == 0
    found = load_torch(out)
    assert set(found) == set(state)
    for key, value in state.items():
        after = found[key]
        assert (after.dtype, after.shape) == (value.dtype, value.shape)
        if key.startswith("lstm.weight"):
            kept = after.shape[1] // 2 // (4 if "hh" in key else 2)
            assert counts(after, 2) == [[kept, kept]] * len(after)
            assert torch.equal(after[after != 0], value[after != 0])
            for row, before in zip(after, value):  # the largest of each bank
                for bank in range(2):
                    magnitudes = before[bank::2].abs()
                    assert set(magnitudes.topk(kept).indices.tolist()) == set(row[bank::2].nonzero().flatten().tolist())
        else:
            assert torch.equal(after.reshape(-1).view(torch.uint8), value.reshape(-1).view(torch.uint8))
    kept_too = {"epoch": "7"} if path.suffix == ".safetensors" else {}
    with safe_open(out, "pt") as file:
        assert file.metadata() == {"format": "pt"} | kept_too


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
def test_types_are_kept(save, out, dtype):
    lstm = torch.nn.LSTM(8, 4).to(dtype)
    assert prune(save(lstm.state_dict()), "-o", out, "--sparsity", 0.5, "--banks", 2) == 0
    found = load_torch(out)
    assert {value.dtype for value in found.values()} == {dtype}
    assert counts(found["weight_ih_l0"], 2) == [[2, 2]] * 16
    assert (found["weight_ih_l0"].double().abs().sum() > lstm.weight_ih_l0.double().abs().sum() / 2).item()


def test_shared_rows(save, out):
    path = save(torch.nn.LSTM(8, 5).state_dict())
    options = ("--sparsity", 0.75, "--sparsity-recurrent", "3/5", "--banks", 2, "--share-rows", 2)
    assert prune(path, "-o", out, *options) == 0
    present = load_torch(out)["weight_ih_l0"].reshape(4, 5, 8) != 0
    for gate in present:
        assert torch.equal(gate[0], gate[1])
        assert torch.equal(gate[2], gate[3])
    assert not torch.equal(present[:, 4], present[:, 3])
    assert not torch.equal(present[:-1, 4], present[1:, 0])  # no group crosses a gate


def test_the_circuit_s_network_is_the_pruned_one(save, out):
    path = save(Tagger(torch.nn.LSTM(8, 8)).state_dict())
    options = ("--sparsity", 0.75, "--banks", 2, "--linear", "head", "--dense", "lstm.weight_ih_l0")
    assert prune(path, "-o", out, *options) == 0
    (dense, head), (new, new_head) = (load(one, head=("head",)).layers for one in (path, out))
    assert np.array_equal(new.weight_ih, dense.weight_ih)
    assert counts(new.weight_hh, 2) == [[1, 1]] * 32
    assert counts(new_head.weight, 2) == [[1, 1]] * 4
    assert np.array_equal(new_head.bias, head.bias)


def by_hand(tmp_path):
    """An LSTM of one unit and a Linear layer; W_ih rows (3, 4, 0, 0), W_hh (2), head (1, 7)."""
    arrays = {
        "lstm.weight_ih_l0": np.array([[3.0, 4.0, 0.0, 0.0]] * 4),
        "lstm.weight_hh_l0": np.array([[2.0]] * 4),
        "head.weight": np.array([[1.0, 7.0]]),
        "head.bias": np.array([0.0]),
    }
    save_file(arrays, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_lines(tmp_path, out, capsys):
    options = ("--sparsity", 0.5, "--banks", 1, "--dense", "lstm.weight_hh_l0", "--linear", "head", "--weight-bits", 4)
    assert prune(by_hand(tmp_path), "-o", out, *options, "--share-rows", 2) == 0
    # lstm: 8 of 16 and 4 of 4; (100 + 16) of (100 + 16); values 12 * 4 bits, 4 index sets (a gate each) of 2 * 2 bits.
    # head: 49 of 50; 1 * 4 bits and 1 * 1 bit of 8.
    assert [re.sub(" {2,}", " | ", line) for line in capsys.readouterr().out.splitlines()] == [
        "1 bank, 2 rows with one index set; memory: values of 4 bits and indices.",
        "layer | non-zeros a bank | non-zeros | energy kept | index bits | memory bits",
        "lstm.l0 | k_x 2, k_h dense | 12 of 20 (60.00%) | 100.00% | 2, 0 | 64 of 80 (80.00%)",
        "head | k 1 | 1 of 2 (50.00%) | 98.00% | 1 | 5 of 8 (62.50%)",
        "all | 13 of 22 (59.09%) | 99.40% | 69 of 88 (78.41%)",
        f"Output: {out}",
    ]


def test_json(tmp_path, out, capsys):
    options = ("--sparsity", 0.5, "--banks", 1, "--dense", "lstm.weight_hh_l0", "--linear", "head", "--weight-bits", 4)
    assert prune(by_hand(tmp_path), "-o", out, *options, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "output": str(out),
        "banks": 1,
        "shared_rows": 1,
        "weight_bits": 4,
        "layers": [
            {
                "name": "lstm.l0", "k_x": 2, "k_h": None, "index_bits": {"k_x": 2, "k_h": 0}, "weights": 20,
                "nonzeros": 12, "energy_kept": 1.0, "memory_bits": 64, "dense_memory_bits": 80,
            },
            {
                "name": "head", "k": 1, "index_bits": {"k": 1}, "weights": 2,
                "nonzeros": 1, "energy_kept": 0.98, "memory_bits": 5, "dense_memory_bits": 8,
            },
        ],
        "notes": [],
    }  # fmt: skip


def test_note_of_zeros_that_are_kept(tmp_path, out, capsys):
    assert prune(by_hand(tmp_path), "-o", out, "--sparsity", 0, "--banks", 1) == 0
    assert capsys.readouterr().out.splitlines()[-2] == (
        "Parameter 'lstm.weight_ih_l0' keeps 8 weights that are 0, as its banks have no others; a state dict with it "
        "is recognised as these banks only if it is padded."
    )


def test_the_same_bytes_again(save, tmp_path):
    path = save(torch.nn.LSTM(8, 4).state_dict())
    for name in ("a", "b"):
        assert prune(path, "-o", tmp_path / f"{name}.safetensors", "--sparsity", 0.5, "--banks", 2) == 0
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()


# --- recognising


def test_recognised(save, out, capsys):
    path = save(Tagger(torch.nn.GRU(8, 8)).state_dict())
    options = ("--sparsity", 0.5, "--sparsity-recurrent", 0.75, "--banks", 2, "--share-rows", 2, "--linear", "head")
    assert prune(path, "-o", out, *options, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    for known in ((), ("--banks", 2)):
        assert prune(out, "--fit", *known, "--share-rows", 2, "--linear", "head", "--json") == 0
        assert json.loads(capsys.readouterr().out) == said | {"output": None, "layers": [
            layer | {"energy_kept": 1.0, "weights": layer["weights"]} for layer in said["layers"]
        ]}  # fmt: skip
    assert prune(path, "--fit", "--banks", 4) == 0  # dense: every bank is full
    assert "k_x 2, k_h 2" in capsys.readouterr().out


def test_pattern_that_does_not_fit(save, capsys):
    lstm = torch.nn.LSTM(8, 4)
    with torch.no_grad():
        lstm.weight_ih_l0[2, 5] = lstm.weight_ih_l0[9, 0] = 0
    path = save(lstm.state_dict(prefix="enc."))
    refused(
        capsys,
        "Parameter 'enc.weight_ih_l0' does not fit 4 banks of equal numbers of non-zeros: most hold 2, but not row 2 "
        "bank 1 (1), row 9 bank 0 (1); prune it to banks, give another number of them, or let zeros be added (pad).",
        path, "--fit", "--banks", 4,
    )  # fmt: skip
    assert prune(path, "--fit", "--banks", 4, "--pad") == 0
    assert "Parameter 'enc.weight_ih_l0' keeps 2 weights that are 0" in capsys.readouterr().out


def test_live_modules():
    model = Tagger(torch.nn.RNN(8, 8, nonlinearity="relu"))
    masks = prune_masks(model, PruneOptions(2, 0.5, linear=("head",)))
    assert list(masks) == ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "head.weight"]
    state = model.state_dict()
    for name, mask in masks.items():
        state[name].mul_(torch.tensor(mask.mask))
    found = fit(model, FitOptions(linear=("head",)))
    assert (found.banks, found.output) == (2, None)
    for name, mask in found.masks.items():
        assert np.array_equal(mask.mask, masks[name].mask)


# --- refusals


def refused(capsys, sentence, path, *options):
    """One sentence, status 2, and nothing written."""
    before = {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()}
    capsys.readouterr()
    assert prune(path, *options) == 2
    assert capsys.readouterr() == ("", f"rnngen: {sentence}\n")
    assert {file: file.read_bytes() for file in path.parent.iterdir() if file.is_file()} == before


LEGAL = ("--sparsity", 0.5, "--banks", 2)


@pytest.mark.parametrize(
    "options, sentence",
    [
        (
            ("--sparsity", 0.6, "--banks", 2),
            "Parameter 'enc.weight_ih_l0' cannot have a sparsity of 0.6, which would keep 1.6 non-zeros in each bank "
            "(rows of 8 in 2 banks); the nearest legal ones are 0.5 (2 kept) and 0.75 (1 kept).",
        ),
        (
            ("--sparsity", 0.5, "--sparsity-recurrent", "2/3", "--banks", 2),
            "Parameter 'enc.weight_hh_l0' cannot have a sparsity of 2/3, which would keep 0.6667 non-zeros in each "
            "bank (rows of 4 in 2 banks); the nearest legal one is 0.5 (1 kept).",
        ),
        (
            ("--sparsity", 0.5, "--banks", 16),
            "Parameter 'enc.weight_ih_l0' has rows of 8, so its banks must be within 1..8, not 16; choose another "
            "number, or leave it dense.",
        ),
        (
            ("--sparsity", -0.5, "--banks", 2),
            "Sparsity must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '-0.5'.",
        ),
        (
            ("--sparsity", "100%", "--banks", 2),
            "Sparsity must be at least 0 and below 1, such as 0.875, 7/8 or 87.5%, not '100%'.",
        ),
        (
            (*LEGAL, "--share-rows", 0),
            "Parameter 'enc.weight_ih_l0' must have at least 1 row with an index set, not 0.",
        ),
        (
            (*LEGAL, "--dense", "lstm"),
            "Layer 'lstm', which is to be left dense, is none of the layers to prune: 'enc.l0'.",
        ),
        (
            (*LEGAL, "--dense", "enc"),
            "All layers are left dense, so there is nothing to prune; name fewer of them.",
        ),
        (
            (*LEGAL, "--linear", "fc"),
            "Head 'fc' is not in model.safetensors; Linear layers here: none.",
        ),
        ((*LEGAL, "--weight-bits", 1), "Weight bits must be within 2..18, not 1."),
        ((*LEGAL, "--pad"), "--pad is for --fit, where banks hold unequal numbers of non-zeros; leave it out."),
        (LEGAL[:2], "Pruning needs --banks; give it, or --fit for a model that is sparse already."),
        (LEGAL[2:], "Pruning needs --sparsity; give it, or --fit for a model that is sparse already."),
    ],
)  # fmt: skip
def test_refused_options(save, out, capsys, options, sentence):
    path = save(torch.nn.LSTM(8, 4).state_dict(prefix="enc."))
    refused(capsys, sentence, path, "-o", path.with_name("out.safetensors"), *options)


def test_refused_with_fit(save, capsys):
    path = save(torch.nn.LSTM(8, 4).state_dict(prefix="enc."))
    for option, value in (("-o", "x.safetensors"), ("--sparsity", "0.5"), ("--sparsity-recurrent", "0.5")):
        sentence = f"{option} is for pruning, but --fit only says which banks there are; leave one out."
        refused(capsys, sentence, path, "--fit", option, value)
    sentence = "Parameter 'enc.weight_ih_l0' fits any number of banks if it is padded with zeros; give the number."
    refused(capsys, sentence, path, "--fit", "--pad")


def test_no_output(save, capsys):
    sentence = "Pruning needs -o; give it, or --fit for a model that is sparse already."
    refused(capsys, sentence, save(torch.nn.LSTM(8, 4).state_dict()), *LEGAL)


def test_refused_outputs(save, capsys):
    path = save(torch.nn.LSTM(8, 4).state_dict())
    sentence = "Output 'out.pt' must end in .safetensors, the only format that is written."
    refused(capsys, sentence, path, "-o", path.with_name("out.pt"), *LEGAL)
    sentence = f"Output '{path}' is the model itself, which is never overwritten; give another name."
    refused(capsys, sentence, path, "-o", path, *LEGAL)


def test_output_that_cannot_be_written(save, tmp_path, capsys):
    path = save(torch.nn.LSTM(8, 4).state_dict())
    (tmp_path / "file").write_text("")
    target = tmp_path / "file" / "out.safetensors"
    assert prune(path, "-o", target, *LEGAL) == 2
    assert re.fullmatch(rf"rnngen: '{re.escape(str(target))}' cannot be written: .*\.\n", capsys.readouterr().err)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "model.safetensors"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(save, tmp_path, capsys, value):
    lstm = torch.nn.LSTM(8, 4)
    with torch.no_grad():
        lstm.weight_hh_l0[3, 2] = value
    refused(
        capsys,
        f"Parameter 'enc.weight_hh_l0' holds {value} at [3, 2] (1 of its 64 values are not finite); all must be "
        f"finite, so repair the checkpoint or take an earlier one.",
        save(lstm.state_dict(prefix="enc.")), "-o", tmp_path / "out.safetensors", *LEGAL,
    )  # fmt: skip


def test_refused_models(save, tmp_path, capsys):
    state = FactorisedLSTM(8, 4, 2).state_dict(prefix="f.") | torch.nn.LSTM(8, 4).state_dict(prefix="enc.")
    path, target = save(state), tmp_path / "out.safetensors"
    refused(
        capsys,
        "Layer 'f' is a factorised LSTM, which cannot be pruned; name it as one to be left dense, or select another "
        "one.",
        path, "-o", target, *LEGAL,
    )  # fmt: skip
    for choice in (("--dense", "f"), ("--select", "enc")):
        assert prune(path, "-o", target, *LEGAL, *choice) == 0
        target.unlink()
    onnx = tmp_path / "model.onnx"
    onnx.write_bytes(b"")
    refused(
        capsys,
        "Model file 'model.onnx' must be a state dict (.safetensors, .pt, .pth) to be pruned, not a .onnx file; save "
        "the parameters with safetensors or with torch.save(model.state_dict(), path).",
        onnx, "-o", target, *LEGAL,
    )  # fmt: skip
    with pytest.raises(ModelError, match="^Model 'model.onnx' must be a state dict or a live module to be pruned, not"):
        prune_masks(onnx, PruneOptions(2, 0.5))
