"""Two ends of a link over the simulation channel: the right words in order, in the cycles that were promised."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from rnngen.config.link import LinkShape
from tests.gateware.link.bench import LOST, RX, TX, UP, Log, run, simulator

pytestmark = pytest.mark.verilator

HEAVY = "RNNGEN_LINKS" in os.environ
LATENCY = 16
WIDE = LinkShape(64, correct=True).streaming(LATENCY)
NARROW = LinkShape(16, longest=64, rest_every=512).streaming(LATENCY)
SHAPES = {"wide": WIDE, "narrow": NARROW}
if HEAVY:
    SHAPES["middle"] = LinkShape(32, rest_every=512).streaming(LATENCY)
    SHAPES["bytes"] = LinkShape(8, longest=64, rest_every=512).streaming(LATENCY)
CYCLES = 1_000_000 if HEAVY else 40_000
RANDOM = {
    "lo_a": 1, "hi_a": 60, "gap_a": 40, "pause_a": 40, "stall_a": 30,
    "lo_b": 1, "hi_b": 20, "gap_b": 100, "pause_b": 20, "stall_b": 80,
}  # fmt: skip
TRAINED = 400
"""Cycles after which both ends are up."""


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("links")


def chance(probability: float) -> int:
    return int(probability * 2**32)


def both(**values: int) -> dict[str, int]:
    """The same in both directions."""
    return {f"{way}_{name}": value for way in ("ab", "ba") for name, value in values.items()}


def quiet_from(cycle: int) -> list[str]:
    """No new frames from here on, and no damage."""
    stop = [f"at={cycle}:silent_{end}:1" for end in "ab"]
    names = ("bit_errors", "start_errors", "bursts", "cut")
    return stop + [f"at={cycle}:{way}_{name}:0" for way in ("ab", "ba") for name in names]


def assert_all_arrived(log: Log) -> None:
    """Nothing is missing, and nothing was reported lost."""
    for end in (0, 1):
        assert log.changes(end, LOST) == []
        assert log.delivered(end) == len(log.words(1 - end, TX).data) > 0


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("other_way", [{"frames_b": 1}, {"lo_b": 1, "hi_b": 60, "gap_b": 30, "stall_a": 100}])
@pytest.mark.parametrize("latency", [2, LATENCY, 33])
def test_every_frame_comes_in_its_cycle(name: str, other_way: dict[str, int], latency: int, folder: Path) -> None:
    shape = SHAPES[name]
    values = {"lo_a": 1, "hi_a": 64, "gap_a": 80, **other_way, **both(latency=latency)}
    log = run(simulator(shape, folder), cycles=20_000, **values)
    given, taken = log.words(0, TX), log.words(1, RX)
    assert log.delivered(1) > 5_000
    begins, ends = np.flatnonzero(given.flags & 1), np.flatnonzero(given.flags & 2)
    arrivals = taken.cycles[np.flatnonzero(taken.flags & 1)]
    free = taken_until = 0  # a long frame's words still leave the buffer when a short one behind it is there
    for begin, end, arrival in zip(begins, ends, arrivals, strict=False):
        words = int(end - begin) + 1
        on_the_line = max(int(given.cycles[begin]), free)
        free = on_the_line + shape.frame_words(words)
        assert arrival == max(on_the_line + shape.frame_latency(words, latency), taken_until)
        taken_until = int(arrival) + words


@pytest.mark.parametrize("name", SHAPES)
def test_clean_traffic_meets_no_stall(name: str, folder: Path) -> None:
    """Memories and window of ``streaming`` are large enough in both directions at full rate."""
    longest = SHAPES[name].longest
    values = {f"{bound}_{end}": longest for bound in ("lo", "hi") for end in "ab"}
    log = run(simulator(SHAPES[name], folder), cycles=20_000, **both(latency=LATENCY), **values)
    for end in (0, 1):
        words = log.words(end, RX)
        late = words.cycles[words.cycles > 5_000]
        frames = (20_000 - 5_000) / SHAPES[name].frame_words(longest)
        rest = (20_000 - 5_000) / SHAPES[name].rest_every if SHAPES[name].rest_every else 0
        assert len(late) >= (frames - 1 - rest / longest) * longest - longest
        assert log.counters[f"{'ab'[end]}_credit_stalls"] == 0
        assert log.counters[f"{'ab'[end]}_replays"] == 0


@pytest.mark.parametrize("words", [64, 128])
def test_wide_link_carries_95_percent(words: int, folder: Path) -> None:
    values = {"lo_a": words, "hi_a": words, "frames_b": 1}
    log = run(simulator(WIDE, folder), cycles=20_000, **values)
    taken = log.words(1, RX).cycles
    steady = taken[(taken >= 5_000) & (taken < 15_000)]
    assert len(steady) >= 0.95 * 10_000


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize(
    "damage",
    [
        {},
        {"bit_errors": chance(1e-6)},
        {"bit_errors": chance(1e-5)},
        {"bit_errors": chance(1e-4)},
        {"bursts": chance(1e-3), "burst_words": 30},
        {"bursts": chance(1e-2), "burst_words": 1},
        {"start_errors": chance(2e-3)},
        {"bit_errors": chance(3e-5), "bursts": chance(3e-4), "start_errors": chance(3e-4)},
    ],
    ids=lambda value: "-".join(f"{k}{v}" for k, v in value.items()),
)
def test_damaged_words_are_repaired(name: str, damage: dict[str, int], folder: Path) -> None:
    stop = CYCLES - 8_000
    log = run(simulator(SHAPES[name], folder), *quiet_from(stop), cycles=CYCLES, **RANDOM, **both(**damage))
    assert_all_arrived(log)
    seen = sum(log.counters[f"{end}_{name}"] for end in "ab" for name in ("check_errors", "replays"))
    assert seen == 0 if not damage else seen > 0 or damage == {"bit_errors": chance(1e-6)}


def test_one_error_in_a_thousand_bits_is_survived_or_reported(folder: Path) -> None:
    """Most frames are hit: words still are right and in order; a link that gives up says so and begins anew."""
    values = RANDOM | both(bit_errors=chance(1e-3))
    log = run(simulator(WIDE, folder), cycles=max(CYCLES, 200_000), **values)
    assert log.delivered(0) > 1_000
    assert log.delivered(1) > 300


def test_single_wrong_bits_cost_nothing(folder: Path) -> None:
    """Every n-th word of A has a wrong bit, one a frame at most: nothing is sent again but headers that were hit."""
    values = {"lo_a": 60, "hi_a": 60, "a_inject_every": 131, "a_inject_bit": 17, "frames_b": 1}
    log = run(simulator(WIDE, folder), *quiet_from(36_000), "at=36000:a_inject_every:0", cycles=40_000, **values)
    assert log.counters["b_corrected"] > 200
    assert log.counters["a_replays"] <= log.counters["b_check_errors"] - log.counters["b_corrected"]
    assert log.delivered(1) == len(log.words(0, TX).data) > 30_000


def test_throughput_at_1e_4_is_80_percent(folder: Path) -> None:
    """With words of 64 bits and correction; ``bench.links`` has the figures of other shapes."""
    values = {"lo_a": 64, "hi_a": 64, "frames_b": 1, "cycles": 200_000}
    clean = run(simulator(WIDE, folder), **values)
    noisy = run(simulator(WIDE, folder), **values, **both(bit_errors=chance(1e-4)))
    assert noisy.delivered(1) >= 0.8 * clean.delivered(1)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("way", ["ab", "ba"])
def test_a_dead_direction_is_reported(name: str, way: str, folder: Path) -> None:
    shape, cut = SHAPES[name], 5_000
    limit = shape.report_cycles(LATENCY)
    log = run(simulator(shape, folder), f"at={cut}:{way}_cut:1", cycles=cut + limit + 2_000, **RANDOM)
    for end in (0, 1):
        changes = [cycle for cycle, value in log.changes(end, LOST) if value]
        assert changes
        assert cut < changes[0] <= cut + LATENCY + limit
        assert log.changes(end, UP)[-1][1] == 0
        assert log.delivered(end) <= len(log.words(1 - end, TX).data)


@pytest.mark.parametrize("name", SHAPES)
def test_a_link_that_is_down_is_reported_and_comes_back(name: str, folder: Path) -> None:
    events = ["at=5000:ab_down:1", "at=15000:ab_down:0"]
    log = run(simulator(SHAPES[name], folder), *events, *quiet_from(32_000), cycles=40_000, **RANDOM)
    for end in (0, 1):
        assert [value for _, value in log.changes(end, UP)] == [1, 0, 1]
        assert [value for _, value in log.changes(end, LOST)] == [1, 0]
        assert log.changes(end, LOST)[0][0] < 5_000 + SHAPES[name].keep_alive + 10 * LATENCY
        assert log.delivered(end) > 2_000
        assert len(log.sessions(end, RX)[-1].data) == len(log.sessions(1 - end, TX)[-1].data)


def test_a_silent_interruption_is_survived(folder: Path) -> None:
    """Words are lost for 10,000 cycles, less than ``silence``: all of them are sent again."""
    events = [f"at={cycle}:{way}_cut:{value}" for way in ("ab", "ba") for cycle, value in ((5_000, 1), (15_000, 0))]
    log = run(simulator(WIDE, folder), *events, *quiet_from(30_000), cycles=40_000, **RANDOM)
    assert_all_arrived(log)


@pytest.mark.parametrize("name", SHAPES)
def test_lost_credits_come_again(name: str, folder: Path) -> None:
    """B only tells; now and then A hears nothing for a while."""
    events = [f"at={k * 700 + on}:ba_cut:{1 - on // 300}" for k in range(1, 40) for on in (0, 300)]
    values = {"lo_a": 30, "hi_a": 60, "frames_b": 1, "stall_b": 100}
    log = run(simulator(SHAPES[name], folder), *events, *quiet_from(32_000), cycles=40_000, **values)
    assert log.changes(0, LOST) == log.changes(1, LOST) == []
    assert log.delivered(1) == len(log.words(0, TX).data) > 5_000


@pytest.mark.parametrize("name", SHAPES)
def test_a_receiver_that_stalls_loses_nothing(name: str, folder: Path) -> None:
    events = ["at=5000:hold_b:1", "at=25000:hold_b:0"]
    log = run(simulator(SHAPES[name], folder), *events, *quiet_from(32_000), cycles=40_000, **RANDOM)
    assert_all_arrived(log)
    assert log.counters["a_credit_stalls"] > 10_000
    assert log.counters["b_buffer_highest"] > SHAPES[name].buffer_words - SHAPES[name].longest


@pytest.mark.parametrize("late", ["a", "b"])
def test_one_side_starts_later(late: str, folder: Path) -> None:
    log = run(
        simulator(NARROW, folder), f"at=30000:reset_{late}:0", *quiet_from(36_000), cycles=40_000,
        **{f"late_{late}": 1}, **RANDOM,
    )  # fmt: skip
    assert log.changes(0, UP)[0][0] > 30_000
    assert_all_arrived(log)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("end", ["a", "b"])
def test_a_reset_in_the_middle_of_frames(name: str, end: str, folder: Path) -> None:
    """The other side reports it; nothing of the old session is delivered in the new one."""
    times = [5_003 + 2_011 * k for k in range(12)]
    events = [f"at={time + off}:reset_{end}:{1 - off // 3}" for time in times for off in (0, 3)]
    log = run(simulator(SHAPES[name], folder), *events, *quiet_from(34_000), cycles=40_000, **RANDOM)
    other = "ba".index(end)
    assert len([1 for _, value in log.changes(other, LOST) if value]) == len(times)
    for taker in (0, 1):
        assert log.delivered(taker) > 2_000
        assert len(log.sessions(taker, RX)) == len(times) + 1
        assert len(log.sessions(taker, RX)[-1].data) == len(log.sessions(1 - taker, TX)[-1].data)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("faster", ["a", "b"])
def test_clocks_that_drift(name: str, faster: str, folder: Path) -> None:
    """600 ppm between the ends, at full rate; without rests words are lost now and then, and come again."""
    period = {end: 2_000_000 - (1_200 if end == faster else 0) for end in "ab"}
    clocks = {f"period_c{end}": period[end] for end in "ab"} | {f"period_p{end}": period[end] for end in "ab"}
    clocks |= {"period_qb": period["a"], "period_qa": period["b"]}
    phases = {"phase_cb": 345_678, "phase_pb": 1_234_567, "phase_qa": 765_432}
    values = {"lo_a": 50, "hi_a": 64, "lo_b": 64, "hi_b": 64}
    log = run(
        simulator(SHAPES[name], folder), *quiet_from(CYCLES - 8_000), cycles=CYCLES, **values, **clocks, **phases
    )
    assert_all_arrived(log)
    replays = log.counters["a_replays"] + log.counters["b_replays"]
    assert (replays == 0) == (SHAPES[name].rest_every != 0)


@pytest.mark.parametrize("cores", [1_700_000, 1_000_000])
def test_a_phy_slower_than_the_cores(cores: int, folder: Path) -> None:
    """Words wait in the crossing; A's PHY takes one every 2,000,000 fs, B's cores are at another rate again."""
    clocks = {"period_ca": cores, "period_cb": cores - 100_000}
    log = run(simulator(NARROW, folder), *quiet_from(32_000), cycles=40_000, **RANDOM, **clocks)
    assert_all_arrived(log)


def test_counters_agree_with_the_log(folder: Path) -> None:
    log = run(simulator(WIDE, folder), *quiet_from(15_000), cycles=20_000, **RANDOM)
    for end, name in enumerate("ab"):
        given, taken = log.words(end, TX), log.words(end, RX)
        frames = int(np.count_nonzero(given.flags & 1))
        assert log.counters[f"{name}_frames_sent"] == frames
        assert log.counters[f"{name}_words_sent"] == len(given.data)
        assert log.counters[f"{name}_words_received"] == len(taken.data)
        assert log.counters[f"{name}_frames_received"] == np.count_nonzero(taken.flags & 1)
        assert log.counters[f"{name}_check_errors"] == log.counters[f"{name}_corrected"] == 0
        # There and back: two PHYs, the frame, the frame that goes back, and both ends.
        assert 2 * LATENCY < log.counters[f"{name}_latency"] <= log.counters[f"{name}_latency_highest"] < 300


def test_the_judge_sees_wrong_words(folder: Path) -> None:
    log = run(simulator(WIDE, folder), cycles=3_000, **RANDOM)
    places = np.flatnonzero((log.records["end"] == 1) & (log.records["what"] == RX))
    assert log.delivered(1) > 100
    for change in ("swap", "drop", "twice", "bit"):
        records = log.records.copy()
        one, two = places[20], places[21]
        if change == "swap":
            records["data"][[one, two]] = records["data"][[two, one]]
        if change == "drop":
            records = np.delete(records, one)
        if change == "twice":
            records["data"][two] = records["data"][one]
        if change == "bit":
            records["data"][one] ^= np.uint64(1)
        with pytest.raises(AssertionError):
            Log(records, log.counters).delivered(1)
