"""Models followed through torch.export: .pt2 files, exported programs and live modules."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.frontend import aten_constants, aten_recurrent
from rnngen.frontend.aten import HANDLERS, IN_PLACE, VIEWS
from rnngen.frontend.aten_recurrent import CELLS, STEPS, State
from rnngen.frontend.chain import Chain
from rnngen.frontend.layout import Unsupported
from rnngen.frontend.operation import Operation
from rnngen.frontend.program import FOLLOWED, Call, Name, Program, read_program
from rnngen.frontend.traced import Direction
from rnngen.frontend.tracing import Constant, Host, Steps, Tracer, Value

if TYPE_CHECKING:
    import torch

Known: TypeAlias = "Value | State | None"

_COPIES = ("contiguous", "clone", "detach", "alias", "to", "_to_copy", "lift_fresh_copy", "lift_fresh")
"""Operations that change no value."""


@dataclass(eq=False)
class Follower:
    """Follows one program through a tracer.

    Attributes:
        tracer: Who follows.
        program: What is followed.
        own: Layers of ``rnngen.nn`` by the number that stands for each.
        values: What each tensor is.
        alias: Of each tensor that shares memory, the one it came from.
        stale: Tensors that were changed in place behind another name, and by what.
        states: New states of cells.
        taken: States that cells have taken.
        used: Places that have given their name to a layer.
        input, output: The first input and output of forward.
        finals: Its outputs that are final states of recurrent layers, by their number.
    """

    tracer: Tracer
    program: Program
    own: Sequence[Direction] = ()
    values: dict[str, Known] = field(default_factory=dict)
    alias: dict[str, str] = field(default_factory=dict)
    stale: dict[str, str] = field(default_factory=dict)
    states: list[str] = field(default_factory=list)
    taken: set[str] = field(default_factory=set)
    used: set[str] = field(default_factory=set)
    input: Steps = field(init=False)
    output: Value = field(init=False)
    finals: dict[int, Steps] = field(default_factory=dict)

    def run(self) -> Chain:
        """The chain of the program."""
        self.values = {name: Constant(array, name) for name, array in self.program.parameters.items()}
        names = self.program.inputs
        if not names or not names[0]:
            raise self.tracer.refuse("forward", "takes no tensor as its first input.")
        self.input = self.tracer.input(self.program.shapes[names[0]])
        self.values[names[0]] = self.input
        self.values |= {name: State(name) for name in names[1:] if name}
        for call in self.program.calls:
            if not call.target.startswith(FOLLOWED):
                if any(self.program.shapes.get(name) is not None for name in call.outputs):
                    raise self.tracer.refuse(
                        call.where, "is an operation of its own that is not followed; export the model without it."
                    )
                continue
            if not call.target.startswith(("aten.sym_", "aten._assert")):
                self._follow(call)
        return self._finish()

    def _follow(self, call: Call) -> None:
        try:
            self._call(call)
        except (Unsupported, TypeError, ValueError, LookupError, AttributeError, ArithmeticError) as error:
            raise self.tracer.refuse(
                call.where,
                f"({call.target}) has arguments that are not followed ({str(error) or type(error).__name__}); "
                f"save the state dict instead and select the layers in it (--select).",
            ) from error

    def _finish(self) -> Chain:
        outputs = self.program.outputs
        missing = [name for name in self.states if name not in outputs]
        if missing:
            raise self.tracer.refuse(
                "forward", f"takes in the state of a cell but does not give out the new one ({', '.join(missing)})."
            )
        states = [self.values[name] for name in self.states]
        given = [self.values.get(name) for name in outputs]
        if not given or not isinstance(given[0], (Steps, Host)):
            raise self.tracer.refuse("forward", "gives as its first output nothing that depends on its first input.")
        self.output = given[0]
        fresh = set(self.states)
        unchanged = [name for name, value in zip(outputs, given) if isinstance(value, State) and name not in fresh]
        if unchanged:
            raise self.tracer.refuse("forward", f"gives out its input '{unchanged[0]}' unchanged; leave it out.")
        self.finals = {
            number: value
            for number, value in enumerate(given)
            if number and isinstance(value, Steps) and value.stack is not None
        }
        values = [value for value in given if isinstance(value, (Steps, Host, Constant))]
        return self.tracer.finish(values, [state for state in states if isinstance(state, Steps)])

    def _resolve(self, call: Call, argument: Any) -> Any:
        if isinstance(argument, list):
            return [self._resolve(call, entry) for entry in argument]
        if not isinstance(argument, Name):
            return argument
        if argument.name in self.program.numbers:
            return self.program.numbers[argument.name]
        if argument.name in self.stale:
            raise self.tracer.refuse(
                call.where,
                f"reads a tensor that '{self.stale[argument.name]}' changed in place; "
                f"use the form that gives a new tensor.",
            )
        return self.values.get(argument.name)

    def _call(self, call: Call) -> None:
        name = call.target.split(".")[1]
        arguments = {key: self._resolve(call, value) for key, value in call.arguments.items()}
        shape = self.program.shapes.get(call.outputs[0], ()) if call.outputs else ()
        results = self._results(call, name, arguments, shape)
        self._remember(call, name)
        for output, value in zip(call.outputs, results):
            known = self.program.shapes.get(output, ())
            self.values[output] = self.tracer.shaped(value, known) if isinstance(value, Host) else value

    def _results(self, call: Call, name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> Sequence[Known]:
        tensors = [value for value in _flat(arguments.values()) if isinstance(value, (Steps, Host, State, Constant))]
        if name in aten_constants.MAKERS:
            made = aten_constants.fill(name, arguments, shape)
            if made is not None:
                return (Constant(made),)
        if call.target.startswith("rnngen."):
            return self._own(call, arguments)
        if all(isinstance(value, Constant) for value in tensors):
            return self._constant(call, name, arguments, bool(tensors))
        if name not in (*CELLS, *STEPS) and (state := next((t for t in tensors if isinstance(t, State)), None)):
            moved = self._moved_state(call, name, state)
            if moved is not None:
                return (moved,)
            raise self.tracer.refuse(
                call.where,
                f"({name}) takes the model's input '{state.name}'; only the first input of forward can be "
                f"followed, and states that go to a recurrent layer as they are, so leave the others out.",
            )
        call = call if name in VIEWS else replace(call, where=self._unused(call.where))
        return self._operation(call, name, arguments, shape)

    def _moved_state(self, call: Call, name: str, state: State) -> State | None:
        """A state with an axis of its layers put before it, or of the batch in its middle; None if it changes more."""
        if name in _COPIES:
            return state
        first = next(iter(call.arguments.values()))
        shape = self.program.shapes.get(first.name, ()) if isinstance(first, Name) else ()
        if name != "unsqueeze" or len(shape) != 2 or state.lone:
            return None
        place = call.arguments["dim"] % 3
        return state if place == 1 else replace(state, lone=True) if place == 0 else None

    def _unused(self, where: str) -> str:
        """The place, with a number where another layer has its name already: a module called twice."""
        fresh, number = where, 2
        while fresh in self.used:
            fresh, number = f"{where}_{number}", number + 1
        self.used.add(fresh)
        return fresh

    def _operation(self, call: Call, name: str, arguments: dict[str, Any], shape: tuple[int, ...]) -> Sequence[Known]:
        first = next((value for value in call.arguments.values() if isinstance(value, Name)), None)
        source = self.program.shapes.get(first.name, ()) if first is not None else ()
        base = name[:-1] if name in IN_PLACE else name
        whole = self.program.whole
        rounds = first is not None and first.name not in whole and not whole.isdisjoint(call.outputs)
        op = Operation(self.tracer, base, call.where, arguments, shape, source, rounds)
        if name.endswith("_") and name not in IN_PLACE:
            raise self.tracer.refuse(
                call.where,
                f"({name}) changes a tensor in place, which is not followed; use the form that gives a new tensor.",
            )
        if name in CELLS:
            self._take(call, arguments)
            return aten_recurrent.sequence(op)
        if name in STEPS:
            results = aten_recurrent.step(op)
            self._take(call, arguments)
            self.states += call.outputs
            return results
        handler = HANDLERS.get(base)
        result = op.host() if handler is None else handler(op)
        return result if isinstance(result, tuple) else (result,) * len(call.outputs)

    def _take(self, call: Call, arguments: Mapping[str, Any]) -> None:
        """The states that a layer or a cell takes from inputs of the model."""
        taken = {state.name for state in _flat([arguments.get("hx")]) if isinstance(state, State)}
        if taken & self.taken:
            raise self.tracer.refuse(call.where, "takes a state that another cell takes too; give each its own.")
        self.taken |= taken

    def _own(self, call: Call, arguments: Mapping[str, Any]) -> Sequence[Known]:
        """A module of rnngen.nn, for which a number stands."""
        number = arguments.get("number")
        if not isinstance(number, int) or not 0 <= number < len(self.own):
            raise self.tracer.refuse(
                call.where, f"({call.target}) stands for a module that the file does not hold; import the live module."
            )
        layer = self.own[number]
        return self.tracer.recurrent(layer.name, arguments["x"], [[layer]], int(arguments["time_axis"]))

    def _constant(self, call: Call, name: str, arguments: dict[str, Any], any_tensor: bool) -> Sequence[Known]:
        plain = {key: _plain(value) for key, value in arguments.items()}
        if name in _COPIES:
            return (next(iter(arguments.values())),)
        result = aten_constants.compute(name, plain) if any_tensor else None
        if result is None:
            return [Host(None, (f"'{call.where}' ({name}) is computed on the host.",)) for _ in call.outputs]
        return [Constant(part) for part in (result if isinstance(result, tuple) else (result,))]

    def _remember(self, call: Call, name: str) -> None:
        """Which tensors share memory, and which are out of date now."""
        first = next(iter(call.arguments.values()), None)
        if not isinstance(first, Name):
            return
        root = self.alias.get(first.name, first.name)
        if name.endswith("_"):
            shared = {root, *(other for other, origin in self.alias.items() if origin == root)}
            self.stale |= dict.fromkeys(shared, call.where)
        if name in VIEWS or name.endswith("_"):
            self.alias |= dict.fromkeys(call.outputs, root)


def _flat(values: Any) -> list[Any]:
    return [entry for value in values for entry in (_flat(value) if isinstance(value, list) else [value])]


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(entry) for entry in value]
    return value.array if isinstance(value, Constant) else value


def follow(program: Program, tracer: Tracer, own: Sequence[Direction] = ()) -> tuple[Chain, Follower]:
    """The chain of a program, and how it was followed."""
    follower = Follower(tracer, program, own)
    return follower.run(), follower


def read_pt2(path: str | os.PathLike[str]) -> Chain:
    """The chain in a file that ``torch.export.save`` wrote.  Nothing in it is executed; PyTorch is not needed.

    Raises:
        ModelError: if the file cannot be read, or its forward holds something that is not supported.
    """
    path = Path(path)
    title = f"Model '{path.name}'"
    return follow(read_program(path, title), Tracer(title, path.stem, path.name, "pt2"))[0]


def read_live(module: torch.nn.Module, example: Any = None) -> Chain:
    """The chain of a live module; see ``rnngen.frontend.live.read_live``."""
    from rnngen.frontend import live

    return live.read_live(module, example)


def read_exported(program: torch.export.ExportedProgram, title: str = "The exported program") -> Chain:
    """The chain of what ``torch.export.export`` gave.

    Raises:
        ModelError: as ``read_pt2``.
    """
    return follow(to_program(program, title), Tracer(title, "network", "torch.export.ExportedProgram", "pt2"))[0]


def to_program(program: torch.export.ExportedProgram, title: str) -> Program:
    """An exported program in the form in which a file is read, so that there is one reader."""
    import torch

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pt2"
        torch.export.save(program, path)
        return read_program(path, title)
