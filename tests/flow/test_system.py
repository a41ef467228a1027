"""Systems of devices in one simulation: the bits of one device, in the cycles of the plan, whatever the links do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.main import main
from rnngen.config.system import Device, Link, System, chain
from rnngen.emit.system import SystemDesign
from rnngen.errors import DataError
from rnngen.flow import GenerateOptions, emulate, generate, partition, simulate_system
from rnngen.plan.frames import StepFrame

pytestmark = pytest.mark.verilator

ONE_IN_A_THOUSAND = 2**32 // 1000


class Odd(torch.nn.Module):
    """Three layers, of sizes that fill no word."""

    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.LSTM(5, 9, batch_first=True)
        self.two = torch.nn.GRU(9, 7, batch_first=True)
        self.three = torch.nn.LSTM(7, 8, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.three(self.two(self.one(x)[0])[0])[0]


def system_of(devices: int, word_bits: int = 64, latency: int = 16, multipliers: int = 40) -> System:
    names = [f"d{number}" for number in range(devices)]
    link = Link("x", "y", word_bits, latency)
    return chain([Device(name, 10**8, multipliers) for name in names], link)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two LSTMs of 8 units on two devices: 8 values of 16 bits fill two words, and the flag has a third."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=2, batch_first=True)
    return partition(model, system_of(2), tmp_path_factory.mktemp("pair") / "d")


def test_a_pair_is_exact_in_bits_and_cycles(pair: SystemDesign) -> None:
    """The interval is that of either device, and the first step takes what the plan says."""
    report = simulate_system(pair, steps=9)
    assert report.comparison.cycle_exact, report.comparison.sentence
    measured = report.comparison.measured
    (hop,) = pair.partition.hops
    assert (hop.frame.words, hop.words) == (3, 5)
    assert measured.step_interval_cycles == pair.document["step_interval_ticks"] == pair.designs[0].plan.interval
    assert measured.latency_first_output_cycles == pair.document["latency_first_output_ticks"]
    assert measured.latency_last_output_cycles == pair.document["latency_last_output_ticks"]


def test_the_devices_together_are_one_network(pair: SystemDesign, tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=2, batch_first=True)
    one = generate(model, tmp_path / "one", GenerateOptions(multipliers=80))
    x = np.random.default_rng(2).uniform(-1.0, 1.0, (3, 5, 8))
    report = simulate_system(pair, x)
    assert report.comparison.bit_exact
    assert np.array_equal(one.quantised.output_format.to_float(report.output), emulate(one, x).output)


def test_three_devices_and_words_that_are_not_filled(tmp_path: Path) -> None:
    """9 values of 16 bits in words of 32 are four and a half, 7 are three and a half; ports take words in pieces."""
    torch.manual_seed(2)
    design = partition(Odd(), system_of(3, 32, 5, 12), tmp_path / "d")
    assert [hop.frame.words for hop in design.partition.hops] == [5, 4]
    report = simulate_system(design, steps=7)
    assert report.comparison.cycle_exact, report.comparison.sentence
    assert report.figures["step_interval_cycles"] == design.document["step_interval_ticks"]


def test_words_of_fewer_values_than_are_written_at_once(tmp_path: Path) -> None:
    """Words of 16 bits take one value, and the element-wise path gives several in a cycle."""
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=2, batch_first=True)
    design = partition(model, system_of(2, 16, 4, 256), tmp_path / "d")
    assert design.designs[0].plan.engines[0].elements > 1
    report = simulate_system(design, steps=5)
    assert report.comparison.cycle_exact, report.comparison.sentence


@pytest.mark.parametrize(
    "faults",
    [
        {"line_0_bit_errors": ONE_IN_A_THOUSAND, "back_0_bit_errors": ONE_IN_A_THOUSAND},
        {"line_0_bursts": 2**32 // 50, "line_0_burst_words": 7, "back_0_bursts": 2**32 // 50, "back_0_burst_words": 3},
    ],
    ids=["bit errors", "bursts"],
)
def test_bad_lines_change_no_bit(pair: SystemDesign, faults: dict[str, int]) -> None:
    """Each word of 64 bits is wrong with 6 %, or gone: frames are sent again, and what comes out is right."""
    report = simulate_system(pair, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.parts[-1].outputs[-1][-1] + 100  # and it took its time


def test_a_dead_line_gives_nothing_wrong(pair: SystemDesign) -> None:
    """The system never comes up, so nothing is taken and nothing comes out."""
    report = simulate_system(pair, steps=4, faults={"line_0_cut": 1})
    assert not report.run.complete
    assert len(report.run.out_beats) == 0
    assert len(report.run.in_cycle) == 0


def test_faults_are_named(pair: SystemDesign) -> None:
    with pytest.raises(DataError, match=r"^A fault must be one of line_0_bit_errors, .*, not 'line_1_cut'\.$"):
        simulate_system(pair, faults={"line_1_cut": 1})
    with pytest.raises(DataError, match=r"^Fault 'line_0_cut' must be within 0\.\.1, not 2\.$"):
        simulate_system(pair, faults={"line_0_cut": 2})


def test_the_command(pair: SystemDesign, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", str(pair.folder), "--steps", "9"]) == 0
    assert "2 devices = emulator in every bit and every cycle: 18 steps." in capsys.readouterr().out
    assert main(["simulate", str(pair.folder), "--gap", "5"]) == 2
    assert "--gap is for the simulation of one device; leave it out" in capsys.readouterr().err


def test_what_cannot_be_simulated_together(tmp_path: Path) -> None:
    torch.manual_seed(1)
    model = torch.nn.LSTM(8, 8, num_layers=2, batch_first=True)
    near = partition(model, system_of(2, latency=1), tmp_path / "near")
    with pytest.raises(DataError, match=r"^A link in simulation has a latency of at least 2 cycles of its own, not 1"):
        simulate_system(near)


@pytest.mark.parametrize(
    ("values", "width", "word_bits", "expected"),
    [(8, 16, 64, (4, 2, 4, True, 3)), (7, 16, 64, (4, 2, 3, False, 2)), (9, 12, 64, (5, 2, 4, False, 2)),
     (1, 16, 16, (1, 1, 1, True, 2)), (3, 8, 64, (3, 1, 3, False, 1))],
)  # fmt: skip
def test_frames_by_hand(values: int, width: int, word_bits: int, expected: tuple[int, ...]) -> None:
    frame = StepFrame(values, width, word_bits)
    assert (frame.values_a_word, frame.beats, frame.last_values, frame.own_flag_word, frame.words) == expected
