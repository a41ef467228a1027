"""Packing of words into beats, against a plain loop."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnngen.arith.beats import PortFormat, lanes, pack, split_bits, unpack
from rnngen.errors import DataError, DesignError

PORT = {
    "tdata_bits": 32,
    "words_per_beat": 2,
    "beats_per_step": 2,
    "word_bits": 12,
    "fraction_bits": 8,
    "signed": True,
}


@st.composite
def ports(draw: st.DrawFn) -> PortFormat:
    lane = draw(st.sampled_from([8, 16, 24, 32, 64]))
    words = draw(st.integers(1, 5))
    bits = draw(st.integers(1, min(lane, 48)))
    return PortFormat(lane * words, words, draw(st.integers(1, 4)), bits, 3, draw(st.booleans()))


def plain(steps: np.ndarray, port: PortFormat) -> list[int]:
    """TDATA of every beat, written out."""
    lane, result = port.tdata_bits // port.words_per_beat, []
    for step in steps.tolist():
        padded = step + [0] * (port.words_per_step - len(step))
        for beat in range(port.beats_per_step):
            words = padded[beat * port.words_per_beat : (beat + 1) * port.words_per_beat]
            result.append(sum((word % 2**lane) << (lane * index) for index, word in enumerate(words)))
    return result


@given(ports(), st.data())
def test_pack_and_unpack(port: PortFormat, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, port.words_per_step))
    generator = np.random.default_rng(data.draw(st.integers(0, 99)))
    limits = port.format
    sequences = [generator.integers(limits.minimum, limits.maximum + 1, (steps, size)) for steps in (2, 1, 3)]
    beats, last = pack(sequences, port)
    expected = [value for steps in sequences for value in plain(steps, port)]
    assert [int.from_bytes(row.tobytes(), "little") for row in beats] == expected
    assert np.flatnonzero(last).tolist() == [n * port.beats_per_step - 1 for n in (2, 3, 6)]
    assert np.array_equal(unpack(beats, port, size), np.concatenate(sequences))


def test_an_incomplete_step_is_dropped() -> None:
    port = PortFormat(**PORT)
    beats, _ = pack([np.arange(8).reshape(2, 4)], port)
    assert unpack(beats[:3], port, 4).tolist() == [[0, 1, 2, 3]]


def test_a_lane_counts_whole() -> None:
    beats = np.array([[0xFF, 0x0F, 0, 0x80]], dtype=np.uint8)
    assert lanes(beats, PortFormat(**PORT)).tolist() == [[0x0FFF, -0x8000]]


def test_no_sequences_is_no_beats() -> None:
    beats, last = pack([], PortFormat(**PORT))
    assert beats.shape == (0, 4)
    assert last.shape == (0,)


def test_split_bits() -> None:
    value = sum((word % 2**11) << (11 * index) for index, word in enumerate([-5, 7, -1024, 1023]))
    samples = np.frombuffer(value.to_bytes(6, "little"), dtype=np.uint8).reshape(1, 6)
    assert split_bits(samples, 11, 4).tolist() == [[-5, 7, -1024, 1023]]
    assert split_bits(samples, 11, 4, signed=False).tolist() == [[2043, 7, 1024, 1023]]


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (np.zeros((0, 2), dtype=int), r"at least 1 step, 1\.\.4 words\), not \(0, 2\)"),
        (np.zeros((1, 5), dtype=int), r"not \(1, 5\)"),
        (np.zeros(3, dtype=int), r"not \(3,\)"),
        (np.zeros((1, 2)), r"must hold integers, not float64"),
        (np.array([[0, 2048]]), r"within -2048\.\.2047, not 0\.\.2048"),
    ],
)
def test_bad_sequences(steps: np.ndarray, message: str) -> None:
    with pytest.raises(DataError, match=message):
        pack([steps], PortFormat(**PORT))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tdata_bits": 31}, r"whole bytes of at most 64 bits, not 31 bits for 2 words"),
        ({"word_bits": 17}, r"1\.\.16 bits \(its lane\), not 17"),
        ({"beats_per_step": 0}, r"at least 1 beat, not 0"),
    ],
)
def test_bad_ports(change: dict[str, int], message: str) -> None:
    with pytest.raises(DesignError, match=message):
        PortFormat(**(PORT | change))


def test_port_of_a_design_with_a_key_missing() -> None:
    with pytest.raises(DesignError, match=r"lacks the key 'signed'"):
        PortFormat.from_design({name: value for name, value in PORT.items() if name != "signed"})
