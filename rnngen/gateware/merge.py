"""Behind a stored block: the results of its branches, put side by side in the order of the steps."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import ClockSignal, Const, Instance, Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.gateware.buffers import address_width, fit_address, times, write_layout
from rnngen.plan.layer import ceil_div


class MergeBuffer(wiring.Component):
    """Two sequences of results; a complete one leaves step by step, ``lanes`` words a cycle.

    A sequence completed in cycle n writes its first words on in cycle n + 2 at the earliest.

    Ports:
        write_0 .. : Results of each branch, as from an engine; in its own order.
        slot_0 .. : Slot of the step that each branch starts, with ``go``; go_first, go_last: of its sequence.
        space: The reader has room for one more step.  reserve, reserve_last: A step leaves; a sequence's last one.
        sent: A sequence has left.
        result: The words.

    Args:
        width: Of a word.  units: Words of each branch.  elements: Words that each branch writes in a cycle.
        aligned: Whether every such write begins at a multiple of them.
        reverse: Which branches run backwards.  lanes: A multiple of elements.
        capacity: Steps of the longest sequence.  select: Which steps leave.
        latest: The branch that is the last to write a step.
    """

    def __init__(
        self, width: int, units: int, elements: int, aligned: bool, reverse: Sequence[bool], lanes: int, capacity: int,
        select: str, latest: int = 0,
    ) -> None:  # fmt: skip
        self._width, self._units, self._elements, self._aligned = width, units, elements, aligned
        self._reverse, self._lanes, self._capacity, self._select = tuple(reverse), lanes, capacity, select
        self._slots, self._latest = 2 * capacity, latest
        self._words = ceil_div(units, lanes)
        slot = range(max(2, self._slots))
        super().__init__(
            {
                **{f"write_{k}": In(write_layout(width, elements, 1)) for k in range(len(reverse))},
                **{f"slot_{k}": In(slot) for k in range(len(reverse))},
                "go": In(1),
                "go_first": In(1),
                "go_last": In(1),
                "space": In(1),
                "reserve": Out(1),
                "reserve_last": Out(1),
                "sent": Out(1),
                "result": Out(write_layout(width, lanes, 1)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        slot = range(max(2, self._slots))
        ends = [
            [Signal(slot, name=f"first_{sequence}_{k}") for k in range(len(self._reverse))] for sequence in range(2)
        ]
        stops = [
            [Signal(slot, name=f"last_{sequence}_{k}") for k in range(len(self._reverse))] for sequence in range(2)
        ]
        started = Signal()
        with m.If(self.go):
            for sequence in range(2):
                with m.If(started == sequence):
                    for k in range(len(self._reverse)):
                        with m.If(self.go_first):
                            m.d.sync += ends[sequence][k].eq(getattr(self, f"slot_{k}"))
                        with m.If(self.go_last):
                            m.d.sync += stops[sequence][k].eq(getattr(self, f"slot_{k}"))
            with m.If(self.go_last):
                m.d.sync += started.eq(~started)
        latest = getattr(self, f"write_{self._latest}")
        complete = latest.enable & latest.last & latest.sequence_last
        read_word, words = self._send(m, complete, ends, stops)
        for k in range(len(self._reverse)):
            m.submodules[f"branch_{k}"] = self._memory(m, k, ends, read_word[k], words[k])
        return m

    def _memory(
        self, m: Module, k: int, ends: list[list[Signal]], read_word: Value, read_data: Signal
    ) -> Instance:
        """One branch's results by slot; where they go is known from the slot that its sequence began with."""
        write = getattr(self, f"write_{k}")
        depth, banks = self._slots * self._words, self._lanes
        slot, inside, sequence = Signal(range(max(2, self._slots))), Signal(), Signal()
        now = Signal.like(slot)
        m.d.comb += now.eq(Mux(inside, slot, Mux(sequence, ends[1][k], ends[0][k])))
        word, bank = Signal(range(max(2, self._words))), Signal(range(max(2, banks)))
        position = Signal(range(2 * banks + 1))
        m.d.comb += position.eq(bank + write.count)
        with m.If(write.enable):
            with m.If(write.last):
                m.d.sync += [word.eq(0), bank.eq(0), inside.eq(~write.sequence_last)]
                m.d.sync += sequence.eq(sequence ^ write.sequence_last)
                m.d.sync += slot.eq(_next_slot(now, self._slots, self._reverse[k]))
            with m.Elif(position >= banks):
                m.d.sync += [bank.eq(position - banks), word.eq(word + 1)]
            with m.Else():
                m.d.sync += bank.eq(position)
        return Instance(
            "rnn_vector_memory",
            p_WIDTH=self._width,
            p_BANKS=banks,
            p_LANES=self._elements,
            p_DEPTH=depth,
            p_WORD_WIDTH=address_width(depth),
            p_BANK_WIDTH=len(bank),
            p_COUNT_WIDTH=len(write.count),
            p_ALIGNED=int(self._aligned and banks % self._elements == 0),
            i_clk=ClockSignal(),
            i_read_word=read_word,
            i_read_index=Const(0, banks),
            o_read_data=read_data,
            i_write_enable=write.enable,
            i_write_word=fit_address(m, times(now, self._words) + word, depth),
            i_write_bank=bank,
            i_write_count=write.count,
            i_write_data=write.data,
        )

    def _send(
        self, m: Module, complete: Value, ends: list[list[Signal]], stops: list[list[Signal]]
    ) -> tuple[list[Value], list[Signal]]:
        """Reads complete sequences; returns each branch's read address and the signal its data goes to."""
        count, depth = len(self._reverse), self._slots * self._words
        pending, sequence, inside, step_inside = Signal(range(3)), Signal(), Signal(), Signal()
        word, branch = Signal(range(max(2, self._words))), Signal(range(max(2, count)))
        issue, step_begins, step_ends, sequence_ends = (Signal(name=n) for n in ("issue", "begins", "ends", "finishes"))
        word_ends = word == self._words - 1
        slots = [Signal(range(max(2, self._slots)), name=f"read_slot_{k}") for k in range(count)]
        now = [Signal.like(slot) for slot in slots]
        final = [Signal(name=f"final_{k}") for k in range(count)]
        for k, reverse in enumerate(self._reverse):
            began = Mux(sequence, ends[1][k], ends[0][k])
            stopped = Mux(sequence, stops[1][k], stops[0][k])
            # The steps leave in the order of time; a reversed branch began at the last one.
            first, last = (stopped, began) if reverse else (began, stopped)
            start = {"every": first, "last": last, "final": stopped}[self._select]
            m.d.comb += [now[k].eq(Mux(inside, slots[k], start)), final[k].eq(now[k] == last)]
        one_step = self._select != "every"
        m.d.comb += [
            step_begins.eq(~step_inside & (pending != 0) & self.space),
            issue.eq(step_inside | step_begins),
            step_ends.eq(issue & word_ends & (branch == count - 1)),
            sequence_ends.eq(step_ends & (1 if one_step else final[0])),
            self.reserve.eq(step_begins),
            self.reserve_last.eq(step_begins & (1 if one_step else final[0])),
        ]
        m.d.sync += pending.eq(pending + complete - sequence_ends)
        with m.If(issue):
            m.d.sync += [step_inside.eq(~step_ends), word.eq(Mux(word_ends, 0, word + 1))]
            with m.If(word_ends):
                m.d.sync += branch.eq(Mux(branch == count - 1, 0, branch + 1))
        with m.If(step_ends):
            m.d.sync += [inside.eq(~sequence_ends), sequence.eq(sequence ^ sequence_ends)]
            m.d.sync += [slot.eq(_next_slot(at, self._slots, False)) for slot, at in zip(slots, now)]
        self._result(m, issue, word_ends, branch, step_ends, sequence_ends)
        words = [Signal(self._width * self._lanes, name=f"words_{k}") for k in range(count)]
        shown = Signal.like(branch)
        m.d.sync += shown.eq(branch)
        chosen: Value = words[0]
        for k in range(1, count):
            chosen = Mux(shown == k, words[k], chosen)
        m.d.comb += self.result.data.eq(chosen)
        return [fit_address(m, times(at, self._words) + word, depth) for at in now], words

    def _result(
        self, m: Module, issue: Value, word_ends: Value, branch: Signal, step_ends: Value, sequence_ends: Value
    ) -> None:
        """What goes with a word, one cycle behind its address."""
        left = self._units - (self._words - 1) * self._lanes
        m.d.sync += [
            self.result.enable.eq(issue),
            self.result.count.eq(Mux(word_ends, left, self._lanes)),
            self.result.last.eq(step_ends),
            self.result.sequence_last.eq(sequence_ends),
            self.sent.eq(sequence_ends),
        ]


def _next_slot(slot: Value, slots: int, backwards: bool) -> Value:
    if backwards:
        return Mux(slot == 0, slots - 1, slot - 1)
    return Mux(slot == slots - 1, 0, slot + 1)
