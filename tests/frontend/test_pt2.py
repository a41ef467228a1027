"""Programs that torch.export.save wrote: round trips, and what is refused of foreign or damaged files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnngen.errors import ModelError
from rnngen.frontend.exported import read_pt2
from rnngen.ir.layers import EmbeddingLayer, LinearLayer
from tests.frontend.exported_models import Model, floats, kinds, run, settle, symbols, torch_run

nn = torch.nn
ADVICE = "save it again with torch.export.save(program, path) of PyTorch 2.9 or later."


def save(module: torch.nn.Module, path: Path, *example: torch.Tensor) -> Path:
    torch.export.save(torch.export.export(settle(module), example), path)
    return path


def tagger() -> Model:
    return Model(
        lambda m, x: m.fc(torch.relu(m.rnn(m.emb(x))[0])).argmax(-1),
        emb=nn.Embedding(9, 3),
        rnn=nn.GRU(3, 4, 2, batch_first=True, bidirectional=True),
        fc=nn.Linear(8, 5),
    )


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    module = Model(lambda m, x: m.fc(m.rnn(x)[0][:, -1]), rnn=nn.LSTM(3, 4, batch_first=True), fc=nn.Linear(4, 2))
    return save(module, tmp_path_factory.mktemp("pt2") / "vad.pt2", torch.zeros(2, 5, 3))


def test_a_file_gives_the_same_as_pytorch(tmp_path: Path) -> None:
    module = tagger()
    chain = read_pt2(save(module, tmp_path / "tagger.pt2", symbols(9, 3, 5)))
    assert kinds(chain) == ["Embedding", "Parallel", "Parallel", "Activation", "Linear", "Argmax"]
    assert (chain.title, chain.stem, chain.source, chain.kind) == ("Model 'tagger.pt2'", "tagger", "tagger.pt2", "pt2")
    x = symbols(9, 2, 6)
    np.testing.assert_array_equal(run(chain, x)[:, :, 0], torch_run(module, x))


def test_floats_of_a_file(saved: Path) -> None:
    module = settle(
        Model(lambda m, x: m.fc(m.rnn(x)[0][:, -1]), rnn=nn.LSTM(3, 4, batch_first=True), fc=nn.Linear(4, 2))
    )
    x = floats(2, 6, 3)
    np.testing.assert_allclose(run(read_pt2(str(saved)), x)[:, 0], torch_run(module, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_types_of_parameters(kind: torch.dtype, tmp_path: Path) -> None:
    module = Model(lambda m, x: m.fc(m.rnn(x)[0]), rnn=nn.GRU(3, 4, batch_first=True), fc=nn.Linear(4, 2)).to(kind)
    chain = read_pt2(save(module, tmp_path / "m.pt2", torch.zeros(2, 5, 3, dtype=kind)))
    x = floats(2, 6, 3)
    np.testing.assert_allclose(run(chain, x), torch_run(module, x), rtol=0, atol=1e-12)


def test_parameters_that_share_their_storage_with_strides(tmp_path: Path) -> None:
    module = Model(lambda m, x: m.fc(m.rnn(m.emb(x))[0]), emb=nn.Embedding(9, 4), rnn=nn.RNN(4, 4, batch_first=True))
    module.fc = nn.Linear(4, 9, bias=False)
    module.fc.weight = module.emb.weight
    module.rnn.weight_hh_l0 = nn.Parameter(torch.randn(8, 8).T[::2, 1:5])
    chain = read_pt2(save(module, tmp_path / "m.pt2", symbols(9, 2, 5)))
    first, end = chain.layers[0], chain.layers[-1]
    assert isinstance(first, EmbeddingLayer)
    assert isinstance(end, LinearLayer)
    np.testing.assert_array_equal(first.table, end.weight)
    x = symbols(9, 2, 6)
    np.testing.assert_allclose(run(chain, x), torch_run(module, x), rtol=0, atol=1e-12)


def test_batches_of_a_free_length(tmp_path: Path) -> None:
    def forward(m: Any, x: Any) -> Any:
        y = m.rnn(x, m.h.weight.view(1, 1, 4).expand(1, x.size(0), 4).contiguous())[0]
        return m.fc(y.reshape(x.size(0) * x.size(1), 4)).view(x.size(0), -1, 2)

    module = settle(Model(forward, rnn=nn.GRU(3, 4, batch_first=True), h=nn.Linear(4, 1), fc=nn.Linear(4, 2)))
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(module, (torch.zeros(4, 5, 3),), dynamic_shapes=({0: batch},))
    torch.export.save(program, tmp_path / "m.pt2")
    x = floats(2, 6, 3)
    np.testing.assert_allclose(run(read_pt2(tmp_path / "m.pt2"), x), torch_run(module, x), rtol=0, atol=1e-12)


def test_reading_needs_no_pytorch(saved: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "from rnngen.frontend.exported import read_pt2\n"
        f"print([layer.name for layer in read_pt2({str(saved)!r}).layers])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['rnn.l0', 'rnn.l0.last', 'fc']"


# Foreign and damaged files


def rewrite(source: Path, path: Path, change: Callable[[str, bytes], bytes | None]) -> Path:
    """The archive with members changed, or left out."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():
            data = change(name, old.read(name))
            if data is not None:
                new.writestr(name, data)
    return path


def edited(source: Path, path: Path, member: str, change: Callable[[Any], None]) -> Path:
    """The archive with one JSON member changed."""

    def edit(name: str, data: bytes) -> bytes:
        if not name.endswith(member):
            return data
        tree = json.loads(data)
        change(tree)
        return json.dumps(tree).encode()

    return rewrite(source, path, edit)


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as caught:
        read_pt2(path)
    return str(caught.value)


def entry(tree: Any, name: str = "fc.weight") -> Any:
    return tree["config"][name]


def test_a_pickled_parameter_is_never_loaded(saved: Path, tmp_path: Path) -> None:
    path = edited(saved, tmp_path / "m.pt2", "weights_config.json", lambda tree: entry(tree).update(use_pickle=True))
    assert refusal(path) == (
        "Model 'm.pt2' holds 'fc.weight' as a pickled Python object, which is never loaded because it can run code; "
        "save parameters and constants as plain dense tensors."
    )


def test_the_pickled_example_is_never_opened(saved: Path, tmp_path: Path) -> None:
    path = rewrite(saved, tmp_path / "m.pt2", lambda name, data: None if "sample_inputs" in name else data)
    assert len(read_pt2(path).layers) == 3


def test_parameters_of_another_type(saved: Path, tmp_path: Path) -> None:
    def change(tree: Any) -> None:
        entry(tree)["tensor_meta"]["dtype"] = 29

    assert refusal(edited(saved, tmp_path / "m.pt2", "weights_config.json", change)) == (
        "Model 'm.pt2' holds 'fc.weight' in a type (number 29 of torch.export) that is not read; "
        "save it with floating-point parameters."
    )


@pytest.mark.parametrize(
    ("member", "change", "what"),
    [
        (
            "weights_config.json",
            lambda t: entry(t)["tensor_meta"]["sizes"][0].update(as_int=3),
            "'fc.weight' is larger than its data",
        ),
        (
            "weights_config.json",
            lambda t: entry(t)["tensor_meta"]["strides"][0].update(as_int=-1),
            "'fc.weight' is larger than its data",
        ),
        ("weights_config.json", lambda t: t["config"].pop("fc.weight"), "KeyError in its graph"),
        ("model.json", lambda t: t.pop("graph_module"), "KeyError in its graph"),
        ("model.json", lambda t: t["graph_module"].update(graph=3), "TypeError in its graph"),
        (
            "model.json",
            lambda t: t["graph_module"]["signature"]["input_specs"][0].update(custom_obj={}),
            "ValueError in its graph",
        ),
        (
            "model.json",
            lambda t: t["graph_module"]["signature"]["input_specs"].insert(0, {"token": {"arg": {"name": "t"}}}),
            "it has an input of the kind token",
        ),
    ],
)
def test_damaged_programs(saved: Path, tmp_path: Path, member: str, change: Callable[[Any], None], what: str) -> None:
    path = edited(saved, tmp_path / "m.pt2", member, change)
    assert refusal(path) == f"Model 'm.pt2' is not a program that torch.export saved ({what}); {ADVICE}"


def test_no_json(saved: Path, tmp_path: Path) -> None:
    path = rewrite(saved, tmp_path / "m.pt2", lambda name, data: data[:-1] if name.endswith("model.json") else data)
    assert refusal(path) == (
        f"Model 'm.pt2' is not a program that torch.export saved (its models/model.json is no JSON); {ADVICE}"
    )


def test_another_archive(saved: Path, tmp_path: Path) -> None:
    path = rewrite(saved, tmp_path / "m.pt2", lambda name, data: None if name.endswith("model.json") else data)
    what = "it holds no models/model.json"
    assert refusal(path) == f"Model 'm.pt2' is not a program that torch.export saved ({what}); {ADVICE}"


def test_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "m.pt2"
    path.write_bytes(b"no archive")
    assert refusal(path) == (f"Model 'm.pt2' is damaged or of another format (it is no ZIP archive); {ADVICE}")


def test_an_operation_of_its_own(saved: Path, tmp_path: Path) -> None:
    def change(tree: Any) -> None:
        tree["graph_module"]["graph"]["nodes"][-1]["target"] = "torch.ops.mine.linear.default"

    assert refusal(edited(saved, tmp_path / "m.pt2", "model.json", change)) == (
        "Model 'm.pt2': 'mine.linear.default' is an operation of its own that is not followed; "
        "export the model without it."
    )


def test_arguments_that_are_not_followed(saved: Path, tmp_path: Path) -> None:
    def change(tree: Any) -> None:
        node = next(n for n in tree["graph_module"]["graph"]["nodes"] if n["target"].endswith("select.int"))
        node["inputs"][1]["arg"] = {"as_string": "T"}

    assert refusal(edited(saved, tmp_path / "m.pt2", "model.json", change)) == (
        "Model 'm.pt2': 'select' (aten.select.int) has arguments that are not followed (invalid literal for int() with "
        "base 10: 'T'); save the state dict instead and select the layers in it (--select)."
    )


def test_an_operation_of_rnngen_without_its_module(saved: Path, tmp_path: Path) -> None:
    def change(tree: Any) -> None:
        tree["graph_module"]["graph"]["nodes"][-1]["target"] = "torch.ops.rnngen.recurrent.default"

    assert refusal(edited(saved, tmp_path / "m.pt2", "model.json", change)) == (
        "Model 'm.pt2': 'fc' (rnngen.recurrent.default) stands for a module that the file does not hold; "
        "import the live module."
    )


class Counting(torch.nn.Module):
    """Counts its calls in a buffer, and may use the count."""

    def __init__(self, used: bool) -> None:
        super().__init__()
        self.used = used
        self.rnn = nn.GRU(3, 4)
        self.register_buffer("calls", torch.zeros(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kept = self.calls.view(1, 1)
        self.calls.fill_(1)
        out: torch.Tensor = self.rnn(x)[0]
        return out + kept[0] if self.used else out


def test_a_buffer_that_forward_changes(tmp_path: Path) -> None:
    assert len(read_pt2(save(Counting(False), tmp_path / "unused.pt2", torch.zeros(5, 2, 3))).layers) == 1
    assert refusal(save(Counting(True), tmp_path / "m.pt2", torch.zeros(5, 2, 3))) == (
        "Model 'm.pt2': 'select' reads a tensor that 'fill' changed in place; use the form that gives a new tensor."
    )
    program = torch.export.export(Counting(True), (torch.zeros(5, 2, 3),)).run_decompositions({})
    torch.export.save(program, tmp_path / "other.pt2")
    assert refusal(tmp_path / "other.pt2") == (
        "Model 'other.pt2' changes an input or a buffer of its own in forward (buffer_mutation), which is not "
        "followed; export it in eval mode, and pass a state in and out."
    )


def test_a_model_in_training_mode(tmp_path: Path) -> None:
    module = Model(lambda m, x: m.rnn(x)[0], rnn=nn.LSTM(3, 4, 2, dropout=0.5))
    torch.export.save(torch.export.export(module.train(), (torch.zeros(5, 2, 3),)), tmp_path / "m.pt2")
    assert refusal(tmp_path / "m.pt2") == (
        "Model 'm.pt2': 'rnn' has a dropout in training mode; export the model in eval mode."
    )
