"""What can go wrong between a host and an accelerator."""

from __future__ import annotations

from rnngen.errors import RnngenError


class HostError(RnngenError):
    """The device does not answer, or answers something else than the protocol says."""


class LineError(HostError):
    """Something was lost or garbled on the line; behind ``recover`` the sequence can be sent again."""


class RegisterError(HostError):
    """An access to a register was refused."""
