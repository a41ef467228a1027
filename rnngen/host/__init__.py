"""Talks to an accelerator on a board, or to its simulation, through one class: ``Accelerator``."""

from rnngen.host.accelerator import Accelerator, HostError
from rnngen.host.transports import PairTransport, SerialTransport, SocketTransport, Transport

__all__ = ["Accelerator", "HostError", "PairTransport", "SerialTransport", "SocketTransport", "Transport"]
