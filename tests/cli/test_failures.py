"""What can go wrong around the commands: small devices, full disks, foreign and damaged files, missing tools."""

from __future__ import annotations

import importlib.metadata
import json
import resource
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rnngen.cli import main


def write_model(path: Path, inputs: int, hidden: int, dtype: type = np.float32) -> Path:
    random = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (4 * hidden, inputs), "weight_hh_l0": (4 * hidden, hidden)}
    shapes |= {"bias_ih_l0": (4 * hidden,), "bias_hh_l0": (4 * hidden,)}
    tensors = {f"lstm.{name}": random.uniform(-0.4, 0.4, shape).astype(dtype) for name, shape in shapes.items()}
    tensors |= {"head.weight": np.ones((2, hidden), dtype), "head.bias": np.zeros(2, dtype)}
    save_file(tensors, path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return write_model(tmp_path / "model.safetensors", 4, 6)


@pytest.fixture
def design(model: Path, tmp_path: Path) -> Path:
    assert main(["generate", str(model), "-o", str(tmp_path / "d"), "--multipliers", "16"]) == 0
    return tmp_path / "d"


def sentence(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The last line of a refused command."""
    capsys.readouterr()
    assert main([str(argument) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "Traceback" not in err
    return err.splitlines()[-1]


@pytest.mark.parametrize(
    ("inputs", "hidden", "advice"),
    [(256, 256, "--weight-bits 6 would fit."), (1024, 1024, "or --multipliers for no board.")],
)
def test_a_board_too_small(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], inputs: int, hidden: int, advice: str
) -> None:
    path = write_model(tmp_path / "large.safetensors", inputs, hidden)
    said = sentence(capsys, "generate", path, "-o", tmp_path / "new", "--board", "ulx3s-85f")
    assert "Board 'ulx3s-85f' is too small: the memories need " in said
    assert "and it has 3,833,856; " in said
    assert said.endswith(advice)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("limit", "said"),
    [
        (1_000_000, "cannot be written: File too large; choose another folder."),
        (2_000, "Yosys, which writes the Verilog, failed: "),
    ],
)
def test_a_full_disk_leaves_nothing_behind(tmp_path: Path, limit: int, said: str) -> None:
    """A limit on the size of a file stands in for the disk: writing fails in the middle, too."""
    model = write_model(tmp_path / "model.safetensors", 64, 256)
    command = [sys.executable, "-m", "rnngen", "generate", model, "-o", tmp_path / "new", "--multipliers", "16"]

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    run = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limited)
    assert run.returncode == 2
    assert "Traceback" not in run.stderr
    assert said in run.stderr.splitlines()[-1]
    assert [path.name for path in tmp_path.iterdir()] == ["model.safetensors"]


def test_a_folder_that_cannot_be_made(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("")
    said = sentence(capsys, "generate", model, "-o", tmp_path / "file" / "new", "--multipliers", "16")
    assert "'" + str(tmp_path / "file" / "new") + "'" in said


@pytest.mark.parametrize("command", [["inspect"], ["generate", "-o", "new"]])
@pytest.mark.parametrize("name", ["model.safetensors", "model.pt"])
def test_a_damaged_model(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], name: str
) -> None:
    broken = tmp_path / f"broken_{name}"
    broken.write_bytes(model.read_bytes()[:200])
    said = sentence(capsys, command[0], broken, *command[1:])
    assert broken.name in said


def test_a_damaged_array(design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x.npy").write_bytes(b"\x93NUMPY nonsense")
    assert "x.npy" in sentence(capsys, "emulate", design, "--input", tmp_path / "x.npy")


@pytest.mark.parametrize("name", ["design.json", "rtl/engine0_weights.hex", "data/integers.safetensors"])
@pytest.mark.parametrize("command", ["emulate", "simulate"])
def test_a_damaged_design(
    design: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, command: str
) -> None:
    path = design / name
    path.write_bytes(path.read_bytes()[:100])
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 4)))
    said = sentence(capsys, command, design, "--input", tmp_path / "x.npy")
    assert Path(name).name in said


def test_no_such_head(model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "classifier" in sentence(capsys, "generate", model, "-o", tmp_path / "new", "--head", "classifier")


@pytest.mark.parametrize(("command", "tool"), [("simulate", "C++ compiler"), ("synthesize", "yowasp")])
def test_a_missing_tool(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    tool: str,
) -> None:
    assert main(["generate", str(model), "-o", str(tmp_path / "d"), "--board", "ulx3s-85f"]) == 0
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.setenv("RNNGEN_CACHE", str(tmp_path / "cache"))
    if command == "synthesize":  # its tools are Python packages: as if they were not installed
        version = importlib.metadata.version
        monkeypatch.setattr(importlib.metadata, "version", lambda name: version("none" if "yowasp" in name else name))
    before = sorted((tmp_path / "d").rglob("*"))
    said = sentence(capsys, command, tmp_path / "d")
    assert tool in said
    assert "install" in said
    assert sorted((tmp_path / "d").rglob("*")) == before


@pytest.mark.verilator
def test_the_job_in_relative_folders_with_json(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.save("x.npy", np.random.default_rng(0).uniform(-1, 1, (2, 3, 4)))
    documents = {}
    for command, *rest in (
        ["generate", model.name, "-o", "d", "--select", "lstm", "--head", "head", "--multipliers", "20"],
        ["emulate", "d", "--input", "x.npy", "--output", "emulated.npy"],
        ["simulate", "d", "--input", "x.npy", "--output", "simulated.npy", "--waves"],
        ["report", "d"],
    ):
        capsys.readouterr()
        assert main([command, *rest, "--json"]) == 0
        documents[command] = json.loads(capsys.readouterr().out)
    assert documents["generate"] == json.loads(Path("d/design.json").read_text())
    assert documents["simulate"] == json.loads(Path("d/simulation.json").read_text())
    assert documents["simulate"]["cycle_exact"] is True
    assert np.array_equal(np.load("emulated.npy"), np.load("simulated.npy"))
    assert Path("d", documents["simulate"]["waves"]).stat().st_size > 1000
    assert Path(documents["report"]["report"]).is_file()
