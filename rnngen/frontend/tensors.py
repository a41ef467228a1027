"""What a model file or module holds, before anything is recognised in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from rnngen.errors import ModelError
from rnngen.ir.network import FloatArray

READABLE = ("float16", "bfloat16", "float32", "float64")
"""Types of parameters that are read; all are converted to float64, which is exact."""


@dataclass(frozen=True)
class Tensor:
    """One named parameter whose values are converted only when they are asked for.

    Attributes:
        name: Full name in the model, for instance ``encoder.lstm.weight_ih_l0``.
        shape: Sizes of its dimensions.
        dtype: PyTorch's name of its type, for instance ``float32`` or ``qint8``.
        convert: Gives the values as float64; called for types in ``READABLE`` only.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    convert: Callable[[], FloatArray]

    def check_dtype(self) -> None:
        """Raise ModelError unless the type is one of ``READABLE``."""
        if self.dtype not in READABLE:
            raise ModelError(
                f"Parameter '{self.name}' has the type {self.dtype}, which is not one of {', '.join(READABLE)}; "
                f"rnngen quantises the network itself, so give it the floating-point parameters."
            )

    def read(self) -> FloatArray:
        """The values as float64, in ``shape``.

        Raises:
            ModelError: if the type is not readable, or a value is NaN or infinite.
        """
        self.check_dtype()
        values = self.convert().reshape(self.shape)
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            where = tuple(int(i) for i in bad[0])
            raise ModelError(
                f"Parameter '{self.name}' holds {values[where]} at {list(where)} ({len(bad)} of its {values.size} "
                f"values are not finite); all must be finite, so repair the checkpoint or take an earlier one."
            )
        return values


@dataclass(frozen=True)
class Declared:
    """What a live module tells beside its parameters.

    Attributes:
        kind: ``"lstm"``, ``"gru"``, ``"rnn"``, ``"linear"``, ``"embedding"``, ``"batchnorm"``, ``"quantised"``
            or ``"other"``.
        nonlinearity: Of a plain RNN.
        eps: Of a batch norm.
        dropout: Probability of the dropout between layers.
        odd: How it computes otherwise than its kind does, for a message; empty if it does not.
    """

    kind: str
    nonlinearity: str = ""
    eps: float | None = None
    dropout: float = 0.0
    odd: str = ""


@dataclass(frozen=True)
class Checkpoint:
    """All tensors of a model, by name.

    Attributes:
        title: How messages call the model, for instance ``Model 'vad.safetensors'``.
        stem: What the name of the network is made from.
        source: File name or class, for the report (no absolute path).
        kind: ``"safetensors"``, ``"torch"`` or ``"module"``.
        tensors: By full name, in the order of the model.
        declared: What each module tells, by prefix; only a live module does, for files it is empty.
    """

    title: str
    stem: str
    source: str
    kind: str
    tensors: Mapping[str, Tensor]
    declared: Mapping[str, Declared] = field(default_factory=dict)

    def kind_of(self, prefix: str) -> str | None:
        """Kind of the module of a prefix; None if the model does not tell."""
        declared = self.declared.get(prefix)
        return declared.kind if declared else None

    def check_plain(self, prefix: str) -> None:
        """Raise ModelError if the module of a prefix computes otherwise than its kind does."""
        declared = self.declared.get(prefix)
        if declared is not None and declared.odd:
            raise ModelError(
                f"Layer '{prefix or '.'}' {declared.odd}, which its parameters do not show; "
                f"give the model without --select, so that its own forward decides."
            )


def listing(names: Sequence[str], limit: int = 12) -> str:
    """``'a', 'b', 'c'`` for a message, cut after ``limit`` names; ``none`` if there is none."""
    if not names:
        return "none"
    shown = ", ".join(f"'{name}'" for name in names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
