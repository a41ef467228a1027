"""The link layer in the core's clock."""

from __future__ import annotations

from amaranth.hdl import Module, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from rnngen.config.link import LinkShape
from rnngen.gateware.link.counters import Counters, counter_ports
from rnngen.gateware.link.deframer import Deframer
from rnngen.gateware.link.delivery import Delivery
from rnngen.gateware.link.framer import HEADER, Framer
from rnngen.gateware.link.header import Kind
from rnngen.gateware.link.receiver import Receiver
from rnngen.gateware.link.replay import ReplayMemory
from rnngen.gateware.link.sender import Sender
from rnngen.gateware.link.training import Training


def core_ports(shape: LinkShape) -> dict[str, wiring.Member]:
    """What the core sees.

    tx_*: A word is taken with valid and ready; ``tx_length``, 1 to ``longest``, is taken with a frame's first word.
    rx_*: Words of frames in the order in which they were given to the other side.
    up, lost, mismatch, clear: See ``Training``.  inject_*: See ``Framer``.
    """
    return {
        "tx_data": In(shape.word_bits),
        "tx_length": In(shape.header.length),
        "tx_valid": In(1),
        "tx_ready": Out(1),
        "rx_data": Out(shape.word_bits),
        "rx_first": Out(1),
        "rx_last": Out(1),
        "rx_valid": Out(1),
        "rx_ready": In(1),
        "up": Out(1),
        "lost": Out(1),
        "mismatch": Out(1),
        "clear": In(1),
        "inject_every": In(32),
        "inject_bit": In(range(shape.word_bits)),
        **counter_ports(),
    }


class LinkCore(wiring.Component):
    """One end of a link, between the core (``core_ports``) and words.

    Ports:
        out_*: Words to the PHY; a word is taken in a cycle with valid and ready.  in_*: Words from it.
        phy_up: The PHY delivers.
        truth: With ``abstract`` (for proofs): the check of the frame that ends now holds.

    Args:
        trained: For proofs: the link is up from the first cycle on.
    """

    def __init__(self, shape: LinkShape, abstract: bool = False, trained: bool = False) -> None:
        self._shape, self._abstract, self._trained = shape, abstract, trained
        super().__init__(
            {
                **core_ports(shape),
                **({"truth": In(1)} if abstract else {}),
                "out_data": Out(shape.word_bits),
                "out_start": Out(1),
                "out_valid": Out(1),
                "out_ready": In(1),
                "in_data": In(shape.word_bits),
                "in_start": In(1),
                "in_valid": In(1),
                "phy_up": In(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Amaranth's hook: builds the circuit.  All but training and counters is forgotten with a session."""
        m = Module()
        shape = self._shape
        m.submodules.training = self._training = training = Training(shape, self._trained)
        flush = training.flush

        def kept(name: str, part: wiring.Component) -> wiring.Component:
            m.submodules[name] = ResetInserter(flush)(part)
            return part

        self._sender = kept("sender", Sender(shape))
        self._replay = kept("replay", ReplayMemory(shape))
        self._framer = kept("framer", Framer(shape, self._abstract))
        self._deframer = kept("deframer", Deframer(shape, self._abstract))
        self._receiver = kept("receiver", Receiver(shape))
        self._delivery = kept("delivery", Delivery(shape))
        m.submodules.counters = self._counters = Counters(shape)
        m.d.comb += [
            self.up.eq(training.up), self.lost.eq(training.lost), self.mismatch.eq(training.mismatch),
            training.clear.eq(self.clear), training.phy_up.eq(self.phy_up),
            training.outstanding.eq(self._sender.outstanding), training.progress.eq(self._sender.progress),
        ]  # fmt: skip
        self._send(m)
        self._receive(m)
        self._count(m)
        return m

    def _send(self, m: Module) -> None:
        """core -> replay memory -> sender's slots -> framer -> words."""
        training, sender, replay, framer = self._training, self._sender, self._replay, self._framer
        go = Signal()
        m.d.comb += [
            go.eq(~framer.valid | self.out_ready),
            replay.open.eq(training.up & ~training.lost),
            *(getattr(replay, name).eq(getattr(self, name)) for name in ("tx_data", "tx_length", "tx_valid")),
            self.tx_ready.eq(replay.tx_ready),
            replay.acked.eq(sender.acked), replay.frame.eq(sender.next), replay.address.eq(sender.address),
            replay.enable.eq(go),
            sender.begin.eq(replay.begin), sender.end.eq(replay.end), sender.length.eq(replay.length),
            sender.following.eq(replay.following), sender.fill.eq(replay.fill), sender.go.eq(go),
            sender.up.eq(training.up), sender.training.eq(training.training), sender.heard_peer.eq(training.heard),
            sender.own.eq(training.own), sender.peer.eq(training.peer), sender.room.eq(training.room),
            sender.taken_acked.eq(self._receiver.acked), sender.nak.eq(self._receiver.nak),
            sender.repeated.eq(self._receiver.repeated), sender.alive.eq(self._receiver.alive),
            sender.announced.eq(self._receiver.announced),
            sender.head.eq(self._deframer.head), sender.freed.eq(self._delivery.freed),
            framer.kind.eq(sender.kind), framer.part.eq(sender.part), framer.fields.eq(sender.fields),
            framer.stored.eq(replay.word), framer.go.eq(go),
            framer.inject_every.eq(self.inject_every), framer.inject_bit.eq(self.inject_bit),
            self.out_data.eq(framer.word), self.out_start.eq(framer.start), self.out_valid.eq(framer.valid),
        ]  # fmt: skip

    def _receive(self, m: Module) -> None:
        """Words -> deframer -> receiver's decision -> buffer -> core."""
        training, deframer, receiver, delivery = self._training, self._deframer, self._receiver, self._delivery
        if self._abstract:
            m.d.comb += deframer.truth.eq(self.truth)
        m.d.comb += [
            deframer.data.eq(self.in_data), deframer.start.eq(self.in_start), deframer.valid.eq(self.in_valid),
            training.ended.eq(deframer.ended), training.intact.eq(deframer.intact), training.head.eq(deframer.head),
            *(
                getattr(receiver, name).eq(getattr(deframer, name))
                for name in ("seen", "opened", "head", "ended", "intact", "syndrome")
            ),
            receiver.wants.eq(deframer.write), receiver.up.eq(training.up),
            receiver.own.eq(training.peer), receiver.peer.eq(training.own),
            receiver.freed.eq(delivery.freed), receiver.patch_room.eq(delivery.patch_room),
            delivery.place.eq(receiver.place), delivery.data.eq(self.in_data), delivery.last.eq(deframer.last),
            delivery.write.eq(receiver.write), delivery.limit.eq(receiver.limit), delivery.patch.eq(receiver.patch),
            delivery.patch_place.eq(receiver.patch_place), delivery.patch_mask.eq(receiver.patch_mask),
            delivery.open.eq(training.up & ~training.lost),
            *(getattr(self, f"rx_{n}").eq(getattr(delivery, f"rx_{n}")) for n in ("data", "first", "last", "valid")),
            delivery.rx_ready.eq(self.rx_ready),
        ]  # fmt: skip

    def _count(self, m: Module) -> None:
        """Events and levels."""
        counters, sender, training = self._counters, self._sender, self._training
        m.d.comb += [
            counters.count_frames_sent.eq(sender.frame_sent),
            counters.count_words_sent.eq(sender.word_sent),
            counters.count_frames_received.eq(self._receiver.accepted),
            counters.count_words_received.eq(self.rx_valid & self.rx_ready),
            counters.count_check_errors.eq(self._deframer.damaged),
            counters.count_corrected.eq(self._receiver.corrected),
            counters.count_replays.eq(sender.replay),
            counters.count_credit_stalls.eq(sender.credit_stall),
            counters.replay_used.eq(self._replay.used),
            counters.buffer_used.eq(self._receiver.limit - self._delivery.freed),
            counters.begins.eq((sender.kind == HEADER) & (sender.part == 0) & (sender.fields.kind == Kind.DATA)),
            counters.next.eq(sender.next + 1),
            counters.acked.eq(sender.acked),
            counters.flush.eq(training.flush),
            *(getattr(self, name).eq(getattr(counters, name)) for name in counter_ports()),
        ]
