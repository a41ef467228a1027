"""Light AXI4-Stream agents and samplers for long, cycle-exact runs.

Cycles are counted as written in ``bench_stream``: cycle n is the n-th rising
edge of ``aclk`` with ``aresetn`` high, and everything "in cycle n" is what the
registers behind that edge see, that is the values just before the edge.  A
stream may have another clock than ``aclk``; logs hold what ``cycle_now`` counts.

The agents read only what they need: while a handshake is impossible they wait
for the signal that blocks it, not for the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from cocotb.triggers import ClockCycles, Event, RisingEdge


@dataclass
class BeatLog:
    """Handshakes of one stream, in order: cycle, TDATA as an integer, TLAST, and TID where the port has it."""

    cycles: list[int] = field(default_factory=list)
    data: list[int] = field(default_factory=list)
    last: list[bool] = field(default_factory=list)
    tid: list[int] = field(default_factory=list)


class Stream:
    """The signals of the AXI4-Stream port ``prefix`` of ``dut``."""

    def __init__(self, dut, prefix: str) -> None:
        self.tdata = getattr(dut, prefix + "_tdata")
        self.tvalid = getattr(dut, prefix + "_tvalid")
        self.tready = getattr(dut, prefix + "_tready")
        self.tlast = getattr(dut, prefix + "_tlast")
        self.tid = getattr(dut, prefix + "_tid") if hasattr(dut, prefix + "_tid") else None
        self.bytes_per_beat = len(self.tdata) // 8


async def drive(
    stream: Stream, clock, cycle_now: Callable[[], int], beats, last, tid, offered, log: BeatLog
) -> None:
    """Offer every beat as early as the handshake allows, but not before its cycle; call it just after a rising edge.

    ``beats``: integers; ``last``: booleans; ``tid``: integers, used where the port has TID; ``offered``: cycles.
    """
    edge, unblocked, tready = RisingEdge(clock), RisingEdge(stream.tready), stream.tready
    last_driven = None
    for value, is_last, whose, earliest in zip(beats, last, tid, offered, strict=True):
        if earliest and earliest - cycle_now() > 1:
            stream.tvalid.value = 0
            await ClockCycles(clock, earliest - cycle_now() - 1)
        stream.tdata.value = value
        if stream.tid is not None:
            stream.tid.value = whose
        if is_last != last_driven:
            stream.tlast.value = last_driven = is_last
        stream.tvalid.value = 1
        await edge
        while not tready.value:
            await unblocked
            await edge
        log.cycles.append(cycle_now())
        log.last.append(is_last)
    stream.tvalid.value = 0


async def collect(
    stream: Stream,
    clock,
    cycle_now: Callable[[], int],
    log: BeatLog,
    expected: int,
    done: Event,
    ready_is_high: bool = True,
) -> None:
    """Raise TREADY and record every beat; set ``done`` at beat number ``expected``.

    ``ready_is_high``: nobody else lowers it again.
    """
    stream.tready.value = 1
    await watch(stream, clock, cycle_now, log, expected, done, ready_is_high)


async def watch(
    stream: Stream,
    clock,
    cycle_now: Callable[[], int],
    log: BeatLog,
    expected: int,
    done: Event | None,
    ready_is_high: bool = False,
) -> None:
    """Record every handshake of a port somebody else drives (passive)."""
    edge, raised = RisingEdge(clock), RisingEdge(stream.tvalid)
    tdata, tvalid, tready, tlast = stream.tdata, stream.tvalid, stream.tready, stream.tlast
    while True:
        await edge
        if not tvalid.value:
            await raised
            continue
        if ready_is_high or tready.value:
            log.cycles.append(cycle_now())
            log.data.append(int(tdata.value))
            log.last.append(bool(tlast.value))
            if stream.tid is not None:
                log.tid.append(int(stream.tid.value))
            if len(log.cycles) == expected and done is not None:
                done.set()


async def play(dut, clock, events: list, now: int) -> None:
    """Give inputs of the top their values, ``[cycle, name, value]``, so that each is there in its cycle.

    Call it just after the edge of cycle ``now``; an event of this cycle or an earlier one comes in the next one.
    """
    for cycle, name, value in sorted(events, key=lambda event: event[0]):
        if cycle - 1 > now:
            await ClockCycles(clock, cycle - 1 - now)
            now = cycle - 1
        getattr(dut, name).value = value


async def sample(signals, clock, cycle_now: Callable[[], int], window: tuple[int, int], logs: list[list[int]]) -> None:
    """Append the value of every signal in every cycle of ``[window[0], window[1])``.

    Call it just after the edge of cycle 0; cycle 0 itself is recorded from the present values.
    """
    edge = RisingEdge(clock)
    readers = list(zip(signals, logs, strict=True))
    for _ in range(window[0] - cycle_now()):
        await edge
    while cycle_now() < window[1]:
        for signal, log in readers:
            log.append(int(signal.value))
        await edge


async def read_registers(dut, clock, offsets: list[int]) -> list[int]:
    """Read words behind the AXI4-Lite port ``s_axil``, one after the other; call it just after a rising edge."""
    edge, values = RisingEdge(clock), []
    for offset in offsets:
        dut.s_axil_araddr.value = offset
        dut.s_axil_arvalid.value = 1
        await edge
        while not dut.s_axil_arready.value:
            await edge
        dut.s_axil_arvalid.value = 0
        dut.s_axil_rready.value = 1
        await edge
        while not dut.s_axil_rvalid.value:
            await edge
        assert int(dut.s_axil_rresp.value) == 0, f"the register at offset {offset:#x} answered with an error"
        values.append(int(dut.s_axil_rdata.value))
        dut.s_axil_rready.value = 0
    return values


def to_bytes(values: list[int], size: int) -> np.ndarray:
    """Integers as little-endian bytes, uint8 (len(values), size)."""
    joined = b"".join(value.to_bytes(size, "little") for value in values)
    return np.frombuffer(joined, dtype=np.uint8).reshape(len(values), size)


def to_integers(beats: np.ndarray) -> list[int]:
    """Rows of little-endian bytes, uint8 (n, size), as integers."""
    return [int.from_bytes(row.tobytes(), "little") for row in beats]
