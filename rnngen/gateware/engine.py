"""A dense engine: sequencer, memories, multiplier array and element-wise path of one layer."""

from __future__ import annotations

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.arith.format import Format
from rnngen.gateware.array import ArrayShape, engine_array
from rnngen.gateware.banked import make_banked_array, place_address
from rnngen.gateware.buffers import StepBuffer, VectorMemory, VectorWriter, address_width, fit_address, write_layout
from rnngen.gateware.context import EngineContext
from rnngen.gateware.external import WeightBuffer, beat_layout
from rnngen.gateware.groups import gather, group_ahead, group_counter, group_head, line, partial_sums, turn_sums
from rnngen.gateware.loader import LoadableMemory, load_layout
from rnngen.gateware.parameters import (
    bias_word_width,
    image_names,
    parameter_memories,
    state_memories,
    weight_word_width,
)
from rnngen.gateware.peek import PEEK
from rnngen.gateware.registers import WORD_BITS
from rnngen.gateware.remote import RemoteVector, h_beat_layout
from rnngen.gateware.sequencer import Sequencer
from rnngen.gateware.shared import extended, own_sums, padded_weights, word_layout
from rnngen.gateware.tails import (
    SATURATION_COUNTER_BITS,
    TailSignals,
    bias_width,
    count_saturations,
    make_tail,
    shifted_bias,
)
from rnngen.ir.quantised import QuantisedLayer
from rnngen.plan.engine import EnginePlan
from rnngen.plan.layer import ceil_div
from rnngen.plan.memory import kept_slots, state_width
from rnngen.plan.timing import OPERAND_CYCLES, STATE_AHEAD
from rnngen.plan.vectors import vector_banks


class Engine(wiring.Component):
    """One layer's matrix product and element-wise path.

    Ports:
        write: Input words.  rewind: The sequence that is being written is forgotten.
        available: A complete input step waits (steps as they come).  full: The input buffer has no free slot.
        waiting_last: The waiting step is its sequence's last one.
        slot: Number of the step in the buffer that ``go`` takes (stored sequences).
        go: A step starts.  go_h: The h pass of the next one starts (spaced; ``go`` then starts the x pass).
        stale: What such an h pass reads has changed, so that it must be done again.
        sequence_last: It is the last one of its sequence in this engine's order.
        stream: Whose step it is.  waiting_stream: Whose step waits.
        restart: By stream, its next step is the first one of a sequence.
        image, switched: Of the memories with two images, the one in use; it has changed (one cycle).
        peek: What part of the state is shown.  peeked: That part, one cycle later.
        released: The step's input is read for the last time; released_last: of a sequence's last step.
        feedback: Words of h, where h is multiplied.
        result: Output words.
        saturations: Narrowings that saturated since reset or clear; sticks at its largest value.
        clear: Sets the counter to 0.
        word, group: To and from the shared array, where there is one.
        load_weights, load_places, load_bias: Writes to the parameter memories, where the engine is ``loadable``.
        beat, returned: Weights from external memory, and room for more (``WeightBuffer``).
        h_1, h_2, ..: Words of the h of other devices, each with as many units as this one (``RemoteVector``).
        held: The next word's weights are not there, or its h; nothing may start.
        hold: The engine that takes the results waits, and so does this one (``context.follows``).

    Values and cycles are those of ``rnngen.emulate`` and ``rnngen.plan`` to the bit and the cycle.
    """

    def __init__(self, layer: QuantisedLayer, plan: EnginePlan, context: EngineContext) -> None:
        self._layer, self._plan, self._context = layer, plan, context
        product = layer.formats.product
        options = context.options
        self._states = state_memories(context.index, layer, plan, context.h_size)
        images = 2 if options.double_buffer else 1
        self._memories = parameter_memories(context.index, layer, plan, images) if options.loadable else {}
        self._memories |= self._states if options.state_access else {}
        self.shows_state = options.state_access and bool(plan.shape.gives_h or state_width(layer))
        # The state that sequences begin with: not there where it is 0 for good.
        self._begins = {
            "h_0": plan.shape.gives_h and (options.state_access or layer.h_0 is not None),
            "state_0": state_width(layer) > 0 and (options.state_access or layer.state_0 is not None),
        }
        self._buffer = StepBuffer(
            product.x.width,
            context.x_lanes,
            plan.port_columns,
            context.x_size,
            2 * context.capacity or plan.input_slots,
            context.x_aligned,
            context.capacity > 0,
            context.reverse,
            context.streams,
            plan.shape.banked is not None and not layer.symbols,
        )
        streams = context.streams
        h = {"feedback": In(write_layout(product.h.width, context.h_lanes, streams))} if plan.shape.gives_h else {}
        spaced = {"go_h": In(1), "stale": Out(1)} if plan.shape.spaced else {}
        array, coming = context.array, context.weights
        ways = {"word": Out(word_layout(array)), "group": In(array.group_width)} if array else {}
        weights = {"beat": In(beat_layout(coming.data_bits)), "returned": Out(1)} if coming else {}
        h_beat = h_beat_layout(product.h.width, context.remote_lanes)
        self._others = [f"h_{number}" for number in range(1, plan.shape.shares)]
        remote = {name: In(h_beat) for name in self._others}
        self.may_wait = coming is not None or plan.shape.shares > 1
        super().__init__(
            {
                **spaced,
                **ways,
                **weights,
                **remote,
                **({"held": Out(1)} if self.may_wait else {}),
                **({"hold": In(1)} if context.follows else {}),
                **{f"load_{what}": In(load_layout(memory)) for what, memory in self._memories.items()},
                **h,
                "write": In(write_layout(product.x.width, context.x_lanes, streams)),
                "rewind": In(1),
                "available": Out(1),
                "waiting_last": Out(1),
                "waiting_stream": Out(range(streams)),
                "full": Out(1),
                "slot": Out(self._buffer.slot.shape()),
                "go": In(1),
                "sequence_last": In(1),
                "stream": In(range(streams)),
                "restart": In(streams),
                "image": In(1),
                "switched": In(1),
                "peek": In(PEEK),
                "peeked": Out(WORD_BITS),
                "released": Out(1),
                "released_last": Out(1),
                "result": Out(write_layout(layer.output_format.width, plan.elements, streams)),
                "saturations": Out(SATURATION_COUNTER_BITS),
                "clear": In(1),
            }
        )

    @property
    def elements(self) -> int:
        """Words of a write of ``result``."""
        return self._plan.elements

    def loads(self) -> list[tuple[LoadableMemory, Value]]:
        """Each memory that can be loaded, and its write port."""
        return [(memory, getattr(self, f"load_{what}")) for what, memory in self._memories.items()]

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        m.submodules.input = buffer = self._buffer
        shape, context = self._plan.shape, self._context
        h_size = context.h_size if shape.gives_h else self._plan.device_h
        m.submodules.sequencer = sequencer = Sequencer(
            self._plan, buffer.depth, ceil_div(h_size, self._plan.h_columns), context.streams, self.may_wait,
            context.follows,
        )  # fmt: skip
        if self.may_wait:
            m.d.comb += self.held.eq(sequencer.held)
        if context.follows:
            m.d.comb += sequencer.hold.eq(self.hold)
        self._shown: list[Value] = []
        self._arrives = Signal(name="h_arrives")  # the step's h is at the end of its way
        m.d.comb += [
            buffer.write.eq(self.write),
            buffer.rewind.eq(self.rewind),
            self.full.eq(buffer.full),
            self.available.eq(buffer.available),
            self.waiting_last.eq(buffer.sequence_last),
            self.waiting_stream.eq(buffer.stream),
            self.slot.eq(buffer.slot),
            buffer.take.eq(self.go),
            buffer.take_last.eq(self.sequence_last),
            buffer.release.eq(self.released),
            sequencer.go.eq(self.go),
            sequencer.sequence_last.eq(self.sequence_last),
            sequencer.stream.eq(self.stream),
            sequencer.restart.eq(self.restart),
            sequencer.peek_stream.eq(self.peek.stream),
            sequencer.base.eq(buffer.base),
        ]
        if not shape.apart:
            self._release(m, sequencer)
        if self._plan.shape.spaced:
            read_ahead = [what for what in ("weights", "places", "h_0") if what in self._memories]
            # Of two images the one that is written is not read.
            loads = [getattr(self, f"load_{w}").enable for w in read_ahead if self._memories[w].images == 1]
            stale = Cat(self.restart, self.switched, *loads).any()
            m.d.comb += [sequencer.go_h.eq(self.go_h), self.stale.eq(stale)]
        tail_leaf, tail = make_tail(self._layer, self._plan, self._image("table"))
        m.submodules.tail = tail_leaf
        gathered = (tail.sums, tail.sums_x) if self._plan.turns == 1 else turn_sums(self._layer, self._plan)
        sums = Signal.like(gathered[0], name="array_sums") if self._plan.keeps_sums else gathered[0]
        h_operand = self._forwarded(m, sequencer, tail)
        addend = tail.addend if self._plan.is_unrolled else None
        if isinstance(buffer.memory, VectorMemory) and not shape.apart:
            m.d.comb += buffer.address.eq(sequencer.x_address)
        if self._plan.shape.banked:
            self._banked_path(m, sequencer, buffer, sums, gathered[1])
        else:
            self._operand_path(m, sequencer, buffer, sums, gathered[1], addend, h_operand)
        head, symbol = group_head(m, self._plan, self._context.streams, sequencer, buffer)
        if self._plan.keeps_sums:
            head = partial_sums(m, self._layer, self._plan, sums, head, *gathered)
        if self._plan.turns > 1:
            head, symbol = gather(m, self._layer, self._plan, gathered[0], head, symbol, tail)
        groups = line(m, head, "group", self._plan.tail.output + group_ahead(self._plan) + 1)
        m.d.comb += self._arrives.eq(groups[-2].valid)
        self._biases(m, tail, groups, symbol, buffer)
        self._state(m, tail, groups)
        self._results(m, tail, groups)
        passing = {delay: groups[delay + group_ahead(self._plan)].valid for _, delay in tail.saturated.values()}
        count_saturations(m, tail, passing, self.saturations, self.clear)
        self._probe(m, sequencer, tail, groups)
        self._show(m)
        return m

    def _show(self, m: Module) -> None:
        """The part of the state that is asked for."""
        if not self.shows_state:
            return
        part = Signal.like(self.peek.part)
        m.d.sync += part.eq(self.peek.part)
        first, *second = self._shown  # h, where it is multiplied, before the state
        chosen = Mux(self.peek.state, second[0], first) if second else first
        padded = Cat(chosen, Const(0, -len(chosen) % WORD_BITS))
        m.d.comb += self.peeked.eq(padded.word_select(part, WORD_BITS))

    def _peeking(self, address: Value, own: Value) -> Value:
        """An address, while nothing is computed that of what is asked for."""
        return Mux(self.peek.now, address, own) if self.shows_state else own

    def _operand_path(
        self, m: Module, sequencer: Sequencer, buffer: StepBuffer, sums: Signal, sums_x: Signal, addend: Value | None,
        h_operand: Signal | None,
    ) -> None:  # fmt: skip
        """Column word and weight word to the multiplier array, and its sums.

        Args:
            sums_x: Of gate n of a GRU in one pass.
            addend: Enters the sums where nothing is accumulated.
            h_operand: h, where it comes straight from its end.
        """
        plan, product = self._plan, self._layer.formats.product
        from_x, first_step = Signal(), Signal()
        # Products of what is not there yet must not be added: while anything is waited for, the operand is an h of 0.
        reads_x, no_h = Value.cast(sequencer.from_x), Value.cast(sequencer.step_first)
        if self._context.follows:
            reads_x, no_h = reads_x & ~self.hold, no_h | self.hold
        if self._others:
            no_h = (no_h if plan.shape.gives_h else Const(0, 1)) | sequencer.held
        m.d.sync += [from_x.eq(reads_x), first_step.eq(no_h)]
        h_word: Value = Const(0, product.h.width * plan.h_columns)
        if self._others and not plan.shape.gives_h:
            h_word = self._of_others(m, sequencer)
        elif plan.shape.hidden and h_operand is None:
            # h is written by lanes of the element-wise path and read beside x.
            context = self._context
            m.submodules.hidden = hidden = VectorMemory(
                product.h.width, context.h_lanes, plan.h_columns, context.h_size, 2, context.h_aligned, context.streams,
                context.streams > 1,
            )  # fmt: skip
            address = self._peeking(sequencer.peek_base + self.peek.word, sequencer.h_address)
            m.d.comb += [hidden.write.eq(self.feedback), hidden.address.eq(address)]
            h_word = self._of_others(m, sequencer, hidden.data) if self._others else hidden.data
            self._shown.append(h_word)
            if self._begins["h_0"]:
                h_word = Mux(first_step, self._beginning(m, "h_0", sequencer.h_word), h_word)
                first_step = Const(0, 1)
        x_word = buffer.data if plan.shape.inputs else Const(0, self._x_format.width * plan.x_columns)
        if plan.x_lanes:  # words beyond the last one of x, or of h, meet weights of 0
            without_x = Const(0, product.x.width * plan.h_columns)
            without_h = Const(0, product.h.width * plan.x_columns)
            if h_operand is None:
                h_operand = self._operand(m, "operand_h", Const(0, 1), first_step, without_x, h_word)
            operand: Value = Cat(self._operand(m, "operand_x", Const(1, 1), first_step, x_word, without_h), h_operand)
        else:
            operand = self._operand(m, "operand", from_x, first_step, x_word, h_word)
        issue_late, first, last = Signal(), Signal(OPERAND_CYCLES), Signal(OPERAND_CYCLES)
        weights = self._weights(m, sequencer, issue_late)
        first_h = Signal(OPERAND_CYCLES)
        array = engine_array(self._layer, plan, self._context.options.multiplier)
        m.d.sync += [
            issue_late.eq(sequencer.issue),
            first.eq(Cat(sequencer.first, first)),
            first_h.eq(Cat(sequencer.first_h, first_h)),
            last.eq(Cat(sequencer.last, last)),
        ]
        if self._context.array:
            self._share(m, self._context.array, issue_late, first[-1], last[-1], weights, operand, sums)
            return
        m.submodules.array = array.instance(
            first[-1], last[-1], weights, operand, sums, sums_x if array.split else None,
            first_h[-1] & array.split, addend,
        )  # fmt: skip

    def _of_others(self, m: Module, sequencer: Sequencer, own: Value | None = None) -> Value:
        """The word of h that is read: of this device, or of another one, whose words are waited for."""
        plan, words = self._plan, self._plan.device_h_words
        ready: Value = Const(1, 1)
        word = Const(0, self._layer.formats.product.h.width * plan.h_columns) if own is None else own
        for number, name in enumerate(self._others, start=own is not None):
            remote = RemoteVector(plan, self._layer.formats.product.h.width, self._context.remote_lanes)
            m.submodules[name] = remote
            here, late = Signal(name=f"reads_{name}"), Signal(name=f"read_{name}")
            place = sequencer.h_word - number * words
            m.d.comb += [
                here.eq(sequencer.from_h & (sequencer.h_word >= number * words)
                        & (sequencer.h_word < (number + 1) * words)),
                remote.beat.eq(getattr(self, name)),
                remote.begin.eq(self.go),
                remote.word.eq(place),
                remote.address.eq(sequencer.h_address - number * words),
            ]  # fmt: skip
            m.d.sync += late.eq(here)
            ready = ready & (~here | remote.there)
            word = Mux(late, remote.data, word)
        m.d.comb += sequencer.ready.eq(ready)
        return word

    def _release(self, m: Module, sequencer: Sequencer) -> None:
        """The step's input is free as soon as its last word is read, ``index_cycles`` behind its issue."""
        release, last = Value.cast(sequencer.release), sequencer.release & sequencer.step_last
        for _ in range(self._plan.index_cycles):
            before, (release, last) = (release, last), (Signal(name="release_late"), Signal(name="release_last_late"))
            m.d.sync += [release.eq(before[0]), last.eq(before[1])]
        m.d.comb += [self.released.eq(release), self.released_last.eq(last)]

    def _banked_path(
        self, m: Module, sequencer: Sequencer, buffer: StepBuffer, sums: Signal, sums_x: Signal
    ) -> None:
        """Weights and places of non-zeros to the rows, which read their own words of x and h."""
        plan, context, product = self._plan, self._context, self._layer.formats.product
        hidden = None
        if plan.shape.hidden:
            m.submodules.hidden = hidden = VectorWriter(
                product.h.width, context.h_lanes, plan.h_columns, context.h_size, 2, context.h_aligned, context.streams,
                context.streams > 1,
            )  # fmt: skip
            m.d.comb += hidden.write.eq(self.feedback)
        read = buffer.memory if isinstance(buffer.memory, VectorWriter) and plan.shape.inputs else None
        array = engine_array(self._layer, plan, context.options.multiplier)
        word: Value = self._weights(m, sequencer, sequencer.issue)
        if plan.places_apart:
            address = place_address(m, plan, sequencer, self.go_h if plan.shape.spaced else Const(0, 1))
            places = Signal(plan.index_width, name="places")
            m.submodules.places = self._parameter_memory(m, "places", plan.index_words, address, places)
            word = Cat(word, places)
        banks = vector_banks(product, plan, context.options.dsp, 2 * context.capacity, context.streams)
        m.submodules.array = make_banked_array(
            m, self._layer, plan, array, sequencer, word, read, hidden, banks, sums, sums_x
        )

    def _forwarded(self, m: Module, sequencer: Sequencer, tail: TailSignals) -> Signal | None:
        """h of an unrolled engine, kept where its way ends, as the array takes it."""
        if tail.ahead is None:
            return None
        plan, product = self._plan, self._layer.formats.product
        m.d.sync += tail.output.eq(tail.ahead)
        first = Signal(name="first_issue")
        m.d.sync += first.eq(sequencer.issue & sequencer.step_first)
        begin = self._beginning(m, "h_0", sequencer.h_word) if self._begins["h_0"] else Const(0, len(tail.ahead))
        kept = Signal(len(tail.ahead), name="h_kept")
        operand = Signal(plan.h_columns * product.operand_width, name="operand_h")
        m.submodules.kept = Instance(
            "rnn_kept_vector",
            p_COLUMNS=plan.h_columns,
            p_WIDTH=product.h.width,
            p_SHIFT=product.shift_h,
            p_OUT_WIDTH=product.operand_width,
            i_clk=ClockSignal(),
            i_take=self._arrives,
            i_h=tail.ahead,
            i_start=first,
            i_h_start=begin,
            o_kept=kept,
            o_operand=operand,
        )
        self._shown.append(kept)
        return operand

    def _share(
        self, m: Module, array: ArrayShape, issue_late: Value, first: Value, last: Value, weights: Value,
        operand: Value, sums: Signal,
    ) -> None:  # fmt: skip
        """The word of this cycle to the shared array, 0 without an issue, and its sums as they come."""
        product, valid = self._layer.formats.product, Signal()
        vector = extended(operand, product.operand_width, array.vector_width)
        own = Signal(word_layout(array), name="own_word")
        m.d.comb += [
            own.first.eq(first),
            own.last.eq(last),
            own.weights.eq(padded_weights(weights, self._plan, product.weight_width, array)),
            own.vector.eq(vector),
            sums.eq(own_sums(self.group, self._plan.elements, product.accumulator_width, array)),
        ]
        m.d.sync += [valid.eq(issue_late), self.word.eq(Mux(valid, own.as_value(), 0))]

    def _weights(self, m: Module, sequencer: Sequencer, taken: Value) -> Signal:
        """The word of weights of each issue, two cycles behind it, one where ``taken`` is the issue itself."""
        plan, coming = self._plan, self._context.weights
        weights = Signal(weight_word_width(self._layer, plan))
        if coming is not None:
            m.submodules.weights = buffer = WeightBuffer(coming)
            m.d.comb += [
                buffer.beat.eq(self.beat),
                self.returned.eq(buffer.returned),
                sequencer.ready.eq(buffer.ready),
                buffer.take.eq(sequencer.issue),
                weights.eq(buffer.word),
            ]
            return weights
        address = Signal(range(max(2, plan.words)))
        with m.If(taken):
            m.d.sync += address.eq(Mux(address == plan.words - 1, 0, address + 1))
        if plan.shape.spaced:  # an h pass that is done again begins with the first word again
            begins_h = Signal()
            m.d.sync += begins_h.eq(self.go_h)
            with m.If(self.go_h if plan.shape.banked else begins_h):
                m.d.sync += address.eq(0)
        m.submodules.weights = self._parameter_memory(m, "weights", plan.words, address, weights)
        return weights

    def _operand(self, m: Module, name: str, from_x: Value, first_step: Value, x: Value, h: Value) -> Signal:
        """A column word of x or of h at one binary point; h is 0 in a sequence's first step."""
        product, x_width = self._layer.formats.product, self._x_format.width
        columns = len(x) // x_width
        operand = Signal(columns * product.operand_width, name=name)
        m.submodules[name] = Instance(
            "rnn_operand",
            p_COLUMNS=columns,
            p_X_WIDTH=x_width,
            p_H_WIDTH=product.h.width,
            p_SHIFT_X=product.shift_x,
            p_SHIFT_H=product.shift_h,
            p_OUT_WIDTH=product.operand_width,
            i_clk=ClockSignal(),
            i_from_x=from_x,
            i_first_step=first_step,
            i_x=x,
            i_h=h,
            o_operand=operand,
        )
        return operand

    @property
    def _x_format(self) -> Format:
        """Of an operand x; where that is multiplied apart there is none, and its place is as wide as that of h."""
        product = self._layer.formats.product
        return product.h if self._layer.apart else product.x

    def _image(self, what: str) -> str:
        """Name of the memory image of ``what``."""
        return image_names(self._context.index, self._context.options.images)[what]

    def _parameter_memory(self, m: Module, what: str, depth: int, address: Value, word: Signal) -> Instance:
        """The memory of ``what``, initialised from its image, and written at run time where that is asked for."""
        images = self._memories[what].images if what in self._memories else 1
        depth *= images
        ports: dict[str, object] = {
            "p_WIDTH": len(word),
            "p_DEPTH": depth,
            "p_ADDRESS_WIDTH": address_width(depth),
            "p_INIT_FILE": self._image(what),
            "i_clk": ClockSignal(),
            "i_address": address,
            "o_data": word,
        }
        if what not in self._memories:
            return Instance("rnn_weight_rom", **ports)
        load = getattr(self, f"load_{what}")
        writes = {"i_write_enable": load.enable, "i_write_address": load.address, "i_write_data": load.data}
        leaf = "rnn_weight_spram" if self._context.options.single_port and what == "weights" else "rnn_weight_memory"
        if images == 2:  # the words of both images take turns, so that neither address needs an adder
            ports["i_address"] = fit_address(m, Cat(self.image, address), depth)
            writes["i_write_address"] = fit_address(m, Cat(~self.image, load.address), depth)
        return Instance(leaf, **ports, **writes)

    def _biases(self, m: Module, tail: TailSignals, groups: list[Signal], symbol: Value, buffer: StepBuffer) -> None:
        """The biases of each group, read in time."""
        plan, layer = self._plan, self._layer
        count = plan.group_count
        bias = word = Signal(plan.elements * len(layer.formats.bias_slots) * bias_width(layer), name="bias_word")
        for number in range(group_ahead(plan) - 1):
            late = Signal.like(word, name=f"bias_word_{number}", reset_less=True)
            m.d.sync += late.eq(word)
            word = late
        m.d.comb += (tail.addend if plan.is_unrolled else tail.bias).eq(shifted_bias(layer.formats.product, word))
        if plan.shape.apart:
            m.d.comb += bias.eq(self._sums_of_x(m, groups[0], buffer))
            return
        depth = count * max(1, plan.shape.symbols)
        address = Signal(range(max(2, depth)), name="bias_address")
        m.d.comb += address.eq(symbol + group_counter(m, groups[0], count))
        m.submodules.bias = self._parameter_memory(m, "bias", depth, address, bias)

    def _sums_of_x(self, m: Module, group: Signal, buffer: StepBuffer) -> Value:
        """The biases of a group, one cycle behind it: the sums of x from the input, and of the other slots constants.

        A step's words are read once, in their order; with the last ones its place in the input is free.
        """
        plan, layer, width = self._plan, self._layer, bias_width(self._layer)
        m.d.comb += [
            buffer.address.eq(group_counter(m, group, buffer.depth)),
            self.released.eq(group.valid & group.step_end),
            self.released_last.eq(self.released & group.sequence_last),
        ]
        coming, kept = layer.formats.sum_slots, kept_slots(layer)
        constants = Signal(bias_word_width(layer, plan), name="constant_biases")
        if kept:
            address = group_counter(m, group, plan.group_count)
            m.submodules.bias = self._parameter_memory(m, "bias", plan.group_count, address, constants)
        biases: list[Value] = []
        for unit in range(plan.elements):
            for slot in layer.formats.bias_slots:
                if slot in kept:
                    biases.append(constants.word_select(unit * len(kept) + kept.index(slot), width))
                    continue
                word = buffer.data.word_select(unit * len(coming) + coming.index(slot), layer.formats.product.x.width)
                biases.append(Cat(word, word[-1].replicate(width - len(word))))
        return Cat(biases)

    def _state(self, m: Module, tail: TailSignals, groups: list[Signal]) -> None:
        """The state of each group, where there is one, read in time."""
        plan, timing, layer = self._plan, self._plan.tail, self._layer
        count, ahead = plan.group_count, group_ahead(plan)
        if timing.state_read is None or timing.state_write is None:
            return
        state = Signal.like(tail.state, name="old_state")
        # A register stands behind this memory, too, and one behind the choice: the state goes straight into a product.
        wanted, written = timing.state_read + ahead, groups[timing.state_write + ahead]
        read, kept = groups[wanted - STATE_AHEAD], Signal.like(state, name="state_word", reset_less=True)
        place = group_counter(m, read, count)
        depth = count * self._context.streams
        begin: Value = Const(0, len(state))
        if self._begins["state_0"]:
            begin = Signal.like(state, name="state_0_kept", reset_less=True)
            m.d.sync += begin.eq(self._beginning(m, "state_0", place))
        m.d.sync += [kept.eq(state), tail.state.eq(Mux(groups[wanted - 1].first, begin, kept))]
        self._shown.append(state)
        read_address = self._peeking(self.peek.stream * count + self.peek.word, read.stream * count + place)
        write_address = written.stream * count + group_counter(m, written, count)
        m.submodules.state = Instance(
            "rnn_state_memory",
            p_WIDTH=plan.elements * state_width(layer),
            p_DEPTH=depth,
            p_ADDRESS_WIDTH=address_width(depth),
            i_clk=ClockSignal(),
            i_read_address=fit_address(m, read_address, depth),
            o_read_data=state,
            i_write_enable=written.valid,
            i_write_address=fit_address(m, write_address, depth),
            i_write_data=tail.state_new,
        )

    def _beginning(self, m: Module, what: str, address: Value) -> Signal:
        """The state that a sequence begins with, read one cycle behind its address."""
        memory = self._states[what]
        word = Signal(memory.width, name=f"{what}_word")
        m.submodules[what] = self._parameter_memory(m, what, memory.depth, fit_address(m, address, memory.depth), word)
        return word

    def _results(self, m: Module, tail: TailSignals, groups: list[Signal]) -> None:
        """The group at the end of the element-wise path as a write."""
        plan, end, result = self._plan, groups[-1], self.result
        in_tile = plan.rows - (plan.groups - 1) * plan.elements
        in_last = plan.shape.units - (plan.tiles - 1) * plan.rows - (plan.last_groups - 1) * plan.elements
        count = Mux(end.step_end, in_last, Mux(end.tile_end, in_tile, plan.elements))
        m.d.comb += [
            result.enable.eq(end.valid),
            result.count.eq(count),
            result.last.eq(end.step_end),
            result.sequence_last.eq(end.sequence_last),
            result.stream.eq(end.stream),
            result.data.eq(tail.output),
        ]

    def _probe(self, m: Module, sequencer: Sequencer, tail: TailSignals, groups: list[Signal]) -> None:
        """Wires that a simulation may look at; nothing in the circuit reads them.

        A ``..._valid`` probe tells that a group passes its point in this cycle.
        """
        timing, ahead = self._plan.tail, group_ahead(self._plan)
        points: dict[str, Value] = {"issue": sequencer.issue}
        points |= {"from_x": sequencer.from_x, "from_h": sequencer.from_h}
        points["sums_valid"] = groups[ahead].valid
        if len(tail.parts):
            points |= {"z_valid": groups[timing.narrow + ahead].valid, "z": tail.parts}
        if timing.state_write is not None:
            points |= {"c_valid": groups[timing.state_write + ahead].valid, "c": tail.state_new}
        points |= {"h_valid": groups[timing.output + ahead].valid, "h": tail.output}
        for name, value in points.items():
            probe = Signal(len(value), name=f"probe_{name}")
            m.d.comb += probe.eq(value)
