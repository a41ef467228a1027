"""Engines that take the sums of their x, and cuts between x and h: lanes, figures, and what is refused."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from rnngen.config.link import LinkShape
from rnngen.config.system import Device, Host, Link, System, chain
from rnngen.errors import PlanError
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.passes.apart import halved, separable
from rnngen.passes.quantise import quantise
from rnngen.plan.dsp import DSPS
from rnngen.plan.engine import EnginePlan
from rnngen.plan.external import MemoryPort
from rnngen.plan.lanes import is_aligned
from rnngen.plan.layer import LayerShape
from rnngen.plan.partition import Partition, PartPlan, Parts, Route, best_apart, best_partition, better_apart
from rnngen.plan.partition.joined import joined
from rnngen.plan.search import Budget, plan_for_budget, plan_with_folding
from rnngen.plan.shapes import block_shapes
from tests.random_networks import Description, make_network


def quantised(inputs: int, description: Description) -> QuantisedNetwork:
    return quantise(make_network(1, inputs, description), 8, 16)


def in_a_row(multipliers: tuple[int, ...], word_bits: int = 64, host: Host | None = None) -> System:
    devices = [Device(f"d{k}", 10**8, count, pipeline="balanced") for k, count in enumerate(multipliers)]
    return chain(devices, Link("x", "y", word_bits, 8), host or Host())


H_HALF = LayerShape("l", "lstm", 4, 0, 12, 12, apart=True)


def test_lanes_of_sums() -> None:
    """A group of E units takes 4 E sums at once, at a multiple of that."""
    plan = EnginePlan(H_HALF, 6, 4, 3)
    assert (plan.shape.port_size, plan.port_columns, plan.group_count) == (48, 12, 4)
    assert EnginePlan(H_HALF, 12, 4, 5).port_columns == 20  # one tile: no second one begins inside a word
    with pytest.raises(PlanError, match=r"^Layer 'l': its x is multiplied apart, so that element-wise lanes must"):
        EnginePlan(H_HALF, 6, 4, 4)


def test_the_last_sums_are_read_for_the_last_group() -> None:
    """Three cycles before its sums of h are there, and these an element-wise path before its results are written."""
    plan = EnginePlan(H_HALF, 6, 4, 3)
    assert plan.release_cycle == plan.last_write_cycle - plan.tail.output - 3
    assert plan.release_cycle > plan.issue_cycles


@pytest.mark.parametrize("budget", [Budget(5), Budget(37), Budget(200), Budget(60, 100)])
@pytest.mark.parametrize("description", [(("lstm", 13),), (("gru", 12), ("linear", 7)), (("lstm", 6), ("rnn_tanh", 9))])
def test_plans_can_be_built(description: Description, budget: Budget) -> None:
    """What a block writes in a cycle the next one's input takes, in one word or two neighbouring ones."""
    network = quantised(5, description)
    halves = halved(network, separable(network))
    plan = plan_for_budget(block_shapes(halves, dsp=DSPS["dsp48e1"] if budget.dsps else None), budget)
    assert [engine.shape.apart for engine in plan.engines] == [layer.apart for layer in halves.layers]
    for before, engine in zip((None, *plan.engines), plan.engines):
        assert engine.port_columns >= (plan.input_words if before is None else before.elements)
        assert is_aligned(engine) or not engine.shape.apart
    for block, engine in zip(plan.blocks, plan.engines):
        assert block.port_size == (len(engine.shape.name) and engine.shape.gates * engine.shape.units
                                   if engine.shape.apart else engine.shape.inputs)  # fmt: skip


def test_an_engine_of_sums_is_not_faster_than_one_that_multiplies_nothing_of_x() -> None:
    """Its cycles are those of a layer of symbols, which reads its biases likewise, but for the input."""
    symbols = LayerShape("l", "lstm", 4, 0, 12, 12, symbols=7)
    for lanes in ((6, 4, 3), (12, 3, 3), (4, 12, 4)):
        one, other = EnginePlan(H_HALF, *lanes), EnginePlan(symbols, *lanes)
        assert one.interval == other.interval
        assert [one.write_cycle(unit) for unit in range(12)] == [other.write_cycle(unit) for unit in range(12)]


@pytest.mark.parametrize(
    ("inputs", "units", "multipliers", "binds"),
    [(64, 16, 64, "x"), (16, 128, 128, "h"), (8, 64, 4096, "frame"), (8, 8, 1024, "loop")],
)
def test_the_interval_is_the_slowest_ones(inputs: int, units: int, multipliers: int, binds: str) -> None:
    """Of products of x, products of h, words of a frame, and the recurrence without x."""
    found = best_apart(Parts(quantised(inputs, (("lstm", units),)), in_a_row((multipliers,) * 2)), "interval")
    assert isinstance(found, Partition)
    assert found.apart == (0,)
    reader = found.parts[1].plan.engines[0]
    shape = LinkShape(64)
    a_word = 64 // found.hops[0].frame.width
    figures = {
        "x": -(-4 * units * inputs // multipliers),
        "h": -(-4 * units * units // multipliers),
        "frame": shape.header_words + -(-4 * units // a_word) + shape.check_words,
        "loop": reader.unhidden_interval,
    }
    assert max(figures, key=lambda what: figures[what]) == binds
    assert found.interval_ticks == figures[binds]


def test_it_is_the_best_of_all_such_cuts() -> None:
    """Of two layers on three devices in a row, by all ranges of blocks."""
    network = quantised(9, (("lstm", 10), ("gru", 8)))
    system = in_a_row((30, 50, 20), host=Host("d0", "d2"))
    keys = []
    for chosen in ((0,), (1,), (0, 1)):
        halves = halved(network, chosen)
        parts, count = Parts(halves, system), len(halves.blocks)
        for places in combinations(range(1, count), 2):
            inside = [halves.layers[place].apart for place in places]
            if sum(inside) < len(chosen):
                continue  # halves beside each other on one device are one block
            ends = (0, *places, count)
            found = [parts.plan(device, range(*pair)) for device, pair in zip(system.devices, zip(ends, ends[1:]))]
            plans = [plan for plan in found if isinstance(plan, PartPlan)]
            assert len(plans) == len(found)
            wires = [system.wire(f"d{k}", f"d{k + 1}") for k in range(2)]
            hops = [Route((parts.hop(wire, place),)) for wire, place in zip(wires, places) if wire]
            keys.append(joined(parts, plans, hops).key("interval"))
    best = best_apart(Parts(network, system), "interval")
    assert isinstance(best, Partition)
    assert best.key("interval") == min(keys)


def test_unasked_it_must_gain_a_tenth() -> None:
    def weighed(inputs: int) -> tuple[Partition, Partition | None]:
        parts = Parts(quantised(inputs, (("lstm", 32),)), in_a_row((64, 64)))
        whole = best_partition(parts).best
        return whole, better_apart(parts, "interval", whole)

    whole, found = weighed(32)
    assert found is not None
    assert found.interval_ticks <= 0.9 * whole.interval_ticks
    assert weighed(1)[1] is None


def test_for_latency_layers_stay_whole() -> None:
    parts = Parts(quantised(32, (("lstm", 32),)), in_a_row((64, 64)))
    assert better_apart(parts, "latency", best_partition(parts, "latency").best) is None


def test_a_layer_that_fits_no_device_whole() -> None:
    """262,144 bits of weights and activation tables beside them, on two devices with room for half the weights."""
    devices = [Device(f"d{k}", 10**8, 64, memory_bits=350_000, pipeline="balanced") for k in range(2)]
    parts = Parts(quantised(64, (("lstm", 64),)), chain(devices, Link("x", "y", 64, 8)))
    with pytest.raises(PlanError, match="its memory has 350,000 bits and the plan needs"):
        best_partition(parts)
    for goal in ("interval", "latency"):
        found = better_apart(parts, goal, None)
        assert found is not None
        assert [part.blocks for part in found.parts] == [range(1), range(1, 2)]
        assert all(part.memory_bits <= 350_000 for part in found.parts)


def test_of_many_layers_one_is_taken_at_a_time() -> None:
    parts = Parts(quantised(4, (("lstm", 4),) * 5), in_a_row((40, 40)))
    found = best_apart(parts, "interval")
    assert isinstance(found, Partition)
    assert len(found.apart) == 1
    assert found.parts[-1].blocks.stop == 6


def halves_of(description: Description = (("lstm", 6),)) -> QuantisedNetwork:
    network = quantised(5, description)
    return halved(network, separable(network))


def test_what_does_not_combine() -> None:
    halves = halves_of()
    for said, streams, spaced in (("2 streams are asked for", 2, False), ("it cannot be spaced", 1, True)):
        with pytest.raises(PlanError, match=rf"^Layer '\S+' takes the sums of its x.*{said}"):
            block_shapes(halves, streams=streams, spaced=spaced)
    shapes = block_shapes(halves)
    with pytest.raises(PlanError, match=r"\(--fold\): layer '\S+' takes the sums of its x in every step\.$"):
        plan_with_folding(shapes, Budget(20), fold=True)
    plan = plan_for_budget(shapes, Budget(20))
    with pytest.raises(PlanError, match=r"^Layer '\S+' takes the sums of its x in every step.*--weights external"):
        plan.with_memory(MemoryPort(), [8, 8])
    for change in ({"streams": 2}, {"shares": 2}, {"inputs": 3}):
        with pytest.raises(PlanError, match=r"^Layer 'l': "):
            EnginePlan(LayerShape(**{**vars(H_HALF), **change}), 6, 4, 3)
    assert np.all([layer.bias == 0 for layer in halves.layers if layer.apart])
