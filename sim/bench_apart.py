"""Run a device of a system, in step with those that other processes run.

The environment variable ``RNNGEN_BENCH`` names a JSON file with the keys

    stimulus            null, or .npz as for ``bench_stream``: the device takes the host's steps
    result              .npz to write
    expected_beats      output beats to wait for; 0: the device gives none to the host
    clock               the clock of the device and of its streams
    clocks              [name, simulator time steps of a cycle] of every clock that runs here
    base                time steps of a cycle of the first device, in whose cycles events are counted
    reset               time steps until the reset ends
    moment              the first one
    sends               [name, clock] of directions of lines whose words leave
    takes               [name, clock, cycles] of those whose words come, so many cycles behind that of their sending
    inputs              [name, value] of other inputs of the top, from the start on
    start_events        [cycle, name, value, way] as in ``bench_stream``; with a way, for what is sent on it from then
    events              the same, from cycle 1 on; m_axis_tready is an input, too
    shares_input        other processes take the host's steps, too
    shares_output       results are what several processes give, side by side
    socket              path of the hub's socket (``rnngen.verify.apart``)
    number              of this process
    watch               outputs of the top whose first time at 1 is recorded

All clocks begin with an edge at time 0, so they have here the edges that they have in one simulation. The hub names
moments, between edges of all clocks; at each of them all processes wait until each one has told what it has sent since
the last one. What was sent in cycle n of a clock is given to the top in its cycle n and so many, which no process has
reached yet. So nothing depends on how fast a process runs.

A message is a line of JSON. To the hub: "number"; "sent", by direction [[cycle, start, data], ..]; "up", whether all
links of the top are; "done", when all expected beats had come, or null; "seen", when each output watched was; "beats",
how many have come; "took", whether the device has taken the host's beat, or takes it with the next edge; "there",
whether it gives one. From it: "sent", of the directions that come here; "took", "there", whether all that share do;
"start", when cycle 0 is, or null; "moment", the next one; "end".

A beat that several processes take is over with the edge at which the last one takes it, and one that they give side by
side is taken when all of them give it: with these there are moments before and behind every edge.

Times of the result count from cycle 0 on, which may be any edge of the first device's clock.
"""

from __future__ import annotations

import json
import os
import socket
from collections import deque

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import Event, RisingEdge, Timer
from cocotb.utils import get_sim_time
from stream_agents import BeatLog, Stream, drive, to_bytes, to_integers, watch

READY = "m_axis_tready"


def now() -> int:
    """Present time step."""
    return int(get_sim_time("step"))


async def until(step: int) -> None:
    """Return at a time step, or at once where that has been."""
    if step > now():
        await Timer(step - now(), unit="step")


class Coming:
    """A direction of a line whose words come from another process."""

    def __init__(self, dut, name: str, period: int, cycles: int) -> None:
        self.period, self.cycles = period, cycles
        self.valid, self.start, self.data = (getattr(dut, f"{name}_tx_{part}") for part in ("valid", "start", "data"))
        self.words: deque[list[int]] = deque()
        self.more = Event()
        self.valid.value = 0

    def add(self, words: list[list[int]]) -> None:
        """What was sent."""
        self.words.extend(words)
        if words:
            self.more.set()

    def seen(self, step: int) -> int:
        """When what is sent behind a time step comes here: the edge before that."""
        return (step // self.period + self.cycles) * self.period

    async def feed(self) -> None:
        """Give each word in its cycle."""
        while True:
            while not self.words:
                self.more.clear()
                await self.more.wait()
            number, start, data = self.words.popleft()
            edge = (number + self.cycles) * self.period
            await until(edge - self.period + 1)
            self.start.value, self.data.value, self.valid.value = start, data, 1
            await until(edge + 1)
            if not self.words or self.words[0][0] != number + 1:
                self.valid.value = 0


class SharedSource:
    """The host's steps to a device that takes them beside others."""

    def __init__(self, stream: Stream, beats: list[int], last: list[bool], log: BeatLog) -> None:
        self.stream, self.beats, self.last, self.log = stream, beats, last, log
        self.number, self.taken, self.takes = 0, False, False
        self.offer()

    def offer(self) -> None:
        """The next beat."""
        some = self.number < len(self.beats)
        if some:
            self.stream.tdata.value, self.stream.tlast.value = self.beats[self.number], self.last[self.number]
        self.stream.tvalid.value = int(some)

    def took(self) -> bool:
        """Before an edge: whether the device has taken the beat, or takes it with the edge."""
        self.takes = self.number < len(self.beats) and (self.taken or bool(self.stream.tready.value))
        return self.takes

    def advance(self, all_took: bool, cycle: int) -> None:
        """Behind the edge."""
        if all_took:
            self.log.cycles.append(cycle)
            self.number, self.taken = self.number + 1, False
            self.offer()
        elif self.takes and not self.taken:
            self.taken = True
            self.stream.tvalid.value = 0


class ApartBench:
    """A device of a system."""

    def __init__(self, dut, config: dict) -> None:
        self.dut, self.config, self.base = dut, config, config["base"]
        self.periods = dict(config["clocks"])
        self.clock, self.period = getattr(dut, config["clock"]), self.periods[config["clock"]]
        self.start: int | None = None
        self.sent, self.received, self.done = BeatLog(), BeatLog(), Event()
        self.notes: dict[str, list[list[int]]] = {name: [] for name, _ in config["sends"]}
        self.seen: dict[str, int] = {}
        self.sink = Stream(dut, "m_axis") if config["expected_beats"] else None
        self.shared: SharedSource | None = None
        self.ready, self.all_there, self.all_took = 0, not config["shares_output"], False
        self.coming: dict[str, Coming] = {}

    def time(self) -> int:
        """Time steps since cycle 0."""
        return now() - (self.start or 0)

    def cycle(self) -> int:
        """The same in cycles of the first device."""
        return self.time() // self.base

    async def reset(self) -> None:
        """Start the clocks; return just behind the end of the reset."""
        dut, config = self.dut, self.config
        for name in ("s_axis_tvalid", READY):
            if hasattr(dut, name):
                getattr(dut, name).value = 0
        self.coming = {name: Coming(dut, name, self.periods[clock], count) for name, clock, count in config["takes"]}
        for name, value in config["inputs"]:
            getattr(dut, name).value = value
        dut.aresetn.value = 0
        for name, period in self.periods.items():
            Clock(getattr(dut, name), period, unit="step").start()
        await until(config["reset"] + 1)
        dut.aresetn.value = 1
        for name in config["watch"]:
            cocotb.start_soon(self.see(name))
        for name, clock in config["sends"]:
            cocotb.start_soon(self.listen(name, getattr(dut, clock), self.periods[clock]))
        for way in self.coming.values():
            cocotb.start_soon(way.feed())
        behind = config["reset"]
        cocotb.start_soon(self.play([(behind + event[0] * self.base, *event[1:]) for event in config["start_events"]]))

    async def see(self, name: str) -> None:
        """Keep the time at which an output is 1 for the first time."""
        signal = getattr(self.dut, name)
        if signal.value != 1:
            await RisingEdge(signal)
        self.seen[name] = now()

    async def listen(self, name: str, clock, period: int) -> None:
        """Note what is sent on a line, with its cycle."""
        valid, start, data = (getattr(self.dut, f"{name}_tx_{part}") for part in ("valid", "start", "data"))
        edge, raised = RisingEdge(clock), RisingEdge(valid)
        while True:
            await edge
            if valid.value:
                self.notes[name].append([now() // period, int(start.value), int(data.value)])
            else:
                await raised

    async def play(self, changes: list[tuple]) -> None:
        """Give inputs their values, (time step, name, value, way): just behind the time, or when the way sees it."""
        timed = [(self.coming[way].seen(at) if way else at, name, value) for at, name, value, way in changes]
        for at, name, value in sorted(timed, key=lambda change: change[0]):
            await until(at + 1)
            if name == READY:
                self.ready = value
                self.give_ready()
            else:
                getattr(self.dut, name).value = value

    def begin(self) -> None:
        """The host's side starts, just behind cycle 0."""
        config, clock = self.config, self.clock
        if config["stimulus"]:
            with np.load(config["stimulus"]) as file:
                beats, last, tid = to_integers(file["beats"]), file["last"].tolist(), file["tid"].tolist()
            source = Stream(self.dut, "s_axis")
            if config["shares_input"]:
                self.shared = SharedSource(source, beats, last, self.sent)
            else:
                cocotb.start_soon(drive(source, clock, self.cycle, beats, last, tid, [0] * len(beats), self.sent))
        if self.sink is not None:
            held = config["shares_output"] or any(event[1] == READY for event in config["events"])
            self.ready = 1
            self.give_ready()
            expected = config["expected_beats"]
            cocotb.start_soon(watch(self.sink, clock, self.time, self.received, expected, self.done, not held))
        cocotb.start_soon(self.play([(self.changes(event[0], event[1]), *event[1:]) for event in config["events"]]))

    def changes(self, cycle: int, name: str) -> int:
        """When an input takes a value that is to be there in a cycle."""
        if name != READY:
            return self.start + (cycle - 1) * self.base
        return max(self.start, (self.start // self.period + cycle - 1) * self.period)

    def give_ready(self) -> None:
        """The host takes a beat when it can, and all that share give one."""
        self.sink.tready.value = int(self.ready and self.all_there)

    async def run(self) -> None:
        """Until the hub says that it ends."""
        await self.reset()
        moment = self.config["moment"]
        with socket.socket(socket.AF_UNIX) as hub:
            hub.connect(self.config["socket"])
            lines = hub.makefile("rw", encoding="utf-8")
            while moment is not None:
                await until(moment)
                moment = self.exchange(lines, moment)

    def exchange(self, lines, moment: int) -> int | None:
        """What happened to the hub, and from it what happened elsewhere; the next moment, or None at the end.

        A hub that is gone has seen another process fail, and tells of that.
        """
        before, behind = (moment + 1) % self.period == 0, (moment - 1) % self.period == 0
        if self.start is not None and moment == self.start + 1:
            self.begin()
        elif self.shared is not None and behind:
            self.shared.advance(self.all_took, self.cycle())
        message = {
            "number": self.config["number"], "sent": self.notes, "up": bool(self.dut.up.value), "seen": self.seen,
            "done": self.received.cycles[self.config["expected_beats"] - 1] if self.done.is_set() else None,
            "beats": len(self.received.cycles),
            "took": self.shared is not None and before and self.shared.took(),
            "there": self.sink is not None and bool(self.sink.tvalid.value),
        }  # fmt: skip
        try:
            lines.write(json.dumps(message) + "\n")
            lines.flush()
            line = lines.readline()
        except OSError:
            line = ""
        if not line:
            return None
        self.notes = {name: [] for name in self.notes}
        answer = json.loads(line)
        for name, words in answer["sent"].items():
            self.coming[name].add(words)
        self.start = answer["start"]
        if before:
            self.all_took = answer["took"]
        if self.config["shares_output"] and behind and self.start is not None:
            self.all_there = answer["there"]
            self.give_ready()
        return None if answer["end"] else answer["moment"]

    def write(self) -> None:
        """Write the result file."""
        size = self.sink.bytes_per_beat if self.sink is not None else 1
        seen = [self.seen.get(name) for name in self.config["watch"]]
        np.savez(
            self.config["result"],
            in_cycle=np.array(self.sent.cycles, dtype=np.int64),
            out_beats=to_bytes(self.received.data, size),
            out_last=np.array(self.received.last, dtype=bool),
            out_step=np.array(self.received.cycles, dtype=np.int64),
            watch_seen=np.array([step is not None for step in seen], dtype=bool),
            watch_step=np.array([0 if step is None else step - (self.start or 0) for step in seen], dtype=np.int64),
        )


@cocotb.test()
async def apart(dut) -> None:
    """Run the device and write the result file."""
    with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
        bench = ApartBench(dut, json.load(file))
    await bench.run()
    bench.write()
