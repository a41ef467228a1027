"""All devices of a system and the lines between them, as one module to simulate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Elaboratable, Instance, Module, Signal, Value

from rnngen.gateware.control import AXIL_INPUTS
from rnngen.gateware.link.port import phy_ports
from rnngen.gateware.system.device import DeviceShape, axis_signals
from rnngen.gateware.verilog import to_verilog

FAULTS = {
    "bit_errors": 32, "start_errors": 32, "bursts": 32, "burst_words": 16, "cut": 1, "down": 1,
}  # fmt: skip
"""Inputs of each direction of a line, and their bits (``rnn_link_channel``)."""


@dataclass(frozen=True)
class BenchShape:
    """A system in simulation.

    Attributes:
        devices: In the order of the data.  modules: Names of their tops.
        latencies: Cycles of the line behind each device but the last, in the sender's clock, each direction.
        one_clock: All devices run from ``aclk``; else each from ``aclk_K``, the first from ``aclk``.
    """

    devices: tuple[DeviceShape, ...]
    modules: tuple[str, ...]
    latencies: tuple[int, ...]
    one_clock: bool = True


class BenchTop(Elaboratable):
    """Ports: the first device's ``s_axis_*``, the last one's ``m_axis_*``, ``aclk``, ``aresetn``.

    ``up``: all links of all devices are up.  ``failed_K``: device K has failed.  ``hold_K``: keeps device K in reset.
    ``line_K_*`` and ``back_K_*``: faults of the line behind device K, with the data and against them (``FAULTS``).
    """

    def __init__(self, shape: BenchShape) -> None:
        self._shape = shape
        count = len(shape.devices)
        self.aclk, self.aresetn, self.up = Signal(name="aclk"), Signal(name="aresetn"), Signal(name="up")
        clocks = [] if shape.one_clock else [Signal(name=f"aclk_{k}") for k in range(1, count)]
        self._clocks = [self.aclk, *(clocks or [self.aclk] * (count - 1))]
        self._failed = [Signal(name=f"failed_{k}") for k in range(count)]
        self._hold = [Signal(name=f"hold_{k}") for k in range(count)]
        self._faults = [
            {name: Signal(bits, name=f"{way}_{k}_{name}") for name, bits in FAULTS.items()}
            for k in range(count - 1)
            for way in ("line", "back")
        ]
        first, last = shape.devices[0].takes.port, shape.devices[-1].gives.port
        # The host's side of the first device, and of the last one.
        self._host = {"s_axis": axis_signals("s_axis", first), "m_axis": axis_signals("m_axis", last)}
        self._clock_ports = [self.aclk, *clocks]

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        faults = [signal for line in self._faults for signal in line.values()]
        streams = [signal for port in self._host.values() for signal in port.values()]
        return [*self._clock_ports, self.aresetn, *streams, self.up, *self._failed, *self._hold, *faults]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        ups = [Signal(name=f"up_{k}") for k in range(len(self._shape.devices))]
        m.d.comb += self.up.eq(Cat(ups).all())
        ends = [_LineEnds(index, one) for index, one in enumerate(self._shape.devices[:-1])]
        last = len(ups) - 1
        for index, module in enumerate(self._shape.modules):
            connections: dict[str, Value] = {
                "i_aclk": self._clocks[index],
                "i_aresetn": self.aresetn & ~self._hold[index],
                "o_up": ups[index],
                "o_failed": self._failed[index],
            }
            connections |= {f"i_s_axil_{name}": Const(0, width) for name, width in AXIL_INPUTS.items()}
            for prefix, place in (("s_axis", 0), ("m_axis", last)):
                if index == place:
                    connections |= _stream(prefix, self._host[prefix])
            if index > 0:
                connections |= self._phy(index, "in", ends[index - 1].right)
            if index < last:
                connections |= self._phy(index, "out", ends[index].left)
            m.submodules[f"device_{index}"] = Instance(module, **connections)
        for index, line in enumerate(ends):
            self._lines(m, index, line)
        return m

    def _phy(self, index: int, prefix: str, signals: Mapping[str, Signal]) -> dict[str, Value]:
        """A device's connections to a line, both of whose clocks are the device's."""
        clock = self._clocks[index]
        found: dict[str, Value] = {f"i_{prefix}_{way}_clk": clock for way in ("tx", "rx")}
        inward = ("tx_ready", "rx_data", "rx_start", "rx_valid", "up")
        return found | {f"{'i' if name in inward else 'o'}_{prefix}_{name}": signals[name] for name in signals}

    def _lines(self, m: Module, index: int, line: _LineEnds) -> None:
        """Both directions of a line."""
        ways = ((line.left, line.right, index, index + 1), (line.right, line.left, index + 1, index))
        for number, (sends, takes, source, target) in enumerate(ways):
            faults = self._faults[2 * index + number]
            m.submodules[f"{('line', 'back')[number]}_{index}"] = Instance(
                "rnn_link_channel",
                p_WIDTH=line.bits,
                i_rst=~self.aresetn,
                i_seed=Const(2 * index + number + 1, 64),
                i_latency=Const(self._shape.latencies[index], 16),
                **{f"i_{name}": signal for name, signal in faults.items()},
                o_up=takes["up"],
                i_tx_clk=self._clocks[source],
                i_tx_data=sends["tx_data"],
                i_tx_start=sends["tx_start"],
                i_tx_valid=sends["tx_valid"],
                o_tx_ready=sends["tx_ready"],
                i_rx_clk=self._clocks[target],
                o_rx_data=takes["rx_data"],
                o_rx_start=takes["rx_start"],
                o_rx_valid=takes["rx_valid"],
            )


class _LineEnds:
    """The PHY signals of both ends of a line."""

    def __init__(self, index: int, one: DeviceShape) -> None:
        assert one.gives.link is not None
        shape = one.gives.link[0]
        self.bits = shape.word_bits
        self.left, self.right = (
            {
                name.removeprefix("phy_"): Signal(member.shape, name=f"{side}_{index}_{name}")
                for name, member in phy_ports(shape).items()
            }
            for side in ("left", "right")
        )


def _stream(prefix: str, signals: Mapping[str, Signal]) -> dict[str, Value]:
    """A device's connections to a stream port."""
    outward = ("tready",) if prefix == "s_axis" else ("tdata", "tvalid", "tlast")
    return {f"{'o' if name in outward else 'i'}_{prefix}_{name}": signal for name, signal in signals.items()}


def bench_verilog(shape: BenchShape, name: str) -> str:
    """Verilog of the system in simulation, without devices and leaves."""
    top = BenchTop(shape)
    return to_verilog(top, name, top.ports)
