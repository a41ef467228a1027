"""Cuts inside a layer: shares that make up the layer, and cycle laws against devices and links played by cycles."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import pytest

from bench.cycle_law import Case, layer_of
from rnngen.config.system import Device, Link, System, chain, ring
from rnngen.errors import PlanError
from rnngen.ir.network import Network
from rnngen.ir.quantised import QuantisedLayer, QuantisedNetwork
from rnngen.passes.quantise import quantise
from rnngen.passes.slices import sums_format
from rnngen.plan.engine import EnginePlan
from rnngen.plan.partition import Parts, best_partition, inner_cuts
from rnngen.plan.partition.cuts import Cut, block_cuts, needs_exchange
from rnngen.plan.partition.exchange import Sent, Wires, deliveries, direct_wires, ring_wires
from rnngen.plan.partition.inner import CutPlan, plan_cut
from rnngen.plan.search import Budget, plan_for_budget
from rnngen.plan.shapes import block_shapes
from rnngen.plan.timing import PIPELINES
from tests.random_networks import Description, make_network

PIPELINE = PIPELINES["balanced"]


def network_of(description: Description, inputs: int) -> QuantisedNetwork:
    return quantise(make_network(1, inputs, description), 8, 16)


def grouped(inputs: int, hidden: int, projection: int, groups: int) -> QuantisedNetwork:
    return quantise(Network("net", (layer_of(Case("grouped", inputs, hidden, 0, projection, groups)),)), 8, 16)


def cut_of(network: QuantisedNetwork, kind: str, devices: int, block: int = 0) -> Cut:
    return next(cut for cut in block_cuts(network, block, devices) if cut.kind == kind)


# Shares make up the layer.


def rows_of(layer: QuantisedLayer, weights: np.ndarray, units: range) -> np.ndarray:
    gates = len(layer.gates)
    return weights.reshape(gates, -1, weights.shape[-1])[:, units].reshape(-1, weights.shape[-1])


@pytest.mark.parametrize("kind", ["lstm", "gru", "rnn_tanh"])
def test_rows_of_all_devices_are_the_layers(kind: str) -> None:
    network = network_of(((kind, 12),), 5)
    (layer,) = network.layers
    cut = cut_of(network, "rows", 3)
    x, h = np.arange(5) - 2, np.arange(12) ** 2 - 30
    gates = len(layer.gates)
    whole = (layer.weight_x @ x + layer.weight_h @ h).reshape(gates, 12)
    parts = [
        (rows_of(layer, layer.weight_x, share.units) @ x + rows_of(layer, layer.weight_h, share.units) @ h)
        for share in cut.shares
    ]
    assert np.array_equal(np.concatenate([part.reshape(gates, -1) for part in parts], axis=1), whole)
    for share in cut.shares:
        (engine,) = share.stages
        assert (engine.units, engine.inputs, engine.hidden, engine.gates) == (4, 5, 12, gates)
        assert share.inputs == range(5)
    assert sum(stage.macs for share in cut.shares for stage in share.stages) == network.macs
    assert (cut.exchange.pattern, cut.exchange.values, cut.exchange.what) == ("all", 4, "h")


def test_x_on_one_device_and_h_on_another() -> None:
    network = network_of((("lstm", 6),), 5)
    cut = cut_of(network, "x/h", 2)
    (x,), (h,) = (share.stages for share in cut.shares)
    assert (x.kind, x.units, x.inputs, x.hidden) == ("linear", 24, 5, 0)
    assert (h.kind, h.units, h.inputs, h.hidden) == ("lstm", 6, 0, 6)
    assert (len(cut.shares[0].units), len(cut.shares[1].inputs)) == (0, 0)
    assert x.macs + h.macs == network.macs
    width = network.layers[0].formats.product.accumulator_width
    assert (cut.exchange.values, cut.exchange.value_bits) == (24, width)


def test_a_linear_layer_by_outputs_and_by_inputs() -> None:
    network = network_of((("linear", 8), ("linear", 6)), 12)
    first, second = network.layers
    x = np.arange(12) - 5
    outputs, inputs = cut_of(network, "outputs", 4), cut_of(network, "inputs", 4)
    assert np.array_equal(
        np.concatenate([first.weight_x[list(share.units)] @ x for share in outputs.shares]), first.weight_x @ x
    )
    parts = [first.weight_x[:, list(share.inputs)] @ x[list(share.inputs)] for share in inputs.shares]
    assert np.array_equal(sum(parts), first.weight_x @ x)
    assert [len(share.units) for share in inputs.shares] == [8, 0, 0, 0]
    assert (outputs.exchange.pattern, inputs.exchange.pattern) == ("gather", "reduce")
    following = cut_of(network, "inputs", 4, 1)
    assert second.formats.product.input_size == 8
    assert not needs_exchange(outputs, following)
    assert needs_exchange(outputs, cut_of(network, "inputs", 2, 1))
    assert needs_exchange(inputs, following)


def test_a_group_and_its_slice_of_h_on_each_device() -> None:
    network = grouped(8, 12, 8, 4)
    cut = cut_of(network, "groups", 4)
    assert [share.units for share in cut.shares] == [range(2 * k, 2 * k + 2) for k in range(4)]
    assert [share.inputs for share in cut.shares] == [range(2 * k, 2 * k + 2) for k in range(4)]
    assert sum(stage.macs for share in cut.shares for stage in share.stages) == network.macs
    for share in cut.shares:
        gates, projection = share.stages
        assert (gates.units, gates.hidden) == (3, 2)
        assert (projection.units, projection.inputs, projection.hidden) == (2, 3, 9)
    assert cut.exchange.values == 3


def test_what_cannot_be_cut() -> None:
    assert block_cuts(network_of((("lstm", 6),), 5), 0, 1) == []
    assert block_cuts(network_of((("bidirectional lstm", 6),), 5), 0, 2) == []
    assert block_cuts(network_of((("projected", 6, 4),), 5), 0, 2) == []
    assert block_cuts(network_of((("lstm", 6), ("last",)), 5), 0, 2) == []
    assert [cut.kind for cut in block_cuts(network_of((("lstm", 7),), 5), 0, 2)] == ["x/h"]
    assert block_cuts(network_of((("linear", 7),), 5), 0, 2) == []
    assert block_cuts(grouped(8, 12, 8, 4), 0, 2) == []
    with pytest.raises(PlanError, match="The cut takes 2 devices, not 3"):
        plan_cut(cut_of(network_of((("lstm", 6),), 5), "rows", 2), ring_wires(3, 64, 3, True), 8, PIPELINE)
    with pytest.raises(PlanError, match="No lanes of 3 multipliers fit the 'groups' cut"):
        plan_cut(cut_of(grouped(8, 12, 8, 4), "groups", 4), ring_wires(4, 64, 3, True), 3, PIPELINE)


# Devices and links, played.


def links_of(wires: Wires, here: int) -> list[tuple[int, int]]:
    """Devices that a device sends to, and the hops that its own frames take that way."""
    n = wires.devices
    if wires.direct:
        return [(other, 1) for other in range(n) if other != here]
    return [((here + 1) % n, wires.ahead)] + ([((here - 1) % n, wires.back)] if wires.back else [])


def play_links(
    wires: Wires, frames: Sequence[tuple[int, list[int]]], value_bits: int
) -> dict[tuple[int, int, int], int]:
    """By receiver, sender and frame: cycle in which the first word is delivered.  Each device is played on its own.

    Args:
        frames: Values of each, and the cycle in which each of its words is there.
    """
    overhead = {64: 2, 32: 3, 16: 6}[wires.word_bits]
    waiting: dict[tuple[int, int], list[tuple[int, int, int, int, int]]] = {}
    for here in range(wires.devices):
        for target, hops in links_of(wires, here):
            start = [max(at - k for k, at in enumerate(words)) for _, words in frames]
            waiting[here, target] = [(ready, 0, f, here, hops) for f, ready in enumerate(start)]
    free = dict.fromkeys(waiting, -1000)
    found: dict[tuple[int, int, int], int] = {}
    now = -1000
    while any(waiting.values()):
        arrived = []
        for (here, target), queue in waiting.items():
            there = [entry for entry in queue if entry[0] <= now]
            if not there or free[here, target] > now:
                continue
            entry = min(there, key=lambda e: (-e[1], e[2]))
            queue.remove(entry)
            _, travelled, frame, sender, hops = entry
            payload = len(frames[frame][1])
            free[here, target] = now + payload + overhead
            at = now + wires.latency + payload + overhead + 10
            found[target, sender, frame] = at
            if hops > 1:
                onward = target, (target + (target - here)) % wires.devices
                arrived.append((onward, (at, travelled + 1, frame, sender, hops - 1)))
        for link, entry in arrived:
            waiting[link].append(entry)
        now += 1
    return found


def writes(engine: EnginePlan) -> list[int]:
    """Cycle in which each unit is written, of engines in one pass or two, all gates at once or in turns."""
    found = []
    for unit in range(engine.shape.units):
        tile, row = divmod(unit, engine.rows)
        last = (tile + 1) * engine.turns * engine.last_words - 1
        if engine.passes:
            last += engine.tiles * engine.turns * sum(engine.passes[:-1])
        found.append(last + engine.result_cycles + row // engine.elements)
    return found


def reads(engine: EnginePlan) -> dict[int, int]:
    """First issue of each place of a sweep."""
    places: dict[int, int] = {}
    cycle, done = 0, 0
    for words in engine.passes or (engine.sweep,):
        for _, place in product(range(engine.sweeps), range(done, done + words)):
            places.setdefault(place, cycle)
            cycle += 1
        done += words
    return places


def play_vector(engine: EnginePlan, wires: Wires, bits: int, columns: int) -> dict[tuple[int, int, int], int]:
    """By device, source (in the order of its nearness) and vector word: when it is written there."""
    units, at = engine.shape.units, writes(engine)
    frames = []
    for start in range(0, units, engine.rows):
        own = at[start : start + engine.rows]
        words = -(-len(own) * bits // wires.word_bits)
        ends = [min(-(-(k + 1) * wires.word_bits // bits), len(own)) - 1 for k in range(words)]
        frames.append((len(own), [own[end] for end in ends]))
    delivered = play_links(wires, frames, bits)
    found: dict[tuple[int, int, int], int] = {}
    for here in range(wires.devices):
        others: list[list[int]] = []
        for sender in range(wires.devices):
            if sender == here:
                continue
            last, words = -1, []
            for word in range(units // columns):
                unit = (word + 1) * columns - 1
                frame, place = divmod(unit, engine.rows)
                bit = (place + 1) * bits - 1
                last = max(last + 1, delivered[here, sender, frame] + bit // wires.word_bits + 1)
                words.append(last)
            others.append(words)
        for word in range(units // columns):
            found[here, 0, word] = at[(word + 1) * columns - 1]
        for source, words in enumerate(sorted(others), start=1):
            found |= {(here, source, word): cycle for word, cycle in enumerate(words)}
    return found


def least_start(plan: CutPlan, reader: EnginePlan, first: int, vector: dict[tuple[int, int, int], int]) -> int:
    """Cycles that the reader must start behind the writer, on the device that must wait longest."""
    places = reads(reader)
    return max(
        vector[here, source, word] + 1 - places[first + place]
        for here in range(plan.wires.devices)
        for place, (source, word) in enumerate(plan.order)
    )


WIRES = [
    ring_wires(2, 64, 32, True),
    ring_wires(4, 64, 5, True),
    ring_wires(4, 32, 0, False),
    ring_wires(3, 16, 20, True),
    ring_wires(5, 64, 8, False),
    direct_wires(4, 64, 32),
    direct_wires(3, 32, 3),
]


@pytest.mark.parametrize("wires", WIRES, ids=str)
@pytest.mark.parametrize(("kind", "units", "multipliers"), [("lstm", 60, 64), ("gru", 60, 30), ("rnn_tanh", 120, 9)])
def test_rows_as_played(wires: Wires, kind: str, units: int, multipliers: int) -> None:
    network = network_of(((kind, units),), 24)
    cut = cut_of(network, "rows", wires.devices)
    plan = plan_cut(cut, wires, multipliers, PIPELINE)
    (engine,) = plan.engines
    vector = play_vector(engine, wires, cut.exchange.value_bits, engine.columns)
    assert sorted(plan.order) == sorted({(source, word) for _, source, word in vector})
    assert [vector[0, *word] for word in plan.order] == sorted(vector[0, *word] for word in plan.order)
    loop = least_start(plan, engine, engine.x_words, vector)
    sent = sum(
        -(-len(range(start, min(start + engine.rows, engine.shape.units))) * cut.exchange.value_bits // wires.word_bits)
        + {64: 2, 32: 3, 16: 6}[wires.word_bits]
        for start in range(0, engine.shape.units, engine.rows)
    )
    link = sent if wires.direct else sent * max(wires.ahead, wires.back)
    assert plan.link_words == link
    assert plan.interval == max(engine.sweeps * engine.spacing + engine.last_pass, engine.interval, loop, link)
    assert engine.multipliers <= multipliers
    if plan.binds == "exchange of h":
        assert plan.interval == loop


@pytest.mark.parametrize("wires", [w for w in WIRES if w.devices in (2, 4)], ids=str)
def test_groups_as_played(wires: Wires) -> None:
    network = grouped(32 * wires.devices, 24 * wires.devices, 16 * wires.devices, wires.devices)
    plan = plan_cut(cut_of(network, "groups", wires.devices), wires, 64, PIPELINE)
    first, second = plan.engines
    vector = play_vector(first, wires, plan.cut.exchange.value_bits, second.columns)
    assert plan.offset == max(1, least_start(plan, second, 0, vector))
    at, places = writes(second), reads(first)
    slices = [min((word + 1) * first.columns, first.shape.hidden) - 1 for word in range(first.h_words)]
    loop = max(
        plan.offset + at[unit] + 1 - places[first.x_words + word] for word, unit in enumerate(slices)
    )
    assert plan.interval == max(first.interval, second.interval, loop, plan.link_words)


def test_one_frame_around_a_ring_by_hand() -> None:
    """A frame of 4 values of 16 bits at cycle 10: one word, so 3 on the link, and 5 + 1 + 12 cycles a hop."""
    wires = ring_wires(4, 64, 5, False)
    assert deliveries(wires, [Sent(4, 10)], 16) == [[28], [46], [64]]
    # A second one at cycle 11 waits for the first one's three words.
    assert deliveries(wires, [Sent(4, 10), Sent(4, 11)], 16) == [[28, 31], [46, 49], [64, 67]]
    # What was forwarded goes first: at cycle 28 the link is asked by the second frame, too.
    assert deliveries(wires, [Sent(4, 10), Sent(4, 28)], 16) == [[28, 49], [46, 67], [64, 85]]
    assert wires.words([4, 4], 16) == 2 * 3 * 3
    both = ring_wires(4, 64, 5, True)
    assert deliveries(both, [Sent(4, 10)], 16) == [[28], [28], [46]]
    assert both.words([4], 16) == 2 * 3
    assert deliveries(direct_wires(4, 64, 5), [Sent(4, 10)], 16) == [[28]] * 3
    assert direct_wires(4, 64, 5).words([4, 4], 16) == 2 * 3


def test_x_and_h_apart_by_hand() -> None:
    """4 x 64 x 64 products of x and as many of h on 128 multipliers: 128 cycles each, 256 sums on a link."""
    network = network_of((("lstm", 64),), 64)
    cut = cut_of(network, "x/h", 2)
    plan = plan_cut(cut, ring_wires(2, 64, 16, True), 128, PIPELINE)
    width = network.layers[0].formats.product.accumulator_width
    assert plan.link_words == -(-256 * width // 64) + 2
    assert plan.interval == max(128, plan.engines[1].unhidden_interval + 1, plan.link_words)


def test_a_linear_layer_by_hand() -> None:
    """64 x 48 products on 4 devices of 16 multipliers: 48 cycles; partial sums of all outputs are one frame."""
    network = network_of((("linear", 48),), 64)
    wires = ring_wires(4, 64, 16, True)
    outputs = plan_cut(cut_of(network, "outputs", 4), wires, 16, PIPELINE)
    inputs = plan_cut(cut_of(network, "inputs", 4), wires, 16, PIPELINE)
    assert (outputs.interval, outputs.link_words, outputs.binds) == (48, 2 * (12 * 16 // 64 + 2), "multipliers")
    width = sums_format(network.layers[0]).width
    assert width <= network.layers[0].formats.product.accumulator_width + 1
    assert (inputs.interval, inputs.link_words) == (48, -(-48 * width // 64) + 2)


@pytest.mark.parametrize(("devices", "goal"), [(2, 1.95), (4, 3.8)])
def test_rows_of_a_large_layer(devices: int, goal: float) -> None:
    """Goal: LSTM-1024 over 2 and 4 devices of 1,024 multipliers, links of 32 cycles and 64 bits."""
    network = network_of((("lstm", 1024),), 1024)
    alone = plan_for_budget(block_shapes(network), Budget(1024), PIPELINE).interval
    plan = plan_cut(cut_of(network, "rows", devices), ring_wires(devices, 64, 32, True), 1024, PIPELINE)
    assert alone / plan.interval >= goal


def test_groups_over_devices() -> None:
    """Goal: G-LSTM of 4 groups over 4 devices at least 3.5 times as fast."""
    network = grouped(1024, 1024, 1024, 4)
    alone = plan_for_budget(block_shapes(network), Budget(1024), PIPELINE).interval
    plan = plan_cut(cut_of(network, "groups", 4), ring_wires(4, 64, 32, True), 1024, PIPELINE)
    assert alone / plan.interval >= 3.5


# What is told of them beside a cut of whole layers.

LINK = Link("x", "y", 64, 16)


def device(name: str, multipliers: int = 64, memory_bits: int | None = None) -> Device:
    return Device(name, 10**8, multipliers, memory_bits=memory_bits, pipeline="balanced")


def told(network: QuantisedNetwork, system: System) -> list[tuple[str, str, tuple[str, ...], bool]]:
    parts = Parts(network, system)
    return [
        (advice.layer, advice.plan.cut.kind, advice.devices, advice.plan.wires.direct)
        for advice in inner_cuts(parts, best_partition(parts).best)
    ]


def test_cuts_of_the_layer_that_binds() -> None:
    network = network_of((("lstm", 12), ("lstm", 48)), 8)
    names = ("a", "b", "c", "d")
    found = told(network, ring([device(name) for name in names], LINK))
    assert {entry[0] for entry in found} == {"l1"}
    assert {entry[1:3] for entry in found} >= {("rows", ("a", "b")), ("rows", names)}
    # Three of a ring of four are joined to neither a ring nor each other.
    assert not [entry for entry in found if len(entry[2]) == 3]
    assert [direct for _, kind, where, direct in found if kind == "rows" and where == names] == [False]
    one_way = told(network, chain([device("a"), device("b")], Link("x", "y", 64, 16, both=False)))
    assert one_way == []
    unlike = told(network, chain([device("a"), device("b", 65)], LINK))
    assert unlike == []
    parts = Parts(network, chain([device("a"), device("b")], LINK))
    cuts = [advice.plan.cut for advice in inner_cuts(parts, best_partition(parts).best)]
    assert {cut.kind for cut in cuts if cut.is_generated} == {"rows", "x/h"}


def test_many_devices_are_looked_through_soon() -> None:
    """16 alike in a chain: pairs only, and rings of none; in a ring: all 8 at most."""
    network = network_of((("lstm", 48),), 8)
    names = [f"d{number}" for number in range(16)]
    in_chain = told(network, chain([device(name) for name in names], LINK))
    assert {entry[2] for entry in in_chain} == {("d0", "d1")}
    in_ring = told(network, ring([device(name) for name in names[:6]], LINK))
    assert {len(entry[2]) for entry in in_ring} == {2, 6}
    one_way = told(network, ring([device(name) for name in names[:4]], Link("x", "y", 64, 2, both=False)))
    assert {entry[2] for entry in one_way} == {tuple(names[:4])}
    linked = [Link(one, other, 64, 2) for number, one in enumerate(names[:4]) for other in names[number + 1 : 4]]
    joined = told(network, System(tuple(device(name) for name in names[:4]), tuple(linked)))
    assert {entry[2] for entry in joined if entry[1] == "rows"} == {tuple(names[:n]) for n in (2, 3, 4)}
