"""The tops of a system's devices, and the lines between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from rnngen.config.system import System
from rnngen.emit.wiring import Wiring
from rnngen.gateware.board_link import BoardLink
from rnngen.gateware.board_top import link_dict
from rnngen.gateware.system.bench_top import Line, LineClock
from rnngen.gateware.system.device import DeviceEnd, DeviceShape, LinkEnd, Neighbour, PeerEnd
from rnngen.gateware.system.packing import Beats
from rnngen.gateware.top import word_lane_bits
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.network import Join
from rnngen.plan.partition import Partition, PartPlan, member_plan
from rnngen.plan.partition.hops import Hop
from rnngen.plan.partition.rings import Ring
from rnngen.plan.partition.schedule import pace
from rnngen.plan.partition.shapes import given, link_shape


def device_name(core: str) -> str:
    """Name of the module around a core."""
    return f"{core}_device"


def device_shapes(
    partition: Partition, networks: Sequence[QuantisedNetwork], cores: Sequence[str]
) -> tuple[DeviceShape, ...]:
    """The devices of a cut, in the order of the data; of a layer's rows, in the order of its units.

    Args:
        networks: Of each part.  cores: Names of the modules that compute them.
    """
    let_in, wiring = pace(partition), Wiring(partition)
    shapes: list[DeviceShape] = []
    for part in partition.parts:
        for number in range(len(part.names)):
            place = len(shapes)
            takes, gives = _ports(part, networks[place], number)
            summed = _summed(part) if part.joins and number else ()
            ends = DeviceEnd(takes, wiring.takes(place)), DeviceEnd(gives, wiring.gives(place) + summed)
            hands = _hands(part, networks[place])
            peers = () if part.joins else _peers(part, hands or gives)
            sums = () if number or part.plan.join is None else _sums(part, part.plan.join, networks[place])
            ring = () if part.ring is None else _neighbours(part.ring)
            shapes.append(
                DeviceShape(
                    cores[place], *ends, part.plan.input_beats, let_in, peers, hands, ring,
                    _back(wiring.back(place), networks[partition.giver]), wiring.forwards(place),
                    wiring.others(place), sums,
                )
            )  # fmt: skip
    return tuple(shapes)


def _back(link: LinkEnd | None, network: QuantisedNetwork) -> DeviceEnd | None:
    """Results of the last device at the host's: a word of the link a beat, as they are given there.

    Args:
        network: Of the last device.
    """
    if link is None:
        return None
    return DeviceEnd(Beats(link.frame.values_a_word, word_lane_bits(network.output_format.width)), (link,))


def _hands(part: PartPlan, network: QuantisedNetwork) -> Beats | None:
    """The port for what other devices of the layer are given, where they do not take the results."""
    if not part.plan.handed_words:
        return None
    return Beats(part.plan.handed_words, word_lane_bits(network.layers[0].output_format.width))


def _peers(part: PartPlan, gives: Beats) -> tuple[PeerEnd, ...]:
    """The other devices that share a part."""
    if part.exchange is None:
        return ()
    link = LinkEnd(link_shape([given(part.exchange, part)]), part.exchange.frame)
    return (PeerEnd(Beats(part.plan.remote_words, gives.lane), link, part.delta or 0),) * (len(part.names) - 1)


_SUMS = "sums"
"""What the names of the ports of a link begin with that takes sums to the device that adds them."""


def _summed(part: PartPlan) -> tuple[LinkEnd, ...]:
    """The link that takes a device's sums to the first one of its layer."""
    assert part.exchange is not None, "sums go to the first device"
    return (LinkEnd(link_shape([given(part.exchange, part)]), part.exchange.frame, _SUMS),)


def _sums(part: PartPlan, join: Join, network: QuantisedNetwork) -> tuple[PeerEnd, ...]:
    """The other devices of a layer whose sums the first one adds to its own."""
    (link,) = _summed(part)
    port = Beats(join.words, word_lane_bits(network.layers[-1].output_format.width))
    return (PeerEnd(port, link),) * join.others


def _neighbours(ring: Ring) -> tuple[Neighbour, Neighbour]:
    """Both devices beside each one, and which of the core's ports take what they send."""
    ports = {distance: number for number, distance in enumerate(ring.order, start=1)}
    ahead = tuple(ports[hops] for hops in range(1, ring.ahead + 1))
    back = tuple(ports[ring.devices - hops] for hops in range(1, ring.back + 1))
    return Neighbour("peer1", ahead), Neighbour(f"peer{ring.devices - 1}", back)


def _ports(part: PartPlan, network: QuantisedNetwork, number: int) -> tuple[Beats, Beats]:
    """A core's two stream ports."""
    plan = member_plan(part.plan, number)
    widths = (network.input_format.width, network.output_format.width)
    words = (plan.input_words, plan.output_words)
    takes, gives = (Beats(count, word_lane_bits(width)) for count, width in zip(words, widths))
    return takes, gives


def device_descriptions(partition: Partition, shapes: Sequence[DeviceShape]) -> tuple[dict[str, Any], ...]:
    """The devices in design.json: top, links and host, so that the folder of each is enough for its bitstream."""
    names, wiring, lines = partition.names, Wiring(partition), system_lines(partition)
    clocks = [partition.whole.device(name).clock_hz for name in names]
    found = []
    for place, shape in enumerate(shapes):
        ends = [(line.left_link, line.right) for line in lines if line.left == place]
        ends += [(line.right_link, line.left) for line in lines if line.right == place]
        links = [_link(partition.whole, name, (names[place], names[other]), clocks[other]) for name, other in ends]
        host: dict[str, Any] = {"input": place in wiring.groups[0], "output": place in wiring.outputs}
        if shape.back is not None:
            host["results"] = _results_port(shape.back)
        found.append({"name": names[place], "top": device_name(shape.core), "host": host, "links": links})
    return tuple(found)


def _results_port(back: DeviceEnd) -> dict[str, int]:
    """The host's port for results of another device, as in ``ports.m_axis``."""
    port, frame = back.port, back.links[0].frame
    return {"tdata_bits": port.lane * port.words, "beats_per_step": frame.beats}


def _link(system: System, name: str, ends: tuple[str, str], clock_hz: int) -> dict[str, Any]:
    """A link from its first end; ``clock_hz``: of the other end."""
    wire, back = system.wire(*ends), system.wire(*ends[::-1])
    found = wire or back
    assert found is not None, "a cut goes over links of its system"
    pins = found.pins
    if pins is None:
        return link_dict(name, ends[1], found.word_bits, None)
    end = pins.source if found is wire else pins.target
    link = BoardLink(name, found.word_bits, pins.data, end.connector, end.first, clock_hz)
    return link_dict(name, ends[1], found.word_bits, link)


def system_lines(partition: Partition) -> tuple[Line, ...]:
    """What joins the devices."""
    wiring = Wiring(partition)
    lines = [_worded(joint.line, joint.flows[0].hop) for joint in wiring.joints]
    for part, members in zip(partition.parts, wiring.groups):
        if part.exchange is not None:
            latency = part.exchange.wire.latency_cycles
            found = _sum_lines(members, latency) if part.joins else _peer_lines(members, latency, part.ring)
            lines += [_worded(line, part.exchange) for line in found]
    return tuple(lines)


def _worded(line: Line, hop: Hop) -> Line:
    """A line with the words that its PHYs take; in a clock of its own its latency is no longer than it was."""
    own = hop.own_clock
    if own is None:
        return replace(line, rate=hop.wire.rate.as_integer_ratio())
    clock = LineClock(own, (own >= hop.receiver, own >= hop.sender))
    return replace(line, latency=line.latency * hop.sender // own, clock=clock)


def _sum_lines(members: Sequence[int], latency: int) -> list[Line]:
    """From each other device of a layer to the first one, which adds their sums."""
    first, *others = members
    return [Line(one, _SUMS, first, f"sum{number}", latency) for number, one in enumerate(others, start=1)]


def _peer_lines(members: Sequence[int], latency: int, ring: Ring | None) -> list[Line]:
    """Between each two devices that share a part, or two neighbours in a ring, which count their peers from themselves
    on.
    """
    count = len(members)
    pairs = combinations(range(count), 2) if ring is None else ((one, (one + 1) % count) for one in range(count))
    return [
        Line(members[one], f"peer{(other - one) % count}", members[other], f"peer{(one - other) % count}", latency)
        for one, other in pairs
    ]
