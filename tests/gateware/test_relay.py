"""One way round a ring at one device: whose frames it sends and takes in which order, whoever waits."""

from __future__ import annotations

import random
from typing import Any

import pytest
from amaranth.sim import Simulator

from rnngen.gateware.system.relay import Relay
from rnngen.plan.frames import StepFrame

STEPS = 8
CYCLES = 10_000
"""In which all of them are through, or something waits for ever."""
FRAME = StepFrame(3, 16, 16, 1)  # a word a value, and one for the flag


def word(step: int, frame: int, place: int) -> int:
    """Frame 0 is the own one, k that of the k-th device whose frames come."""
    return step << 8 | frame << 4 | place


def frames_of(kinds: range) -> list[int]:
    """All words of these frames of each step, in their order."""
    return [word(step, frame, place) for step in range(STEPS) for frame in kinds for place in range(FRAME.words)]


@pytest.mark.parametrize("count", [1, 2, 4])
@pytest.mark.parametrize("waits", ["nobody", "core", "link", "own", "comes", "all"])
def test_the_own_frame_first_and_none_twice(count: int, waits: str) -> None:
    """What goes is its own frame of a step and then those that come but the last; what comes is all of them."""
    relay, chance = Relay(count, FRAME), random.Random(f"{count} {waits}")
    own, comes = frames_of(range(1)), frames_of(range(1, count + 1))
    went: list[int] = []
    taken: list[tuple[int, int]] = []

    def lets(name: str) -> bool:
        return chance.random() < 0.2 if waits in (name, "all") else True

    async def drive(ctx: Any) -> None:
        sent = given = 0
        offers = gives = False
        for _ in range(CYCLES):
            if len(went) >= STEPS * count * FRAME.words and sent == len(comes):
                break
            # An own frame is there when all of the step before have come; others come when they like.
            before = given // FRAME.words * count * FRAME.words
            offers = offers or (sent < len(comes) and lets("comes"))
            gives = gives or (given < len(own) and sent >= before and lets("own"))
            for valid, value in ((relay.comes_valid, offers), (relay.tx_valid, gives)):
                ctx.set(valid, value)
            if offers:
                ctx.set(relay.comes_data, comes[sent])
                ctx.set(relay.comes_last, sent % FRAME.words == FRAME.words - 1)
            if gives:
                ctx.set(relay.tx_data, own[given])
            ctx.set(relay.goes_ready, lets("link"))
            ctx.set(relay.rx_ready, lets("core"))
            if ctx.get(relay.goes_valid & relay.goes_ready):
                went.append(ctx.get(relay.goes_data))
            if ctx.get(relay.rx_valid & relay.rx_ready):
                taken.append((ctx.get(relay.turn), ctx.get(relay.rx_data)))
            if offers and ctx.get(relay.comes_ready):
                sent, offers = sent + 1, False
            if gives and ctx.get(relay.tx_ready):
                given, gives = given + 1, False
            await ctx.tick()

    simulator = Simulator(relay)
    simulator.add_clock(1e-8)
    simulator.add_testbench(drive)
    simulator.run()
    assert went == frames_of(range(count))
    assert [data for _, data in taken] == comes
    assert all(turn == (data >> 4 & 15) - 1 for turn, data in taken)
