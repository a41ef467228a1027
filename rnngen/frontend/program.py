"""Reading .pt2 archives (torch.export.save) without PyTorch: JSON and raw bytes, nothing is executed.

``torch.export.load`` is not used for files: it falls back to unpickling whatever the file holds
(``weights_only=False``) and evaluates its shape expressions as Python.  Here the graph is read as JSON, and
parameters as raw bytes; a pickled parameter is refused, and the pickled example input is never opened.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from rnngen.errors import ModelError
from rnngen.frontend.archive import Archive

ADVICE = "save it again with torch.export.save(program, path) of PyTorch 2.9 or later"
"""What to do about a file that cannot be read."""

Array: TypeAlias = npt.NDArray[Any]

_TYPES = {1: "u1", 2: "i1", 3: "i2", 4: "i4", 5: "i8", 6: "f2", 7: "f4", 8: "f8", 12: "?"}
_BFLOAT16 = 13
FLOATS = frozenset({6, 7, 8, _BFLOAT16})
"""Codes of the floating-point types in an exported program."""


class Length(int):
    """A size that depends on the input: that of the exported example."""


@dataclass(frozen=True)
class Name:
    """A tensor or a size of the program, by its name."""

    name: str


@dataclass(frozen=True)
class Call:
    """One operation.

    Attributes:
        target: For instance ``aten.lstm.input``.
        arguments: By the names of its schema: numbers, texts, None, ``Name`` and lists of them.
        outputs: Names of what it gives.
        where: Where it stands in the model: the module's path, or the operation's own name.
    """

    target: str
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    where: str


@dataclass(frozen=True, eq=False)
class Program:
    """A model as torch.export wrote it down.

    Attributes:
        parameters: Parameters, buffers and constants by their names in the graph; floats as float64.
        inputs, outputs: Names, in the order of forward; an output that is no tensor has the name ``""``.
        calls: The operations in their order.
        shapes: Sizes of every tensor; a ``Length`` where they are not fixed.
        whole: Tensors of whole numbers or truth values.
        numbers: Sizes that the graph computes with, the same.
    """

    parameters: Mapping[str, Array]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    calls: tuple[Call, ...]
    shapes: Mapping[str, tuple[int, ...]]
    whole: frozenset[str]
    numbers: Mapping[str, Length]


class _Reader:
    """One archive."""

    def __init__(self, path: Path, title: str) -> None:
        self.title = title
        self.archive = Archive(path, title, ADVICE)
        tops = {name.partition("/")[0] for name in self.archive.names}
        models = [name for name in self.archive.names if name.endswith("/models/model.json")]
        if len(tops) != 1 or len(models) != 1:
            raise self.damaged("it holds no models/model.json")
        self.top = tops.pop()
        order = self.archive.read(f"{self.top}/byteorder") if f"{self.top}/byteorder" in self.archive.names else b""
        self.order = ">" if order == b"big" else "<"

    def damaged(self, what: str) -> ModelError:
        return ModelError(f"{self.title} is not a program that torch.export saved ({what}); {ADVICE}.")

    def json(self, name: str) -> Any:
        try:
            return json.loads(self.archive.read(f"{self.top}/{name}"))
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise self.damaged(f"its {name} is no JSON") from error

    def payload(self, folder: str, config: str) -> dict[str, Array]:
        """All tensors of a folder by their names in the model."""
        if f"{self.top}/data/{folder}/{config}" not in self.archive.names:
            return {}
        entries = self.json(f"data/{folder}/{config}")["config"]
        return {name: self.tensor(folder, name, entry) for name, entry in entries.items()}

    def tensor(self, folder: str, name: str, entry: Mapping[str, Any]) -> Array:
        if entry["use_pickle"]:
            raise ModelError(
                f"{self.title} holds '{name}' as a pickled Python object, which is never loaded because it can run "
                f"code; save parameters and constants as plain dense tensors."
            )
        meta = entry["tensor_meta"]
        if meta["dtype"] not in _TYPES and meta["dtype"] != _BFLOAT16:
            raise ModelError(
                f"{self.title} holds '{name}' in a type (number {meta['dtype']} of torch.export) that is not read; "
                f"save it with floating-point parameters."
            )
        data = self.archive.read(f"{self.top}/data/{folder}/{entry['path_name']}")
        shape, strides = ([_integer(size) for size in meta[key]] for key in ("sizes", "strides"))
        offset = _integer(meta["storage_offset"])
        kind = np.dtype(f"{self.order}{_TYPES.get(meta['dtype'], 'u2')}")
        flat = np.frombuffer(data, kind, count=len(data) // kind.itemsize)
        last = offset + sum((size - 1) * stride for size, stride in zip(shape, strides))
        if len(shape) != len(strides) or min((offset, *shape, *strides)) < 0 or (0 not in shape and last >= flat.size):
            raise self.damaged(f"'{name}' is larger than its data")
        if 0 in shape:
            return np.zeros(shape)
        steps = tuple(stride * kind.itemsize for stride in strides)
        view = np.lib.stride_tricks.as_strided(flat[offset:], tuple(shape), steps, writeable=False)
        if meta["dtype"] == _BFLOAT16:
            view = (view.astype(np.uint32) << 16).view(np.float32)
        return view.astype(np.float64) if meta["dtype"] in FLOATS else view.copy()


def _integer(size: Mapping[str, Any]) -> int:
    """A size: of the exported example, where it is not fixed."""
    if "as_int" in size:
        return int(size["as_int"])
    hint = size["as_expr"]["hint"]
    if hint is None or "as_int" not in hint:
        raise ValueError("a size without an example")
    return Length(int(hint["as_int"]))


def _number(argument: Mapping[str, Any]) -> int | float | Name:
    """A size or another number, or its name."""
    (value,) = argument.values()
    return Name(value) if "as_name" in argument else value


def _tensor(argument: Mapping[str, Any]) -> Name | None:
    """An entry of a list of tensors some of which may be missing."""
    if "name" in argument:
        return Name(argument["name"])
    return Name(argument["as_tensor"]["name"]) if "as_tensor" in argument else None


def _argument(argument: Mapping[str, Any]) -> Any:
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind in ("as_tensor", "as_optional_tensor"):
        return _tensor(value)
    if kind in ("as_tensors", "as_optional_tensors"):
        return [_tensor(entry) for entry in value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _number(value)
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_number(entry) for entry in value]
    return value


def _outputs(arguments: list[Mapping[str, Any]]) -> tuple[str, ...]:
    names: list[str] = []
    for argument in arguments:
        value = _argument(argument)
        names += [entry.name if isinstance(entry, Name) else "" for entry in _as_list(value)]
    return tuple(names)


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


FOLLOWED = ("aten.", "rnngen.")
"""Beginnings of the operations on tensors that are followed."""

_CONTAINERS = ("torch.nn.modules.container.",)


def _where(node: Mapping[str, Any]) -> str:
    """A name for an operation: its module's path, with its own name where the module has several."""
    name = (node.get("name") or _outputs(node["outputs"])[0] or node["target"].split(".")[-2]).strip("_")
    entries = [entry.split(",", 2) for entry in node["metadata"].get("nn_module_stack", "").split(";")]
    entries = [entry for entry in entries if len(entry) == 3]
    path, kind = (entries[-1][1], entries[-1][2]) if entries else ("", "")
    leaf = kind.startswith(("torch.nn.modules.", "rnngen.")) and not kind.startswith(_CONTAINERS)
    if not path:
        return str(name)
    return path if leaf else f"{path}.{name}"


def _calls(graph: Mapping[str, Any]) -> tuple[Call, ...]:
    calls = []
    for node in graph["nodes"]:
        arguments = {entry["name"]: _argument(entry["arg"]) for entry in node["inputs"]}
        target = node["target"].removeprefix("torch.ops.")
        where = _where(node) if target.startswith(FOLLOWED) else target
        calls.append(Call(target, arguments, _outputs(node["outputs"]), where))
    return tuple(calls)


_STORED = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}


def _program(reader: _Reader) -> Program:
    module = reader.json("models/model.json")["graph_module"]
    graph, signature = module["graph"], module["signature"]
    stored = reader.payload("weights", "model_weights_config.json")
    stored |= reader.payload("constants", "model_constants_config.json")
    parameters: dict[str, Array] = {}
    inputs: list[str] = []
    for entry in signature["input_specs"]:
        ((kind, spec),) = entry.items()
        if kind == "user_input":
            inputs += _outputs([spec["arg"]])
        elif kind in _STORED:
            parameters[spec["arg"]["name"]] = stored[spec[_STORED[kind]]]
        else:
            raise reader.damaged(f"it has an input of the kind {kind}")
    outputs: list[str] = []
    for entry in signature["output_specs"]:
        ((kind, spec),) = entry.items()
        if kind != "user_output":
            raise ModelError(
                f"{reader.title} changes an input or a buffer of its own in forward ({kind}), which is not followed; "
                f"export it in eval mode, and pass a state in and out."
            )
        outputs += _outputs([spec["arg"]])
    shapes = {name: tuple(_integer(size) for size in meta["sizes"]) for name, meta in graph["tensor_values"].items()}
    whole = frozenset(name for name, meta in graph["tensor_values"].items() if meta["dtype"] not in FLOATS)
    numbers = {name: Length(_integer(size)) for name, size in graph["sym_int_values"].items()}
    return Program(parameters, tuple(inputs), tuple(outputs), _calls(graph), shapes, whole, numbers)


def read_program(path: Path, title: str) -> Program:
    """The program in a .pt2 file.

    Raises:
        ModelError: if it is damaged, of an older form, or holds what is never loaded.
    """
    reader = _Reader(path, title)
    try:
        return _program(reader)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise reader.damaged(f"{type(error).__name__} in its graph") from error
