"""What the host needs of ``design.json``, and no more: it is enough on a machine that never generates a design."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from rnngen.arith.beats import PortFormat
from rnngen.arith.format import FloatArray, IntArray
from rnngen.emit.folder import DESIGN_FILE, read_document
from rnngen.errors import DataError, DesignError
from rnngen.gateware.frames import StreamShape


@dataclass(frozen=True, eq=False)
class HostDesign:
    """A design as its host sees it.

    Attributes:
        folder: Where it lies; None: only its document is known.
        document: design.json as plain data.
        takes, gives: Words of its ports.  inputs, outputs: words of a step.
        streams: Interleaved sequences.
        every: Each step has a result, which does not wait for the end of its sequence.
        one_step: A sequence has one result.
    """

    folder: Path | None
    document: Mapping[str, Any]
    takes: PortFormat
    gives: PortFormat
    inputs: int
    outputs: int
    streams: int
    every: bool
    one_step: bool

    @property
    def name(self) -> str:
        """Name of the top module."""
        return str(self.document["top"])

    @property
    def shapes(self) -> tuple[StreamShape, StreamShape]:
        """Its ports on a serial line."""
        ports = self.document["ports"]
        takes, gives = (StreamShape.from_design(ports[name], ports["tid_bits"]) for name in ("s_axis", "m_axis"))
        return takes, gives

    def integers(self, x: npt.ArrayLike) -> tuple[IntArray, int]:
        """Real values (..., inputs) in the input format, and how many of them it does not hold.

        Raises:
            DataError: not as many words, or a value that is not finite.
        """
        values = np.asarray(x, dtype=np.float64)
        if values.shape[-1:] != (self.inputs,):
            shape = values.shape[-1:] or "none"
            raise DataError(f"A step of '{self.name}' must have {self.inputs} features, not {shape}.")
        if not np.all(np.isfinite(values)):
            raise DataError("Input must be finite: it holds NaN or infinity.")
        word = self.takes.format
        integers = word.quantise(values)
        rounded = np.floor(values * 2.0**word.fraction + 0.5)
        return integers, int(np.count_nonzero((rounded < word.minimum) | (rounded > word.maximum)))

    def reals(self, words: IntArray) -> FloatArray:
        """Results in real units."""
        return self.gives.format.to_float(words)


def host_design(source: Any) -> HostDesign:
    """Of a design folder, a ``Design`` or the content of ``design.json``.

    Raises:
        DesignError: if it is none, or lacks something.
    """
    if isinstance(source, str | Path):
        folder: Path | None = Path(source)
        assert folder is not None
        document: Mapping[str, Any] = read_document(folder)
    elif isinstance(source, Mapping):
        folder, document = None, source
    else:
        folder, document = source.folder, source.document
    try:
        ports = document["ports"]
        blocks = document["blocks"]
        one_step = any(block["select"] != "every" for block in blocks)
        return HostDesign(
            folder, document, PortFormat.from_design(ports["s_axis"]), PortFormat.from_design(ports["m_axis"]),
            ports["s_axis"]["words_per_step"], ports["m_axis"]["words_per_step"], document["streams"],
            not one_step and not document["capacity_steps"], one_step,
        )  # fmt: skip
    except (KeyError, TypeError) as error:
        raise DesignError(f"The design lacks or garbles the key {error}: generate it again.") from None


def known_by_digest(folder: Path | None, digest: str) -> str:
    """The name of the design beside ``folder`` that has this digest (its first 128 bits); "": none."""
    if folder is None:
        return ""
    for path in sorted(folder.resolve().parent.glob(f"*/{DESIGN_FILE}")):
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(document, dict) and str(document.get("digest", ""))[: len(digest)] == digest:
            return str(path.parent)
    return ""
