"""Words of sequences to AXI4-Stream beats and back.

A step is ``beats_per_step`` beats; a beat carries ``words_per_beat`` words,
word 0 in the low bits, each sign-extended in a lane of ``tdata_bits /
words_per_beat`` bits. The lanes behind the last word of a step are zero. TLAST
comes with the last beat of the last step of a sequence.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.format import Format, IntArray
from rnngen.errors import DataError, DesignError

ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class PortFormat:
    """A stream port as ``design.json`` describes it under ``ports.s_axis`` and ``ports.m_axis``.

    Raises:
        DesignError: lanes are not whole bytes of at most 64 bits, or too narrow for a word.
    """

    tdata_bits: int
    words_per_beat: int
    beats_per_step: int
    word_bits: int
    fraction_bits: int
    signed: bool = True

    def __post_init__(self) -> None:
        lane, rest = divmod(self.tdata_bits, self.words_per_beat)
        if rest or lane % 8 or not 8 <= lane <= 64:
            raise DesignError(
                f"Lanes of a stream port must be whole bytes of at most 64 bits, not {self.tdata_bits} bits "
                f"for {self.words_per_beat} words."
            )
        if not 1 <= self.word_bits <= lane:
            raise DesignError(f"Words of a stream port must have 1..{lane} bits (its lane), not {self.word_bits}.")
        if self.beats_per_step < 1:
            raise DesignError(f"A step must have at least 1 beat, not {self.beats_per_step}.")

    @classmethod
    def from_design(cls, port: Mapping[str, Any]) -> PortFormat:
        """Of the mapping in ``design.json`` (further keys are ignored)."""
        try:
            return cls(**{name: port[name] for name in cls.__dataclass_fields__})
        except KeyError as error:
            raise DesignError(f"The port description lacks the key {error.args[0]!r}.") from None

    @property
    def lane_bytes(self) -> int:
        """Bytes a word takes in a beat."""
        return self.tdata_bits // self.words_per_beat // 8

    @property
    def words_per_step(self) -> int:
        """Lanes of a step, padding included."""
        return self.words_per_beat * self.beats_per_step

    @property
    def format(self) -> Format:
        """Number format of the words."""
        return Format(self.word_bits, self.fraction_bits, self.signed)


def send_order(lengths: Sequence[int], streams: int) -> tuple[IntArray, IntArray]:
    """The order in which steps of sequences of given lengths are sent over several streams.

    Sequence k is stream k mod ``streams``'; as many sequences as there are streams go side by side, step by step.

    Returns:
        The sequence of each step that is sent, and its number in it.
    """
    order = []
    for first in range(0, len(lengths), streams):
        group = range(first, min(first + streams, len(lengths)))
        most = max(lengths[k] for k in group)
        order += [(k, step) for step in range(most) for k in group if step < lengths[k]]
    sequence, step = np.array(order, dtype=np.int64).T
    return sequence, step


def flat_steps(lengths: Sequence[int], sequence: IntArray, step: IntArray) -> IntArray:
    """Numbers of steps, counted sequence by sequence."""
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]).astype(np.int64)
    flat: IntArray = starts[sequence] + step
    return flat


def pack(sequences: Sequence[IntArray], port: PortFormat) -> tuple[ByteArray, BoolArray]:
    """Beats of sequences of integers.

    Args:
        sequences: arrays (steps, size); steps may differ, size is at most the lanes of a step.

    Returns:
        Beats uint8 (N, tdata bytes), little-endian, and TLAST bool (N,).

    Raises:
        DataError: a shape does not fit the port, a sequence is empty, or a value is outside the word.
    """
    packed = [_pack_steps(_check(steps, port), port) for steps in sequences]
    beats = np.concatenate(packed) if packed else np.zeros((0, port.tdata_bits // 8), dtype=np.uint8)
    last = np.zeros(len(beats), dtype=bool)
    last[np.cumsum([len(part) for part in packed], dtype=np.int64) - 1] = True
    return beats, last


def unpack(beats: ByteArray, port: PortFormat, size: int) -> IntArray:
    """Words of whole steps: beats uint8 (N, tdata bytes) to integers (N / beats_per_step, size).

    The surplus lanes are dropped, and so is an incomplete step at the end.
    """
    steps = len(beats) // port.beats_per_step
    words = lanes(beats[: steps * port.beats_per_step], port)
    return words.reshape(steps, port.words_per_step)[:, :size]


def lanes(beats: ByteArray, port: PortFormat) -> IntArray:
    """All lanes of each beat, uint8 (N, tdata bytes), as integers (N, words_per_beat); the whole lane counts."""
    parts = beats.reshape(len(beats), port.words_per_beat, port.lane_bytes)
    wide = np.zeros((*parts.shape[:2], 8), dtype=np.uint8)
    wide[..., : port.lane_bytes] = parts
    words = wide.view("<i8")[..., 0].astype(np.int64)
    shift = 64 - 8 * port.lane_bytes
    return (words << shift) >> shift if port.signed else words


def split_bits(samples: ByteArray, word_bits: int, count: int, signed: bool = True) -> IntArray:
    """Words packed without gaps, as a wide probe holds them.

    Args:
        samples: uint8 (n, bytes), little-endian, word 0 in the low bits.

    Returns:
        Integers (n, count).
    """
    bits = np.unpackbits(samples, axis=1, bitorder="little")[:, : word_bits * count]
    words = bits.reshape(len(samples), count, word_bits).astype(np.int64) @ (1 << np.arange(word_bits, dtype=np.int64))
    if signed:
        words -= (words >> (word_bits - 1)) << word_bits
    return words


def _check(steps: IntArray, port: PortFormat) -> IntArray:
    if steps.ndim != 2 or steps.shape[0] < 1 or not 1 <= steps.shape[1] <= port.words_per_step:
        raise DataError(
            f"A sequence must be of shape (at least 1 step, 1..{port.words_per_step} words), not {steps.shape}."
        )
    if not np.issubdtype(steps.dtype, np.integer):
        raise DataError(f"A sequence must hold integers, not {steps.dtype}.")
    limits = port.format
    if steps.min() < limits.minimum or steps.max() > limits.maximum:
        raise DataError(
            f"Words must be within {limits.minimum}..{limits.maximum}, not {int(steps.min())}..{int(steps.max())}."
        )
    return steps


def _pack_steps(steps: IntArray, port: PortFormat) -> ByteArray:
    padded = np.zeros((len(steps), port.words_per_step), dtype="<i8")
    padded[:, : steps.shape[1]] = steps
    wide = padded.view(np.uint8).reshape(len(steps), port.words_per_step, 8)
    return wide[..., : port.lane_bytes].reshape(len(steps) * port.beats_per_step, port.tdata_bits // 8)
