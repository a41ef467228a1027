"""The link layer's own gateware in every state that it can reach (states.py): no word is lost, doubled or reordered,
and the link never stands still for good, however many words are lost, for as long as it likes.

Two ends with a window of one frame have 10^6 states and more, of two frames 10^7: all of them are visited, so that what
is found holds for any number of cycles.  The heavier ones take minutes (``make formal``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from amaranth.hdl import Const

from rnngen.config.link import HeaderShape, LinkShape
from rnngen.gateware.link.receiver import Receiver
from tests.formal.prove import SMALL
from tests.formal.states import TINY, Visited, visited

pytestmark = pytest.mark.formal

LOSSES = "harm_ab:1 harm_ba:1 offers=1 takes=1"
TWO_FRAMES = replace(TINY, window=2, header=HeaderShape(sequence=2, length=1, index=2, session=2, check=0))
DEEPER: dict[str, tuple[LinkShape, str]] = {
    "a core that pauses": (TINY, "harm_ab:1 harm_ba:1 offers:1 takes=1"),
    "a receiver that pauses": (TINY, "harm_ab:1 harm_ba:1 offers=1 takes:1"),
    "two frames on the way": (TWO_FRAMES, LOSSES),
    "frames of two words": (replace(SMALL, timeout=12), f"{LOSSES} longer=1"),
}


def check(found: Visited | str, shape: LinkShape) -> None:
    """All that was given arrives soon: a timeout, and then a frame and its acknowledgement."""
    assert isinstance(found, Visited), found
    assert found.states > 10**5, "the lines must do something"
    assert found.rest <= shape.timeout + shape.round_trip(1)


def test_words_are_lost_anywhere(tmp_path: Path) -> None:
    check(visited(tmp_path, TINY, f"{LOSSES} mark:1"), TINY)


def test_a_receiver_that_takes_any_number_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Receiver, "_in_order", lambda self, sequence, expected: Const(1))
    assert str(visited(tmp_path, TINY, f"{LOSSES} mark:1")).startswith("bad")


def test_a_sender_without_a_timeout_is_found(tmp_path: Path) -> None:
    assert visited(tmp_path, TINY, LOSSES, still=("timer",)) == "stuck"


@pytest.mark.parametrize(("shape", "inputs"), DEEPER.values(), ids=DEEPER)
def test_deeper(tmp_path: Path, shape: LinkShape, inputs: str) -> None:
    check(visited(tmp_path, shape, inputs), shape)
