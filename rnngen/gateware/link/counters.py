"""What happened on a link, counted since the reset, modulo 2**32."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape

EVENTS = (
    "frames_sent", "words_sent", "frames_received", "words_received", "check_errors", "corrected", "replays",
    "credit_stalls",
)  # fmt: skip
"""Data frames and their words that were sent (what is sent again counts again), taken and delivered; frames whose check
does not hold; frames with a corrected bit; times that frames were sent again; cycles in which a frame waited for
credit."""

LEVELS = ("replay_highest", "buffer_highest", "latency", "latency_highest")
"""Most words in both memories; cycles from the begin of a frame to its acknowledgement, the newest and the highest."""


def counter_ports() -> dict[str, wiring.Member]:
    """Outputs of 32 bits, by name."""
    return {name: Out(32) for name in (*EVENTS, *LEVELS)}


class Counters(wiring.Component):
    """Each event has a strobe ``count_*``, and counts a cycle later: no counter stands behind the link's decisions.

    Ports:
        replay_used, buffer_used: Words in the memories.
        begins, next, acked: A data frame begins, its number plus 1, and the acknowledged number (``stamp``).
    """

    def __init__(self, shape: LinkShape) -> None:
        self._bits, self._index = shape.header.sequence, shape.header.index
        super().__init__(
            {
                **counter_ports(),
                **{f"count_{name}": In(1) for name in EVENTS},
                "replay_used": In(self._index),
                "buffer_used": In(self._index),
                "begins": In(1),
                "next": In(self._bits),
                "acked": In(self._bits),
                "flush": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        for name in EVENTS:
            strobe = Signal(name=f"counts_{name}")
            m.d.sync += strobe.eq(getattr(self, f"count_{name}"))
            with m.If(strobe):
                m.d.sync += getattr(self, name).eq(getattr(self, name) + 1)
        for name, used in (("replay", self.replay_used), ("buffer", self.buffer_used)):
            highest = getattr(self, f"{name}_highest")
            with m.If(used > highest[: len(used)]):
                m.d.sync += highest.eq(used)
        self._stamp(m)
        return m

    def _stamp(self, m: Module) -> None:
        """One frame at a time is timed."""
        timing, number, age = Signal(), Signal(self._bits), Signal(32)
        begins, following, acked = Signal(), Signal(self._bits), Signal(self._bits)
        passed = (acked - number)[: self._bits]
        m.d.sync += [begins.eq(self.begins), following.eq(self.next), acked.eq(self.acked), age.eq(age + 1)]
        with m.If(~timing & begins):
            m.d.sync += [timing.eq(1), number.eq(following), age.eq(1)]
        with m.If(timing & ~passed[-1]):
            m.d.sync += [timing.eq(0), self.latency.eq(age)]
            with m.If(age > self.latency_highest):
                m.d.sync += self.latency_highest.eq(age)
        with m.If(self.flush):
            m.d.sync += timing.eq(0)
