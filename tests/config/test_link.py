"""The shape of a link: what is refused, and what follows from it."""

from __future__ import annotations

from typing import Any

import pytest

from rnngen.config.link import LinkShape
from rnngen.errors import PlanError


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"word_bits": 4}, "A link's words must have 8 to 64 bits, not 4."),
        ({"word_bits": 24}, "A link's words must have 8, 16, 32 or 64 bits, not 24."),
        ({"longest": 0}, "A link's longest frame must be 1 to 1024 words"),
        ({"longest": 1025}, "not 1025"),
        ({"replay_words": 1000}, "A link's replay memory must be a power of two of 2 to 32768 words, not 1000."),
        ({"buffer_words": 65536}, "A link's receive buffer must be a power of two of 2 to 32768 words, not 65536."),
        ({"window": 256}, "A link's window must be a power of two of 1 to 128 frames, not 256."),
        ({"window": 3}, "not 3"),
        ({"fifo_words": 3}, "A link's clock crossing must hold a power of two of 4 words or more, not 3."),
        ({"patience": 0}, "A link's keep-alive and patience must be at least 1 cycle"),
        ({"timeout": 300}, "A link's timeout must be above 386 cycles"),
        ({"silence": 700}, "A link's silence must be at least 772 cycles"),
        ({"give_up": 4000}, "A link's give_up must be at least two timeouts, 4096 cycles, not 4000."),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(PlanError) as error:
        LinkShape(**values)
    assert sentence in str(error.value)
    assert str(error.value).endswith(".")


@pytest.mark.parametrize(
    ("bits", "correct", "overhead"),
    [(64, False, 2), (64, True, 2), (32, False, 3), (32, True, 4), (16, False, 6), (8, False, 12), (8, True, 16)],
)
def test_words_of_a_frame(bits: int, correct: bool, overhead: int) -> None:
    assert LinkShape(bits, correct=correct).frame_words(64) == 64 + overhead


def test_latency_of_a_frame() -> None:
    assert LinkShape(64).frame_latency(64, 16) == 16 + 66 + 10
    assert LinkShape(32).frame_latency(1, 5) == 5 + 4 + 10


def test_a_streaming_shape_covers_the_round_trip() -> None:
    shape = LinkShape(64).streaming(1000, shortest=32)
    assert shape.replay_words == shape.buffer_words == 4096
    assert shape.window >= 2 * 1000 / 34
    assert shape.timeout > 2 * 1000
    with pytest.raises(PlanError):
        LinkShape(64).streaming(40_000)


def test_times_of_a_slow_phy() -> None:
    shape = LinkShape(16, longest=16).slowed(160)
    assert (shape.keep_alive, shape.timeout, shape.silence, shape.give_up) == (10_240, 327_680, 2_621_440, 10_485_760)
    assert shape.fifo_words == 4
