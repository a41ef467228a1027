"""Sessions: when the link is up, and when it is lost."""

from __future__ import annotations

from amaranth.hdl import Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.header import Kind, header_layout


class Training(wiring.Component):
    """Each side has a number for its session, new after every reset and loss, and learns the other's.

    An INIT frame names its sender's session and, once that is known, its receiver's (``epoch`` says so).  A side is up
    when it is named by a frame of the other's present session: by an INIT frame, or by any other, whose sender is up.
    Every frame names both sessions, and words stay in order, so no frame of an older session is ever taken.

    Ports:
        ended, intact, head: A frame, from the deframer.
        phy_up: The PHY delivers.
        outstanding, progress: Frames wait for their acknowledgement; some were acknowledged.
        clear: The core has seen ``lost``.
        up: Data goes.  lost: The link was up and is, or was, not; nothing goes between core and link until ``clear``.
        mismatch: The other side's receive buffer is smaller than this side's longest frame, or the other way round:
            the link stays down.
        flush: Everything of the session is forgotten.
        own, peer, heard: Sessions; the other side's is known.  room: Words of its receive buffer.

    Args:
        trained: For proofs: up from the first cycle on.
    """

    def __init__(self, shape: LinkShape, trained: bool = False) -> None:
        self._shape, self._trained = shape, trained
        session = shape.header.session
        super().__init__(
            {
                "ended": In(1),
                "intact": In(1),
                "head": In(header_layout(shape.header)),
                "phy_up": In(1),
                "outstanding": In(1),
                "progress": In(1),
                "clear": In(1),
                "up": Out(1, init=trained),
                "lost": Out(1),
                "mismatch": Out(1),
                "flush": Out(1),
                "training": Out(1),
                "own": Out(session),
                "peer": Out(session),
                "heard": Out(1, init=trained),
                "room": Out(shape.header.index, init=shape.buffer_words if trained else 0),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit."""
        m = Module()
        head = self.head
        own = Signal(self._shape.header.session, reset_less=True)  # a reset begins a new session, too
        init, named, known, fits = Signal(), Signal(), Signal(), Signal()
        begin = Signal(init=not self._trained)
        m.d.comb += [
            self.own.eq(own),
            self.flush.eq(begin),
            self.training.eq(~begin & ~self.up),
            init.eq(self.ended & self.intact & (head.kind == Kind.INIT)),
            known.eq(self.heard & (head.own == self.peer)),
            named.eq(head.peer == own),
            fits.eq((head.freed >= self._shape.longest) & (head.length <= self._shape.buffer_words)),
        ]
        dead = self._dead(m, self.ended & self.intact & known & named)
        with m.If(self.clear):
            m.d.sync += self.lost.eq(0)
        with m.If(begin):
            m.d.sync += [begin.eq(0), own.eq(own + 1), self.heard.eq(0), self.up.eq(0)]
        with m.Elif(self.up):
            again = init & ~(known & named & head.epoch)
            with m.If(again | dead | ~self.phy_up):
                m.d.sync += [begin.eq(1), self.up.eq(0), self.lost.eq(1)]
        with m.Elif(init):
            m.d.sync += [self.heard.eq(fits), self.mismatch.eq(~fits), self.peer.eq(head.own), self.room.eq(head.freed)]
            m.d.sync += self.up.eq(fits & named & head.epoch)
        with m.Elif(self.ended & self.intact & known & named):
            m.d.sync += self.up.eq(1)
        return m

    def _dead(self, m: Module, heard: Signal) -> Signal:
        """Nothing comes, or nothing that is sent arrives."""
        shape = self._shape
        silent = Signal(range(shape.silence + 1), name="silent")
        stuck = Signal(range(shape.give_up + 1), name="stuck")
        dead = Signal()
        m.d.comb += dead.eq((silent == shape.silence) | (stuck == shape.give_up))
        m.d.sync += [silent.eq(silent + 1), stuck.eq(stuck + 1)]
        with m.If(heard | ~self.up):
            m.d.sync += silent.eq(0)
        with m.If(self.progress | ~self.outstanding | ~self.up):
            m.d.sync += stuck.eq(0)
        return dead
