"""What a user says about a model that the model itself does not say."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from rnngen.errors import ModelError
from rnngen.frontend.head import HeadItem, parse_head

DIRECTIONS = ("forward", "backward")
STEPS = ("last", "final")
OUTPUTS = ("sequence", *STEPS, *DIRECTIONS, *(f"{direction}+{step}" for direction in DIRECTIONS for step in STEPS))
"""Outputs of a recurrent stack that can be chosen."""

NONLINEARITIES = ("tanh", "relu")

_FOR = {
    "select": "state dicts, live modules and ONNX files",
    "embedding": "state dicts and a selected layer of a live module",
    "head": "state dicts and a selected layer of a live module",
    "output": "state dicts and a selected layer of a live module",
    "nonlinearity": "state dicts",
    "mapping": ".npz files",
}
"""What each option is for."""


def _check_choice(option: str, value: str | None, choices: Collection[str]) -> None:
    if value is not None and value not in choices:
        raise ModelError(f"--{option} must be one of {', '.join(choices)}, not '{value}'.")


@dataclass(frozen=True)
class ImportOptions:
    """Choices of an import; each is for the models that do not say it themselves, and refused for the others.

    Attributes:
        select: Prefix of the recurrent stack inside a larger model (``.``: the top), or a prefix above exactly one;
            for an ONNX file the name of the node.
        embedding: Name of the embedding in front of the stack.
        head: What stands behind the stack, in order, each ``NAME[:eps=VALUE][:FUNCTION...]``: a Linear layer or a
            batch norm, and functions behind it (``rnngen.frontend.head``); a string is one of them.
        output: A member of ``OUTPUTS``: every step's output (``sequence``, the default), the last step's (``last``:
            ``y[-1]``), or what each direction of the last layer computed last (``final``: its ``h_n``, side by side);
            ``forward`` and ``backward`` keep one direction of a bidirectional last layer.
        nonlinearity: ``tanh`` or ``relu`` of a plain RNN.
        mapping: The file that says what the arrays of an ``.npz`` file are.

    Raises:
        ModelError: if a choice is not one of those there are, or a head is not written as above.
    """

    select: str | None = None
    embedding: str | None = None
    head: str | tuple[str, ...] = ()
    output: str | None = None
    nonlinearity: str | None = None
    mapping: Path | None = None

    def __post_init__(self) -> None:
        _check_choice("output", self.output, OUTPUTS)
        _check_choice("nonlinearity", self.nonlinearity, NONLINEARITIES)
        _ = self.heads  # parsing is the check

    @property
    def heads(self) -> tuple[HeadItem, ...]:
        """The head, item by item."""
        items = (self.head,) if isinstance(self.head, str) else self.head
        return tuple(parse_head(item) for item in items)

    @property
    def direction(self) -> str:
        """``forward``, ``backward``, or empty for all there are."""
        return next((part for part in (self.output or "").split("+") if part in DIRECTIONS), "")

    @property
    def step(self) -> str:
        """``last``, ``final``, or empty for every step."""
        return next((part for part in (self.output or "").split("+") if part in STEPS), "")

    def allow_only(self, allowed: Collection[str], model: str) -> None:
        """Raise ModelError if an option is given that ``model`` (for instance ``an ONNX file``) says itself."""
        for name, purpose in _FOR.items():
            if name not in allowed and getattr(self, name) not in (None, ()):
                raise ModelError(f"--{name} is for {purpose}; {model} says it itself, so leave the option out.")


DEFAULT_IMPORT = ImportOptions()
"""Nothing said."""
