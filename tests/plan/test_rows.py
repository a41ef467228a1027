"""Rows of a layer over devices: intervals by hand, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import pytest

from bench.cycle_law import Case, layer_of
from rnngen.config.system import Device, Link, System
from rnngen.errors import PlanError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import LayerShape
from rnngen.plan.partition import Group, GroupParts, Partition, Parts, SharedBlock, best_with, groups_of
from rnngen.plan.partition.parts import Exchange


def mesh(devices: int, multipliers: int, latency: int = 32, word_bits: int = 64) -> System:
    names = [f"d{number}" for number in range(devices)]
    links = tuple(Link(one, other, word_bits, latency) for one, other in combinations(names, 2))
    return System(tuple(Device(name, 10**8, multipliers, pipeline="balanced") for name in names), links)


def split(units: int, system: System, kind: str = "lstm") -> Partition:
    network = quantise(Network("net", (layer_of(Case(kind, units, units, 0)),)), 8, 16)
    whole = Parts(network, system)
    parts = GroupParts(whole, [SharedBlock(whole, Group(0, tuple(device.name for device in system.devices)))])
    found = best_with(parts, parts.names)
    assert isinstance(found, Partition)
    return found


@pytest.mark.parametrize(
    ("units", "devices", "multipliers", "interval"),
    [(1024, 2, 1024, 4096), (1024, 4, 1024, 2048), (128, 2, 64, 1024), (128, 4, 64, 512)],
)
def test_the_exchange_hides_behind_x(units: int, devices: int, multipliers: int, interval: int) -> None:
    """8 * units^2 products over all multipliers, and not a cycle more."""
    found = split(units, mesh(devices, multipliers))
    assert found.interval_ticks == interval == 8 * units * units // (devices * multipliers)


def test_h_of_others_by_hand() -> None:
    """16 values of 16 bits are 4 words of 64 and one for the flag, which the last one waits for.

    The last beat is given in cycle 40; the frame's words leave in the cycles behind them, the flag's behind that, and
    the check's: in 43 the frame is sent.  6 cycles of the PHY and 10 of the link later its first word is there, and the
    flag's word holds every beat back by a cycle.
    """
    system = mesh(2, 64, 6)
    found = split(32, system)
    part, hop = found.parts[0], found.parts[0].exchange
    assert hop is not None
    assert (hop.frame.values_a_word, hop.frame.words, part.plan.output_words) == (4, 5, 4)
    there = Exchange(part.plan, hop)((25, 30, 35, 40))
    sent = 40 + 1 + 1 + 1  # the last values' word, the flag's, the check's
    beats = part.plan.blocks[0].first.columns // part.plan.remote_words
    assert there[0] == sent + 6 + 10 + 1 + beats
    assert there[-1] == sent + 6 + 10 + 1 + 16 // part.plan.remote_words


def test_what_cannot_be_cut() -> None:
    with pytest.raises(ValueError, match=r"^layer 'l' of 30 units is not cut into 4 equal parts$"):
        split(30, mesh(4, 64))
    network = quantise(Network("net", (layer_of(Case("lstm", 30, 30, 0)),)), 8, 16)
    system = mesh(3, 64)
    chain = replace(system, links=system.links[:2])
    unlike = replace(system, devices=(system.devices[0], *(replace(one, multipliers=9) for one in system.devices[1:])))
    assert [isinstance(each, str) for each in groups_of(Parts(network, system))] == [False, False]
    for other in (chain, unlike):
        two, three = groups_of(Parts(network, other))
        assert not isinstance(two, str)
        assert str(three).startswith("equal links, as wide as a value, must join each of its devices")
    shape = LayerShape("l0", "lstm", 4, 8, 8, 16, shares=2)
    with pytest.raises(PlanError, match=r"^Layer 'l0': column lanes must divide the 8 units of a device, not be 3\.$"):
        EnginePlan(shape, 2, 3, 1)


def best_shared(network: QuantisedNetwork, system: System) -> list[Partition]:
    """The best cut of every choice of groups."""
    made = [each for each in groups_of(Parts(network, system)) if not isinstance(each, str)]
    found = [best_with(group, group.names) for group in made]
    for group, cut in zip(made, found):
        assert isinstance(cut, str) or group.least_ticks <= cut.interval_ticks, "a bound is never above what it bounds"
    return [cut for cut in found if isinstance(cut, Partition)]


def test_two_layers_by_rows_over_two_devices_each() -> None:
    """2 * 8 * 128^2 products over 4 * 64 multipliers; with one of them whole on a device twice as many cycles."""
    network = quantise(Network("net", tuple(layer_of(Case("lstm", 128, 128, 0)) for _ in range(2))), 8, 16)
    found = best_shared(network, mesh(4, 64))
    best = min(found, key=lambda cut: cut.key("interval"))
    assert [len(part.names) for part in best.parts] == [2, 2]
    assert len(set(best.names)) == 4
    assert best.interval_ticks == 1024
    others = [cut.interval_ticks for cut in found if [len(part.names) for part in cut.parts] != [2, 2]]
    assert others
    assert min(others) >= 2048


def test_groups_of_all_sizes_are_weighed() -> None:
    """3 layers over 5 devices: every way to give each of them 1 to 5 that are not another's, those of one apart."""
    network = quantise(Network("net", tuple(layer_of(Case("rnn_tanh", 60, 60, 0)) for _ in range(3))), 8, 16)
    made = [each for each in groups_of(Parts(network, mesh(5, 64))) if not isinstance(each, str)]
    sizes = [tuple(name.count("_and_") + 1 for name in each.names) for each in made]
    assert sizes == sorted(sizes, key=len)
    expected = 3 * 4 + 3 * len([(a, b) for a in range(2, 6) for b in range(2, 6) if a + b <= 5])
    assert len(sizes) == expected


def test_a_group_is_like_no_device_of_as_many_multipliers() -> None:
    """The third device has what the other two have together; the first layer, of an odd number of units, is its own."""
    layers = layer_of(Case("rnn_tanh", 96, 97, 0)), layer_of(Case("lstm", 97, 96, 0))
    system = mesh(3, 64)
    system = replace(system, devices=(*system.devices[:2], replace(system.devices[2], multipliers=128)))
    (best,) = best_shared(quantise(Network("net", layers), 8, 16), system)
    assert best.names == ("d2", "d0", "d1")
