"""One layer over several devices by its rows: the bits of one device, in the cycles of the plan."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.config.system import Device, Host, Link, System
from rnngen.emit.system import SystemDesign, read_system
from rnngen.flow import GenerateOptions, PartitionOptions, emulate, generate, partition, simulate_system

pytestmark = pytest.mark.verilator


def mesh(devices: int, multipliers: int, word_bits: int = 64, latency: int = 6, host: Host | None = None) -> System:
    """Devices with a link between any two."""
    names = [f"d{number}" for number in range(devices)]
    links = tuple(Link(one, other, word_bits, latency) for one, other in combinations(names, 2))
    return System(tuple(Device(name, 10**8, multipliers) for name in names), links, host or Host())


def recurrent(kind: str, inputs: int, hidden: int) -> torch.nn.Module:
    torch.manual_seed(3)
    cell = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU, "rnn": torch.nn.RNN}[kind]
    return cell(inputs, hidden, batch_first=True)


def assert_as_planned(design: SystemDesign, steps: int) -> None:
    """In every bit and every cycle, and interval and latency are those that are told; what was written is read."""
    report = simulate_system(read_system(design.folder), steps=steps)
    assert report.comparison.cycle_exact, report.comparison.sentence
    measured = report.comparison.measured
    assert measured.step_interval_cycles == design.document["step_interval_ticks"]
    assert measured.latency_last_output_cycles == design.document["latency_last_output_ticks"]


def assert_as_one_device(design: SystemDesign, model: torch.nn.Module, folder: Path) -> None:
    """The devices together give what one device does that has the whole model, in every bit."""
    one = generate(model, folder, GenerateOptions(multipliers=128))
    x = np.random.default_rng(2).uniform(-1.0, 1.0, (3, 5, one.quantised.input_size))
    report = simulate_system(read_system(design.folder), x)
    assert report.comparison.bit_exact
    assert np.array_equal(one.quantised.output_format.to_float(report.output), emulate(one, x).output)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    return partition(recurrent("lstm", 24, 32), mesh(2, 64), tmp_path_factory.mktemp("pair") / "d")


def test_a_pair_is_exact_in_bits_and_cycles(pair: SystemDesign) -> None:
    """4 * 32 * (24 + 32) products over 2 * 64 multipliers are 56 cycles, at least."""
    assert pair.names == ("d0", "d1")
    assert pair.document["step_interval_ticks"] >= 56
    assert_as_planned(pair, 9)


def test_the_devices_together_are_one_network(pair: SystemDesign, tmp_path: Path) -> None:
    assert_as_one_device(pair, recurrent("lstm", 24, 32), tmp_path / "one")


@pytest.mark.parametrize(
    ("kind", "sizes", "devices", "multipliers", "word_bits", "latency"),
    [
        ("gru", (12, 24), 2, 48, 32, 3),
        ("rnn", (5, 21), 3, 14, 16, 9),
        ("lstm", (16, 32), 4, 128, 64, 16),
        ("gru", (6, 20), 2, 9, 64, 40),
    ],
)
def test_any_cell_over_any_number(
    kind: str, sizes: tuple[int, int], devices: int, multipliers: int, word_bits: int, latency: int, tmp_path: Path
) -> None:
    system = mesh(devices, multipliers, word_bits, latency)
    design = partition(recurrent(kind, *sizes), system, tmp_path / "d", PartitionOptions(cut="rows"))
    assert len(design.names) == devices
    assert_as_planned(design, 7)


class Deep(torch.nn.Module):
    """A large layer between two small ones."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.LSTM(6, 8, batch_first=True)
        self.two = torch.nn.LSTM(8, 24, batch_first=True)
        self.head = torch.nn.Linear(24, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.two(self.one(x)[0])[0])


def test_a_layer_in_the_middle_of_a_network(tmp_path: Path) -> None:
    """Its devices are given every step by the one before, and what they give is one step for the one behind."""
    torch.manual_seed(4)
    design = partition(Deep(), mesh(4, 30), tmp_path / "d")
    parts = [len(part.names) for part in design.partition.parts]
    assert parts == [1, 2, 1], parts
    assert_as_planned(design, 7)


def test_bad_lines_change_no_bit(pair: SystemDesign) -> None:
    """A device waits for the words of h that are sent again, and nothing else changes."""
    faults = {f"{way}_0_bit_errors": 2**32 // 1000 for way in ("line", "back")}
    report = simulate_system(pair, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.parts[-1].outputs[-1][-1] + 100  # and it took its time


def test_a_dead_direction_gives_nothing_wrong(pair: SystemDesign) -> None:
    report = simulate_system(pair, steps=4, faults={"back_0_cut": 1})
    assert not report.run.complete
    assert len(report.run.out_beats) == 0


def test_a_host_at_one_device_keeps_rows_together(tmp_path: Path) -> None:
    """The input of a layer whose rows are cut is given to all of its devices; x and h may be apart; results go back.

    The device of x has 128 * 24 products on 64 multipliers, that of h 128 * 32.
    """
    design = partition(recurrent("lstm", 24, 32), mesh(2, 64, host=Host("d0", "d0")), tmp_path / "d")
    assert [part.names for part in design.partition.parts] == [("d0",), ("d1",)]
    assert design.partition.apart == (0,)
    assert design.partition.back is not None
    assert design.document["step_interval_ticks"] >= 64
    assert_as_planned(design, 7)


def test_two_layers_over_two_devices_each(tmp_path: Path) -> None:
    """What two devices give together goes to both of the next layer's, and back to each other."""
    torch.manual_seed(6)
    model = torch.nn.LSTM(16, 16, num_layers=2, batch_first=True)
    design = partition(model, mesh(4, 16), tmp_path / "d", PartitionOptions(cut="rows"))
    assert [len(part.names) for part in design.partition.parts] == [2, 2]
    assert design.document["step_interval_ticks"] >= 64
    assert_as_planned(design, 7)
