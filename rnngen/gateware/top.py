"""The accelerator: stream ports, one engine a layer, output buffer."""

from __future__ import annotations

from amaranth.back import verilog
from amaranth.hdl import Cat, ClockDomain, Elaboratable, Module, Mux, Signal

from rnngen.gateware.buffers import OutputBuffer, write_layout
from rnngen.gateware.engine import Engine
from rnngen.ir.quantised import QuantisedNetwork
from rnngen.plan.engine import is_aligned
from rnngen.plan.network import NetworkPlan


def word_lane_bits(width: int) -> int:
    """Bits of a word's lane in a stream beat: whole bytes."""
    return -(-width // 8) * 8


class Accelerator(Elaboratable):
    """The whole core, clocked by ``aclk`` and reset by ``aresetn`` (synchronous, active low).

    A step is written to the input buffer beat by beat; ``s_axis_tready`` is low only while every slot
    of the buffer is taken.  TLAST with a step's last beat ends the sequence.  Results leave in order.
    """

    def __init__(self, network: QuantisedNetwork, plan: NetworkPlan, multiplier: str) -> None:
        self._network, self._plan, self._multiplier = network, plan, multiplier
        in_bits = word_lane_bits(network.input_format.width) * plan.input_words
        out_bits = word_lane_bits(network.output_format.width) * plan.output_words
        self.aclk = Signal(name="aclk")
        self.aresetn = Signal(name="aresetn")
        self.s_axis_tdata = Signal(in_bits, name="s_axis_tdata")
        self.s_axis_tvalid = Signal(name="s_axis_tvalid")
        self.s_axis_tready = Signal(name="s_axis_tready")
        self.s_axis_tlast = Signal(name="s_axis_tlast")
        self.m_axis_tdata = Signal(out_bits, name="m_axis_tdata")
        self.m_axis_tvalid = Signal(name="m_axis_tvalid")
        self.m_axis_tready = Signal(name="m_axis_tready")
        self.m_axis_tlast = Signal(name="m_axis_tlast")

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        return [value for value in vars(self).values() if isinstance(value, Signal)]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += [domain.clk.eq(self.aclk), domain.rst.eq(~self.aresetn)]
        engines = self._engines(m)
        self._input(m, engines[0])
        output = self._output(m, engines[-1])
        releases = [engine.released for engine in engines[1:]] + [output.released]
        slots = [engine.input_slots for engine in self._plan.engines[1:]] + [self._plan.output_slots]
        for index, (engine, released, depth) in enumerate(zip(engines, releases, slots)):
            room = Signal(range(depth + 1), init=depth, name=f"room_{index}")
            m.d.sync += room.eq(room + released - engine.go)
            m.d.comb += engine.space.eq(room != 0)
        return m

    def _engines(self, m: Module) -> list[Engine]:
        """All engines, each writing into the next one's input buffer."""
        engines: list[Engine] = []
        lanes, aligned = self._plan.input_words, True
        for index, (layer, plan) in enumerate(zip(self._network.layers, self._plan.engines)):
            engine = Engine(index, layer, plan, lanes, aligned, self._multiplier)
            m.submodules[f"engine{index}"] = engine
            if engines:
                m.d.comb += engine.write.eq(engines[-1].result)
            engines.append(engine)
            lanes, aligned = plan.elements, is_aligned(plan)
        return engines

    def _input(self, m: Module, engine: Engine) -> None:
        """Beats of the input port to writes of words."""
        plan, width = self._plan, self._network.input_format.width
        lane = word_lane_bits(width)
        write = Signal(write_layout(width, plan.input_words))
        beat = Signal(range(max(2, plan.input_beats)))
        last_beat = beat == plan.input_beats - 1
        left = plan.engines[0].shape.inputs - (plan.input_beats - 1) * plan.input_words
        count = Mux(last_beat, left, plan.input_words)
        m.d.comb += [
            self.s_axis_tready.eq(~engine.full & self.aresetn),
            write.enable.eq(self.s_axis_tvalid & self.s_axis_tready),
            write.count.eq(count),
            write.last.eq(last_beat),
            write.sequence_last.eq(self.s_axis_tlast),
            write.data.eq(Cat(self.s_axis_tdata[k * lane : k * lane + width] for k in range(plan.input_words))),
            engine.write.eq(write),
        ]
        with m.If(write.enable):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))

    def _output(self, m: Module, engine: Engine) -> OutputBuffer:
        """Results to beats of the output port, each word sign-extended to its lane."""
        plan, width = self._plan, self._network.output_format.width
        last = plan.engines[-1]
        m.submodules.output = output = OutputBuffer(
            width, last.elements, plan.output_words, last.shape.units, plan.output_slots, is_aligned(last)
        )
        lane = word_lane_bits(width)
        words = [output.data[k * width : (k + 1) * width] for k in range(plan.output_words)]
        m.d.comb += [
            output.write.eq(engine.result),
            self.m_axis_tdata.eq(Cat(*(Cat(word, word[-1].replicate(lane - width)) for word in words))),
            self.m_axis_tvalid.eq(output.valid),
            self.m_axis_tlast.eq(output.last),
            output.ready.eq(self.m_axis_tready),
        ]
        return output


def accelerator_verilog(network: QuantisedNetwork, plan: NetworkPlan, top: str, multiplier: str) -> str:
    """Verilog of the accelerator without its leaves; ``multiplier`` is ``"generic"`` or ``"ecp5"``."""
    core = Accelerator(network, plan, multiplier)
    return verilog.convert(core, name=top, ports=core.ports, emit_src=False, strip_internal_attrs=True)
