"""Results that go over devices which do not take them, and back to the host's: the bits of one device, in the cycles of
the plan.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from rnngen.cli.partition import lines
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.emit.bench import bench_shape
from rnngen.emit.system import SystemDesign
from rnngen.flow import (
    PartitionOptions,
    emulate,
    partition,
    read_system,
    report,
    simulate_boards,
    simulate_system,
)
from rnngen.flow.report_system import system_view
from rnngen.flow.simulate_system import SystemReport
from rnngen.gateware.board_top import inside
from rnngen.host import Accelerator, SocketTransport
from rnngen.report.system.diagram import diagram
from tests.flow.test_boards import LAYERS, SYSTEM, layers, system_of
from tests.flow.test_system import ONE_IN_A_THOUSAND, Odd
from tests.report.test_system import assert_apart, texts_of

LATENCY = 16
MIDST = 400
"""A cycle in the middle of a run."""
STEPS = 16
BOARDS = (
    SYSTEM.replace("62.5", "50").replace("clock_mhz", "multipliers = 2\nclock_mhz")
    + '[host]\ninput = "left"\noutput = "left"\n'
)
"""So few multipliers that two boards are faster."""


def stack(count: int) -> torch.nn.Module:
    torch.manual_seed(1)
    return torch.nn.LSTM(8, 8, num_layers=count, batch_first=True)


def row(names: str, host: str, multipliers: int = 40, word_bits: int = 64) -> System:
    """Devices in a row, and the host at one of them."""
    devices = [Device(name, 10**8, multipliers) for name in names]
    return chain(devices, Link("x", "y", word_bits, LATENCY), Host(host, host))


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two LSTMs of 8 units on two devices, and the host at the first one."""
    return partition(stack(2), row("ab", "a"), tmp_path_factory.mktemp("pair") / "d", LAYERS)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Three of them in a row: what the third one gives goes over the second one to the first."""
    return partition(stack(3), row("abc", "a"), tmp_path_factory.mktemp("three") / "d", LAYERS)


@pytest.fixture(scope="module")
def middle(tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """The same, and the host at the second one: what its neighbours give each other goes over it."""
    return partition(stack(3), row("abc", "b"), tmp_path_factory.mktemp("middle") / "d", LAYERS)


def check_times(design: SystemDesign, report: SystemReport) -> None:
    """Every bit and cycle, and the figures of the plan."""
    assert report.comparison.cycle_exact, report.comparison.sentence
    measured = report.comparison.measured
    assert measured.step_interval_cycles == design.document["step_interval_ticks"]
    assert measured.latency_first_output_cycles == design.document["latency_first_output_ticks"]
    assert measured.latency_last_output_cycles == design.document["latency_last_output_ticks"]


def reported_within(design: SystemDesign) -> int:
    """Cycles in which the link layer promises that all devices know of a dead link: each line adds its own."""
    shape = bench_shape(design.partition, [each.quantised for each in design.designs],
                        [each.top for each in design.designs])  # fmt: skip
    return sum(
        shape.devices[line.left].links[line.left_link].report_cycles(line.latency) for line in shape.lines
    )


# Without a simulator


def test_what_is_written(pair: SystemDesign, three: SystemDesign) -> None:
    assert pair.document["host"] == {"input": ["a"], "output": ["a"]}
    assert pair.document["paths"] == [["a", "b"], ["b", "a"]]
    assert three.document["paths"] == [["a", "b"], ["b", "c"], ["c", "b", "a"]]
    ends = [(link["from"], link["to"]) for link in three.document["links"]]
    assert ends == [("a", "b"), ("b", "c"), ("c", "b"), ("b", "a")]
    assert all(link["frame_words"] == 5 for link in three.document["links"])
    back = read_system(three.folder)
    assert back.document == three.document
    assert back.partition.routes == three.partition.routes
    assert back.partition.latency_ticks == three.partition.latency_ticks
    first, second, last = (json.loads((three.folder / name / "design.json").read_text())["device"] for name in "abc")
    assert first["host"] == {"input": True, "output": True, "results": {"tdata_bits": 64, "beats_per_step": 2}}
    assert second["host"] == last["host"] == {"input": False, "output": False}
    names = [[link["name"] for link in each["links"]] for each in (first, second, last)]
    assert names == [["out"], ["out", "in"], ["in"]]
    assert "results" not in json.loads((three.folder / "a/design.json").read_text())["ports"]


def test_a_link_carries_both_directions(three: SystemDesign) -> None:
    """Two lines for four ways; a device's core meets nothing of what the device gives on."""
    shape = bench_shape(three.partition, [each.quantised for each in three.designs],
                        [each.top for each in three.designs])  # fmt: skip
    assert [(line.left, line.left_link, line.right, line.right_link) for line in shape.lines] == [
        (0, "out", 1, "in"), (1, "out", 2, "in"),
    ]  # fmt: skip
    assert (shape.inputs, shape.outputs) == ((0,), (0,))
    (forward,) = shape.devices[1].forwards
    assert (forward.source, forward.target) == ("out", "in")


def test_links_of_one_direction_are_apart(tmp_path: Path) -> None:
    """A link there and another one back: each has ports of its own."""
    devices = (Device("a", 10**8, 40), Device("b", 10**8, 40))
    links = (Link("a", "b", 64, LATENCY, both=False), Link("b", "a", 32, 3, both=False))
    design = partition(stack(2), System(devices, links, Host("a", "a")), tmp_path / "d", LAYERS)
    shape = bench_shape(design.partition, [each.quantised for each in design.designs],
                        [each.top for each in design.designs])  # fmt: skip
    assert [(line.left_link, line.right_link, line.latency) for line in shape.lines] == [
        ("out", "in", LATENCY), ("out", "back", 3),
    ]  # fmt: skip
    text = (design.folder / "a/rtl" / f"{design.designs[0].top}_device.v").read_text()
    assert "back_rx_data" in text
    assert "m_axis_tdata" in text


def test_what_the_command_says(three: SystemDesign, middle: SystemDesign) -> None:
    assert "Results go over b from c back to a, where the host is." in lines(three)
    assert [line for line in lines(middle) if " go" in line] == [
        "What a gives goes over b to c.", "Results go from c back to b, where the host is.",
    ]  # fmt: skip


def test_what_the_report_shows(three: SystemDesign) -> None:
    page = report(three).read_text(encoding="utf-8")
    for shown in (
        "The host gives every step to a and takes the results from a.", "What c gives to a goes over b.",
        "results back to a over b", "Of a way over several links each of them shows that of the way.",
    ):  # fmt: skip
        assert shown in page, shown
    assert page.count("output</text>") == 1
    assert_apart(texts_of(diagram(system_view(three, None, ()))))


def test_a_board_with_both_ends_of_the_host(tmp_path: Path) -> None:
    """Both halves of the serial bridge are on the first board, the results in beats of the link's words."""
    design = partition(layers(3, 4), system_of(tmp_path, BOARDS), tmp_path / "d", LAYERS)
    left, right = (inside(each.document) for each in design.designs)
    assert left.takes is not None
    assert left.gives is not None
    assert (left.gives.tdata_bits, left.gives.beats_per_step) == (16, 4)
    assert (right.takes, right.gives) == (None, None)
    assert [[link.name for link in each.links or ()] for each in (left, right)] == [["out"], ["in"]]


# In Verilator


@pytest.mark.verilator
def test_the_host_at_one_of_two(pair: SystemDesign) -> None:
    report = simulate_system(pair, steps=9)
    check_times(pair, report)
    x = np.random.default_rng(2).uniform(-1.0, 1.0, (3, 5, 8))
    assert simulate_system(pair, x).comparison.bit_exact


@pytest.mark.verilator
def test_bad_lines_change_no_bit(pair: SystemDesign) -> None:
    faults = {f"{way}_0_bit_errors": ONE_IN_A_THOUSAND for way in ("line", "back")}
    report = simulate_system(pair, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] > report.schedule.outputs[-1][-1] + 100  # and it took its time


@pytest.mark.verilator
def test_the_way_back_dies(pair: SystemDesign) -> None:
    """The line's other direction goes on; both devices say so in time, and nothing wrong came out."""
    report = simulate_system(pair, steps=STEPS, faults={"back_0_cut": [(MIDST, 1)]})
    assert report.comparison.prefix_exact, report.comparison.sentence
    assert not report.run.complete
    assert len(report.run.out_beats) > 0
    for cycle in report.failed:
        assert cycle is not None
        assert MIDST < cycle <= MIDST + reported_within(pair)


@pytest.mark.verilator
def test_a_host_that_pauses(pair: SystemDesign) -> None:
    """It takes nothing for long, or now and then; it is one host, and gives nothing meanwhile either way."""
    report = simulate_system(pair, steps=STEPS, faults={"m_axis_tready": [(MIDST, 0), (MIDST + 3_000, 1)]})
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.run.out_cycle[-1] >= MIDST + 3_000
    report = simulate_system(pair, steps=STEPS, stall=0.5)
    assert report.comparison.bit_exact, report.comparison.sentence


@pytest.mark.verilator
def test_one_of_three(three: SystemDesign) -> None:
    """A chain out and back; being given on adds the PHY, the frame and at most 12 cycles, as measured."""
    report = simulate_system(three, steps=9)
    check_times(three, report)
    back, last = three.partition.back, three.partition.parts[-1]
    assert back is not None
    measured = report.comparison.measured.latency_last_output_cycles
    assert measured is not None
    others = sum(part.outputs[-1] for part in three.partition.parts) + sum(three.partition.hop_ticks)
    straight = replace(back, hops=back.hops[:1])  # had the host been at the second device
    there = straight.delivered([last.outputs])[0] - last.outputs[-1]
    added = measured - others - there - back.frame.own_flag_word - (back.frame.beats - 1)
    assert added - LATENCY - back.words <= 12


@pytest.mark.verilator
def test_bad_lines_of_three_change_no_bit(three: SystemDesign) -> None:
    faults = {f"{way}_{line}_bit_errors": ONE_IN_A_THOUSAND for way in ("line", "back") for line in (0, 1)}
    report = simulate_system(three, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence


@pytest.mark.verilator
@pytest.mark.parametrize("way", ["line_0", "back_0", "line_1", "back_1"])
def test_any_direction_of_three_dies(three: SystemDesign, way: str) -> None:
    report = simulate_system(three, steps=STEPS, faults={f"{way}_cut": [(MIDST, 1)]})
    assert report.comparison.prefix_exact, report.comparison.sentence
    assert not report.run.complete
    for cycle in report.failed:
        assert cycle is not None
        assert MIDST < cycle <= MIDST + reported_within(three)


@pytest.mark.verilator
def test_the_host_in_the_middle(middle: SystemDesign) -> None:
    """What the second device gives to the third one goes over the host's own, which computes another part."""
    assert middle.document["paths"] == [["b", "a"], ["a", "b", "c"], ["c", "b"]]
    check_times(middle, simulate_system(middle, steps=9))
    faults = {f"{way}_{line}_bit_errors": ONE_IN_A_THOUSAND for way in ("line", "back") for line in (0, 1)}
    report = simulate_system(middle, steps=30, faults=faults)
    assert report.comparison.bit_exact, report.comparison.sentence


@pytest.mark.verilator
@pytest.mark.parametrize("word_bits", [16, 64])
def test_narrow_values(word_bits: int, tmp_path: Path) -> None:
    """Values of 12 bits are sign-extended at the host, and lanes behind the last one are zero, as those of a core."""
    options = PartitionOptions(cut="layers", activation_bits=12)
    torch.manual_seed(2)
    design = partition(Odd(), row("abc", "a", 12, word_bits), tmp_path / "d", options)
    assert design.partition.back is not None
    check_times(design, simulate_system(design, steps=7))


@pytest.mark.verilator
def test_unlike_clocks(tmp_path: Path) -> None:
    """No output comes later than planned."""
    devices = [Device("a", 10**8, 12), Device("b", 80 * 10**6, 12), Device("c", 125 * 10**6, 12)]
    system = chain(devices, Link("x", "y", 64, LATENCY), Host("a", "a"))
    design = partition(stack(3), system, tmp_path / "d", LAYERS)
    assert design.document["latency_is"] == "bound"
    assert len(design.names) == 3
    report = simulate_system(design, steps=9)
    assert report.comparison.within_bounds, report.comparison.sentence


@pytest.mark.verilator
def test_apart(three: SystemDesign) -> None:
    one, apart = simulate_system(three, steps=7), simulate_system(three, steps=7, apart=True)
    assert apart.comparison.cycle_exact, apart.comparison.sentence
    for name in ("in_cycle", "out_beats", "out_last", "out_cycle"):
        assert np.array_equal(getattr(one.run, name), getattr(apart.run, name)), name


@pytest.mark.verilator
def test_both_boards_with_one_host(tmp_path: Path) -> None:
    """One serial port: steps in and results out, over registers, pins and cable there and back, bit for bit."""
    design = partition(layers(3, 4), system_of(tmp_path, BOARDS), tmp_path / "d", LAYERS)
    assert len(design.names) == 2
    x = np.random.default_rng(0).uniform(-1.0, 1.0, (2, 5, 3))
    with simulate_boards(design.folder) as boards, SocketTransport(boards.socket) as transport:
        y = Accelerator(transport, design.document, outputs=4).run(x)
    assert np.array_equal(y, emulate(design.folder, x).output)
