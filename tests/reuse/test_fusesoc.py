"""The FuseSoC core: read and set up by FuseSoC itself for Vivado, Quartus and Verilator, which lints it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from rnngen.emit.design import Design
from rnngen.emit.reuse.fusesoc import WAIVED, core_file
from rnngen.flow import GenerateOptions, generate
from rnngen.verify.tools import find_tools
from tests.reuse.cores import core_of

NAME = "rnngen:accelerators:tiny:0.1.0"


def fusesoc(design: Design, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs FuseSoC in an empty folder, with this design as its library."""
    work.mkdir(exist_ok=True)
    tools = os.pathsep.join([str(find_tools().verilator.parent), os.environ.get("PATH", "")])
    own = {name: str(work) for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME")}
    environment = {**os.environ, "PATH": tools, **own}
    command = [sys.executable, "-m", "fusesoc.main", "--cores-root", str(design.folder), "run", *arguments, NAME]
    return subprocess.run(command, cwd=work, env=environment, capture_output=True, text=True, check=False)


def test_the_file_names_all_sources_and_images(design: Design) -> None:
    """And the paths of a document that YAML reads, not FuseSoC."""
    text = (design.folder / "tiny.core").read_text()
    assert text.startswith("CAPI=2:\n")
    document = yaml.safe_load(text.removeprefix("CAPI=2:\n"))
    sets = document["filesets"]
    assert sets["rtl"]["files"] == [f"rtl/{name}" for name in design.document["verilog"]]
    images = {path.name for path in (design.folder / "rtl").glob("*.hex")}
    assert [next(iter(item.items())) for item in sets["images"]["files"]] == [
        (f"rtl/{name}", {"copyto": name}) for name in sorted(images)
    ]
    assert all((design.folder / name).is_file() for name in sets["rtl"]["files"] + sets["constraints"]["files"])
    assert (design.folder / sets["constraints"]["files"][0]).read_text() == (
        "create_clock -name aclk -period 12.500 [get_ports aclk]\n"  # 80 MHz
    )
    assert set(document["targets"]) == {"default", "lint", "vivado", "quartus"}
    assert {target["toplevel"] for target in document["targets"].values()} == {"tiny"}


def test_primitives_of_a_family_have_no_vendors_target() -> None:
    document = yaml.safe_load(core_file(core_of(multiplier="ecp5"), "x.sdc").removeprefix("CAPI=2:\n"))
    assert set(document["targets"]) == {"default", "lint"}


@pytest.mark.parametrize(
    ("target", "script", "words"),
    [
        ("vivado", "rnngen_accelerators_tiny_0.1.0.tcl", ("xc7a100tcsg324-1", "set_property top tiny", "tiny.sdc")),
        ("quartus", "rnngen_accelerators_tiny_0_1_0.tcl", ("5CSEBA6U23I7", "TOP_LEVEL_ENTITY tiny", "tiny.sdc")),
    ],
)
def test_setup_for_a_vendor(design: Design, tmp_path: Path, target: str, script: str, words: tuple[str, ...]) -> None:
    """A project with every source, and the images where the tool runs; the tool itself is not here."""
    done = fusesoc(design, tmp_path / "w", "--target", target, "--setup", "--work-root", str(tmp_path / "build"))
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "build" / script).read_text()
    assert all(word in text for word in words)
    sources = re.findall(r"src/rnngen_accelerators_tiny_0.1.0/rtl/(\w+\.v)", text)
    assert sources == design.document["verilog"]
    for image in (design.folder / "rtl").glob("*.hex"):
        assert (tmp_path / "build" / image.name).read_bytes() == image.read_bytes()


@pytest.mark.verilator
def test_lint(design: Design, tmp_path: Path) -> None:
    """Verilator has nothing to say beyond what is waived."""
    arguments = ("--target", "lint", "--work-root", str(tmp_path / "build"))
    done = fusesoc(design, tmp_path / "w", *arguments)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "%Warning" not in done.stderr + done.stdout
    assert re.search(r"verilator -f \S+tiny\S+\.vc", done.stderr + done.stdout)


KINDS = {
    "loadable": (torch.nn.GRU(4, 6, num_layers=2), {"multipliers": 24, "loadable": True, "state_access": True}),
    "bidirectional": (torch.nn.LSTM(4, 6, bidirectional=True), {"multipliers": 32}),
    "folded": (torch.nn.RNN(4, 6, num_layers=2), {"multipliers": 2}),
    "projected": (torch.nn.LSTM(4, 6, proj_size=3), {"multipliers": 32}),
    "external": (torch.nn.LSTM(4, 6), {"multipliers": 16, "weights": "external", "streams": 3}),
    "unrolled": (torch.nn.GRU(4, 6), {"multipliers": 1000}),
    "one multiplier": (torch.nn.LSTM(4, 6), {"multipliers": 1}),
}


@pytest.mark.verilator
@pytest.mark.parametrize("kind", KINDS)
def test_lint_of_any_kind(tmp_path: Path, kind: str) -> None:
    """What is waived is enough for every kind of core."""
    model, options = KINDS[kind]
    x = np.random.default_rng(0).uniform(-1, 1, (8, 2, 4))
    generate(model, tmp_path / "d", GenerateOptions(calibrate=x, name="core", **options))
    command = [find_tools().verilator, "--lint-only", "-Wall", "--top-module", "core", "-F", tmp_path / "d" / "core.f"]
    waived = [f"-Wno-{rule}" for rule in WAIVED]
    done = subprocess.run([*map(str, command), *waived], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
