"""Frames of changed values, there and back, against a sender and a receiver in Python."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator, SimulatorContext

from rnngen.gateware.system.delta import DeltaPacker, DeltaUnpacker
from rnngen.gateware.system.packing import Beats
from rnngen.plan.frames import DeltaFrame

LANE = 16


def steps_of(random: Random, values: int, width: int, steps: int) -> list[tuple[list[int], bool]]:
    """Values of each step, and whether it is the last one of a sequence; some change little, some not at all."""
    found, now = [], [0] * values
    low, high = -(1 << width - 1), (1 << width - 1) - 1
    for _ in range(steps):
        how = random.choice(("none", "few", "small", "all", "ends"))
        for k in range(values):
            if how == "all" or (how == "few" and random.random() < 0.2):
                now[k] = random.randint(low, high)
            elif how == "small":
                now[k] = min(high, max(low, now[k] + random.randint(-3, 3)))
            elif how == "ends":
                now[k] = random.choice((low, high))
        ends = random.random() < 0.2
        found.append((list(now), ends))
        if ends:
            now = [random.randint(low, high) for _ in range(values)]
    return found


def sent(steps: list[tuple[list[int], bool]], threshold: int) -> Iterator[tuple[list[bool], list[int]]]:
    """By step, which values are sent, and what the receiver knows."""
    known = [0] * len(steps[0][0])
    for values, ends in steps:
        changed = [abs(value - old) > threshold for value, old in zip(values, known)]
        known = [value if each else old for value, old, each in zip(values, known, changed)]
        yield changed, known
        if ends:
            known = [0] * len(known)


def frame_words(frame: DeltaFrame, changed: list[bool], values: list[int], ends: bool) -> list[int]:
    """The payload: a bit for each value and the flag on top, then the values that are sent."""
    bits = sum(each << k for k, each in enumerate(changed)) | ends << frame.mask_words * frame.word_bits - 1
    words = [bits >> k * frame.word_bits & (1 << frame.word_bits) - 1 for k in range(frame.mask_words)]
    crossing = [value & (1 << frame.width) - 1 for value, each in zip(values, changed) if each]
    for first in range(0, len(crossing), frame.values_a_word):
        part = crossing[first : first + frame.values_a_word]
        words.append(sum(value << k * frame.width for k, value in enumerate(part)))
    return words


@pytest.mark.parametrize(
    ("values", "width", "word_bits", "most", "beat", "lanes"),
    [(8, 16, 64, 0, 0, 4), (6, 16, 64, 0, 0, 2), (10, 8, 32, 0, 0, 4), (7, 12, 32, 0, 0, 1), (40, 5, 16, 2, 0, 1),
     (1, 9, 16, 0, 0, 1), (70, 8, 64, 4, 0, 4), (32, 16, 16, 0, 8, 8), (24, 12, 32, 2, 6, 3), (18, 8, 16, 0, 4, 6)],
)  # fmt: skip
@pytest.mark.parametrize("threshold", [0, 2])
@pytest.mark.parametrize("pauses", [0.0, 0.4])
def test_there_and_back(
    values: int, width: int, word_bits: int, most: int, beat: int, lanes: int, threshold: int, pauses: float
) -> None:
    random = Random(values * 100 + threshold)
    frame = DeltaFrame(values, width, word_bits, most, beat)
    packer, unpacker = DeltaPacker(frame, LANE, threshold), DeltaUnpacker(frame, Beats(lanes, LANE))
    steps = steps_of(random, values, width, 60)
    expected = list(sent(steps, threshold))
    frames: list[list[int]] = []
    given: list[tuple[int, int]] = []

    async def gives(ctx: SimulatorContext) -> None:
        each = frame.port_values
        for step, ends in steps:
            for first in range(0, values, each):
                while random.random() < pauses:
                    await ctx.tick()
                part = step[first : first + each]
                part += [random.randint(-5, 5) for _ in range(each - len(part))]  # behind the last value: anything
                mask = (1 << LANE) - 1
                ctx.set(packer.data, sum((value & mask) << k * LANE for k, value in enumerate(part)))
                ctx.set(packer.valid, 1)
                ctx.set(packer.last, ends)
                await ctx.tick().until(packer.ready)
                ctx.set(packer.valid, 0)

    async def crosses(ctx: SimulatorContext) -> None:
        """What the packer sends, word by word, with the frame's last one marked, as a link delivers it."""
        for _ in steps:
            words: list[int] = []
            length = None
            while length is None or len(words) < length:
                ctx.set(packer.tx_ready, random.random() >= pauses)
                _, _, valid, ready, data, count = await ctx.tick().sample(
                    packer.tx_valid, packer.tx_ready, packer.tx_data, packer.tx_length
                )
                if valid and ready:
                    assert length in (None, count)
                    length = count
                    words.append(data)
            ctx.set(packer.tx_ready, 0)
            frames.append(words)

    async def comes(ctx: SimulatorContext) -> None:
        for number in range(len(steps)):
            while len(frames) <= number:
                await ctx.tick()
            for place, word in enumerate(frames[number]):
                while random.random() < pauses:
                    await ctx.tick()
                ctx.set(unpacker.rx_data, word)
                ctx.set(unpacker.rx_last, place == len(frames[number]) - 1)
                ctx.set(unpacker.rx_valid, 1)
                await ctx.tick().until(unpacker.rx_ready)
                ctx.set(unpacker.rx_valid, 0)

    async def takes(ctx: SimulatorContext) -> None:
        while len(given) < len(steps) * -(-values // lanes):
            ctx.set(unpacker.ready, random.random() >= pauses)
            _, _, valid, ready, data, last = await ctx.tick().sample(
                unpacker.valid, unpacker.ready, unpacker.data, unpacker.last
            )
            if valid and ready:
                given.append((data, last))

    m = Module()
    m.submodules += [packer, unpacker]
    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    for process in (gives, crosses, comes, takes):
        simulator.add_testbench(process, background=process is not takes)
    simulator.run()
    assert frames == [
        frame_words(frame, changed, step, ends) for (step, ends), (changed, _) in zip(steps, expected)
    ]
    beats = -(-values // lanes)
    assert len(given) == beats * len(steps)
    for number, ((_, ends), (_, known)) in enumerate(zip(steps, expected)):
        shown = given[number * beats : (number + 1) * beats]
        lanes_shown = [data >> k * LANE & (1 << width) - 1 for data, _ in shown for k in range(lanes)]
        assert lanes_shown[:values] == [value & (1 << width) - 1 for value in known]
        assert [last for _, last in shown] == [0] * (beats - 1) + [int(ends)]
