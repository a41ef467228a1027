"""Drive the AXI4-Stream ports of an accelerator from a stimulus file, and record what happens.

The environment variable ``RNNGEN_BENCH`` names a JSON file with the keys

    stimulus            .npz: beats uint8 (N, tdata bytes, little-endian), last bool (N,), tid (N,), offered (N,):
                        the first cycle in which each beat is offered ("fast" only)
    result              .npz to write
    expected_beats      number of output beats to wait for
    client              "fast": agents of our own, never pausing; "axi": cocotbext-axi
    stall, seed         probability of a pause in each cycle on either side ("axi" only)
    time_limit_cycles   give up after so many cycles
    drain_cycles        cycles to run on after the last expected beat or watched output, to catch surplus beats
    probes              hierarchical signal names under the top, e.g. "engine0.probe_issue"
    window              [from_cycle, to_cycle) in which the probes are sampled every cycle
    registers           byte offsets of registers to read over s_axil behind the drain
    memory              null, or what is behind m_axi: image (file), base (byte address), model ("exact": of "latency"
                        cycles, see memory_agents; "axiram": cocotbext-axi, with pauses where stall is not 0),
                        error_beat (null, or the beat that is answered with an error), writes ([offset, value] of
                        registers, to start the reading) and fill_cycles to wait behind them, until buffers are full
    clocks              [name, ticks of a cycle] of every clock of the top, the first one ``aclk``; []: ``aclk`` alone,
                        of one tick
    output_clock        the clock of m_axis; s_axis and all else are clocked by ``aclk``
    inputs              [name, value] of other inputs of the top, from the start on
    start_events        [cycle, name, value]: an input takes a value; cycle 0 is here the first one without reset
    events              the same, from cycle 1 on as defined below; m_axis_tready, too ("fast" only; 1 before), in
                        cycles of output_clock
    wait_for            null, or an output of the top that must be 1 before cycle 0
    watch               outputs of the top whose first cycle at 1 is recorded; the run ends when all of them have been 1
                        and all events have come

Cycle 0 is the first rising edge of ``aclk`` at which ``aresetn`` is high, cycle n the n-th edge behind
it. A handshake or a probe value "in cycle n" is what holds just before edge n, which is what the
registers clocked by edge n see. As AXI4-Stream demands, TVALID is first raised behind edge 0: the
earliest input handshake is in cycle 1 ("fast" client; cocotbext-axi may be later). TREADY likewise.
With a memory cycle 0 is the edge at which its fill_cycles are over, with wait_for the edge at which it is 1.

All clocks begin with an edge at the same time, and their periods are exact. Cycle n of another clock than
``aclk`` is its n-th edge behind cycle 0 of ``aclk``; one at the same time is its cycle 0. Output handshakes
are counted in cycles of the clock that gives them; where clocks differ only ticks can be compared with those
of inputs. Tick 0 is cycle 0 of ``aclk``.

The result holds in_cycle, in_last, out_beats, out_last, out_tid, out_cycle, out_tick (ticks of output handshakes),
cycles (length of the run), complete (all expected beats came), registers (uint32, one an offset), watch_seen
(bool) and watch_cycle (of ``aclk``, below 0 before cycle 0) of each output watched, and probe_0 .. probe_n: uint8
(samples, bytes), little-endian.
"""

from __future__ import annotations

import json
import logging
import os
import random
import time
from collections.abc import Iterator

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.task import Task
from cocotb.triggers import Event, First, RisingEdge, Timer
from cocotb.utils import get_sim_time
from memory_agents import ExactMemory, start_axi_ram, write_register
from stream_agents import BeatLog, Stream, collect, drive, play, read_registers, sample, to_bytes, to_integers, watch

PERIOD_STEPS = 10_000
"""Simulator time steps of a cycle of ``aclk`` (1 ps each); about so many where there are more clocks."""
READY = "m_axis_tready"
RESET_CYCLES = 8
PROGRESS_SECONDS = 1.0


class StreamBench:
    """One accelerator with its clocks, its two streams and their records."""

    def __init__(self, dut, config: dict) -> None:
        self.dut, self.config = dut, config
        self.source, self.sink = Stream(dut, "s_axis"), Stream(dut, "m_axis")
        with np.load(config["stimulus"]) as file:
            self.beats, self.last, self.tid = file["beats"], file["last"].tolist(), file["tid"].tolist()
            self.offered = file["offered"].tolist()
        self.sent, self.received = BeatLog(), BeatLog()
        self.samples: list[list[int]] = [[] for _ in config["probes"]]
        self.registers: list[int] = []
        self.done = Event()
        clocks = dict(config["clocks"]) or {"aclk": 1}
        self.steps_per_tick = 2 * max(1, PERIOD_STEPS // 2 // clocks["aclk"])  # even: both halves of a cycle are alike
        self.periods = {name: ticks * self.steps_per_tick for name, ticks in clocks.items()}
        self.output_clock = getattr(dut, config["output_clock"])
        self.output_period = self.periods[config["output_clock"]]
        self.start_step = 0
        self.seen: dict[str, int] = {}
        self.all_seen = Event()
        self.axi_sink = None

    def time(self) -> int:
        """Simulator time steps since cycle 0."""
        return int(get_sim_time("step")) - self.start_step

    def cycle(self) -> int:
        """Number of the present (or latest) cycle."""
        return self.time() // self.periods["aclk"]

    def cycles(self, count: int) -> Timer:
        """So many cycles."""
        return Timer(count * self.periods["aclk"], unit="step")

    async def reset(self) -> None:
        """Start the clocks; return just after the edge of cycle 0."""
        for name in ("s_axis_tvalid", "m_axis_tready", "s_axil_awvalid", "s_axil_wvalid", "s_axil_bready",
                     "s_axil_arvalid", "s_axil_rready", "m_axi_arready", "m_axi_rvalid"):  # fmt: skip
            if hasattr(self.dut, name):
                getattr(self.dut, name).value = 0
        for name, value in self.config["inputs"]:
            getattr(self.dut, name).value = value
        self.dut.aresetn.value = 0
        for name, period in self.periods.items():
            Clock(getattr(self.dut, name), period, unit="step").start()
        edge = RisingEdge(self.dut.aclk)
        for _ in range(1 + RESET_CYCLES):
            await edge
        self.dut.aresetn.value = 1
        for name in self.config["watch"]:
            cocotb.start_soon(self.see(name))
        cocotb.start_soon(play(self.dut, self.dut.aclk, self.config["start_events"], -1))
        await edge
        if self.config["wait_for"]:
            await self.wait_for(getattr(self.dut, self.config["wait_for"]))
        self.start_step = int(get_sim_time("step"))

    async def see(self, name: str) -> None:
        """Keep the time at which an output is 1 for the first time."""
        signal = getattr(self.dut, name)
        if signal.value != 1:
            await RisingEdge(signal)
        self.seen[name] = int(get_sim_time("step"))
        if len(self.seen) == len(self.config["watch"]):
            self.all_seen.set()

    async def all_over(self, changes: list[Task]) -> None:
        """Return when every watched output has been 1 and no input changes any more."""
        await self.all_seen.wait()
        for task in changes:
            await task

    async def wait_for(self, signal) -> None:
        """Return just after the edge at which the signal is 1, or the time limit."""
        edge = RisingEdge(self.dut.aclk)
        for _ in range(self.config["time_limit_cycles"]):
            ready = signal.value == 1
            await edge
            if ready:
                return

    async def start_memory(self) -> None:
        """Start what is behind m_axi, and the reading; return when the buffers are full: that is cycle 0."""
        memory, dut = self.config["memory"], self.dut
        with open(memory["image"], "rb") as file:
            image = file.read()
        if memory["model"] == "exact":
            ExactMemory(dut, image, memory["base"], memory["latency"], memory["error_beat"]).start()
        else:
            logging.getLogger(f"cocotb.{dut._name}").setLevel(logging.WARNING)
            stall, seed = self.config["stall"], self.config["seed"]
            start_axi_ram(
                dut, image, memory["base"], [pauses(stall, 3 * seed + k + 7) for k in range(2)] if stall else None
            )
        for offset, value in memory["writes"]:
            await write_register(dut, dut.aclk, offset, value)
        edge = RisingEdge(dut.aclk)
        for _ in range(memory["fill_cycles"]):
            await edge
        self.start_step = int(get_sim_time("step"))

    def start_changes(self) -> list[Task]:
        """Start the inputs that change, each with the clock that takes it."""
        events = self.config["events"]
        ready = [event for event in events if event[1] == READY]
        others = [event for event in events if event[1] != READY]
        pairs = ((self.dut.aclk, others), (self.output_clock, ready))
        return [cocotb.start_soon(play(self.dut, clock, found, 0)) for clock, found in pairs if found]

    def start_fast(self) -> list[Task]:
        """Start the agents that never pause."""
        expected = self.config["expected_beats"]
        values = to_integers(self.beats)
        held = any(name == READY for _, name, _ in self.config["events"])
        return [
            cocotb.start_soon(
                drive(self.source, self.dut.aclk, self.cycle, values, self.last, self.tid, self.offered, self.sent)
            ),
            cocotb.start_soon(
                collect(self.sink, self.output_clock, self.time, self.received, expected, self.done, not held)
            ),
        ]

    def start_axi(self) -> list[Task]:
        """Start cocotbext-axi's source and sink, with pauses, and passive records beside them."""
        from cocotbext.axi import AxiStreamBus, AxiStreamFrame, AxiStreamSink, AxiStreamSource

        logging.getLogger(f"cocotb.{self.dut._name}").setLevel(logging.WARNING)
        clock, expected = self.dut.aclk, self.config["expected_beats"]
        source = AxiStreamSource(AxiStreamBus.from_prefix(self.dut, "s_axis"), clock)
        self.axi_sink = AxiStreamSink(AxiStreamBus.from_prefix(self.dut, "m_axis"), self.output_clock)
        stall, seed = self.config["stall"], self.config["seed"]
        if stall > 0:
            source.set_pause_generator(pauses(stall, 2 * seed))
            self.axi_sink.set_pause_generator(pauses(stall, 2 * seed + 1))
        ends = [index + 1 for index, is_last in enumerate(self.last) if is_last]
        for begin, end in zip([0, *ends], ends):
            # One entry a byte: a frame may hold beats of several streams.
            tid = [number for number in self.tid[begin:end] for _ in range(self.source.bytes_per_beat)]
            whose = {} if self.source.tid is None else {"tid": tid}
            source.send_nowait(AxiStreamFrame(self.beats[begin:end].tobytes(), **whose))
        return [
            cocotb.start_soon(watch(self.source, clock, self.cycle, self.sent, len(self.last), None)),
            cocotb.start_soon(watch(self.sink, self.output_clock, self.time, self.received, expected, self.done)),
        ]

    def check_client(self) -> None:
        """The frames cocotbext-axi received must be those of our own record."""
        frames = []
        while self.axi_sink is not None and not self.axi_sink.empty():
            frames.append(bytes(self.axi_sink.recv_nowait().tdata))
        recorded = to_bytes(self.received.data, self.sink.bytes_per_beat).tobytes()
        joined = b"".join(frames)
        if self.axi_sink is not None:
            assert recorded.startswith(joined), "cocotbext-axi and the record of the bench disagree"
            assert len(frames) == sum(self.received.last), "cocotbext-axi saw another number of TLAST than the bench"

    async def run(self) -> None:
        """Run to the last expected beat (and its drain) or to the time limit."""
        config, tasks = self.config, []
        await self.reset()
        if config["memory"] is not None:
            await self.start_memory()
        if config["probes"] and config["window"][1] > config["window"][0]:
            signals = [resolve(self.dut, name) for name in config["probes"]]
            window = tuple(config["window"])
            tasks.append(cocotb.start_soon(sample(signals, self.dut.aclk, self.cycle, window, self.samples)))
        tasks += self.start_fast() if config["client"] == "fast" else self.start_axi()
        changes = self.start_changes()
        tasks += changes
        tasks.append(cocotb.start_soon(self.report_progress()))
        ends = [self.cycles(config["time_limit_cycles"])]
        if config["expected_beats"] > 0:
            ends.append(self.done.wait())
        if config["watch"]:
            ends.append(cocotb.start_soon(self.all_over(changes)))
        await First(*ends)
        if (self.done.is_set() or self.all_seen.is_set()) and config["drain_cycles"] > 0:
            await self.cycles(config["drain_cycles"])
        if config["registers"]:
            await RisingEdge(self.dut.aclk)
            self.registers = await read_registers(self.dut, self.dut.aclk, config["registers"])
        for task in tasks:
            task.cancel()

    async def report_progress(self) -> None:
        """Print a line about once a second of wall time, for whoever watches the run."""
        shown, expected = time.monotonic(), self.config["expected_beats"]
        while True:
            await self.cycles(2000)
            if time.monotonic() - shown >= PROGRESS_SECONDS:
                shown = time.monotonic()
                print(f"RNNGEN_PROGRESS {self.cycle()} {len(self.received.cycles)} {expected}", flush=True)

    def write(self) -> None:
        """Write the result file, whether or not the run was complete."""
        probes = {}
        for index, (name, log) in enumerate(zip(self.config["probes"], self.samples, strict=True)):
            probes[f"probe_{index}"] = to_bytes(log, (len(resolve(self.dut, name)) + 7) // 8)
        out_step = np.array(self.received.cycles, dtype=np.int64)
        seen = [self.seen.get(name) for name in self.config["watch"]]
        # What changed behind an edge is seen by the next one.
        since = [0 if step is None else (step - self.start_step) // self.periods["aclk"] + 1 for step in seen]
        np.savez(
            self.config["result"],
            in_cycle=np.array(self.sent.cycles, dtype=np.int64),
            in_last=np.array(self.sent.last, dtype=bool),
            out_beats=to_bytes(self.received.data, self.sink.bytes_per_beat),
            out_last=np.array(self.received.last, dtype=bool),
            out_tid=np.array(self.received.tid or [0] * len(self.received.last), dtype=np.int64),
            out_cycle=-(-out_step // self.output_period),
            out_tick=out_step // self.steps_per_tick,
            cycles=np.int64(self.cycle()),
            complete=np.bool_(self.done.is_set() or self.config["expected_beats"] == 0),
            registers=np.array(self.registers, dtype=np.uint32),
            watch_seen=np.array([step is not None for step in seen], dtype=bool),
            watch_cycle=np.array(since, dtype=np.int64),
            **probes,
        )


def pauses(probability: float, seed: int) -> Iterator[bool]:
    """An endless, repeatable sequence of pauses."""
    generator = random.Random(seed)
    while True:
        yield generator.random() < probability


def resolve(dut, name: str):
    """The handle of a hierarchical name such as ``engine0.probe_issue``."""
    handle = dut
    for part in name.split("."):
        handle = getattr(handle, part)
    return handle


@cocotb.test()
async def stream(dut) -> None:
    """Run the stimulus through the accelerator and write the result file."""
    with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
        bench = StreamBench(dut, json.load(file))
    await bench.run()
    bench.write()
    bench.check_client()
