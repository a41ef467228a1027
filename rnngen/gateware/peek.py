"""What the control port asks of the engines' states."""

from __future__ import annotations

from amaranth.lib import data

PEEK = data.StructLayout({"now": 1, "state": 1, "stream": 16, "word": 16, "part": 16})
"""What of a state is shown: h or (``state``) what the unit remembers; ``now`` while nothing is computed."""
