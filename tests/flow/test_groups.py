"""A G-LSTM over devices, a group on each, and a Linear layer by its outputs: exact in bits and in planned cycles."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rnngen.config.system import Device, Link, System
from rnngen.emit.system import SystemDesign
from rnngen.errors import PlanError
from rnngen.flow.partition import PartitionOptions, partition
from rnngen.flow.simulate_system import simulate_system
from rnngen.nn import GroupedLSTM
from tests.flow.test_rows import assert_as_one_device, assert_as_planned, mesh

GROUPS = PartitionOptions(cut="groups")


def grouped(inputs: int, hidden: int, projection: int, groups: int) -> torch.nn.Module:
    torch.manual_seed(3)
    return GroupedLSTM(inputs, hidden, projection, groups, batch_first=True)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(grouped(24, 32, 16, 2), mesh(2, 64), tmp_path_factory.mktemp("pair") / "d", GROUPS)


def test_a_pair_is_exact_in_bits_and_cycles(pair: SystemDesign) -> None:
    """A device has 4 * 16 * (12 + 8) + 8 * 32 products on 64 multipliers: 24 cycles, at least."""
    assert pair.names == ("d0", "d1")
    assert pair.document["cut"] == "groups"
    assert pair.document["step_interval_ticks"] >= 24
    assert_as_planned(pair, 9)


def test_the_clock_of_another_device_changes_no_cycle(pair: SystemDesign, tmp_path: Path) -> None:
    """A third device of 75 MHz makes a tick a third as long; the group's clock is as it was."""
    two = mesh(2, 64)
    third = Device("d2", 75_000_000, 1)
    system = System((*two.devices, third), (*two.links, Link("d0", "d2", 64, 6), Link("d1", "d2", 64, 6)), two.host)
    found = partition(grouped(24, 32, 16, 2), system, tmp_path / "d", GROUPS)
    assert found.names == pair.names
    assert found.partition.parts[0].plan == pair.partition.parts[0].plan
    assert found.document["step_interval_ticks"] == 3 * pair.document["step_interval_ticks"]


def test_the_devices_together_are_one_network(pair: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(pair, grouped(24, 32, 16, 2), tmp_path / "one")


def test_bad_lines_change_no_bit(pair: SystemDesign) -> None:
    """Both stages of a device wait for words that are sent again."""
    faults = {f"{way}_0_bit_errors": 2**32 // 1000 for way in ("line", "back")}
    report = simulate_system(pair, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.parts[-1].outputs[-1][-1] + 100


def test_a_dead_direction_gives_nothing_wrong(pair: SystemDesign) -> None:
    report = simulate_system(pair, steps=4, faults={"line_0_cut": [(150, 1)]})
    assert not report.run.complete
    assert not report.comparison.mismatches
    assert all(cycle is not None for cycle in report.failed)


@pytest.mark.parametrize(
    ("sizes", "multipliers", "word_bits", "latency"),
    [((32, 64, 32, 4), 48, 32, 12), ((9, 15, 6, 3), 5, 16, 3), ((64, 64, 64, 2), 256, 64, 90)],
)
def test_any_number_of_groups(
    sizes: tuple[int, int, int, int], multipliers: int, word_bits: int, latency: int, tmp_path: Path
) -> None:
    devices = sizes[-1]
    design = partition(grouped(*sizes), mesh(devices, multipliers, word_bits, latency), tmp_path / "d", GROUPS)
    assert len(design.names) == devices
    assert_as_planned(design, 7)


class Deep(torch.nn.Module):
    """A G-LSTM between two other layers."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.GRU(4, 12, batch_first=True)
        self.two = GroupedLSTM(12, 32, 12, 2, batch_first=True)
        self.head = torch.nn.Linear(12, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.two(self.one(x)[0])[0])


def test_groups_in_the_middle_of_a_network(tmp_path: Path) -> None:
    """Each device is given the whole step and reads its own slice of it."""
    torch.manual_seed(4)
    design = partition(Deep(), mesh(4, 20), tmp_path / "d", GROUPS)
    assert [len(part.names) for part in design.partition.parts] == [1, 2, 1]
    assert_as_planned(design, 7)


class Headed(torch.nn.Module):
    """A small layer and a large head."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = torch.nn.GRU(5, 8, batch_first=True)
        self.head = torch.nn.Linear(8, 96)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.rnn(x)[0])


def test_a_head_by_its_outputs(tmp_path: Path) -> None:
    """8 * 96 products on two devices of 8 multipliers: 48 cycles; nothing crosses between these two."""
    torch.manual_seed(5)
    design = partition(Headed(), mesh(3, 8), tmp_path / "d", PartitionOptions(cut="outputs"))
    assert [len(part.names) for part in design.partition.parts] == [1, 2]
    assert design.partition.parts[1].interval == 48
    assert {(link["from"], link["to"]) for link in design.document["links"]} == {("d2", "d0"), ("d2", "d1")}
    assert_as_planned(design, 7)


def test_a_layer_that_is_cut_otherwise(tmp_path: Path) -> None:
    said = r"^No layer can be cut by rows: a layer like that of block 0 is cut by groups\.$"
    with pytest.raises(PlanError, match=said):
        partition(grouped(8, 8, 8, 2), mesh(2, 8), tmp_path / "d", PartitionOptions(cut="rows"))
    assert not (tmp_path / "d").exists()
