"""The link layer's own gateware, proved for a number of cycles whatever the line does (link_proof.v).

The question grows fast with the cycles: z3 answered a depth of 14 in 10 s, 17 in some minutes, and 23 not in ten.  A
depth of n asks for n - 1 cycles (``proved``).
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from amaranth.hdl import Const

from rnngen.gateware.link.receiver import Receiver
from tests.formal.prove import SMALL, proved

pytestmark = pytest.mark.formal

DEEP = "RNNGEN_FORMAL" in os.environ


def test_nothing_is_lost_doubled_or_reordered_on_any_line(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 17 if DEEP else 14, trained=True)
    assert holds, text


def test_a_receiver_that_takes_any_number_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_in_order", lambda self, sequence, expected: Const(1))
    holds, text = proved(tmp_path, SMALL, 14, trained=True)
    assert not holds
    assert "Assert failed" in text


def test_a_stretch_of_lost_words(tmp_path: Path) -> None:
    """Words are lost in one stretch, anywhere and of any length, between cores that always give and take."""
    holds, text = proved(tmp_path, SMALL, 20, trained=True, FAULTS=1, LOSS=1, STEADY=1)
    assert holds, text
