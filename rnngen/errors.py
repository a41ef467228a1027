"""Every error a user can meet, in one hierarchy.

A message is one sentence: what is wrong, the value found, the limit, and what
to do next.  The command line prints the sentence and exits with status 2; a
traceback from rnngen therefore always means a defect in rnngen itself.
"""

from __future__ import annotations


class RnngenError(Exception):
    """Base of all errors caused by input, environment or budget."""


class ModelError(RnngenError):
    """The model file or module cannot be read, or holds something unsupported."""


class DataError(RnngenError):
    """An input array is missing, has the wrong shape or type, or is not finite."""


class FormatError(RnngenError, ValueError):
    """A number format is outside what the arithmetic supports."""


class PlanError(RnngenError):
    """No legal plan exists for the request (lanes, budget, board)."""


class DesignError(RnngenError):
    """A design folder is missing, damaged, foreign, or cannot be written."""


class ToolError(RnngenError):
    """An outside tool is missing or failed."""


class VerificationError(RnngenError):
    """The circuit and the emulator disagree."""
