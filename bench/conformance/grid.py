"""The options of PyTorch's recurrent networks, the rules between them, and the rows of the suite."""

from __future__ import annotations

from collections.abc import Mapping

from bench.conformance.cover import Choice, complete, cover

CELLS = ("LSTM", "GRU", "RNN tanh", "RNN relu", "FactorisedLSTM", "GroupedLSTM")

OPTIONS: dict[str, tuple[str, ...]] = {
    "cell": CELLS,
    "form": ("layer", "cell form"),
    "layers": ("1 layer", "2 layers"),
    "directions": ("forward only", "bidirectional"),
    "projection": ("no projection", "proj_size"),
    "bias": ("bias", "bias=False"),
    "order": ("batch_first", "batch_first=False"),
    "dropout": ("no dropout", "dropout"),
    "state": ("zero state", "given initial state"),
    "output": ("whole sequence", "last step", "h_n", "forward half", "backward half"),
    "head": (
        "no head",
        "Linear",
        "Linear ReLU",
        "Linear Sigmoid",
        "Linear Tanh",
        "Linear Hardsigmoid",
        "Linear Hardtanh",
        "Linear softmax",
        "Linear argmax",
    ),
    "front": ("no front", "Embedding", "Linear in front", "Linear ReLU in front"),
    "norm": ("no norm", "BatchNorm1d in front", "BatchNorm1d behind the RNN", "BatchNorm1d behind the Linear"),
}
"""Values of each option; the first one is the default."""

DEFAULTS = {name: values[0] for name, values in OPTIONS.items()}

_OWN = ("FactorisedLSTM", "GroupedLSTM")

_FORBIDDEN: tuple[dict[str, tuple[str, ...]], ...] = (
    # PyTorch has no such module or no such argument.
    {"projection": ("proj_size",), "cell": tuple(cell for cell in CELLS if cell != "LSTM")},
    {"form": ("cell form",), "cell": _OWN},
    {"form": ("cell form",), "layers": ("2 layers",)},
    {"form": ("cell form",), "directions": ("bidirectional",)},
    {"form": ("cell form",), "projection": ("proj_size",)},
    {"form": ("cell form",), "order": ("batch_first=False",)},
    {"form": ("cell form",), "state": ("given initial state",)},
    {"form": ("cell form",), "output": ("last step", "h_n", "forward half", "backward half")},
    {"directions": ("bidirectional",), "cell": _OWN},
    {"directions": ("forward only",), "output": ("forward half", "backward half")},
    # There is nothing for it to stand behind.
    {"norm": ("BatchNorm1d behind the Linear",), "head": ("no head",)},
    # Refused, with a row of its own: a value that is refused hides what else is in its row.
    {"norm": ("BatchNorm1d behind the RNN",), "head": ("no head",)},
    {"state": ("given initial state",), "cell": _OWN},
)
"""Values that do not go together."""

_REFUSED: tuple[Choice, ...] = (
    {"norm": "BatchNorm1d behind the RNN", "head": "no head"},
    {"state": "given initial state", "cell": "FactorisedLSTM"},
    {"state": "given initial state", "cell": "GroupedLSTM"},
    {"output": "c_n"},
    {"output": "h_n of both layers", "layers": "2 layers"},
    {"layers": "GELU between 2 layers"},
    {"state": "h_0 from the input"},
    {"output": "packed sequence"},
)
"""What PyTorch can do and the accelerator cannot: each is refused, and says why."""


def legal(choice: Mapping[str, str]) -> bool:
    """Whether no rule forbids these values together."""
    return not any(
        all(choice.get(name) in values for name, values in forbidden.items()) for forbidden in _FORBIDDEN
    )


def title(choice: Mapping[str, str]) -> str:
    """The cell and what is not the default."""
    said = [value for name, value in choice.items() if name != "cell" and value != DEFAULTS[name]]
    return ", ".join([choice["cell"], *said])


def rows() -> dict[str, Choice]:
    """Converted rows by title: every value alone on the LSTM's defaults, then what all pairs need besides."""
    alone = [{}, *({name: value} for name, values in OPTIONS.items() for value in values[1:])]
    singles = [complete(OPTIONS, legal, choice) for choice in alone]
    begun = [choice for choice in singles if choice is not None]
    return {title(choice): choice for choice in (*begun, *cover(OPTIONS, legal, begun))}


def refused_rows() -> dict[str, Choice]:
    """Rows that must be refused, by title."""
    return {title(DEFAULTS | choice): DEFAULTS | choice for choice in _REFUSED}
