"""A model's own forward, run by PyTorch in float64 beside what was imported of it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rnngen.frontend.chain import Chain
from rnngen.frontend.confirm import Followed, arrays, distance
from rnngen.frontend.exported import follow
from rnngen.frontend.options import DEFAULT_IMPORT, ImportOptions
from rnngen.frontend.program import FLOATS, Name, Program, read_program
from rnngen.frontend.source import Model
from rnngen.frontend.tracing import Steps, Tracer

if TYPE_CHECKING:
    import torch

_SEED = 0


@dataclass(frozen=True)
class Judgement:
    """What a model's own forward says of what was imported.

    Attributes:
        judge: What ran, for instance ``the module's own forward (torch 2.13.0, float64)``.
        difference: Largest one, relative to the largest word of the output (at least 1); infinity where the numbers
            of words differ.
        words: Words that were compared.
    """

    judge: str
    difference: float
    words: int


def judge(model: Model, options: ImportOptions = DEFAULT_IMPORT, example: Any = None) -> Judgement | None:
    """Runs the forward of a live module or of a .pt2 file in float64 and compares what is imported of it.

    A .pt2 file's program is run operation by operation from its own graph; nothing in it is unpickled.

    Args:
        model, options, example: As for ``rnngen.frontend.load``; the model is one that it takes.

    Returns:
        None where there is no forward that can be compared: a state dict or another format, a selected part of a
        module, a forward of which the host computes a part or that does not run in float64, or no PyTorch.
    """
    if options != DEFAULT_IMPORT:
        return None
    try:
        import torch
    except ImportError:
        return None
    version = torch.__version__.partition("+")[0]
    if isinstance(model, (str, os.PathLike)):
        path = Path(model)
        return _judge_program(path, version) if path.suffix.lower() == ".pt2" else None
    return _judge_module(model, example, version)


def _comparable(chain: Chain, followed: Followed) -> bool:
    return not chain.host_before and not chain.host_after and isinstance(followed.output, Steps)


def _judge_module(module: torch.nn.Module, example: Any, version: str) -> Judgement | None:
    import torch

    from rnngen.frontend.live import follow_live

    live = follow_live(module, example)
    if not _comparable(live.chain, live.followed):
        return None
    if any(p.is_floating_point() and p.dtype != torch.float64 for p in live.module.parameters()):
        return None
    inputs = _fresh_inputs(live.inputs, live.followed)
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            expected = arrays(live.module(*inputs))
    finally:
        torch.set_default_dtype(before)
    difference = distance(live.chain, live.followed, arrays(inputs), expected)
    return Judgement(f"the module's own forward (torch {version}, float64)", difference, _words(expected))


def _words(outputs: Sequence[Any]) -> int:
    return 0 if outputs[0] is None else int(outputs[0].size)


def _random_inputs(followed: Followed) -> set[str]:
    """Names of the inputs that may be any number: the first one, and the caller's states."""
    states = {name for sources in followed.tracer.given.values() for name, _ in sources}
    return {followed.program.inputs[0], *states}


def _fresh_inputs(inputs: tuple[Any, ...], followed: Followed) -> tuple[Any, ...]:
    """Other numbers than those with which the import compared, of the same shapes; symbols as they are."""
    import torch
    from torch.utils import _pytree

    random, chosen = np.random.default_rng(_SEED), _random_inputs(followed)
    leaves, form = _pytree.tree_flatten(inputs)
    for number, (name, leaf) in enumerate(zip(followed.program.inputs, leaves)):
        if name in chosen and leaf.is_floating_point():
            leaves[number] = torch.from_numpy(random.uniform(-1.0, 1.0, tuple(leaf.shape)))
    fresh: tuple[Any, ...] = _pytree.tree_unflatten(leaves, form)
    return fresh


def _judge_program(path: Path, version: str) -> Judgement | None:
    title = f"Model '{path.name}'"
    program = read_program(path, title)
    chain, follower = follow(program, Tracer(title, path.stem, path.name, "pt2"))
    if not _comparable(chain, follower):
        return None
    found = _run(program, chain, _random_inputs(follower))
    if found is None:
        return None
    difference = distance(chain, follower, *found)
    text = f"the exported program's own operations (torch {version}, float64)"
    return Judgement(text, difference, _words(found[1]))


def _run(program: Program, chain: Chain, chosen: set[str]) -> tuple[list[Any], list[Any]] | None:
    """Inputs (the chosen ones random) and outputs of a program; None if an operation does not run in float64."""
    import torch

    first, *others = program.inputs
    shape = tuple(int(size) for size in program.shapes[first])
    values: dict[str, Any] = {name: torch.from_numpy(np.array(array)) for name, array in program.parameters.items()}
    values |= {name: int(size) for name, size in program.numbers.items()}
    values[first] = _program_input(program, chain, first, shape)
    random = np.random.default_rng(_SEED + 1)
    for name in others:
        sizes = [int(size) for size in program.shapes[name]]
        values[name] = torch.from_numpy(random.uniform(-1.0, 1.0, sizes) if name in chosen else np.zeros(sizes))
    try:
        with torch.no_grad():
            for call in program.calls:
                _call(call.target, call.arguments, call.outputs, values)
        outputs = arrays([values.get(name) for name in program.outputs])
    except (RuntimeError, TypeError, ValueError, KeyError, AttributeError):
        return None
    return arrays([values.get(name) for name in program.inputs]), outputs


def _program_input(program: Program, chain: Chain, name: str, shape: tuple[int, ...]) -> torch.Tensor:
    import torch

    random = np.random.default_rng(_SEED)
    if name in program.whole:
        symbols = getattr(chain.layers[0], "symbols", 1)
        return torch.from_numpy(random.integers(0, symbols, shape))
    return torch.from_numpy(random.uniform(-1.0, 1.0, shape))


_OWN_WAY = ("device", "layout", "memory_format", "pin_memory")
"""Arguments that say where and how a tensor lies, which changes no value."""


def _call(target: str, arguments: Mapping[str, Any], outputs: tuple[str, ...], values: dict[str, Any]) -> None:
    """One operation of a graph, if it computes a tensor."""
    import torch

    if not target.startswith("aten.") or target.startswith(("aten.sym_", "aten._assert")):
        return
    _, name, overload = target.split(".")
    given = {key: _value(key, value, values) for key, value in arguments.items() if key not in _OWN_WAY}
    result = getattr(getattr(torch.ops.aten, name), overload)(**given)
    values |= dict(zip(outputs, result if isinstance(result, (tuple, list)) else (result,)))


def _value(key: str, value: Any, values: Mapping[str, Any]) -> Any:
    """An argument: a tensor or a number by its name, a type of floats as float64."""
    import torch

    if isinstance(value, list):
        return [_value(key, entry, values) for entry in value]
    if isinstance(value, Name):
        return values[value.name]
    if key == "dtype" and value is not None:
        return torch.float64 if value in FLOATS else getattr(torch, _WHOLE[value])
    return value


_WHOLE = {4: "int32", 5: "int64", 12: "bool"}
"""Types that are no floats, by their codes in an exported program."""
