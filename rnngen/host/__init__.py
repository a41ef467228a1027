"""The host side of an accelerator: ``open_device``, and what it is made of."""

from rnngen.host.accelerator import Accelerator
from rnngen.host.device import Counters, Device, RunningSequence
from rnngen.host.errors import HostError, LineError, RegisterError
from rnngen.host.link import SerialLink
from rnngen.host.open import open_device
from rnngen.host.serial_device import SerialDevice
from rnngen.host.transports import PairTransport, SerialTransport, SocketTransport, Transport

__all__ = [
    "Accelerator",
    "Counters",
    "Device",
    "HostError",
    "LineError",
    "PairTransport",
    "RegisterError",
    "RunningSequence",
    "SerialDevice",
    "SerialLink",
    "SerialTransport",
    "SocketTransport",
    "Transport",
    "open_device",
]
