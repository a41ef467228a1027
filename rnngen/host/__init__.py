"""Talks to an accelerator on a board, or to its simulation, through one class: ``Accelerator``."""

from rnngen.host.accelerator import Accelerator, HostError
from rnngen.host.transports import SerialTransport, SocketTransport, Transport

__all__ = ["Accelerator", "HostError", "SerialTransport", "SocketTransport", "Transport"]
