"""Devices in a ring that share a layer: who hears what when, by hand, and which links are taken."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.config.system import Device, Link, System
from rnngen.ir.layers import LinearLayer
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.plan.partition import Group, GroupParts, Partition, Parts, SharedBlock, best_with, groups_of
from rnngen.plan.partition.parts import Exchange
from rnngen.plan.partition.rings import Ring, reading_order


def lstm(units: int) -> QuantisedNetwork:
    return quantise(Network("net", (layer_of(Case("lstm", units, units, 0)),)), 8, 16)


def system_of(devices: int, multipliers: int, pairs: list[tuple[int, int]], latency: int, both: bool = True) -> System:
    links = tuple(Link(f"d{one}", f"d{other}", 64, latency, both=both) for one, other in pairs)
    return System(tuple(Device(f"d{k}", 10**8, multipliers, pipeline="balanced") for k in range(devices)), links)


def around(first: int, count: int) -> list[tuple[int, int]]:
    return [(first + k, first + (k + 1) % count) for k in range(count)]


def split(network: QuantisedNetwork, system: System, group: Group) -> Partition:
    whole = Parts(network, system)
    parts = GroupParts(whole, [SharedBlock(whole, group)])
    found = best_with(parts, parts.names)
    assert isinstance(found, Partition)
    return found


@pytest.mark.parametrize("devices", range(3, 9))
@pytest.mark.parametrize("both", [False, True])
def test_frames_that_are_passed_on_reach_every_device(devices: int, both: bool) -> None:
    """Played hop by hop: each device hears all others, as many hops later as is said, and no frame twice."""
    ring = Ring(devices, both)
    heard: list[tuple[int, int, int]] = []  # hops, from in front, distance
    for way, frames in ((1, ring.ahead), (-1, ring.back)):
        place = 0
        for hops in range(1, frames + 1):
            place = (place + way) % devices  # device 0 hears what is as many places away
            heard.append((hops, way < 0, place))
    assert sorted(place for *_, place in heard) == list(range(1, devices))
    assert [place for *_, place in sorted(heard)] == list(ring.order)
    assert all(ring.hops(place) == hops for hops, _, place in heard)
    assert max(hops for hops, *_ in heard) == (devices // 2 if both else devices - 1)


def test_orders_by_hand() -> None:
    assert reading_order(4, None) == (0, 1, 2, 3)
    assert reading_order(4, Ring(4, False)) == (0, 1, 2, 3)
    assert reading_order(4, Ring(4, True)) == (0, 1, 3, 2)
    assert reading_order(5, Ring(5, True)) == (0, 1, 4, 2, 3)


@pytest.mark.parametrize(
    ("remote", "second", "third"),
    [
        # Shown word by word: 23 cycles from the first word shown to the same one hop on (1 + 5 + 1 words, 6, 10).
        (4, 59 + 23, 59 + 2 * 23),
        # Taken in two beats a word the flag's is shown in 66 and sent in 67, its check in 68, and so with the next.
        (2, 68 + 16, 68 + 16 + 25),
    ],
)
def test_frames_that_are_sent_on_by_hand(remote: int, second: int, third: int) -> None:
    """Four devices one way round, 16 values of 16 bits each: 4 words of 64 bits and one for the flag.

    The last beat is given in cycle 40; the check is sent in 43, and 6 + 10 cycles later the first word is shown.
    """
    system = system_of(4, 512, around(0, 4), 6, both=False)
    found = split(lstm(64), system, Group(0, ("d0", "d3", "d2", "d1"), Ring(4, False)))
    part = found.parts[0]
    assert part.exchange is not None
    assert (part.exchange.frame.values_a_word, part.exchange.frame.words) == (4, 5)
    columns = part.plan.sharing.columns
    assert columns % 4 == 0
    plan, each = replace(part.plan, remote_words=remote), columns // remote
    there = Exchange(plan, part.exchange)((25, 30, 35, 40))
    words = 16 // columns
    firsts = [there[device * words] - 1 - each for device in range(3)]  # the flag holds a beat back by a cycle
    assert firsts == [59, second, third]
    assert [there[device * words + words - 1] - first - 1 for device, first in enumerate(firsts)] == [16 // remote] * 3


def test_a_ring_costs_what_its_hops_cost() -> None:
    """What the x-part does not hide: a device waits for the last frame, 2 or 3 hops away; direct links have one."""
    network, intervals = lstm(64), list[int]()
    mesh = system_of(4, 512, list(combinations(range(4), 2)), 100)
    names = tuple(device.name for device in mesh.devices)
    for ring in (None, Ring(4, True)):
        intervals.append(split(network, mesh, Group(0, names, ring)).interval_ticks)
    one_way = system_of(4, 512, around(0, 4), 100, both=False)
    found = split(network, one_way, Group(0, (names[0], *names[:0:-1]), Ring(4, False)))
    intervals.append(found.interval_ticks)
    frame = 100 + 10 + 1 + 5 + 1
    assert intervals[1] - intervals[0] <= frame
    assert intervals[2] - intervals[1] <= frame
    assert intervals[2] - intervals[0] >= frame
    assert found.all_hops[0].interval == 3 * 7
    assert "the exchange between the devices" in found.binds


def weighed(network: QuantisedNetwork, system: System, count: int) -> list[Partition]:
    """The best cut of each choice of so many devices."""
    made = [each for each in groups_of(Parts(network, system)) if not isinstance(each, str)]
    found = [best_with(parts, parts.names) for parts in made]
    return [cut for cut in found if isinstance(cut, Partition) and len(cut.names) == count]


def test_direct_links_are_taken_where_there_are_some() -> None:
    network, mesh = lstm(32), list(combinations(range(4), 2))
    assert [cut.parts[0].ring for cut in weighed(network, system_of(4, 64, mesh, 32), 4)] == [None]
    (two_way,) = weighed(network, system_of(4, 64, around(0, 4), 32), 4)
    assert (two_way.names, two_way.parts[0].ring) == (("d0", "d1", "d2", "d3"), Ring(4, True))
    (one_way,) = weighed(network, system_of(4, 64, around(0, 4), 32, both=False), 4)
    assert (one_way.names, one_way.parts[0].ring) == (("d0", "d3", "d2", "d1"), Ring(4, False))
    (three,) = weighed(lstm(33), system_of(3, 64, around(0, 3), 32), 3)
    assert three.parts[0].ring is None  # each is linked to both others


@pytest.mark.parametrize(("ring", "direct", "expected"), [(4, 200, Ring(4, True)), (60, 60, None)])
def test_a_ring_beside_direct_links(ring: int, direct: int, expected: Ring | None) -> None:
    """Devices 0 to 3 in a ring, 4 to 7 with direct links of their own: both are weighed."""
    network = lstm(64)
    first = system_of(4, 512, around(0, 4), ring)
    second = [Link(f"d{4 + one}", f"d{4 + other}", 64, direct) for one, other in combinations(range(4), 2)]
    devices = tuple(replace(first.devices[0], name=f"d{number}") for number in range(8))
    system = System(devices, (*first.links, *second, Link("d3", "d4", 64, 7)))
    cuts = weighed(network, system, 4)
    assert [cut.parts[0].ring for cut in cuts] == [None, Ring(4, True)]
    assert min(cuts, key=lambda cut: cut.interval_ticks).parts[0].ring == expected


def test_a_chain_is_no_ring() -> None:
    """A sentence, and for a Linear layer, which exchanges nothing, another one."""
    chain = system_of(4, 64, around(0, 4)[:3], 32)
    refused = [each for each in groups_of(Parts(lstm(32), chain)) if isinstance(each, str)]
    assert refused[-1] == (
        "equal links, as wide as a value, must join each of its devices, which are alike, to each other one, or all of "
        "them in a ring"
    )
    linear = quantise(Network("net", (LinearLayer("l", np.ones((16, 16)) / 16, np.zeros(16)),)), 8, 16)
    around_four = list(groups_of(Parts(linear, system_of(4, 64, around(0, 4), 32)), {"outputs"}))
    assert around_four[-1] == "layers that are cut by outputs exchange nothing around a ring"
