"""The link layer's own gateware, proved for a number of cycles whatever the line does (link_proof.v).

CI proves few cycles; ``make formal`` (RNNGEN_FORMAL) more.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from amaranth.hdl import Const

from rnngen.gateware.link.receiver import Receiver
from tests.formal.prove import SMALL, proved

DEEP = "RNNGEN_FORMAL" in os.environ

pytestmark = [pytest.mark.formal, pytest.mark.skipif(not DEEP, reason="make formal")]


def test_nothing_is_lost_doubled_or_reordered_on_any_line(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 18 if DEEP else 13, trained=True)
    assert holds, text


def test_nothing_is_lost_doubled_or_reordered_after_a_fault(tmp_path: Path) -> None:
    """One stretch of damage, of any length and anywhere: long enough to send everything again."""
    holds, text = proved(tmp_path, SMALL, 40 if DEEP else 24, trained=True, FAULTS=1)
    assert holds, text


def test_nothing_old_is_delivered_whoever_is_reset(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 40 if DEEP else 24, trained=True, RESETS=1, FAULTS=1)
    assert holds, text


def test_everything_arrives_when_the_line_is_calm(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 70 if DEEP else 50, trained=True, CALM=36, FAULTS=1)
    assert holds, text


def test_a_receiver_that_takes_any_number_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_in_order", lambda self, sequence, expected: Const(1))
    holds, text = proved(tmp_path, SMALL, 30, trained=True, FAULTS=1)
    assert not holds
    assert "Assert failed" in text
