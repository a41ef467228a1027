"""A device with two cores: its budgets, and the search against all assignments there are."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from fractions import Fraction

import pytest

from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.errors import PlanError
from rnngen.plan.partition import Partition, Parts, best_cores, best_partition, better_cores
from rnngen.plan.partition.cores import with_two_cores
from rnngen.plan.partition.schedule import run_system
from tests.plan.test_partition import LINK, Misfit, assignments, device, figures, network_of, played
from tests.random_networks import Description

SMALL_LARGE_SMALL: Description = (("lstm", 8, 1, False), ("lstm", 24, 1, False), ("lstm", 8, 1, False))


def halves_by_hand(system: System, name: str, shares: int, word_bits: int) -> System:
    """The device twice, with so many sixteenths and with the rest, and a link of two cycles between both."""
    whole = system.device(name)
    first = replace(whole, multipliers=whole.multipliers * shares // 16)
    second = Device(
        f"{name}_2", whole.clock_hz, whole.multipliers - first.multipliers, pipeline=whole.pipeline, on=name
    )
    others = [each for each in system.devices if each.name != name]
    return System((first, second, *others), (*system.links, Link(name, f"{name}_2", word_bits, 2)), system.host)


def test_budgets_of_both_cores_are_those_of_the_device() -> None:
    one = Device("a", 10**8, 37, dsps=40, memory_bits=1001, luts=500, dsp="ecp5", board="ulx3s-85f")
    made = with_two_cores(chain([one, device("b", 8)], LINK), "a", 5, 32)
    assert made is not None
    first, second, _ = made.devices
    assert first == replace(one, multipliers=11, dsps=12, memory_bits=312, luts=156)
    assert second == replace(one, name="a_2", multipliers=26, dsps=28, memory_bits=689, luts=344, board=None, on="a")
    assert made.wire("a", "a_2") == Link("a", "a_2", 32, 2, both=False)
    assert made.wire("a_2", "b") is None
    assert made.chip("a_2") == made.chip("a") == "a"
    assert made.is_inside("a", "a_2")
    assert not made.is_inside("a", "b")


def test_a_device_that_is_too_small_has_one_core() -> None:
    row = chain([device("a", 15), device("b", 64)], LINK)
    assert with_two_cores(row, "a", 1, 64) is None  # 15 of 16 shares of one multiplier are none
    assert with_two_cores(row, "a", 2, 64) is not None
    named = chain([device("a", 32), device("A_2", 64)], LINK)
    assert with_two_cores(named, "a", 8, 64) is None


@pytest.mark.parametrize(("small", "large"), [(32, 64), (20, 96), (64, 33)])
@pytest.mark.parametrize("goal", ["interval", "latency"])
def test_the_best_of_all_shares_is_found(small: int, large: int, goal: str) -> None:
    network = network_of(SMALL_LARGE_SMALL)
    system = chain([device("a", small), device("b", large)], Link("x", "y", 32, 4))
    every: list[tuple[Fraction, ...]] = []
    for name, multipliers in (("a", small), ("b", large)):
        for shares in range(1, 16):
            if multipliers * shares >= 16:
                both = halves_by_hand(system, name, shares, 32)
                for order, ends in assignments(network, both):
                    if {name, f"{name}_2"} <= set(order):
                        with suppress(Misfit):
                            every.append(played(network, both, order, ends))
    turn = slice(None) if goal == "interval" else slice(None, None, -1)
    found = best_cores(Parts(network, system), goal)
    assert isinstance(found, Partition)
    assert figures(found)[turn] == min(each[turn] for each in every)


def test_a_small_device_around_a_large_one() -> None:
    """8 * 13 * 4, 24 * 32 * 4 and 8 * 32 * 4 products: as neighbours 64 cycles at least, else the large one's 48."""
    network = network_of(SMALL_LARGE_SMALL, 5)
    parts = Parts(network, chain([device("a", 32), device("b", 64)], Link("x", "y", 32, 4)))
    layers = best_partition(parts).best
    found = better_cores(parts, "interval", layers)
    assert found is not None
    assert layers.interval_ticks == 64
    assert found.interval_ticks < 58
    assert [part.blocks for part in found.parts] == [range(1), range(1, 2), range(2, 3)]
    assert [found.whole.chip(name) for name in found.names] == ["a", "b", "a"]
    outputs = run_system(found, [40]).outputs
    assert outputs[-1][-1] - outputs[-2][-1] == found.interval_ticks


def test_the_host_is_at_the_device_and_so_at_both_cores() -> None:
    network = network_of(SMALL_LARGE_SMALL, 5)
    system = replace(chain([device("a", 32), device("b", 64)], Link("x", "y", 32, 4)), host=Host("a", "a"))
    found = best_cores(Parts(network, system), "interval")
    assert isinstance(found, Partition)
    assert found.back is None
    assert [found.whole.chip(name) for name in found.names] == ["a", "b", "a"]


def test_no_gain_of_a_tenth_is_no_second_core() -> None:
    network = network_of((("lstm", 8, 1, False),) * 4)
    parts = Parts(network, chain([device("a", 32), device("b", 32)], LINK))
    assert better_cores(parts, "interval", best_partition(parts).best) is None


@pytest.mark.parametrize(
    ("layers", "devices", "sentence"),
    [
        (2, 2, "layers that are no neighbours take three, and the network has 2"),
        (3, 1, "there is one device"),
    ],
)
def test_why_there_are_no_two_cores(layers: int, devices: int, sentence: str) -> None:
    network = network_of((("lstm", 8, 1, False),) * layers)
    system = chain([device(name, 64) for name in "ab"[:devices]], LINK)
    assert best_cores(Parts(network, system), "interval") == sentence


@pytest.mark.parametrize(
    ("core", "sentence"),
    [
        (Device("c", 10**8, 4, on="x"), "Core 'c' is on 'x', but the devices are a, b, c."),
        (Device("c", 10**7, 4, on="a"),
         "Core 'c' has a clock of 10 MHz and its device 'a' one of 100 MHz; give both the same."),
        (Device("c", 10**8, 4, on="b"), "Core 'c' is on 'b', itself a core of 'a'; name that one."),
    ],
)  # fmt: skip
def test_cores_that_are_on_no_device(core: Device, sentence: str) -> None:
    devices = (device("a", 32), replace(device("b", 32), on="a" if core.on == "b" else None), core)
    with pytest.raises(PlanError) as caught:
        chain(devices, LINK)
    assert str(caught.value) == sentence
