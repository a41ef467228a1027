"""The control and status port: an AXI4-Lite slave in front of the register table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.commit import Commit
from rnngen.gateware.loader import LoadableMemory, Loader, load_signature
from rnngen.gateware.peek import PEEK
from rnngen.gateware.registers import ADDRESS_BITS, REGISTERS, WORD_BITS, Features

OKAY, SLVERR = 0, 2
DIGEST_BITS = 128

AXIL_INPUTS = {
    "awaddr": ADDRESS_BITS, "awprot": 3, "awvalid": 1, "wdata": WORD_BITS, "wstrb": WORD_BITS // 8, "wvalid": 1,
    "bready": 1, "araddr": ADDRESS_BITS, "arprot": 3, "arvalid": 1, "rready": 1,
}  # fmt: skip
"""AXI4-Lite signals into a slave, with their widths."""

AXIL_OUTPUTS = {
    "awready": 1, "wready": 1, "bresp": 2, "bvalid": 1, "arready": 1, "rdata": WORD_BITS, "rresp": 2, "rvalid": 1,
}  # fmt: skip
"""AXI4-Lite signals out of a slave, with their widths."""

_BY_NAME = {register.name: register for register in REGISTERS}
_COUNTERS = {
    "STEPS_IN": "step_in",
    "STEPS_OUT": "step_out",
    "INPUT_STALLS": "input_idle",
    "OUTPUT_STALLS": "output_stall",
}
_PULSES = {"clear_counters": "clear", "soft_reset": "soft_reset"}
"""Fields of CONTROL, and what their pulse is called."""
NO_FEATURES = Features()


class ControlPort(wiring.Component):
    """AXI4-Lite slave with the registers of ``rnngen.gateware.registers.REGISTERS``.

    Address and data of a write may come in any order.  At most every second cycle a write is carried out, and a
    read.  No output depends on an input within a cycle.  SLVERR answers, without effect: an address that is no
    register's or no multiple of 4, a write to a read-only register, a read of a write-only one, a write of
    LOAD_DATA with some of its bytes missing.  A write to a register without any byte does nothing.

    Ports:
        aw..., w..., b..., ar..., r...: AXI4-Lite, 16-bit byte addresses, 32-bit data.
        step_in, step_out: The last beat of a step is received, sent in this cycle.
        input_idle: s_axis_tready & ~s_axis_tvalid.  output_stall: m_axis_tvalid & ~m_axis_tready.
        saturations: Sum over the engines.  protocol_error: TLAST with a beat that is not its step's last.
        sequence_out: The last beat of a sequence is sent in this cycle.
        restart: By stream, its next step is the first of a sequence (one cycle).
        bad_stream: TID names no stream.
        between: No step has come in part, and no sequence.
        soft_reset: Was asked for (one cycle).  resetting: It is not done yet.  reset_done: It is, in this cycle.
        measured, latency: A step has left; how many cycles it was inside.
        hold: No step may enter, so that the images can change.  image: The one in use.
        switched: It has changed (one cycle).
        irq: An interrupt is pending that the mask lets through.
        peek, peek_engine: State to show; peeked: it, one cycle later.
        overlong: A sequence has more steps than can be stored.  bad_symbol: A symbol that no table knows.
        idle: No step is inside.
        memory_error: A read of external weights was answered with an error.
        fetch, memory_base: External weights may be read, from this byte address on.
        enable: Input beats may be accepted; 1 after reset.  clear: Counters are set to 0 (one cycle).
        digest: The first 128 bits of the design digest.
        load: Words for the memories, see ``load_signature``.

    Counters include an event two cycles after it, and stay at their largest value.

    Args:
        memories: The memories that can be loaded.
        features: Of the design; registers of others store nothing.

    Raises:
        ValueError: a memory is listed twice.
    """

    def __init__(self, memories: Sequence[LoadableMemory] = (), features: Features = NO_FEATURES) -> None:
        keys = [(memory.engine, memory.memory) for memory in memories]
        for engine, memory in keys:
            if keys.count((engine, memory)) > 1:
                raise ValueError(f"Loadable memory {memory} of engine {engine} must be listed once only.")
        self._memories, self._features = tuple(memories), features
        self._stored = [register for register in REGISTERS if register.access == "rw" and features.has(register)]
        super().__init__(
            {
                **{name: In(width) for name, width in AXIL_INPUTS.items()},
                **{name: Out(width) for name, width in AXIL_OUTPUTS.items()},
                "step_in": In(1),
                "step_out": In(1),
                "input_idle": In(1),
                "output_stall": In(1),
                "saturations": In(WORD_BITS),
                "protocol_error": In(1),
                "overlong": In(1),
                "bad_symbol": In(1),
                "sequence_out": In(1),
                "bad_stream": In(1),
                "between": In(1),
                "soft_reset": Out(1),
                "resetting": In(1),
                "reset_done": In(1),
                "measured": In(1),
                "latency": In(WORD_BITS),
                "hold": Out(1),
                "image": Out(1),
                "switched": Out(1),
                "irq": Out(1),
                "restart": Out(features.streams),
                "peek": Out(PEEK),
                "peek_engine": Out(8),
                "peeked": In(WORD_BITS),
                "memory_error": In(1),
                "fetch": Out(1),
                "memory_base": Out(2 * WORD_BITS),
                "idle": In(1),
                "digest": In(DIGEST_BITS),
                "enable": Out(1, init=1),
                "clear": Out(1),
                "load": Out(load_signature(memories)),
            }
        )

    def loads(self, engine: int, memory: int) -> Value:
        """Write enable of one memory."""
        return self.load.strobe & (self.load.engine == engine) & (self.load.memory == memory)

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        words = {
            register.name: Signal(WORD_BITS, init=register.reset, name=register.name.lower()) for register in REGISTERS
        }
        writes = self._write_channel(m, words)
        reads = self._read_channel(m, words)
        for index in range(DIGEST_BITS // WORD_BITS):
            high = DIGEST_BITS - WORD_BITS * index
            m.d.comb += words[f"DIGEST{index}"].eq(self.digest[high - WORD_BITS : high])
        for name in ("IDENTITY", "VERSION"):
            m.d.comb += words[name].eq(_BY_NAME[name].reset)
        m.d.comb += self.enable.eq(_bits("CONTROL", "enable", words))
        m.d.comb += words["FEATURES"].eq(self._features.word)
        for name, port in _PULSES.items():
            m.d.sync += getattr(self, port).eq(writes["CONTROL"] & self._pulse("CONTROL", name))
        no_stream = self._restarts(m, writes)
        m.d.comb += [
            self.fetch.eq(_bits("MEMORY_CONTROL", "fetch", words)),
            self.memory_base.eq(Cat(words["MEMORY_BASE_LOW"], words["MEMORY_BASE_HIGH"])),
        ]
        self._peeking(m, words)
        self._counters(m, words, reads["CYCLES_LOW"])
        rejected, refused, waits = self._loading(m, words, writes)
        status = {
            "idle": self.idle,
            "input_stalled": self.input_idle,
            "output_stalled": self.output_stall,
            "resetting": self.resetting,
            "between_sequences": self.between,
            "commit_waits": waits,
            "image": self.image,
        }
        m.d.comb += words["STATUS"].eq(_pack("STATUS", status))
        errors = {
            "tlast_in_step": self.protocol_error,
            "load_rejected": rejected,
            "sequence_too_long": self.overlong,
            "bad_symbol": self.bad_symbol,
            "memory_error": self.memory_error,
            "commit_rejected": refused,
            "bad_stream": self.bad_stream | no_stream,
        }
        events = self._sticky(m, words, writes, "ERRORS", errors)
        if self._features.interrupt:
            self._interrupt(m, words, writes, events.any())
        return m

    def _pulse(self, register: str, name: str) -> Value:
        """Whether the data that are written have this field's bit."""
        return (self._data & _BY_NAME[register].field(name).mask).any()

    def _sticky(
        self, m: Module, words: Mapping[str, Signal], writes: Mapping[str, Signal], name: str,
        causes: Mapping[str, Value],
    ) -> Signal:  # fmt: skip
        """A register whose bits are set by what happens, a cycle later, until 1 is written; returns the events."""
        bits = max(field.low + field.width for field in _BY_NAME[name].fields)
        events, kept = Signal(bits, name=f"events_{name.lower()}"), Signal(bits, name=f"kept_{name.lower()}")
        m.d.sync += events.eq(_pack(name, causes))
        cleared = Mux(writes[name], self._data[:bits], 0)
        m.d.sync += kept.eq(kept & ~cleared | events)
        m.d.comb += words[name].eq(kept)
        return events

    def _interrupt(
        self, m: Module, words: Mapping[str, Signal], writes: Mapping[str, Signal], error: Value
    ) -> None:
        causes = {
            "step": self.step_out,
            "sequence": self.sequence_out,
            "error": error,
            "commit": self.switched,
            "reset": self.reset_done,
        }
        self._sticky(m, words, writes, "INTERRUPT_PENDING", causes)
        m.d.sync += self.irq.eq((words["INTERRUPT_PENDING"] & words["INTERRUPT_MASK"]).any())

    def _restarts(self, m: Module, writes: Mapping[str, Signal]) -> Value:
        """The streams whose state is cleared; returns the pulse of one that does not exist."""
        streams, stream = self._features.streams, self._data[: _BY_NAME["CLEAR_STREAM"].field("stream").width]
        every = writes["CONTROL"] & self._pulse("CONTROL", "clear_state")
        one = [writes["CLEAR_STREAM"] & (stream == number) for number in range(streams)]
        m.d.sync += self.restart.eq(Cat(every | this for this in one))
        return writes["CLEAR_STREAM"] & (stream >= streams)

    def _write_channel(self, m: Module, words: Mapping[str, Signal]) -> dict[str, Signal]:
        """Takes and answers writes, stores what is written to rw registers; by name, the pulse of a legal write.

        Where it is high, ``_data`` holds the data, 0 in bytes that are not written.
        """
        address, taken = Signal(ADDRESS_BITS), Signal(WORD_BITS)
        strobes = Signal(WORD_BITS // 8)
        self._data = Signal(WORD_BITS)
        has_address, has_data, act = Signal(), Signal(), Signal()
        m.d.comb += act.eq(has_address & has_data & (~self.bvalid | self.bready))
        _take(m, self.awvalid, self.awready, has_address, act)
        _take(m, self.wvalid, self.wready, has_data, act)
        with m.If(self.awvalid & self.awready):
            m.d.sync += address.eq(self.awaddr)
        with m.If(self.wvalid & self.wready):
            m.d.sync += [taken.eq(self.wdata), strobes.eq(self.wstrb)]
        mask = Cat(bit.replicate(8) for bit in strobes)
        m.d.comb += self._data.eq(taken & mask)
        legal = Signal()
        pulses = {register.name: Signal(name=f"write_{register.name.lower()}") for register in REGISTERS}
        with m.Switch(address):
            for register in REGISTERS:
                with m.Case(register.offset):
                    allowed: Value = Const(int(register.access != "ro"))
                    if register.access == "wo":
                        allowed = strobes.all()
                    m.d.comb += legal.eq(allowed | ~strobes.any())
                    m.d.comb += pulses[register.name].eq(act & allowed & strobes.any())
        for register in self._stored:
            word = words[register.name]
            with m.If(pulses[register.name]):
                m.d.sync += word.eq((word & ~mask | self._data) & register.stored_mask)
        with m.If(act):
            m.d.sync += [self.bvalid.eq(1), self.bresp.eq(Mux(legal, OKAY, SLVERR))]
        with m.Elif(self.bready):
            m.d.sync += self.bvalid.eq(0)
        return pulses

    def _read_channel(self, m: Module, words: Mapping[str, Signal]) -> dict[str, Signal]:
        """Takes and answers reads; by name, the pulse of a read."""
        address = Signal(ADDRESS_BITS)
        has_address, act = Signal(), Signal()
        m.d.comb += act.eq(has_address & (~self.rvalid | self.rready))
        _take(m, self.arvalid, self.arready, has_address, act)
        with m.If(self.arvalid & self.arready):
            m.d.sync += address.eq(self.araddr)
        value, legal = Signal(WORD_BITS), Signal()
        readable = [register for register in REGISTERS if register.access != "wo"]
        pulses = {register.name: Signal(name=f"read_{register.name.lower()}") for register in readable}
        with m.Switch(address):
            for register in readable:
                with m.Case(register.offset):
                    m.d.comb += [value.eq(words[register.name]), legal.eq(1), pulses[register.name].eq(act)]
        with m.If(act):
            m.d.sync += [self.rvalid.eq(1), self.rdata.eq(value), self.rresp.eq(Mux(legal, OKAY, SLVERR))]
        with m.Elif(self.rready):
            m.d.sync += self.rvalid.eq(0)
        return pulses

    def _counters(self, m: Module, words: Mapping[str, Signal], latch: Signal) -> None:
        """All counters; ``latch`` keeps the high half of the cycles for a later read."""
        cycles = Signal(2 * WORD_BITS)
        m.d.comb += words["CYCLES_LOW"].eq(cycles[:WORD_BITS])
        m.d.sync += [cycles.eq(Mux(self.clear, 0, cycles + 1)), words["SATURATIONS"].eq(self.saturations)]
        with m.If(latch):
            m.d.sync += words["CYCLES_HIGH"].eq(cycles[WORD_BITS:])
        for name, port in _COUNTERS.items():
            event, count = Signal(name=f"event_{port}"), words[name]
            m.d.sync += event.eq(getattr(self, port))
            with m.If(self.clear):
                m.d.sync += count.eq(0)
            with m.Elif(event & ~count.all()):
                m.d.sync += count.eq(count + 1)
        if self._features.latency:
            most = words["LATENCY_MAX"]
            with m.If(self.clear):
                m.d.sync += most.eq(0)
            with m.Elif(self.measured & (self.latency > most)):
                m.d.sync += most.eq(self.latency)

    def _peeking(self, m: Module, words: Mapping[str, Signal]) -> None:
        """Asks for the state that READ_DATA shows."""
        m.d.comb += [
            self.peek.state.eq(_bits("READ_SELECT", "memory", words)),
            self.peek.stream.eq(_bits("READ_SELECT", "stream", words)),
            self.peek_engine.eq(_bits("READ_SELECT", "engine", words)),
            self.peek.word.eq(_bits("READ_ADDRESS", "word", words)),
            self.peek.part.eq(_bits("READ_ADDRESS", "part", words)),
        ]
        m.d.sync += [self.peek.now.eq(self.idle), words["READ_DATA"].eq(self.peeked)]

    def _loading(
        self, m: Module, words: Mapping[str, Signal], writes: Mapping[str, Signal]
    ) -> tuple[Value, Value, Value]:
        """Hands LOAD_DATA to the loader; returns the pulses of a rejected word and commit, and whether one waits."""
        m.submodules.loader = loader = Loader(self._memories)
        address, status = words["LOAD_ADDRESS"], words["LOAD_STATUS"]
        m.d.comb += [
            loader.engine.eq(_bits("LOAD_SELECT", "engine", words)),
            loader.memory.eq(_bits("LOAD_SELECT", "memory", words)),
            loader.address.eq(address),
            loader.restart.eq(writes["LOAD_SELECT"] | writes["LOAD_ADDRESS"]),
            loader.write.eq(writes["LOAD_DATA"]),
            loader.part.eq(self._data),
        ]
        wiring.connect(m, wiring.flipped(self.load), loader.load)
        with m.If(loader.commit):
            m.d.sync += [address.eq(address + 1), status.eq(status + 1)]
        with m.If(writes["LOAD_SELECT"]):
            m.d.sync += status.eq(0)
        begins, commits = (writes["LOAD_CONTROL"] & self._pulse("LOAD_CONTROL", name) for name in ("begin", "commit"))
        if not self._features.double_buffer:
            return loader.rejected, commits, Const(0, 1)
        total = sum(memory.depth for memory in self._memories if memory.images == 2)
        m.submodules.commit = commit = Commit(total)
        m.d.comb += [
            commit.word.eq(self._data),
            commit.take.eq(writes["LOAD_SELECT"] | writes["LOAD_ADDRESS"] | writes["LOAD_DATA"]),
            commit.stored.eq(loader.commit & loader.two_images),
            commit.rejected.eq(loader.rejected),
            commit.begin.eq(begins),
            commit.commit.eq(commits),
            commit.checksum.eq(words["LOAD_CHECKSUM"]),
            commit.free.eq(self.hold & self.idle),
            loader.blocked.eq(commit.waits),
            self.hold.eq(commit.waits & self.between),
            self.image.eq(commit.image),
            self.switched.eq(commit.switched),
            words["LOAD_CRC"].eq(commit.crc),
            words["LOAD_WORDS"].eq(commit.words),
        ]
        return loader.rejected, commit.refused, commit.waits


def _take(m: Module, valid: Value, ready: Value, has: Signal, done: Value) -> None:
    """One transfer is held (``has``) until it is ``done``; ``ready`` is a register, low in reset."""
    keeps = Signal()
    m.d.comb += keeps.eq(has & ~done | valid & ready)
    m.d.sync += [has.eq(keeps), ready.eq(~keeps)]


def _bits(register: str, name: str, words: Mapping[str, Signal]) -> Value:
    """A field of a register's word."""
    field = _BY_NAME[register].field(name)
    return words[register][field.low : field.low + field.width]


def _pack(register: str, values: Mapping[str, Value]) -> Value:
    """A register's word from its fields."""
    word: Value = Const(0, WORD_BITS)
    for field in _BY_NAME[register].fields:
        word = word | (values[field.name] << field.low)
    return word
