"""Systems that are disturbed while they run: what comes out is right, and all of it comes or a failure is reported."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rnngen.arith.beats import lanes
from rnngen.arith.format import FloatArray, IntArray
from rnngen.emit.bench import bench_shape
from rnngen.emit.system import SystemDesign
from rnngen.emulate.network import run_lengths
from rnngen.errors import DataError
from rnngen.flow import partition, simulate_system
from rnngen.flow.simulate_system import Faults, SystemReport
from rnngen.flow.stimulus import port_of
from rnngen.plan.partition.schedule import run_system
from rnngen.verify.simulator import FIRST_INPUT_CYCLE, ByteArray
from tests.flow.test_rows import mesh, recurrent
from tests.flow.test_system import system_of

pytestmark = pytest.mark.verilator

STEPS = 16
"""Of each of two sequences: some 900 cycles of either system."""

MIDST = 400
"""A cycle in the middle of that."""


@pytest.fixture(scope="module", params=["chain", "rows"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> SystemDesign:
    """Two layers one behind the other, and one layer over two devices by its rows."""
    folder = tmp_path_factory.mktemp("pair") / "d"
    if request.param == "rows":
        return partition(recurrent("lstm", 24, 32), mesh(2, 64), folder)
    torch.manual_seed(1)
    return partition(torch.nn.LSTM(8, 8, num_layers=2, batch_first=True), system_of(2), folder)


def reported_within(system: SystemDesign) -> int:
    """Cycles in which the link layer promises to report a dead link, at both ends."""
    networks, cores = [design.quantised for design in system.designs], [design.top for design in system.designs]
    shape = bench_shape(system.partition, networks, cores)
    (line,) = shape.lines
    return shape.devices[line.left].links[line.left_link].report_cycles(line.latency)


def check_failed(system: SystemDesign, report: SystemReport, devices: tuple[int, ...] = (0, 1)) -> None:
    """What came is right, not all came, and the devices have said so in time."""
    assert report.comparison.prefix_exact, report.comparison.sentence
    assert not report.run.complete
    assert len(report.run.out_beats) > 0
    for device in devices:
        cycle = report.failed[device]
        assert cycle is not None
        assert MIDST < cycle <= MIDST + reported_within(system)
    assert report.figures["failed_cycle"] == dict(zip(system.names, report.failed))


def check_all_came(report: SystemReport) -> None:
    assert report.comparison.bit_exact, report.comparison.sentence
    assert report.failed == (None, None)


@pytest.mark.parametrize("ways", [("line",), ("back",), ("line", "back")], ids="-".join)
def test_a_direction_dies(pair: SystemDesign, ways: tuple[str, ...]) -> None:
    """Nobody is told: an end that hears nothing for 16,384 cycles says so, and the other one hears that.

    Where only the answers are lost, as many words still come as the sender may send without one, all of them right: so
    there are four times as many steps.
    """
    faults: Faults = {f"{way}_0_cut": [(MIDST, 1)] for way in ways}
    check_failed(pair, simulate_system(pair, steps=4 * STEPS, faults=faults))


def test_a_link_is_cut_for_ten_thousand_cycles(pair: SystemDesign) -> None:
    """It is shorter than the links' patience: everything is sent again."""
    faults: Faults = {f"{way}_0_cut": [(MIDST, 1), (MIDST + 10_000, 0)] for way in ("line", "back")}
    report = simulate_system(pair, steps=STEPS, faults=faults)
    check_all_came(report)
    assert report.run.out_cycle[-1] > MIDST + 10_000


def test_a_link_is_down_for_ten_thousand_cycles(pair: SystemDesign) -> None:
    """The PHY says so: the link is lost at once, and the failure stays when the PHY comes back."""
    faults: Faults = {f"{way}_0_down": [(MIDST, 1), (MIDST + 10_000, 0)] for way in ("line", "back")}
    report = simulate_system(pair, steps=STEPS, faults=faults)
    check_failed(pair, report)
    assert max(cycle or 0 for cycle in report.failed) < MIDST + 100
    assert report.run.out_cycle[-1] < MIDST + 100


@pytest.mark.parametrize("cycles", [1, 100, 20_000])
@pytest.mark.parametrize("device", [0, 1])
def test_a_device_is_reset_in_a_sequence(pair: SystemDesign, device: int, cycles: int) -> None:
    """The other one has a state that no longer fits, and stops."""
    faults: Faults = {f"hold_{device}": [(MIDST, 1), (MIDST + cycles, 0)]}
    report = simulate_system(pair, steps=STEPS, faults=faults)
    check_failed(pair, report, (1 - device,))


@pytest.mark.parametrize(
    "held", [((0, 20), (0, 20)), ((0, 20), (1, 1_020)), ((0, 1_020), (10, 25))],
    ids=["together", "the second is late", "the first is late"],
)  # fmt: skip
def test_a_reset_of_all_begins_anew(pair: SystemDesign, held: tuple[tuple[int, int], tuple[int, int]]) -> None:
    """A host that goes on with the next step gets what a network without a past makes of it, and nothing older."""
    taken = [beats[-1] for beats in run_system(pair.partition, [STEPS, STEPS]).parts[0].inputs]
    done = 1 + next(step for step, cycle in enumerate(taken) if cycle >= MIDST)
    hold = taken[done - 1] + FIRST_INPUT_CYCLE + 2  # between two steps, so that the host need not begin one again
    faults: Faults = {f"hold_{k}": [(hold + begin, 1), (hold + end, 0)] for k, (begin, end) in enumerate(held)}
    report = simulate_system(pair, steps=STEPS, faults={**faults, "line_0_down": [(4_000, 1)]})
    first = done * pair.designs[0].plan.input_beats
    assert report.run.in_cycle[first - 1] < hold
    assert report.run.in_cycle[first] >= hold + max(end for _, end in held)
    values = np.random.default_rng(0).uniform(-1.0, 1.0, (2, STEPS, pair.quantised.input_size))
    before = words(pair, values[:1])
    after = np.concatenate([words(pair, values[:1, done:]), words(pair, values[1:])])
    # Of rows both devices give a beat, else the last one does.
    gives = hold + (0 if outputs(pair) > 1 else held[-1][0])
    old = report.run.out_cycle <= gives
    came, then = (units(pair, report.run.out_beats[which]) for which in (old, ~old))
    assert 0 < len(came) <= done
    assert np.array_equal(came, before[: len(came)])
    assert np.array_equal(then, after)


def words(system: SystemDesign, values: FloatArray) -> IntArray:
    """What the emulator makes of one whole sequence, (steps, units)."""
    output: IntArray = run_lengths(system.quantised, values, (values.shape[1],)).output
    return output[0]


def outputs(system: SystemDesign) -> int:
    """Devices whose results go to the host, side by side."""
    return len(system.document["host"]["output"])


def units(system: SystemDesign, beats: ByteArray) -> IntArray:
    """The whole steps of beats, (steps, units): of rows, a beat holds units of each device."""
    port, devices = port_of(system.designs[-1], "m_axis"), outputs(system)
    whole = len(beats) // port.beats_per_step
    split = beats[: whole * port.beats_per_step].reshape(-1, port.tdata_bits // 8)
    found = lanes(split, port).reshape(whole, port.beats_per_step, devices, port.words_per_beat)
    return found.transpose(0, 2, 1, 3).reshape(whole, -1)[:, : system.quantised.output_size]


@pytest.mark.parametrize(("device", "cycles"), [(0, 3), (1, 3), (0, 20_000), (1, 20_000)])
def test_any_order_of_start(pair: SystemDesign, device: int, cycles: int) -> None:
    report = simulate_system(pair, steps=4, start_faults={f"hold_{device}": [(0, 1), (cycles, 0)]})
    check_all_came(report)


@pytest.mark.parametrize("cycles", [300, 3_000, 70_000])
def test_a_host_that_takes_nothing_for_long(pair: SystemDesign, cycles: int) -> None:
    """Nothing is lost, and no link takes it for a failure: 70,000 cycles are more than any of its times."""
    report = simulate_system(pair, steps=STEPS, faults={"m_axis_tready": [(MIDST, 0), (MIDST + cycles, 1)]})
    check_all_came(report)
    came = report.run.out_cycle
    assert not np.any((came >= MIDST) & (came < MIDST + cycles))
    assert came[-1] >= MIDST + cycles


@pytest.mark.parametrize("stall", [0.2, 0.8])
def test_another_makers_client_pauses(pair: SystemDesign, stall: float) -> None:
    check_all_came(simulate_system(pair, steps=STEPS, stall=stall))


@pytest.mark.parametrize("rate", [1e-6, 1e-5, 1e-4, 1e-3])
def test_rates_of_bit_errors(pair: SystemDesign, rate: float) -> None:
    faults = {f"{way}_0_bit_errors": round(rate * 2**32) for way in ("line", "back")}
    check_all_came(simulate_system(pair, steps=STEPS, faults=faults))


@pytest.mark.parametrize(("every", "length"), [(1000, 3), (50, 7), (200, 60)])
def test_bursts(pair: SystemDesign, every: int, length: int) -> None:
    faults = {}
    for way in ("line", "back"):
        faults |= {f"{way}_0_bursts": 2**32 // every, f"{way}_0_burst_words": length}
    check_all_came(simulate_system(pair, steps=STEPS, faults=faults))


def test_faults_in_time_are_checked(pair: SystemDesign) -> None:
    with pytest.raises(DataError, match=r"^An event of 'hold_0' must be in cycle 1 or later, not 0\.$"):
        simulate_system(pair, faults={"hold_0": [(0, 1)]})
    with pytest.raises(DataError, match=r"^An event of 'hold_0' must be in cycle 0 or later, not -1\.$"):
        simulate_system(pair, start_faults={"hold_0": [(-1, 1)]})
    with pytest.raises(DataError, match=r"^Fault 'hold_0' must be within 0\.\.1, not 2\.$"):
        simulate_system(pair, faults={"hold_0": [(1, 2)]})
    with pytest.raises(DataError, match=r"^A fault must be one of line_0_bit_errors, .*, not 'm_axis_tready'\.$"):
        simulate_system(pair, start_faults={"m_axis_tready": [(1, 0)]})
    with pytest.raises(DataError, match=r"^Only the fast bench client leaves m_axis_tready to events: give no stall"):
        simulate_system(pair, stall=0.5, faults={"m_axis_tready": [(1, 0)]})
    with pytest.raises(DataError, match=r"^--stall must be at least 0 and below 1, not 1\.0\.$"):
        simulate_system(pair, stall=1.0)
