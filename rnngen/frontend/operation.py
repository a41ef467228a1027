"""One operation of an exported program, as its handlers see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from rnngen.frontend.tracing import Constant, Host, Steps, Tracer, Value
from rnngen.ir.layers import FloatArray


@dataclass(frozen=True, eq=False)
class Operation:
    """One call on values that depend on the model's input.

    Attributes:
        tracer: Who follows the model.
        name: The operation without namespace and overload, for instance ``add``.
        where: Its place.
        arguments: By the names of its schema; tensors are ``Value``, numbers are numbers.
        shape: Sizes of the first result.
        source: Sizes of the first argument.
        rounds: Whether the result holds whole numbers and the first argument others.
    """

    tracer: Tracer
    name: str
    where: str
    arguments: Mapping[str, Any]
    shape: tuple[int, ...]
    source: tuple[int, ...]
    rounds: bool

    def get(self, name: str, default: Any = None) -> Any:
        """An argument, or its default."""
        value = self.arguments.get(name)
        return default if value is None else value

    @property
    def first(self) -> Any:
        """The first argument."""
        return next(iter(self.arguments.values()))

    def constant(self, name: str) -> FloatArray | None:
        """An argument that must be a constant; None where it is not given.

        Raises:
            ModelError: if it depends on the model's input.
        """
        value = self.arguments.get(name)
        if value is None:
            return None
        if not isinstance(value, Constant):
            raise self.tracer.refuse(
                self.where,
                f"({self.name}) takes its {name} from the model's input and not from its parameters; "
                f"only fixed parameters are supported.",
            )
        return value.array

    def parameter(self, name: str) -> FloatArray:
        """An argument that must be a constant and be there."""
        value = self.constant(name)
        if value is None:
            raise self.tracer.refuse(self.where, f"({self.name}) has no {name}; give it one or leave it out.")
        return value

    def host(self, reason: str = "") -> Host:
        """The same on the host."""
        values: list[Value] = []
        for argument in self.arguments.values():
            for entry in argument if isinstance(argument, list) else [argument]:
                values += [entry] if isinstance(entry, (Steps, Host)) else []
        return self.tracer.unsupported(self.where, self.name, values, reason)


Handler: TypeAlias = Callable[[Operation], "Value | tuple[Value | None, ...]"]
"""Gives what an operation gives: one value, or one for each result."""
