"""Design folders: the way out and back, the same bytes every time, and nothing half-written."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest

from rnngen.emit import folder as folder_module
from rnngen.emit.design import Design, read_design, write_design
from rnngen.emit.folder import check_target, write_atomically, write_folder
from rnngen.errors import DesignError
from rnngen.ir.network import LinearLayer, Network, RecurrentLayer, parameters
from rnngen.ir.quantised import QuantisedLayer
from rnngen.passes.quantise import quantise
from rnngen.plan.search import plan_for_lanes
from rnngen.plan.shapes import block_shapes


def make_network(seed: int = 1) -> Network:
    generator = np.random.default_rng(seed)
    shapes = ((20, 3), (20, 5), (20,), (20,))
    lstm = RecurrentLayer("enc.l0", "lstm", *(generator.normal(0, 0.5, shape) for shape in shapes))
    return Network("enc", (lstm, LinearLayer("head", generator.normal(0, 1, (2, 5)), np.ones(2))), "model.pt")


def make_design(target: Path, seed: int = 1) -> Design:
    network = make_network(seed)
    quantised = quantise(network, 8, 16)
    plan = plan_for_lanes(block_shapes(quantised), 4, 2, 3)
    return write_design(
        target, network, quantised, plan, top="accel", clock_hz=100_000_000, board=None,
        loadable=False, calibration="proved",
    )  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Design:
    return make_design(tmp_path_factory.mktemp("emit") / "design")


@pytest.fixture
def design(original: Design, tmp_path: Path) -> Path:
    """A copy to damage."""
    target = tmp_path / "design"
    for path in contents(original.folder):
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        (target / path).write_bytes((original.folder / path).read_bytes())
    return target


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_round_trip(original: Design) -> None:
    back = read_design(original.folder)
    assert back.document == original.document == json.loads((original.folder / "design.json").read_text())
    assert back.plan == original.plan
    assert (back.top, back.network.name, back.network.source) == ("accel", "enc", "model.pt")
    for before, after in zip(original.network.layers, back.network.layers, strict=True):
        assert before.name == after.name
        for name, array in parameters(before).items():
            assert np.array_equal(array, parameters(after)[name])
    for before, after in zip(original.quantised.layers, back.quantised.layers, strict=True):
        assert isinstance(after, QuantisedLayer)
        assert before.kind == after.kind
        assert (before.name, before.formats) == (after.name, after.formats)
        assert np.array_equal(before.weight_x, after.weight_x)
        assert np.array_equal(before.bias, after.bias)
        if before.weight_h is not None:
            assert np.array_equal(before.weight_h, after.weight_h)
    quantised = back.quantised
    assert (quantised.name, quantised.weight_bits, quantised.activation_bits) == ("enc", 8, 16)


def test_the_same_input_gives_the_same_bytes(original: Design, tmp_path: Path) -> None:
    again = make_design(tmp_path / "elsewhere" / "other name")
    assert contents(again.folder) == contents(original.folder)
    assert make_design(tmp_path / "third", seed=2).document["digest"] != original.document["digest"]


def test_document_names_every_file(original: Design) -> None:
    files = contents(original.folder)
    listed = {entry["path"]: entry for entry in original.document["files"]}
    reuse = original.document["reuse"]  # not checked again: people change these
    assert sorted([*listed, *reuse]) == sorted(set(files) - {"design.json"})
    for path, entry in listed.items():
        assert entry["sha256"] == hashlib.sha256(files[path]).hexdigest()
        assert entry["bytes"] == len(files[path])
    assert files["rtl/files.f"].decode().split() == original.document["verilog"]
    assert original.document["verilog"][-1] == "accel.v"
    assert [path.name for path in original.sources] == original.document["verilog"]
    assert str(original.folder).encode() not in b"".join(files.values())


def test_keys_that_others_rely_on(original: Design) -> None:
    """LSTM(3, 5) on 4 x 2 x 3 lanes and Linear(5, 2): products of a step 4 * 5 * 8 + 10."""
    document = original.document
    assert document["top"] == "accel"
    assert document["clock_hz_target"] == 100_000_000
    assert document["lanes"] == {"gates": 4, "rows": 2, "columns": 3}
    assert document["macs_per_step"] == 170
    assert document["multipliers"] == sum(layer["multipliers"] for layer in document["layers"])
    assert document["bound_cycles"] == 170 / document["multipliers"]
    assert document["step_interval_cycles"] == max(layer["interval_cycles"] for layer in document["layers"])
    first, last = document["latency_first_output_cycles"], document["latency_last_output_cycles"]
    assert 0 < first <= last
    assert (document["weight_bits"], document["activation_bits"]) == (8, 16)
    ports = document["ports"]
    words = ports["s_axis"]["words_per_beat"]
    assert ports["s_axis"] == {
        "tdata_bits": 16 * words, "words_per_beat": words, "beats_per_step": -(-3 // words), "word_bits": 16,
        "lane_bits": 16, "words_per_step": 3, "fraction_bits": 14, "signed": True,
    }  # fmt: skip
    assert ports["m_axis"]["words_per_step"] == 2
    assert ports["m_axis"]["tdata_bits"] == 16 * ports["m_axis"]["words_per_beat"]
    assert document["memory_bits"] > sum(sum(layer["memory_bits"].values()) for layer in document["layers"])


def test_an_older_design_is_replaced_whole(design: Path) -> None:
    (design / "rtl" / "stale.v").write_text("old")
    (design / "report.html").write_text("old")
    make_design(design, seed=2)
    assert not (design / "rtl" / "stale.v").exists()
    assert not (design / "report.html").exists()
    read_design(design)
    assert [p.name for p in design.parent.iterdir()] == ["design"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    make_design(tmp_path / "empty")
    assert (tmp_path / "empty" / "design.json").is_file()


@pytest.mark.parametrize(
    "name, text",
    [("thesis.tex", "mine"), ("design.json", "{}"), ("design.json", "[1]"), ("design.json", "no json"),
     ("design.json", '{"generator": "other"}')],
)  # fmt: skip
def test_a_foreign_folder_is_refused(tmp_path: Path, name: str, text: str) -> None:
    target = tmp_path / "mine"
    target.mkdir()
    (target / name).write_text(text)
    sentence = f"'{target}' is not empty and was not made by rnngen; give a new folder, nothing was overwritten."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        make_design(target)
    assert contents(tmp_path) == {f"mine/{name}": text.encode()}


def test_a_file_as_target_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "file"
    target.write_text("mine")
    sentence = f"'{target}' is a file; give a folder that does not exist yet."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        make_design(target)
    assert target.read_text() == "mine"


def test_a_path_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    target = tmp_path / "file" / "below"
    sentence = f"'{re.escape(str(target))}' cannot be written: .*; choose another folder\\."
    with pytest.raises(DesignError, match=f"^{sentence}$"):
        make_design(target)
    assert contents(tmp_path) == {"file": b"mine"}


def test_no_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(folder_module.tempfile, "mkdtemp", refuse)
    sentence = f"'{tmp_path / 'new'}' cannot be written: Permission denied; choose another folder."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        write_folder(tmp_path / "new", {"a": b""})


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Path.write_bytes

    def fails_on_b(path: Path, content: bytes) -> int:
        if path.name == "b":
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(Path, "write_bytes", fails_on_b)
    sentence = f"'{tmp_path / 'new'}' cannot be written: No space left on device; choose another folder."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        write_folder(tmp_path / "new", {"a": b"1", "b": b"2"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("failing", [1, 2])
def test_a_failed_replacement_keeps_the_old_design(design: Path, monkeypatch: pytest.MonkeyPatch, failing: int) -> None:
    """Whichever of the two moves fails, the older design stays where it was and nothing lies beside it."""
    before = contents(design)
    replace, calls = os.replace, []

    def fails_once(source: Path, target: Path) -> None:
        calls.append(source)
        if len(calls) == failing:
            raise OSError(16, "Device or resource busy")
        replace(source, target)

    monkeypatch.setattr(folder_module.os, "replace", fails_once)
    with pytest.raises(DesignError, match=r"cannot be written: Device or resource busy; choose another folder\.$"):
        write_folder(design, {"design.json": b"new"})
    assert contents(design) == before
    assert [p.name for p in design.parent.iterdir()] == ["design"]


def test_a_single_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "sub" / "simulation.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(folder_module.os, "replace", refuse)
    with pytest.raises(DesignError, match=f"^'{re.escape(str(path))}' cannot be written: No space left on device\\.$"):
        write_atomically(path, b"three")
    assert [p.name for p in path.parent.iterdir()] == ["simulation.json"]
    assert path.read_bytes() == b"two"


def test_a_changed_file_is_named(design: Path) -> None:
    path = design / "rtl" / "rnn_narrow.v"
    path.write_bytes(path.read_bytes() + b"\n")
    sentence = f"'{path}' was changed after the design was generated; generate it again."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        read_design(design)


def test_files_for_reuse_may_be_changed(design: Path) -> None:
    (design / "accel.core").write_text("mine")
    (design / "reuse" / "package_ip.tcl").unlink()
    assert read_design(design).document["reuse"][0] == "accel.core"


def test_a_missing_file_is_named(design: Path) -> None:
    (design / "data" / "integers.safetensors").unlink()
    sentence = f"'{design / 'data' / 'integers.safetensors'}' is missing from the design; generate it again."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        read_design(design)


def test_no_design_there(tmp_path: Path) -> None:
    sentence = f"'{tmp_path}' holds no design.json; make one with 'rnngen generate MODEL -o DIR'."
    with pytest.raises(DesignError, match=f"^{re.escape(sentence)}$"):
        read_design(tmp_path)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("{", r"cannot be read as JSON \(.*\); generate the design again\."),
        ("[]", r"was not written by rnngen; make a design with 'rnngen generate MODEL -o DIR'\."),
        ('{"generator": "rnngen"}', r"lacks or garbles 'files'; generate the design again\."),
        ('{"generator": "rnngen", "files": [1]}', r"lacks or garbles .*; generate the design again\."),
    ],
)
def test_a_damaged_document(design: Path, text: str, sentence: str) -> None:
    (design / "design.json").write_text(text)
    with pytest.raises(DesignError, match=rf"^'{re.escape(str(design / 'design.json'))}' {sentence}$"):
        read_design(design)


def test_a_folder_that_cannot_be_read_is_refused(tmp_path, monkeypatch):
    def refuse(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.iterdir", refuse)
    with pytest.raises(DesignError, match=r"cannot be read: Permission denied; choose another folder\.$"):
        check_target(tmp_path)
