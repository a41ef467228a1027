"""A device with two cores for layers that are no neighbours: exact in bits and in planned cycles."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.config.system_file import read_system_file
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError, DesignError, PlanError
from rnngen.flow import simulate_boards, synthesize
from rnngen.flow.emulate import emulate
from rnngen.flow.partition import PartitionOptions, partition, read_system
from rnngen.flow.report import report
from rnngen.flow.simulate_system import simulate_system
from rnngen.gateware.board_top import inside
from rnngen.host import Accelerator, SocketTransport
from tests.flow.test_rows import assert_as_one_device, assert_as_planned

CORES = PartitionOptions(cut="cores")


class Waist(torch.nn.Module):
    """Three recurrent layers."""

    def __init__(self, first: int = 8, middle: int = 24, last: int = 8, kind: type[torch.nn.RNNBase] = torch.nn.LSTM):
        super().__init__()
        torch.manual_seed(1)
        self.first = kind(5, first, batch_first=True)
        self.middle = kind(first, middle, batch_first=True)
        self.last = kind(middle, last, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.last(self.middle(self.first(x)[0])[0])[0]
        return y


def pair(small: int = 32, large: int = 64, word_bits: int = 32, host: Host | None = None) -> System:
    devices = [Device("a", 10**8, small), Device("b", 10**8, large)]
    return chain(devices, Link("x", "y", word_bits, 4), host)


@pytest.fixture(scope="module")
def waist(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(Waist(), pair(), tmp_path_factory.mktemp("waist") / "d")


def test_what_is_written(waist: SystemDesign) -> None:
    """The small device has both small layers, with nobody asking for it."""
    document = waist.document
    assert document["cut"] == "cores"
    assert [(device["name"], device.get("on")) for device in document["devices"]] == [
        ("a_2", "a"), ("b", None), ("a", None)
    ]  # fmt: skip
    assert document["host"] == {"input": ["a_2"], "output": ["a"]}
    assert document["step_interval_ticks"] < 58
    described = {design.folder.name: design.document["device"] for design in waist.designs}
    assert described["a"]["cores"] == ["a", "a_2"]
    assert described["a"]["top"].endswith("_a_chip")
    assert described["a"]["host"]["input"]
    assert described["a"]["host"]["output"]
    assert [link["to"] for link in described["a"]["links"]] == ["b"]
    assert described["a_2"]["on"] == "a"
    again = read_system(waist.folder).partition
    assert [(part.names, part.blocks) for part in again.parts] == [
        (part.names, part.blocks) for part in waist.partition.parts
    ]


def test_the_folder_of_a_device_has_all_of_it(waist: SystemDesign) -> None:
    own, core = (waist.folder / name / "rtl" for name in ("a", "a_2"))
    for file in core.iterdir():
        assert (own / file.name).read_bytes() == file.read_bytes()


def test_what_the_report_shows(waist: SystemDesign) -> None:
    page = report(waist).read_text(encoding="utf-8")
    assert "a_2, on a" in page


def test_what_is_refused(waist: SystemDesign, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="The cores of a device are in one simulation"):
        simulate_system(waist, steps=3, apart=True)
    with pytest.raises(DesignError, match="'a_2' is a core of device 'a'"):
        inside(waist.designs[0].document)
    with pytest.raises(PlanError, match="No device can have two cores: there is one device"):
        partition(Waist(), System((Device("a", 10**8, 64),)), tmp_path / "d", CORES)


# In Verilator


@pytest.mark.verilator
def test_exact_in_bits_and_cycles(waist: SystemDesign) -> None:
    assert_as_planned(waist, 9)


@pytest.mark.verilator
def test_the_devices_together_are_one_network(waist: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(waist, Waist(), tmp_path / "one")


@pytest.mark.verilator
def test_bad_lines_change_no_bit(waist: SystemDesign) -> None:
    lines = [k for k, line in enumerate(waist.document["links"]) if {line["from"], line["to"]} == {"a", "b"}]
    assert lines
    faults = {f"{way}_1_bit_errors": 2**32 // 1000 for way in ("line", "back")}
    assert simulate_system(waist, steps=40, faults=faults).comparison.bit_exact


@pytest.mark.verilator
def test_a_dead_line_gives_nothing_wrong(waist: SystemDesign) -> None:
    result = simulate_system(waist, steps=200, faults={"line_1_cut": [(400, 1)]})
    assert result.comparison.mismatches == result.comparison.surplus_beats == 0
    assert result.comparison.missing_beats > 0
    assert all(cycle is not None for cycle in result.failed)


@pytest.mark.verilator
def test_a_device_is_reset_with_both_cores(waist: SystemDesign) -> None:
    """Nothing wrong comes out, and the failure is told everywhere."""
    result = simulate_system(waist, steps=200, faults={"hold_0": [(400, 1), (500, 0)]})
    assert result.comparison.mismatches == result.comparison.surplus_beats == 0


@pytest.mark.verilator
@pytest.mark.parametrize("kind", [torch.nn.GRU, torch.nn.RNN])
@pytest.mark.parametrize("host", [None, Host("a", "a"), Host("b", "a")])
def test_other_cells_and_hosts(kind: type[torch.nn.RNNBase], host: Host | None, tmp_path: Path) -> None:
    design = partition(Waist(6, 20, 5, kind), pair(24, 40, 64, host), tmp_path / "d", CORES)
    assert_as_planned(design, 7)


@pytest.mark.verilator
def test_a_clock_of_another_device(tmp_path: Path) -> None:
    system = pair()
    slower = replace(system, devices=(system.devices[0], replace(system.devices[1], clock_hz=80_000_000)))
    design = partition(Waist(), slower, tmp_path / "d", CORES)
    result = simulate_system(design, steps=9)
    assert result.comparison.bit_exact
    assert result.comparison.within_bounds


BOARDS = """
[[device]]
name = "a"
board = "ulx3s-85f"
clock_mhz = 50
multipliers = 32
[[device]]
name = "b"
board = "ulx3s-85f"
clock_mhz = 50
multipliers = 64
[[link]]
from = "a"
to = "b"
word_bits = 32
phy = "pins"
data_pins = 8
from_connector = "j1"
to_connector = "j1"
[host]
input = "a"
output = "a"
"""


def boards(tmp_path: Path) -> SystemDesign:
    (tmp_path / "system.toml").write_text(BOARDS)
    options = replace(CORES, count=False)
    return partition(Waist(), read_system_file(tmp_path / "system.toml"), tmp_path / "d", options)


def test_the_board_of_a_device_with_two_cores(tmp_path: Path) -> None:
    """Both ends of the host and the link over pins; nothing of what is inside."""
    design = next(each for each in boards(tmp_path).designs if each.folder.name == "a")
    found = inside(design.document)
    assert found.module.endswith("_chip")
    assert found.takes is not None
    assert found.gives is not None
    assert len(found.links or ()) == 1


@pytest.mark.verilator
def test_boards_with_one_host(tmp_path: Path) -> None:
    """Steps in and results out over the serial port of the board with two cores, bit for bit."""
    design = boards(tmp_path)
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 5, 5))
    with simulate_boards(design.folder) as running, SocketTransport(running.socket) as transport:
        y = Accelerator(transport, design.document, outputs=8).run(x)
    assert np.array_equal(y, emulate(design.folder, x).output)


@pytest.mark.synthesis
def test_a_bitstream_of_a_device_with_two_cores(tmp_path: Path) -> None:
    folder = boards(tmp_path).folder
    assert synthesize(folder / "a", lambda line: None).bitstream is not None


THREE = """
[[device]]
name = "a"
multipliers = 16
clock_mhz = 100
[[device]]
name = "b"
multipliers = 48
clock_mhz = 100
[[device]]
name = "more"
on = "a"
multipliers = 12
[[device]]
name = "most"
on = "a"
multipliers = 12
[[device]]
name = "other"
on = "b"
multipliers = 28
[[link]]
from = "a"
to = "b"
word_bits = 32
latency_cycles = 4
[[link]]
from = "a"
to = "more"
word_bits = 32
[[link]]
from = "more"
to = "most"
word_bits = 32
[[link]]
from = "most"
to = "b"
word_bits = 32
latency_cycles = 3
[[link]]
from = "b"
to = "other"
word_bits = 32
"""


class Stack(torch.nn.Module):
    """Recurrent layers of these sizes."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        torch.manual_seed(2)
        inputs = (5, *sizes)
        self.layers = torch.nn.ModuleList(
            torch.nn.GRU(one, other, batch_first=True) for one, other in zip(inputs, sizes)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in self.layers:
            x = layer(x)[0]
        return x


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    folder = tmp_path_factory.mktemp("three")
    (folder / "system.toml").write_text(THREE)
    options = PartitionOptions(cut="layers")
    return partition(Stack(16, 32, 12, 24, 10), read_system_file(folder / "system.toml"), folder / "d", options)


def test_cores_that_are_described(described: SystemDesign) -> None:
    """Three on one device, two on the other one, and a link between devices at a further core."""
    assert set(described.names) == {"a", "b", "more", "most", "other"}
    devices = {design.folder.name: design.document["device"] for design in described.designs}
    assert devices["a"]["cores"] == ["a", "more", "most"] or devices["a"]["cores"] == ["a", "most", "more"]
    assert devices["b"]["cores"] == ["b", "other"]
    assert {link["name"].split("_")[0] for link in devices["a"]["links"]} & {"core2", "core3"}


@pytest.mark.verilator
def test_cores_that_are_described_are_exact(described: SystemDesign) -> None:
    assert_as_planned(described, 7)
