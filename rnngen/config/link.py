"""The shape of a link between two devices: its frames, buffers and times, and what follows from them.

A frame of n words of payload is, on the wire, a header, n words and a check.  The first word carries the start flag.

    header   64 bits: kind, nak, epoch, sequence number, acknowledged sequence number, length, freed words, both
             sessions, and a check of the header alone
    check    CRC-32 (IEEE) of header and payload; CRC-64 where single bit errors are corrected
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from rnngen.errors import PlanError

CONSTANT = 10
"""Cycles from the first word in at the sender to the first word out at the receiver, at equal clocks and no errors,
beyond the PHY's latency and the words of the frame: 3 until the header is at the clock crossing, 3 to cross into the
PHY's clock, 3 back, and 1 between the frame's last word and the first one out (measured ``==`` in the tests)."""

HEARD_CYCLES = 2
"""Cycles from the last word of a frame until the sender acts on what its header says; memory is free one later."""


@dataclass(frozen=True)
class HeaderShape:
    """Bits of the header's fields; kind, nak and epoch are 4 more."""

    sequence: int = 8
    length: int = 12
    index: int = 16
    session: int = 4
    check: int = 8

    @property
    def bits(self) -> int:
        """Of the whole header."""
        return 4 + 2 * self.sequence + self.length + self.index + 2 * self.session + self.check


@dataclass(frozen=True)
class LinkShape:
    """One direction's and the other's: both ends have the same.

    Words are ``word_bits`` wide; cycles are the core's.

    Attributes:
        longest: Words of the longest frame.
        replay_words: Memory of words that are not acknowledged.  buffer_words: Memory of received words.
        window: Frames that may be on the way.
        correct: A single wrong bit of a frame is corrected instead of sent again (CRC-64).
        keep_alive: A control frame is sent after so many cycles without any.
        patience: The core may pause so long in a frame; then a due control frame goes first, and the frame is sent
            anew when all its words are there.
        timeout: Frames are sent again when nothing was acknowledged for so long.
        silence: The link is lost when no intact frame came for so long.
        give_up: The link is lost when nothing was acknowledged for so long.
        rest_every: A word in so many is left empty between frames, so that a receiver with a slower clock keeps up;
            0: none.
        fifo_words: Of the two clock crossings.

    Raises:
        PlanError: in one sentence, if no link can have this shape.
    """

    word_bits: int = 64
    longest: int = 256
    replay_words: int = 1024
    buffer_words: int = 1024
    window: int = 64
    correct: bool = False
    keep_alive: int = 64
    patience: int = 64
    timeout: int = 2048
    silence: int = 16384
    give_up: int = 65536
    rest_every: int = 0
    fifo_words: int = 16
    header: HeaderShape = field(default_factory=HeaderShape)

    def __post_init__(self) -> None:
        self._check_widths()
        self._check_sizes()
        self._check_times()

    def _check_widths(self) -> None:
        if not 8 <= self.word_bits <= 64:
            raise PlanError(f"A link's words must have 8 to 64 bits, not {self.word_bits}.")
        if 64 % self.word_bits and self.header == HeaderShape():
            raise PlanError(f"A link's words must have 8, 16, 32 or 64 bits, not {self.word_bits}.")
        if not 0 <= self.header.check <= 8:
            raise PlanError(f"A header's own check must have at most 8 bits, not {self.header.check}.")

    def _check_sizes(self) -> None:
        head = self.header
        most = min(self.replay_words, self.buffer_words, (1 << head.length) - 1)
        if not 1 <= self.longest <= most:
            raise PlanError(
                f"A link's longest frame must be 1 to {most} words (its memories and the header's length), "
                f"not {self.longest}."
            )
        for name, words in (("replay memory", self.replay_words), ("receive buffer", self.buffer_words)):
            if words & (words - 1) or not 2 <= words <= 1 << (head.index - 1):
                raise PlanError(
                    f"A link's {name} must be a power of two of 2 to {1 << (head.index - 1)} words, not {words}."
                )
        if not 1 <= self.window <= 1 << (head.sequence - 1) or self.window & (self.window - 1):
            raise PlanError(
                f"A link's window must be a power of two of 1 to {1 << (head.sequence - 1)} frames, not {self.window}."
            )
        if self.fifo_words < 4 or self.fifo_words & (self.fifo_words - 1):
            raise PlanError(
                f"A link's clock crossing must hold a power of two of 4 words or more, not {self.fifo_words}."
            )

    def _check_times(self) -> None:
        if min(self.keep_alive, self.patience) < 1 or self.rest_every < 0:
            raise PlanError("A link's keep-alive and patience must be at least 1 cycle, and rest_every at least 0.")
        frame = self.frame_words(self.longest)
        quiet = frame + self.patience + self.keep_alive
        if self.timeout <= quiet:
            raise PlanError(
                f"A link's timeout must be above {quiet} cycles (longest frame, patience and keep-alive), "
                f"not {self.timeout}."
            )
        if self.silence < 2 * quiet:
            raise PlanError(
                f"A link's silence must be at least {2 * quiet} cycles (twice the longest frame, patience and "
                f"keep-alive), not {self.silence}."
            )
        if self.give_up < 2 * self.timeout:
            raise PlanError(
                f"A link's give_up must be at least two timeouts, {2 * self.timeout} cycles, not {self.give_up}."
            )

    @property
    def header_words(self) -> int:
        """Of a frame."""
        return -(-self.header.bits // self.word_bits)

    @property
    def check_words(self) -> int:
        """Of a frame."""
        return -(-(64 if self.correct else 32) // self.word_bits)

    def frame_words(self, length: int) -> int:
        """Words on the wire of a frame with ``length`` words of payload; it is the frame's time, too, in cycles."""
        return self.header_words + length + self.check_words

    def frame_latency(self, length: int, phy_latency: int) -> int:
        """Cycles from the first word in at the sender to the first word out at the receiver.

        Holds at equal clocks and no errors for a frame whose words are given without a pause, while no other data
        frame is being sent and the words of those before have been taken; frames follow each other on the line every
        ``frame_words`` and leave the buffer a word a cycle.  ``phy_latency``: from a word in at one PHY to the same
        word out at the other.
        """
        return phy_latency + self.frame_words(length) + CONSTANT

    def report_cycles(self, phy_latency: int) -> int:
        """Within so many cycles of the last progress a dead link is reported ``lost``, at both ends.

        One end hears nothing, or nothing that it sends is acknowledged; the other one hears that, too, or learns of
        the new session with the next INIT frame.
        """
        told = self.keep_alive + self.frame_words(self.longest) + self.frame_latency(0, phy_latency)
        return max(self.silence, self.give_up) + told

    def round_trip(self, phy_latency: int) -> int:
        """Cycles from the first word of the longest frame until the sender knows that it was taken and read.

        The notice waits for a frame the other way and travels in the next one.  Its words are read at full rate.
        """
        frame = self.frame_words(self.longest)
        back = phy_latency + CONSTANT + HEARD_CYCLES + 1
        return self.frame_latency(self.longest, phy_latency) + self.longest + 2 * frame + back

    def carrying(self, words: int, span: int) -> LinkShape:
        """This shape for frames of so many words, which the core gives within ``span`` cycles: it is waited for."""
        patience = max(self.patience, span + words)
        timeout = max(self.timeout, 2 * (self.frame_words(words) + patience + self.keep_alive))
        return replace(
            self, longest=words, patience=patience, timeout=timeout, silence=max(self.silence, 2 * timeout),
            give_up=max(self.give_up, 2 * timeout), replay_words=max(self.replay_words, _power_of_two(2 * words)),
            buffer_words=max(self.buffer_words, _power_of_two(2 * words)),
        )  # fmt: skip

    def streaming(self, phy_latency: int, shortest: int | None = None, burst: int = 1) -> LinkShape:
        """This shape with memories, window and timeout so large that a link of this latency runs at full rate.

        Without errors, neither memory nor window then ever stalls a sender whose receiver reads what comes, whatever
        goes on the other way.  ``shortest``: words of the shortest frame that is sent at full rate (``longest``).
        ``burst``: frames that may come one behind the other before the first of them is read.

        Raises:
            PlanError: if the header's fields are too small for that.
        """
        trip = self.round_trip(phy_latency)
        words = _power_of_two(trip + (burst + 1) * self.longest)
        frames = _power_of_two(-(-trip // self.frame_words(shortest or self.longest)) + burst + 1)
        timeout = max(self.timeout, 2 * trip + self.patience + self.keep_alive)
        silence = max(self.silence, 4 * timeout)
        return replace(
            self, replay_words=words, buffer_words=words, window=frames, timeout=timeout, silence=silence,
            give_up=max(self.give_up, 4 * timeout),
        )  # fmt: skip

    def slowed(self, word_cycles: int) -> LinkShape:
        """This shape's times for a PHY that takes a word in so many cycles; few words wait in front of it."""
        names = ("keep_alive", "timeout", "silence", "give_up")
        return replace(self, fifo_words=4, **{name: getattr(self, name) * word_cycles for name in names})


def _power_of_two(value: int) -> int:
    """The next one, 2 or more."""
    return 1 << max(1, (value - 1).bit_length())
