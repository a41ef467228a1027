"""One layer over devices in a ring: the bits of one device, in the cycles of the plan."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rnngen.config.system import Device, Host, Link, System
from rnngen.emit.system import SystemDesign
from rnngen.flow import PartitionOptions, partition, simulate_system
from rnngen.nn import GroupedLSTM
from tests.flow.test_rows import assert_as_one_device, assert_as_planned, recurrent

pytestmark = pytest.mark.verilator

ROWS = PartitionOptions(cut="rows")


def around(devices: int, multipliers: int, both: bool, word_bits: int = 64, latency: int = 6) -> System:
    """Devices with a link to the next one, and from the last one to the first."""
    names = [f"d{number}" for number in range(devices)]
    pairs = zip(names, [*names[1:], names[0]])
    links = tuple(Link(one, other, word_bits, latency, both=both) for one, other in pairs)
    return System(tuple(Device(name, 10**8, multipliers) for name in names), links)


def devices_and_frames(design: SystemDesign) -> tuple[int, list[int]]:
    """How many devices share the layer, and the frames of a step on each link."""
    return len(design.names), [link["frames_a_step"] for link in design.document["links"]]


@pytest.fixture(scope="module")
def four(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """The second frame of a step comes one way round only."""
    return partition(recurrent("lstm", 24, 32), around(4, 16, both=True), tmp_path_factory.mktemp("four") / "d", ROWS)


def test_both_ways_round(four: SystemDesign) -> None:
    assert devices_and_frames(four) == (4, [2, 2, 2, 2, 1, 1, 1, 1])
    assert_as_planned(four, 7)


def test_the_devices_together_are_one_network(four: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(four, recurrent("lstm", 24, 32), tmp_path / "one")


def test_one_way_round(tmp_path: Path) -> None:
    design = partition(recurrent("lstm", 10, 18), around(3, 48, both=False), tmp_path / "d", ROWS)
    assert devices_and_frames(design) == (3, [2, 2, 2])
    assert_as_planned(design, 7)


@pytest.mark.parametrize(
    ("kind", "sizes", "devices", "both", "multipliers", "word_bits", "latency"),
    [
        ("lstm", (16, 32), 4, False, 128, 64, 16),
        ("gru", (12, 20), 5, True, 6, 32, 3),
        ("rnn", (5, 24), 6, True, 2, 16, 9),
        ("gru", (6, 32), 4, False, 9, 64, 2),  # a word of the link is four of the core's
        ("lstm", (30, 24), 4, True, 8, 64, 40),  # three, and the flag has room beside the last values
    ],
)
def test_any_cell_over_any_ring(
    kind: str, sizes: tuple[int, int], devices: int, both: bool, multipliers: int, word_bits: int, latency: int,
    tmp_path: Path,
) -> None:  # fmt: skip
    system = around(devices, multipliers, both, word_bits, latency)
    design = partition(recurrent(kind, *sizes), system, tmp_path / "d", ROWS)
    assert len(design.names) == devices
    assert_as_planned(design, 7)


@pytest.mark.parametrize(("devices", "both"), [(3, False), (4, True)])
def test_groups_around_a_ring(devices: int, both: bool, tmp_path: Path) -> None:
    torch.manual_seed(5)
    model = GroupedLSTM(3 * devices, 8 * devices, 4 * devices, devices, batch_first=True)
    design = partition(model, around(devices, 48, both), tmp_path / "d", PartitionOptions(cut="groups"))
    assert len(design.names) == devices
    assert_as_planned(design, 7)


def test_each_device_in_a_simulation_of_its_own(four: SystemDesign) -> None:
    report = simulate_system(four, steps=5, apart=True)
    assert report.comparison.cycle_exact, report.comparison.sentence


def test_bad_lines_change_no_bit(four: SystemDesign) -> None:
    """Frames that are sent on are sent again, too; a device waits, and nothing else changes."""
    faults = {f"{way}_{line}_bit_errors": 2**32 // 1000 for way in ("line", "back") for line in range(4)}
    report = simulate_system(four, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.parts[-1].outputs[-1][-1] + 100  # and it took its time


def test_a_late_neighbour_changes_no_bit(four: SystemDesign) -> None:
    """One line alone is bad: what comes from the others is far too early, and waits."""
    report = simulate_system(four, steps=30, faults={"back_1_bit_errors": 2**32 // 300})
    assert report.comparison.bit_exact, report.comparison.sentence


def test_a_dead_direction_gives_nothing_wrong(four: SystemDesign) -> None:
    report = simulate_system(four, steps=4, faults={"back_2_cut": 1})
    assert not report.run.complete
    assert len(report.run.out_beats) == 0


def test_a_host_at_one_device_keeps_rows_together(tmp_path: Path) -> None:
    """The input of a layer that devices share is given to all of them."""
    system = around(4, 16, both=True)
    system = System(system.devices, system.links, Host("d0", "d0"))
    design = partition(recurrent("lstm", 24, 32), system, tmp_path / "d")
    assert all(len(part.names) == 1 for part in design.partition.parts)
