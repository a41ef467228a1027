"""Run some devices of a system, in step with those that other processes run.

The environment variable ``RNNGEN_BENCH`` names a JSON file with the keys

    stimulus            null, or .npz as for ``bench_stream``: the devices take the host's steps
    result              .npz to write
    expected_beats      output beats to wait for; 0: the devices give none to the host
    inputs              [name, value] of other inputs of the top, from the start on
    sends, takes        names of directions of lines: of words that leave, and of words that come
    window              cycles that a word is under way between two processes
    socket              path of the hub's socket (``rnngen.verify.apart``)
    number              of this process
    watch               outputs of the top whose first cycle at 1 is recorded

Cycles are counted from the end of the reset on, the same in all processes. In each cycle the bench notes what is
sent; after every ``window`` cycles it gives the notes to the hub and gets those of the others, whose words it gives to
the top ``window`` cycles behind those in which they were sent. So nothing depends on how fast a process runs.

A message is a line of JSON. To the hub: "number"; "sent", by direction [[cycle, start, data], ..]; "up", whether all
links of the top are; "done", whether all expected beats have come; "beats", how many have. From it: "sent", of the
directions that come here; "begin", whether all links of all tops are up; "end".

Cycle 0 of the result is the last one of the window behind which the hub said "begin".
"""

from __future__ import annotations

import json
import os
import socket

import cocotb
import numpy as np
from bench_stream import RESET_CYCLES
from cocotb.clock import Clock
from cocotb.triggers import Event, RisingEdge
from cocotb.utils import get_sim_time
from stream_agents import BeatLog, Stream, collect, drive, to_bytes, to_integers

PERIOD_STEPS = 10_000


class ApartBench:
    """Some devices of a system."""

    def __init__(self, dut, config: dict) -> None:
        self.dut, self.config, self.window = dut, config, config["window"]
        self.first_step = 0
        self.start: int | None = None
        self.sent, self.received, self.done = BeatLog(), BeatLog(), Event()
        self.notes: dict[str, list[list[int]]] = {name: [] for name in config["sends"]}
        self.coming: dict[str, list[list[int]]] = {name: [] for name in config["takes"]}
        self.valid = dict.fromkeys(config["takes"], 0)
        self.seen: dict[str, int] = {}
        self.sink = Stream(dut, "m_axis") if config["expected_beats"] else None

    @property
    def now(self) -> int:
        """Number of the present cycle."""
        return (int(get_sim_time("step")) - self.first_step) // PERIOD_STEPS

    def cycle(self) -> int:
        """The same behind the start."""
        return self.now - (self.start or 0)

    async def reset(self) -> None:
        """Start the clock; return just after the first edge without reset."""
        dut = self.dut
        for name in ("s_axis_tvalid", "m_axis_tready", *(f"{name}_tx_valid" for name in self.config["takes"])):
            if hasattr(dut, name):
                getattr(dut, name).value = 0
        for name, value in self.config["inputs"]:
            getattr(dut, name).value = value
        dut.aresetn.value = 0
        Clock(dut.aclk, PERIOD_STEPS, unit="step").start()
        edge = RisingEdge(dut.aclk)
        for _ in range(1 + RESET_CYCLES):
            await edge
        dut.aresetn.value = 1
        await edge
        self.first_step = int(get_sim_time("step"))

    def note(self) -> None:
        """What is sent in this cycle, and what is seen."""
        for name, notes in self.notes.items():
            if getattr(self.dut, f"{name}_tx_valid").value:
                start, data = (int(getattr(self.dut, f"{name}_tx_{part}").value) for part in ("start", "data"))
                notes.append([self.now, start, data])
        for name in self.config["watch"]:
            if name not in self.seen and getattr(self.dut, name).value:
                self.seen[name] = self.now

    def give(self) -> None:
        """What comes in the next cycle."""
        for name, words in self.coming.items():
            valid = bool(words) and words[0][0] + self.window == self.now + 1
            if valid:
                _, start, data = words.pop(0)
                getattr(self.dut, f"{name}_tx_start").value = start
                getattr(self.dut, f"{name}_tx_data").value = data
            if valid != self.valid[name]:
                getattr(self.dut, f"{name}_tx_valid").value = self.valid[name] = int(valid)

    def begin(self) -> None:
        """The host's side starts in this cycle."""
        self.start = self.now
        config, clock = self.config, self.dut.aclk
        if config["stimulus"]:
            with np.load(config["stimulus"]) as file:
                beats = to_integers(file["beats"]), file["last"].tolist(), file["tid"].tolist()
            source = Stream(self.dut, "s_axis")
            cocotb.start_soon(drive(source, clock, self.cycle, *beats, [0] * len(beats[0]), self.sent))
        if self.sink is not None:
            expected = config["expected_beats"]
            cocotb.start_soon(collect(self.sink, clock, self.cycle, self.received, expected, self.done))

    async def run(self) -> None:
        """Until the hub says that it ends."""
        await self.reset()
        edge = RisingEdge(self.dut.aclk)  # cycle n is counted from the edge of cycle 0, just behind the reset
        with socket.socket(socket.AF_UNIX) as hub:
            hub.connect(self.config["socket"])
            lines = hub.makefile("rw", encoding="utf-8")
            while True:
                self.note()
                if (self.now + 1) % self.window == 0 and self.exchange(lines):
                    return
                self.give()
                await edge

    def exchange(self, lines) -> bool:
        """Behind a window: notes to the hub, and those of the others; whether it is the end.

        A hub that is gone has seen another process fail, and tells of that.
        """
        done = self.done.is_set() or self.sink is None
        message = {
            "number": self.config["number"], "sent": self.notes, "up": bool(self.dut.up.value), "done": done,
            "beats": len(self.received.cycles),
        }  # fmt: skip
        try:
            lines.write(json.dumps(message) + "\n")
            lines.flush()
            line = lines.readline()
        except OSError:
            line = ""
        if not line:
            return True
        self.notes = {name: [] for name in self.notes}
        answer = json.loads(line)
        for name, words in answer["sent"].items():
            self.coming[name] += words
        if answer["begin"] and self.start is None:
            self.begin()
        return answer["end"]

    def write(self) -> None:
        """Write the result file."""
        size = self.sink.bytes_per_beat if self.sink is not None else 1
        seen = [self.seen.get(name) for name in self.config["watch"]]
        np.savez(
            self.config["result"],
            in_cycle=np.array(self.sent.cycles, dtype=np.int64),
            out_beats=to_bytes(self.received.data, size),
            out_last=np.array(self.received.last, dtype=bool),
            out_cycle=np.array(self.received.cycles, dtype=np.int64),
            cycles=np.int64(self.cycle()),
            watch_seen=np.array([cycle is not None for cycle in seen], dtype=bool),
            watch_cycle=np.array([0 if cycle is None else cycle - (self.start or 0) for cycle in seen], dtype=np.int64),
        )


@cocotb.test()
async def apart(dut) -> None:
    """Run the devices and write the result file."""
    with open(os.environ["RNNGEN_BENCH"], encoding="utf-8") as file:
        bench = ApartBench(dut, json.load(file))
    await bench.run()
    bench.write()
