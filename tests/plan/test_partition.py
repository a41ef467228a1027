"""The search for cuts over devices, against all assignments there are; hand-worked figures of a chain of two."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import cache
from itertools import combinations, permutations
from random import Random

import pytest

from rnngen.config.system import Device, Host, Link, System, chain, ring
from rnngen.errors import PlanError
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.cut import part_of
from rnngen.passes.quantise import quantise
from rnngen.plan.memory import total_memory_bits
from rnngen.plan.network import NetworkPlan
from rnngen.plan.partition import Loser, Partition, Parts, best_first, best_partition
from rnngen.plan.partition.routes import Routes, wires_of
from rnngen.plan.partition.schedule import run_system, settled_ticks
from rnngen.plan.schedule import run_schedule, settled_interval
from rnngen.plan.search import Budget, plan_with_folding
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import PIPELINES
from tests.random_networks import Description, make_network, random_description

MHZ = 1_000_000
LINK = Link("x", "y", 64, 16)


@cache
def network_of(description: Description, inputs: int = 6, seed: int = 1) -> QuantisedNetwork:
    return quantise(make_network(seed, inputs, description), 8, 16)


def device(name: str, multipliers: int, mhz: int = 100, memory_bits: int | None = None) -> Device:
    return Device(name, mhz * MHZ, multipliers, memory_bits=memory_bits, pipeline="balanced")


# An independent replay: times in seconds, words of a link and beats of ports one by one.


class Misfit(Exception):
    """The device cannot take the blocks."""


PLANNED: dict[tuple[int, range, Device], tuple[QuantisedNetwork, NetworkPlan] | None] = {}


def planned(network: QuantisedNetwork, blocks: range, on: Device) -> tuple[QuantisedNetwork, NetworkPlan]:
    key = id(network), blocks, on
    if key not in PLANNED:
        PLANNED[key] = planned_anew(network, blocks, on)
    found = PLANNED[key]
    if found is None:
        raise Misfit
    return found


def planned_anew(
    network: QuantisedNetwork, blocks: range, on: Device
) -> tuple[QuantisedNetwork, NetworkPlan] | None:
    part = part_of(network, blocks)
    try:
        plan = plan_with_folding(block_shapes(part), Budget(on.multipliers, on.dsps), PIPELINES["balanced"])
    except PlanError:
        return None
    if on.memory_bits is not None and total_memory_bits(part, plan) > on.memory_bits:
        return None
    return part, plan


def with_ports(
    made: tuple[QuantisedNetwork, NetworkPlan], before: Link | None, behind: Link | None
) -> tuple[QuantisedNetwork, NetworkPlan]:
    """Ports that give a link's word a beat, and take one in the fewest beats that the first layer's columns allow."""
    part, plan = made
    if behind is not None:
        full = behind.word_bits // part.output_format.width
        plan = replace(plan, output_words=min(part.output_size, full))
    if before is not None:
        full = min(part.input_size, before.word_bits // part.input_format.width)
        columns = plan.blocks[0].first.x_columns
        plan = replace(plan, input_words=max(n for n in range(1, full + 1) if full % n == 0 and n <= columns))
    return part, plan


def frame_of(wire: Link, part: QuantisedNetwork) -> tuple[int, bool]:
    """Words of a step's payload, and whether the last of them is a flag that found no room elsewhere."""
    width, left = part.output_format.width, part.output_size
    words = 0
    while left > 0:
        free = wire.word_bits
        while left > 0 and free >= width:
            left, free = left - 1, free - width
        words += 1
    return words + (free == 0), free == 0


OVERHEAD = {64: (1, 1), 32: (2, 1), 16: (4, 2)}
"""Words of header and CRC."""


def crossed(system: System, wire: Link, given: Sequence[Fraction]) -> Fraction:
    """Seconds at which a frame's first word is delivered whose words are given at these."""
    slow, fast = (Fraction(1, system.device(end).clock_hz) for end in wire.ends)  # cycles of sender and receiver
    each = seconds_a_word(system, wire)
    slowest = max(slow, fast, each if wire.clock_hz else slow)
    header, check = OVERHEAD[wire.word_bits]
    sent = given[0] + slow + header * each  # when the first word of the payload may go
    for at in given:
        sent = max(sent, at + slow) + each
    return sent + (check - 1) * each + wire.latency_cycles * slow + 10 * slowest


def seconds_a_word(system: System, wire: Link) -> Fraction:
    slow, fast = (Fraction(1, system.device(end).clock_hz) for end in wire.ends)
    return max(Fraction(1, wire.clock_hz) if wire.clock_hz else slow / wire.rate, slow, fast)


def played_way(system: System, path: Sequence[Link], part: QuantisedNetwork, beats: Sequence[Fraction],
               inputs: int | None) -> Fraction:  # fmt: skip
    """Seconds from the last output beat of a lone step to its last input beat; inputs: beats, None: one a word."""
    words, own_flag = frame_of(path[0], part)
    cycle = Fraction(1, system.device(path[0].source).clock_hz)
    given = [*beats, *[beats[-1] + cycle] * own_flag]
    assert len(given) == words
    for wire in path:
        there, cycle = crossed(system, wire, given), Fraction(1, system.device(wire.target).clock_hz)
        given = [there + word * cycle for word in range(words)]
    inputs = words - own_flag if inputs is None else inputs
    return there + (own_flag + inputs - 1) * cycle - beats[-1]


def fits(wire: Link, part: QuantisedNetwork) -> bool:
    return part.output_format.width <= wire.word_bits and frame_of(wire, part)[0] <= 4095


def simple_paths(wires: Sequence[Link], done: tuple[Link, ...], here: str, target: str) -> Iterator[tuple[Link, ...]]:
    """Every way from a device on that meets none twice, over links with words of one width."""
    met = {wire.source for wire in done}
    for wire in wires:
        if wire.source == here and wire.target not in met and wire.word_bits == (done or (wire,))[0].word_bits:
            if wire.target == target:
                yield *done, wire
            else:
                yield from simple_paths(wires, (*done, wire), wire.target, target)


def chosen_path(
    system: System, free: Sequence[Link], part: QuantisedNetwork, source: str, target: str
) -> tuple[Link, ...]:
    """The link between both where there is one that is free, else the way that a frame in a row is soonest over."""
    wires = [wire for wire in free if fits(wire, part)]
    straight = [(wire,) for wire in wires if wire.ends == (source, target)]
    if straight:
        return straight[0]
    places = [device.name for device in system.devices]

    def key(path: tuple[Link, ...]) -> tuple[Fraction, int, list[int]]:
        time = Fraction(0)
        for wire in path:
            cycle = Fraction(1, system.device(wire.source).clock_hz)
            time += crossed(system, wire, [word * cycle for word in range(frame_of(wire, part)[0])])
        return time, len(path), [places.index(wire.target) for wire in path]

    found = sorted(simple_paths(wires, (), source, target), key=key)
    if not found:
        raise Misfit
    return found[0]


def chosen_paths(
    network: QuantisedNetwork, system: System, names: Sequence[str], ends: Sequence[int]
) -> list[tuple[Link, ...]]:
    """Ways from part to part, and back to the host; each link is taken once, and who is on a way computes a part."""
    free, found = list(system.wires), []
    output = system.host.output
    receivers = [*names[1:], *([] if output in (None, names[-1]) else [output])]
    for source, target, start, end in zip(names, receivers, (0, *ends), ends):
        assert target is not None
        path = chosen_path(system, free, part_of(network, range(start, end)), source, target)
        if any(wire.target not in names for wire in path):
            raise Misfit
        free = [wire for wire in free if wire not in path]
        found.append(path)
    return found


def played(
    network: QuantisedNetwork, system: System, names: Sequence[str], ends: Sequence[int]
) -> tuple[Fraction, ...]:
    """Interval and latency of an assignment."""
    paths = chosen_paths(network, system, names, ends)
    devices = [system.device(name) for name in names]
    parts = [planned(network, range(a, b), on) for a, b, on in zip((0, *ends), ends, devices)]
    wires = [path[0] for path in paths] + [None] * (len(names) - len(paths))
    parts = [with_ports(part, *around) for part, around in zip(parts, zip((None, *wires), wires))]
    interval = max(Fraction(plan.interval, on.clock_hz) for (_, plan), on in zip(parts, devices))
    latency = Fraction(0)
    for (_, plan), on in zip(parts, devices):
        times = run_schedule(plan, [1])
        latency += Fraction(times.outputs[0][-1] - times.inputs[0][-1], on.clock_hz)
    takers = [*(plan.input_beats for _, plan in parts[1:]), None]
    for path, (part, plan), inputs, on in zip(paths, parts, takers, devices):
        for wire in path:
            words = frame_of(wire, part)[0] + sum(OVERHEAD[wire.word_bits])
            interval = max(interval, words * seconds_a_word(system, wire))
        beats = [Fraction(at, on.clock_hz) for at in run_schedule(plan, [1]).outputs[0]]
        latency += played_way(system, path, part, beats, inputs)
    return interval, latency


def assignments(network: QuantisedNetwork, system: System) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    names = [device.name for device in system.devices]
    blocks = len(network.blocks)
    for count in range(1, min(len(names), blocks) + 1):
        for order in permutations(names, count):
            if system.host.input not in (None, order[0]):
                continue
            for places in combinations(range(1, blocks), count - 1):
                yield order, (*places, blocks)


def brute_force(network: QuantisedNetwork, system: System) -> dict[int, list[tuple[Fraction, ...]]]:
    """By number of devices, interval and latency of every assignment that fits."""
    found: dict[int, list[tuple[Fraction, ...]]] = {}
    for order, ends in assignments(network, system):
        try:
            figures = played(network, system, order, ends)
        except Misfit:
            continue
        found.setdefault(len(order), []).append(figures)
    return found


def figures(cut: Partition) -> tuple[Fraction, Fraction]:
    return cut.seconds(cut.interval_ticks), cut.seconds(cut.latency_ticks)


def check_optimal(network: QuantisedNetwork, system: System) -> None:
    every = brute_force(network, system)
    for goal in ("interval", "latency"):
        turn = slice(None) if goal == "interval" else slice(None, None, -1)
        if not every:
            with pytest.raises(PlanError, match="The network fits the system on no number of devices"):
                best_partition(Parts(network, system), goal)
            continue
        found = best_partition(Parts(network, system), goal)
        best = min(each[turn] for some in every.values() for each in some)
        assert figures(found.best)[turn] == best
        count = len(found.best.parts)
        assert count == min(number for number, some in every.items() if best in [each[turn] for each in some])
        near = {1, count - 1, count + 1} - {0, count, 1 + min(len(system.devices), len(network.blocks))}
        told = [other.devices if isinstance(other, Loser) else len(other.parts) for other in found.others]
        assert told == sorted(near)
        for other in found.others:
            if isinstance(other, Loser):
                assert other.devices not in every
            else:
                assert figures(other)[turn] == min(each[turn] for each in every[len(other.parts)])


CHAIN: Description = (("lstm", 6), ("gru", 9), ("linear", 5), ("lstm", 4))
EQUAL = [device(name, 24) for name in "abc"]
UNEQUAL = [device("a", 10), device("b", 40, 60), device("c", 25, 125)]
SYSTEMS = {
    "equal chain": chain(EQUAL, LINK),
    "one device": chain(EQUAL[:1], LINK),
    "unequal chain": chain(UNEQUAL, LINK),
    "unequal ring": ring(UNEQUAL, replace(LINK, rate=Fraction(1, 3))),
    "equal ring, one way": ring([*EQUAL, device("d", 24)], replace(LINK, both=False)),
    "equal, all joined": System(
        tuple(device(name, 14) for name in "abcd"), tuple(replace(LINK, source=a, target=b) for a, b in
                                                          combinations("abcd", 2)),
    ),
    "fixed ends": chain(UNEQUAL, LINK, Host("c", "a")),
    "fixed output": chain(UNEQUAL, LINK, Host(None, "b")),
    "little memory": chain(
        [device("a", 40, 100, 400_000), device("b", 10, 100, 200_000), device("c", 20, 100, 100_000)], LINK
    ),
    "the host at one end": chain(EQUAL, LINK, Host("a", "a")),
    "the host in the middle": chain(UNEQUAL, LINK, Host("b", "b")),
    "the host at one device of a ring, one way": ring(UNEQUAL, replace(LINK, both=False), Host("b", "b")),
    "a star": System(
        (*UNEQUAL, device("m", 14)), tuple(replace(LINK, source="m", target=name) for name in "abc")
    ),
    "a star, the host at a leaf": System(
        (*EQUAL, device("m", 24)), tuple(replace(LINK, source="m", target=name) for name in "abc"),
        Host("a", "a"),
    ),
    "two ways round": System(
        (*UNEQUAL, device("d", 18)),
        (
            Link("a", "b", 32, 30), Link("b", "c", 32, 3), Link("a", "d", 64, 11), Link("d", "c", 64, 20),
        ),
        Host("a", "c"),
    ),
    "no memory": chain([device("a", 40, 100, 900), device("b", 10, 100, 900)], LINK),
    "any graph": System(
        tuple(UNEQUAL),
        (
            Link("a", "b", 16, 3, clock_hz=25 * MHZ),
            Link("b", "c", 32, 40, both=False),
            Link("c", "b", 64, 2, Fraction(2, 5), both=False),
            Link("a", "c", 16, 0, Fraction(1, 50)),
        ),
    ),
}


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_best_of_all_assignments_is_found(name: str) -> None:
    check_optimal(network_of(CHAIN), SYSTEMS[name])


def random_system(random: Random) -> System:
    names = "abcd"[: random.randint(2, 4)]
    devices = [
        device(name, random.choice([4, 12, 30]), random.choice([50, 100, 125]), random.choice([None, None, 300_000]))
        for name in names
    ]
    if random.random() < 0.3:
        devices = [replace(devices[0], name=name) for name in names]

    def link(one: str, other: str) -> Link:
        own_clock = random.random() < 0.3
        return Link(
            one, other, random.choice([16, 32, 64]), random.randint(0, 60),
            Fraction(1) if own_clock else random.choice([Fraction(1), Fraction(2, 7)]),
            random.choice([40, 150]) * MHZ if own_clock else None, random.random() < 0.7,
        )  # fmt: skip

    links = [link(one, other) for one, other in zip(names, names[1:])]
    pairs = [pair for pair in combinations(names, 2) if ord(pair[1]) - ord(pair[0]) > 1]
    links += [link(*pair) for pair in pairs if random.random() < 0.4]
    begin = random.choice([None, None, names[0]])
    return System(tuple(devices), tuple(links), Host(begin, random.choice([None, None, names[-1]]) if begin else None))


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_on_random_systems(seed: int) -> None:
    random = Random(seed)
    while True:
        description = random_description(random, 8, 4)
        network = network_of(description, 6, seed)
        if len(network.blocks) > 1:
            break
    try:
        system = random_system(random)
    except PlanError:  # one-way links lead nowhere
        return
    check_optimal(network, system)


@pytest.mark.parametrize("seed", range(12, 20))
def test_random_systems_with_the_host_anywhere(seed: int) -> None:
    """Results come back to the host, and parts lie on devices that no link joins."""
    random = Random(seed)
    network = network_of((("lstm", 6), ("gru", 9), ("linear", 5)))
    while True:
        try:
            system = random_system(random)
            names = [one.name for one in system.devices]
            check_optimal(network, replace(system, host=Host(random.choice([None, *names]), random.choice(names))))
        except PlanError:  # one-way links lead nowhere
            continue
        return


def test_more_ways_than_are_weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many ways over other devices none is taken, and that is said; those back to the host are weighed still."""
    network = network_of(CHAIN)
    system = chain([device(letter, 4 + 3 * number) for number, letter in enumerate("abcd")], LINK, Host("a", "a"))
    assert best_partition(Parts(network, system)).weighed_all
    monkeypatch.setattr(best_first, "MOST_ROUTED", 20)
    found = best_partition(Parts(network, system))
    assert not found.weighed_all
    assert found.best.back is not None
    assert all(len(route.hops) == 1 for route in found.best.hops)


def test_a_way_back_by_hand() -> None:
    """What a forwarded frame adds: the PHY, all words of the frame and 10 cycles, and nothing for being given on."""
    network = network_of((("lstm", 8),) * 3, 8)
    system = chain([device(name, 64) for name in "abc"], LINK, Host("a", "a"))
    cut = best_partition(Parts(network, system)).best
    assert [route.names for route in cut.routes] == [("a", "b"), ("b", "c"), ("c", "b", "a")]
    assert cut.back is not None
    # 8 values of 16 bits and the flag: 3 words, 5 with header and check; from the last word given to the first one.
    first = 16 + 1 + 2 + 1 + 10
    assert cut.hops[0].latency == first
    assert cut.back.latency == first + 16 + 5 + 10
    first_beat, last_beat = cut.parts[-1].outputs
    assert last_beat - first_beat == 2  # two values are written in a cycle; the header takes the empty one
    assert cut.back_ticks == cut.back.latency - 1 + 1 + 1  # then the flag is waited for, and two words are given
    assert cut.interval_ticks == cut.parts[0].interval
    assert cut.first_latency_ticks == cut.latency_ticks - 1


def test_links_of_two_directions_take_a_step_each_way() -> None:
    """A chain of four with the host at one end: an order that comes over a link twice the same way is none."""
    system = chain([device(name, 24) for name in "abcd"], LINK, Host("a", "a"))
    routes = Routes(Parts(network_of(CHAIN), system))
    a, b, c, d = range(4)
    back = routes.path(d, a, 4, 0)
    assert back is not None
    assert [routes.route(back, 4).names] == [("d", "c", "b", "a")]
    ahead = routes.path(a, c, 1, 0)
    assert ahead is not None
    assert routes.path(b, d, 1, wires_of(ahead)) is None
    assert routes.path(c, a, 1, wires_of(ahead)) is not None


def test_a_chain_of_two_by_hand() -> None:
    """Every product of two LSTMs of 8 units at once but columns: 4 x 8 x 2 multipliers, 8 words a step."""
    network = network_of((("lstm", 8), ("lstm", 8)), 8)
    system = chain([device("a", 64), device("b", 64)], LINK)
    cut = best_partition(Parts(network, system)).best
    # A step: 16 words of 2 columns less, one tile: 4 + 4 issues; the recurrence: operands 2, array 4 + 1 + 1, path of
    # the balanced pipeline 1 + 4 + 1 + 1 + 4 + 1 + 1.
    (first, second), (hop,) = cut.parts, cut.hops
    assert (first.plan.engines[0].rows, first.plan.engines[0].columns) == (8, 2)
    loop = 2 + (4 + 1 + 1) + (1 + 4 + (1 + 1) + 4 + (1 + 1))
    # The last word written in cycle loop + 7 is read first 4 words behind the start of the next step.
    assert first.interval == second.interval == max(8, loop + 4)
    assert cut.interval_ticks == first.interval
    # 8 values of 16 bits: 2 words, one for the end of the sequence, and header and CRC, a cycle behind the words.
    assert (hop.frame.words, hop.words, hop.interval, hop.latency) == (3, 5, 5, 16 + 1 + 2 + 1 + 10)
    # Input beat, start, issue, 8 words, and the way to the output port.
    alone = 1 + 1 + 7 + loop + 2
    assert second.outputs[0] == alone
    assert first.outputs[0] == alone + 1  # four words a beat, two of them written in a cycle
    out = first.outputs[-1]
    assert cut.latency_ticks == out + cut.hop_ticks[0] + second.outputs[-1]
    assert cut.load(*hop.hops) == Fraction(5, first.interval)
    assert cut.is_exact


def test_networks_cut_at_equal_layers_are_as_many_times_faster() -> None:
    """Goal: 4 x LSTM-256 on 4 equal devices at least 3.9 times as fast, and as fast for 1, 2, 4 layers to 1 %."""
    intervals = {}
    for layers in (1, 2, 4):
        network = network_of((("lstm", 256),) * layers, 256)
        devices = [device(f"d{number}", 1024) for number in range(layers)]
        cut = best_partition(Parts(network, chain(devices, LINK))).best
        assert len(cut.parts) == layers
        intervals[layers] = cut.interval_ticks
        assert all(settled_interval(part.plan) <= part.interval for part in cut.parts)
        for part, hop, ticks in zip(cut.parts, cut.hops, cut.hop_ticks):
            assert ticks <= 16 + hop.words + 12, part.device.name
    assert max(intervals.values()) <= 1.01 * min(intervals.values())
    whole = best_partition(Parts(network_of((("lstm", 256),) * 4, 256), chain([device("d", 1024)], LINK))).best
    assert whole.interval_ticks >= 3.9 * intervals[4]


@pytest.mark.parametrize("name", [name for name in SYSTEMS if name != "no memory"])
def test_the_cycle_model_of_the_system_reaches_the_figures(name: str) -> None:
    """Devices and links run step by step: a lone step takes the latency, many of them the interval each."""
    found = best_partition(Parts(network_of(CHAIN), SYSTEMS[name]))
    for cut in (found.best, *(other for other in found.others if isinstance(other, Partition))):
        lone = run_system(cut, [1])
        first = lone.parts[0].inputs[0][-1] * cut.system.cycle_ticks(cut.parts[0].device.name)
        took = lone.outputs[0][-1] - first
        ticks, steps = settled_ticks(cut, 150)
        if cut.is_exact:
            assert took == cut.latency_ticks
            assert lone.outputs[0][0] - first == cut.first_latency_ticks
            assert ticks == steps * cut.interval_ticks
        else:  # each device begins with a cycle of its own: less than one at each hop, and at the end
            spare = sum(cut.system.cycle_ticks(part.device.name) for part in cut.parts)
            spare += 0 if cut.back is None else cut.back.receiver
            assert cut.latency_ticks <= took < cut.latency_ticks + spare
            assert abs(ticks - steps * cut.interval_ticks) <= spare


def test_sequences_and_last_steps_through_the_system() -> None:
    """A part behind a choice of one step gets sequences of one step; stored sequences come in bursts."""
    network = network_of((("bidirectional gru", 3), ("lstm", 5), ("last",), ("linear", 4)))
    found = best_partition(Parts(network, chain(EQUAL, LINK)))
    cuts = [cut for cut in (found.best, *found.others) if isinstance(cut, Partition)]
    cut = next(cut for cut in cuts if len(cut.parts) == 3)
    times = run_system(cut, [3, 2, 4])
    assert [len(part.inputs) for part in times.parts] == [9, 9, 3]
    assert len(times.outputs) == 3
    for sender, receiver in zip(times.parts, times.parts[1:]):
        for beats, taken in zip(sender.outputs, receiver.inputs):
            assert taken[-1] > beats[-1] + 16 + 12


def test_a_step_must_fit_a_frame() -> None:
    """4,200 values of 16 bits in words of 16, and the header's length says 4,095 at most; words of 8 are too narrow."""
    network = network_of((("linear", 4200), ("linear", 3)), 2)
    for bits in (8, 16):
        pair = chain([device(name, 300) for name in "ab"], replace(LINK, word_bits=bits))
        cuts = best_partition(Parts(network, pair))
        assert len(cuts.best.parts) == 1
        assert cuts.others[0].reason.startswith("no links as wide as a value that take a step in a frame of up to 4,0")
    wide = best_partition(Parts(network, chain([device(name, 300) for name in "ab"], replace(LINK, word_bits=32))))
    assert {len(wide.best.parts), *(len(other.parts) for other in wide.others)} == {1, 2}


def test_why_others_lost() -> None:
    network = network_of(CHAIN)
    wide, narrow = chain(EQUAL, LINK), chain(EQUAL, replace(LINK, rate=Fraction(1, 100)))
    found = best_partition(Parts(network, narrow))
    slow = next(other for other in found.others if isinstance(other, Partition) and len(other.parts) > 1)
    assert slow.binds.startswith("the link from '")
    assert " with frames of " in slow.binds
    fast = next(other for other in best_partition(Parts(network, wide)).others if isinstance(other, Partition))
    assert fast.binds.startswith("device '")


def test_why_there_is_no_cut() -> None:
    network = network_of(CHAIN)
    little = chain([device("a", 40, 100, 6_000), device("b", 40, 100, 60_000_000)], replace(LINK, both=False))
    found = best_partition(Parts(network, little)).others
    needs = total_memory_bits(*planned(network, range(1), device("a", 40)))
    said = f"device 'a' cannot take 'l0': its memory has 6,000 bits and the plan needs {needs:,}"
    assert found == (Loser(2, said),)
    first, others = 4 * 6 * (6 + 6), 3 * 9 * (6 + 9) + 5 * 9 + 4 * 4 * (5 + 4)  # products a step
    none = chain([device("a", 40, 100, 2_000), device("b", 40, 100, 2_000)], LINK, Host("a"))
    with pytest.raises(PlanError) as caught:
        best_partition(Parts(network, none))
    assert str(caught.value) == (
        "The network fits the system on no number of devices (over 1: device 'a' cannot take 'l0' to 'l3': its memory "
        f"has 2,000 bits and the weights alone need {8 * (first + others):,}; over 2: device 'a' cannot take "
        f"'l0': its memory has 2,000 bits and the weights alone need {8 * first:,})."
    )
    apart = chain(EQUAL, replace(LINK, word_bits=8), Host("a", "a"))
    found = best_partition(Parts(network, apart)).others
    no_way = (
        "no links as wide as a value that take a step in a frame of up to 4,095 words lead over so many devices from "
        "where the input enters to where results leave"
    )
    assert found == (Loser(2, no_way),)
    idle = chain(EQUAL, LINK, Host("a", "c"))
    said = "device 'c' would only give on what others compute, which is not offered"
    assert Loser(2, said) in best_partition(Parts(network, idle)).others
    there = System(tuple(EQUAL), (replace(LINK, source="a", target="b"), Link("b", "c", 64, 16, both=False)),
                   Host("a", "a"))  # fmt: skip
    found = best_partition(Parts(network, there))
    assert len(found.best.parts) == 2
    assert Loser(3, no_way) in found.others
    with pytest.raises(PlanError, match=r"\(over 1: devices 'b' and 'c' would only give on what others compute, "):
        best_partition(Parts(network_of((("lstm", 6),)), idle))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"dsp": "x"}, "Device 'a': dsp must be one of ecp5, ice40, gowin, dsp48e1, dsp48e2, not 'x'."),
        ({"pipeline": "x"}, "Device 'a': pipeline must be one of deep, balanced, short, shortest, least, not 'x'."),
        (
            {"pipeline": None, "clock_hz": 200 * MHZ},
            "Device 'a': No pipeline was routed at 200 MHz, the fastest, balanced, at 133.6 on an ECP5 of speed grade "
            "6: ask for a slower --clock, or name a --pipeline for your device.",
        ),
    ],
)
def test_devices_that_cannot_be_planned_for(change: dict[str, object], sentence: str) -> None:
    with pytest.raises(PlanError) as caught:
        Parts(network_of(CHAIN), chain([replace(EQUAL[0], **change)], LINK))
    assert str(caught.value) == sentence
