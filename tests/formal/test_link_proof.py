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

pytestmark = pytest.mark.formal

DEEP = "RNNGEN_FORMAL" in os.environ


def test_nothing_is_lost_doubled_or_reordered(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 60 if DEEP else 34, QUIET=14)
    assert holds, text


def test_nothing_old_is_delivered_whoever_is_reset(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 50 if DEEP else 28, RESETS=1)
    assert holds, text


def test_everything_arrives_when_the_line_is_calm(tmp_path: Path) -> None:
    holds, text = proved(tmp_path, SMALL, 75 if DEEP else 56, QUIET=14, CALM=36)
    assert holds, text


def test_a_receiver_that_takes_any_number_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_in_order", lambda self, sequence, expected: Const(1))
    holds, text = proved(tmp_path, SMALL, 40, QUIET=14)
    assert not holds
    assert "Assert failed" in text
