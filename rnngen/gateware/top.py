"""The accelerator: stream ports, one engine a layer, output buffer."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import (
    Cat,
    ClockDomain,
    ClockSignal,
    Const,
    DomainRenamer,
    Elaboratable,
    Instance,
    Module,
    Mux,
    Signal,
    Value,
)

from rnngen.errors import PlanError
from rnngen.gateware.block import BlockCore, map_image_name, total
from rnngen.gateware.buffers import OutputBuffer, write_layout
from rnngen.gateware.context import CoreOptions
from rnngen.gateware.control import AXIL_INPUTS, AXIL_OUTPUTS, DIGEST_BITS, ControlPort
from rnngen.gateware.external import PAGE_BITS, WeightReader, read_port
from rnngen.gateware.join import JoinedOutput
from rnngen.gateware.latency import LatencyMeter
from rnngen.gateware.loader import LOAD_LIMIT, WIRE_LIMIT, LoadableMemory
from rnngen.gateware.parameters import bus_widths, parameter_memories, state_memories
from rnngen.gateware.registers import Features
from rnngen.gateware.reset import SoftReset
from rnngen.gateware.shared import make_array, make_frame, shared_array
from rnngen.gateware.verilog import to_verilog
from rnngen.ir.quantised import QuantisedLayer, QuantisedMap, QuantisedNetwork
from rnngen.plan.external import MemoryPort
from rnngen.plan.lanes import is_aligned
from rnngen.plan.network import HANDED_SLOTS, Join, NetworkPlan

DIGEST_IMAGE = "digest.hex"
"""Image that holds the first 128 bits of the design digest: an identity that is no part of the Verilog."""


def loadable_memories(network: QuantisedNetwork, plan: NetworkPlan, options: CoreOptions) -> list[LoadableMemory]:
    """The memories that can be written at run time, in the order of the engines."""
    found: list[LoadableMemory] = []
    for index, (layer, engine, h_size) in enumerate(zip(network.layers, plan.engines, h_sizes(plan))):
        images = 2 if options.double_buffer else 1
        found += parameter_memories(index, layer, engine, images).values() if options.loadable else ()
        found += state_memories(index, layer, engine, h_size).values() if options.state_access else ()
    return found


def core_features(network: QuantisedNetwork, plan: NetworkPlan, options: CoreOptions) -> Features:
    """What the control port tells that the core has."""
    stored = any(block.stored for block in plan.blocks)
    return Features(
        loadable=options.loadable,
        double_buffer=options.double_buffer,
        state_access=options.state_access,
        spaced=plan.spaced,
        external_weights=plan.memory is not None,
        sparse=any(engine.shape.banked is not None for engine in plan.engines),
        stored_sequences=stored,
        symbols=network.symbols > 0,
        # What was asked of external memory still comes, and nobody would know what for.
        soft_reset=not options.in_system and plan.memory is None,
        interrupt=not options.in_system,
        # A sequence that is too long is dropped, and with it the order in which steps leave.
        latency=not options.in_system and not stored,
        streams=plan.streams,
    )


def steps_inside(plan: NetworkPlan) -> int:
    """Steps that are inside at most: each has a place in an input buffer, or one kept for it behind."""
    return sum(plan.slots(index) for index in range(len(plan.blocks) + 1))


def h_sizes(plan: NetworkPlan) -> list[int]:
    """By engine, words of the whole h that its branch gives."""
    return [branch.units for block in plan.blocks for branch in block.branches for _ in branch.engines]


def check_widths(network: QuantisedNetwork, plan: NetworkPlan, loadable: bool) -> None:
    """Stops at the first bus that is too wide for Amaranth, or to be loaded.

    Raises:
        PlanError: naming layer, bus, its bits and the limit.
    """
    for layer, engine in zip(network.layers, plan.engines):
        for what, width in bus_widths(layer, engine).items():
            loads = loadable and what in ("weights", "biases")
            limit, verb = (LOAD_LIMIT, "loaded at run time") if loads else (WIRE_LIMIT, "wired")
            if width > limit:
                raise PlanError(
                    f"Layer '{layer.name}': its {what} of one cycle have {width:,} bits and at most {limit:,} can be "
                    f"{verb}: use fewer multipliers or fewer bits."
                )


def word_lane_bits(width: int) -> int:
    """Bits of a word's lane in a stream beat: whole bytes."""
    return -(-width // 8) * 8


def sum_ports(join: Join, network: QuantisedNetwork) -> dict[int, dict[str, Signal]]:
    """The ports for the sums of other devices, by their number."""
    lane = word_lane_bits(network.layers[-1].output_format.width)
    widths = {"tdata": join.words * lane, "tvalid": 1, "tready": 1}
    return {
        number: {name: Signal(width, name=f"s_axis_sum{number}_{name}") for name, width in widths.items()}
        for number in range(1, join.others + 1)
    }


class Accelerator(Elaboratable):
    """The whole core, clocked by ``aclk`` and reset by ``aresetn`` (synchronous, active low).

    A step is written to the input buffer beat by beat; ``s_axis_tready`` is low only while every slot
    of the buffer is taken, or while CONTROL.enable is 0.  TLAST with a step's last beat ends the sequence.
    Results leave in order.  Registers behind ``s_axil_*``: ``rnngen.gateware.registers``.

    ``m_axi_*`` reads weights from external memory, where they are there: ``rnngen.gateware.external``.

    ``s_axis_hK_*`` bring the h of other devices, where the layer is cut over several (``RemoteVector``); ``m_axis_h_*``
    gives to them what the first stage gives, where they do not take the results.  ``s_axis_sumK_*`` bring the sums of
    other devices, which are added to this one's (``Joiner``).

    With several streams TID names the stream of a step; it is taken with the step's last beat.
    """

    def __init__(self, network: QuantisedNetwork, plan: NetworkPlan, options: CoreOptions) -> None:
        self._network, self._plan, self._options = network, plan, options
        self._array = shared_array(network, plan, options.multiplier)
        self._features = core_features(network, plan, options)
        self._control = ControlPort(loadable_memories(network, plan, options), self._features)
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
        if plan.streams > 1:
            self.s_axis_tid = Signal(range(plan.streams), name="s_axis_tid")
            self.m_axis_tid = Signal(range(plan.streams), name="m_axis_tid")
        if self._features.interrupt:
            self.irq = Signal(name="irq")
        word = word_lane_bits(self._sharing.formats.product.h.width)
        lanes = plan.remote_words * word
        self._handed = {
            name: Signal(width, name=f"m_axis_h_{name}")
            for name, width in (("tdata", plan.handed_words * word), ("tvalid", 1), ("tready", 1), ("tlast", 1))
            if plan.handed_words
        }
        self._others = {
            number: {
                name: Signal(width, name=f"s_axis_h{number}_{name}")
                for name, width in (("tdata", lanes), ("tvalid", 1), ("tready", 1))
            }
            for number in range(1, plan.shares)
        }
        self._sums = {} if plan.join is None else sum_ports(plan.join, network)
        self._between_steps, self._stopped, self._closed = Signal(), Signal(), Signal()
        axil = AXIL_INPUTS | AXIL_OUTPUTS
        self._axil = {name: Signal(width, name=f"s_axil_{name}") for name, width in axil.items()}
        inputs, outputs = read_port(plan.memory, len(plan.engines)) if plan.memory else ({}, {})
        self._axi_inputs = {name: Signal(width, name=f"m_axi_{name}") for name, width in inputs.items()}
        self._axi_outputs = {name: Signal(width, name=f"m_axi_{name}") for name, width in outputs.items()}

    @property
    def ports(self) -> list[Signal]:
        """Top-level ports in order."""
        streams = [value for name, value in vars(self).items() if not name.startswith("_")]
        ports = (*self._others.values(), self._handed, *self._sums.values())
        others = [signal for port in ports for signal in port.values()]
        return [*streams, *others, *self._axil.values(), *self._axi_outputs.values(), *self._axi_inputs.values()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        self._clocked(m)
        blocks = self._blocks(m)
        self._input(m, blocks[0])
        self._other_devices(m, blocks[0])
        output = self._output(m, blocks[-1])
        rooms = self._rooms(m, blocks, output)
        if self._handed:
            rooms = rooms & self._hand_on(m, blocks[0])
        self._control_port(m, blocks, output, rooms)
        self._share(m, blocks, rooms)
        if self._plan.memory is not None:
            self._external_weights(m, self._plan.memory, blocks)
        return m

    def _clocked(self, m: Module) -> None:
        """The core's clock and reset, and the control port, which a soft reset of the core leaves as it is."""
        control = self._control
        m.domains.sync = domain = ClockDomain("sync")
        m.d.comb += domain.clk.eq(self.aclk)
        if self._features.interrupt:
            m.d.comb += self.irq.eq(control.irq)
        if not self._features.soft_reset:
            m.d.comb += domain.rst.eq(~self.aresetn)
            m.submodules.control = control
            return
        m.domains.control = outer = ClockDomain("control")
        soft = SoftReset()
        m.d.comb += [
            outer.clk.eq(self.aclk),
            outer.rst.eq(~self.aresetn),
            domain.rst.eq(~self.aresetn | soft.reset),
            soft.request.eq(control.soft_reset),
            soft.offered.eq(self.m_axis_tvalid & ~self.m_axis_tready),
            control.resetting.eq(soft.active),
            control.reset_done.eq(soft.done),
            self._stopped.eq(soft.active),
            self._closed.eq(soft.closed),
        ]
        m.submodules.control = DomainRenamer("control")(control)
        m.submodules.soft_reset = DomainRenamer("control")(soft)

    @property
    def _sharing(self) -> QuantisedLayer:
        """The layer that multiplies what other devices give, where some do."""
        return self._network.layers[self._network.blocks[0].branches[0].last]

    def _share(self, m: Module, blocks: Sequence[BlockCore], rooms_free: Value) -> None:
        """The array of all engines, and the frame in which they take turns."""
        shared, array = self._plan.shared, self._array
        if shared is None or array is None:
            return
        engines = [engine for block in blocks for engine in block.engines]
        group = Signal(array.group_width, name="shared_group")
        make_array(m, array, [engine.word.as_value() for engine in engines], group)
        m.d.comb += [engine.group.eq(group) for engine in engines]
        busy = Cat([block.busy for block in blocks]).any()
        cycle = make_frame(m, shared.frame, ~busy & rooms_free)
        m.d.comb += [block.turn.eq(cycle == start) for block, start in zip(blocks, shared.starts)]

    def _external_weights(self, m: Module, port: MemoryPort, blocks: Sequence[BlockCore]) -> None:
        """The read port of all engines."""
        control = self._control
        m.submodules.reader = reader = WeightReader(port, self._plan.weights)
        m.d.comb += [getattr(reader, name).eq(signal) for name, signal in self._axi_inputs.items()]
        m.d.comb += [signal.eq(getattr(reader, name)) for name, signal in self._axi_outputs.items()]
        m.d.comb += [
            reader.fetch.eq(control.fetch),
            reader.base.eq(control.memory_base[PAGE_BITS:]),
            control.memory_error.eq(reader.failed),
        ]
        for block in blocks:
            for index, engine in block.external_engines().items():
                m.d.comb += engine.beat.eq(getattr(reader, f"beat_{index}"))
                m.d.comb += getattr(reader, f"returned_{index}").eq(engine.returned)

    def _other_devices(self, m: Module, block: BlockCore) -> None:
        """Their h to the engine, which has room for it whenever it comes."""
        width = self._sharing.formats.product.h.width
        lane = word_lane_bits(width)
        for number, port in self._others.items():
            beat = getattr(block.engines[-1], f"h_{number}")
            words = [port["tdata"][k * lane : k * lane + width] for k in range(self._plan.remote_words)]
            m.d.comb += [
                beat.enable.eq(port["tvalid"] & port["tready"]),
                beat.data.eq(Cat(words)),
                port["tready"].eq(self.aresetn),
            ]

    def _hand_on(self, m: Module, block: BlockCore) -> Value:
        """What the first stage gives to the other devices; returns whether all of its buffer is free."""
        plan, width, first = self._plan, self._network.layers[0].output_format.width, self._plan.blocks[0].first
        m.submodules.handed = buffer = OutputBuffer(
            width, first.elements, plan.handed_words, first.shape.units, HANDED_SLOTS, is_aligned(first), 1
        )
        lane, port = word_lane_bits(width), self._handed
        words = [buffer.data[k * width : (k + 1) * width] for k in range(plan.handed_words)]
        room = Signal(range(HANDED_SLOTS + 1), init=HANDED_SLOTS, name="room_handed")
        m.d.sync += room.eq(room + buffer.released - block.reserve)
        m.d.comb += [
            buffer.write.eq(block.handed),
            port["tdata"].eq(Cat(*(Cat(word, word[-1].replicate(lane - width)) for word in words))),
            port["tvalid"].eq(buffer.valid),
            port["tlast"].eq(buffer.last),
            buffer.ready.eq(port["tready"]),
            block.handed_space.eq(room != 0),
        ]
        return room == HANDED_SLOTS

    def _rooms(self, m: Module, blocks: Sequence[BlockCore], output: OutputBuffer | JoinedOutput) -> Value:
        """Room behind each block; returns whether all of it is free."""
        free: list[Value] = []
        for index, block in enumerate(blocks):
            last = index + 1 == len(blocks)
            released = output.released if last else blocks[index + 1].released
            joined = last and self._plan.join
            depth = joined.slots if joined else self._plan.slots(index + 1)
            # In front of a stored block room is counted in sequences, and taken by their last steps.
            by_sequence = not last and self._plan.blocks[index + 1].stored
            room = Signal(range(depth + 1), init=depth, name=f"room_{index}")
            m.d.sync += room.eq(room + released - (block.reserve_last if by_sequence else block.reserve))
            m.d.comb += block.space.eq(room != 0)
            free.append(room == depth)
        if isinstance(output, JoinedOutput):
            free.append(output.idle)
        return Cat(free).all()

    def _blocks(self, m: Module) -> list[BlockCore]:
        """All blocks, each writing into the next one's input buffer."""
        blocks: list[BlockCore] = []
        lanes, aligned, streams = self._plan.input_words, True, self._plan.streams
        for index, plan in enumerate(self._plan.blocks):
            block = BlockCore(
                self._network, index, plan, lanes, aligned, streams, self._options, self._array, self._plan.weights,
                self._plan.remote_words,
            )  # fmt: skip
            m.submodules[f"block{index}"] = block
            control = self._control
            m.d.comb += [block.clear.eq(control.clear), block.restart.eq(control.restart), block.peek.eq(control.peek)]
            m.d.comb += [block.image.eq(control.image), block.switched.eq(control.switched)]
            if blocks:
                m.d.comb += block.write.eq(blocks[-1].result)
            blocks.append(block)
            lanes, aligned = plan.elements, plan.aligned
        return blocks

    def _input(self, m: Module, block: BlockCore) -> None:
        """Beats of the input port to writes of words."""
        plan, control, width = self._plan, self._control, self._network.input_format.width
        lane = word_lane_bits(width)
        write = Signal(write_layout(width, plan.input_words, plan.streams))
        beat = Signal(range(max(2, plan.input_beats)))
        m.d.comb += self._between_steps.eq(beat == 0)
        last_beat = beat == plan.input_beats - 1
        left = plan.blocks[0].port_size - (plan.input_beats - 1) * plan.input_words
        count = Mux(last_beat, left, plan.input_words)
        m.d.comb += [
            self.s_axis_tready.eq(~block.full & self.aresetn & control.enable & ~control.hold & ~self._stopped),
            write.enable.eq(self.s_axis_tvalid & self.s_axis_tready),
            write.count.eq(count),
            write.last.eq(last_beat),
            write.sequence_last.eq(self.s_axis_tlast),
            write.data.eq(self._input_data(m, width, lane, write.enable)),
            write.stream.eq(self._tid(m, write.enable & last_beat)),
            block.write.eq(write),
            control.input_idle.eq(self.s_axis_tready & ~self.s_axis_tvalid),
            control.step_in.eq(write.enable & last_beat),
            control.protocol_error.eq(write.enable & self.s_axis_tlast & ~last_beat),
        ]
        with m.If(write.enable):
            m.d.sync += beat.eq(Mux(last_beat, 0, beat + 1))
        self._open_sequences(m, write)

    def _open_sequences(self, m: Module, write: Value) -> None:
        """Streams of which a sequence has begun and not ended; a clear while steps are inside does not end it here."""
        control, streams = self._control, self._plan.streams
        begun = Signal(streams, name="open_sequences")
        m.d.comb += control.between.eq((begun == 0) & self._between_steps)
        for number in range(streams):
            with m.If(write.enable & write.last & (write.stream == number)):
                m.d.sync += begun[number].eq(~write.sequence_last)
            with m.Elif(control.restart[number] & control.idle):
                m.d.sync += begun[number].eq(0)

    def _tid(self, m: Module, taken: Value) -> Value:
        """The stream of a beat; one that does not exist is reported where it counts, and 0 in its place."""
        streams = self._plan.streams
        if streams == 1:
            return Const(0, 1)
        if streams == 1 << len(self.s_axis_tid):
            return self.s_axis_tid
        unknown = self.s_axis_tid >= streams
        m.d.comb += self._control.bad_stream.eq(taken & unknown)
        return Mux(unknown, 0, self.s_axis_tid)

    def _input_data(self, m: Module, width: int, lane: int, taken: Value) -> Value:
        """The words of a beat; a symbol that no table knows is reported, and 0 in its place."""
        words = Cat(self.s_axis_tdata[k * lane : k * lane + width] for k in range(self._plan.input_words))
        symbols = self._network.symbols
        if not symbols:
            return words
        unknown = self.s_axis_tdata[:lane] >= symbols
        m.d.comb += self._control.bad_symbol.eq(taken & unknown)
        return Mux(unknown, 0, words)

    def _output(self, m: Module, block: BlockCore) -> OutputBuffer | JoinedOutput:
        """Results to beats of the output port, each word sign-extended to its lane."""
        plan, width, control = self._plan, self._network.output_format.width, self._control
        last = plan.blocks[-1]
        output: OutputBuffer | JoinedOutput
        if plan.join is None:
            output = OutputBuffer(
                width, last.elements, plan.output_words, last.units, plan.output_slots, last.aligned, plan.streams
            )
        else:
            output = self._joined(m, plan.join)
        m.submodules.output = output
        lane = word_lane_bits(width)
        words = [output.data[k * width : (k + 1) * width] for k in range(plan.output_words)]
        m.d.comb += [
            output.write.eq(block.result),
            self.m_axis_tdata.eq(Cat(*(Cat(word, word[-1].replicate(lane - width)) for word in words))),
            self.m_axis_tvalid.eq(output.valid & ~self._closed),
            self.m_axis_tlast.eq(output.last),
            output.ready.eq(self.m_axis_tready & ~self._closed),
            control.output_stall.eq(self.m_axis_tvalid & ~self.m_axis_tready),
            control.step_out.eq(output.released if isinstance(output, OutputBuffer) else output.sent),
            control.sequence_out.eq(self.m_axis_tvalid & self.m_axis_tready & self.m_axis_tlast),
        ]
        if self._features.latency:
            m.submodules.latency = meter = LatencyMeter(steps_inside(plan))
            every = all(block.select == "every" for block in plan.blocks)
            ends = control.step_in & self.s_axis_tlast
            m.d.comb += [
                meter.entered.eq(control.step_in if every else ends),
                meter.left.eq(control.step_out if every else control.sequence_out),
                control.measured.eq(meter.done),
                control.latency.eq(meter.cycles),
            ]
        if isinstance(output, OutputBuffer) and plan.streams > 1:
            m.d.comb += self.m_axis_tid.eq(output.stream)
        return output

    def _joined(self, m: Module, join: Join) -> JoinedOutput:
        """An output that adds what other devices give."""
        plan, index = self._plan, len(self._plan.blocks) - 1
        (function,) = self._network.blocks[index].post
        assert isinstance(function, QuantisedMap), "the total passes the layer's function"
        table = map_image_name(index, 0, self._options.images)
        output = JoinedOutput(plan.blocks[index], join, function, table, plan.output_words, plan.output_slots)
        width = function.formats.product.x.width
        lane = word_lane_bits(width)
        for number, port in self._sums.items():
            beat = getattr(output, f"other_{number}")
            m.d.comb += [
                beat.valid.eq(port["tvalid"]),
                beat.data.eq(Cat(port["tdata"][k * lane : k * lane + width] for k in range(join.words))),
                port["tready"].eq(output.taken),
            ]
        m.d.comb += output.clear.eq(self._control.clear)
        return output

    def _control_port(
        self, m: Module, blocks: Sequence[BlockCore], output: OutputBuffer | JoinedOutput, rooms_free: Value
    ) -> None:
        """Registers: what the host sees of the accelerator, and what it writes into it."""
        control = self._control
        further = [output.saturations] if isinstance(output, JoinedOutput) else []
        m.d.comb += [getattr(control, name).eq(self._axil[name]) for name in AXIL_INPUTS]
        m.d.comb += [self._axil[name].eq(getattr(control, name)) for name in AXIL_OUTPUTS]
        m.submodules.digest = Instance(
            "rnn_weight_rom",
            p_WIDTH=DIGEST_BITS,
            p_DEPTH=1,
            p_ADDRESS_WIDTH=1,
            p_INIT_FILE=self._options.images + DIGEST_IMAGE,
            i_clk=ClockSignal(),
            i_address=Const(0, 1),
            o_data=control.digest,
        )
        busy = Cat([block.busy for block in blocks]).any()
        m.d.comb += [
            control.idle.eq(~busy & rooms_free & self._between_steps),
            control.saturations.eq(total(m, [block.saturations for block in blocks] + further)),
            control.overlong.eq(Cat([block.overlong for block in blocks]).any()),
        ]
        with m.Switch(control.peek_engine):
            for block in blocks:
                for index, shown in block.peeked().items():
                    with m.Case(index):
                        m.d.comb += control.peeked.eq(shown)
        for block in blocks:
            for memory, write in block.loads():
                m.d.comb += [
                    write.enable.eq(control.loads(memory.engine, memory.memory)),
                    write.address.eq(control.load.address),
                    write.data.eq(control.load.data),
                ]


def accelerator_verilog(network: QuantisedNetwork, plan: NetworkPlan, top: str, options: CoreOptions) -> str:
    """Verilog of the accelerator without its leaves (arguments as for ``Accelerator``).

    Raises:
        PlanError: if a bus is too wide (``check_widths``).
    """
    check_widths(network, plan, options.loadable)
    core = Accelerator(network, plan, options)
    return to_verilog(core, top, core.ports)
