"""Frames that come on one link and leave on another one, or give the host its results."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Module

from rnngen.gateware.link.port import LinkPort
from rnngen.plan.frames import StepFrame


@dataclass(frozen=True)
class Forward:
    """What a device gives on unread: names of the links that it comes on and leaves on, and a step of it."""

    source: str
    target: str
    frame: StepFrame


def forward(m: Module, frame: StepFrame, source: LinkPort, target: LinkPort) -> None:
    """Joins two links: a frame's words leave as they come, in the same cycles.

    A frame is delivered when all of it is there and right, so its words follow each other, and what waits is held in
    the receive buffer of the first link, whose credits hold its sender back.  Neither link stalls at the pace of a
    system, so nothing is stored here.
    """
    m.d.comb += [
        target.tx_data.eq(source.rx_data),
        target.tx_valid.eq(source.rx_valid),
        target.tx_length.eq(frame.words),
        source.rx_ready.eq(target.tx_ready),
    ]
