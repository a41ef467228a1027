"""The C driver: compiled without a warning, and run against the simulator over the register frames."""

from __future__ import annotations

import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from rnngen.emit.design import Design
from rnngen.flow import GenerateOptions, emulate, generate
from rnngen.flow.serve import ServedSimulation
from rnngen.host import open_device

X = np.random.default_rng(0).uniform(-1, 1, (3, 6, 5))
STAND_INS = Path(__file__).parent / "stand_ins"
STRICT = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-Wshadow", "-Wconversion"]
DONE = """\
probe: done
probe of another: the accelerator computes another design
counters: done
steps: 18 18
clear: done
steps: 0 0
stop: done
load, damaged: the image of parameters is none, or damaged
load, cut: the image of parameters is none, or damaged
load: done
errors: done
errors are 0
stop without time: the accelerator did not become idle in time
enable: done
register that is none: 1
"""


def design_of(folder: Path, seed: int) -> Design:
    torch.manual_seed(seed)
    options = GenerateOptions(lanes=(4, 3, 2), loadable=True, calibrate=X, name="net")
    return generate(nn.LSTM(5, 7, batch_first=True), folder, options)


@pytest.fixture(scope="module")
def design(tmp_path_factory: pytest.TempPathFactory) -> Design:
    return design_of(tmp_path_factory.mktemp("driver") / "design", 1)


def compiled(design: Design, folder: Path) -> Path:
    program = folder / "driver_main"
    command = [*STRICT, "-I", str(design.folder / "data"), str(STAND_INS / "driver_main.c"), "-o", str(program)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


def test_the_driver_compiles_without_a_warning(design: Design, tmp_path: Path) -> None:
    compiled(design, tmp_path)
    header = (design.folder / "data" / "rnn_design.h").read_text()
    digest = design.document["digest"]
    assert f"#define RNN_DESIGN_DIGEST {{ 0x{digest[:8]}u, 0x{digest[8:16]}u, 0x{digest[16:24]}u, 0x" in header


def test_the_image_holds_the_memories(design: Design) -> None:
    """Each memory's words of the hex images, in parts of 32 bits, the lowest first."""
    image = (design.folder / "data" / "parameters.bin").read_bytes()
    assert zlib.crc32(image[:-4]) == int.from_bytes(image[-4:], "little")
    words = np.frombuffer(image, dtype="<u4")
    assert image[:4] == b"RNNW"
    place, found = 6, {}
    for _ in range(words[1]):
        select, parts, count = words[place : place + 3].tolist()
        rows = words[place + 3 : place + 3 + parts * count].reshape(count, parts)
        found[select] = [sum(int(part) << 32 * index for index, part in enumerate(row)) for row in rows]
        place += 3 + parts * count
    assert place == len(words) - 1
    for select, name in ((0, "weights"), (1, "bias")):
        lines = (design.folder / "rtl" / f"engine0_{name}.hex").read_text().split()
        assert found[select] == [int(line, 16) for line in lines]


@pytest.mark.verilator
def test_the_driver_on_the_simulator(design: Design, tmp_path: Path) -> None:
    """A C program probes, reads, stops and loads; what the accelerator then computes is the other checkpoint's."""
    other = design_of(tmp_path / "other", 2)
    program = compiled(design, tmp_path)
    with ServedSimulation(design) as served:
        with open_device(design, f"serial:{served.port}", timeout=120) as device:
            assert np.array_equal(device.run(X), emulate(design, X).output)
        parameters = str(other.folder / "data" / "parameters.bin")
        command = [program, served.port, parameters]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
        assert (done.returncode, done.stdout) == (0, DONE)
        with open_device(design, f"serial:{served.port}", timeout=120) as device:
            assert np.array_equal(device.run(X), emulate(other, X).output)
