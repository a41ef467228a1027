"""Live modules: a copy of the module is exported with an example input, followed, and checked against the module."""

from __future__ import annotations

import copy
import inspect
import logging
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rnngen.errors import ModelError
from rnngen.frontend.aten_recurrent import PACKED
from rnngen.frontend.chain import Chain
from rnngen.frontend.confirm import Followed, confirm
from rnngen.frontend.exported import follow, to_program
from rnngen.frontend.own_export import replace_own
from rnngen.frontend.tracing import Tracer

if TYPE_CHECKING:
    import torch

_PRIMES = (3, 7, 5, 11, 13, 17, 19, 23, 29, 31)


class _UnusableError(ModelError):
    """A copy of the module that does not run or cannot be exported; another type of its parameters may do."""


@dataclass(frozen=True)
class _Sizes:
    """What the layers of a module say of its input.

    Attributes:
        features: Candidates for the number of features, in the order of the modules.
        symbols: Of the first Embedding; 0 without one.
        states: (size, count) of the states of its cells.
        stacks: Sizes (words of h, words of c or 0) of its recurrent modules, and how many directions each has.
        batch, steps: Lengths that are no other size of the module.
    """

    features: tuple[int, ...]
    symbols: int
    states: tuple[tuple[int, int], ...]
    stacks: tuple[tuple[int, int, int], ...]
    batch: int
    steps: int


def _sizes(module: torch.nn.Module) -> _Sizes:
    import torch

    features: list[int] = []
    symbols = 0
    states, stacks = [], []
    used = {2, 4}
    for child in module.modules():
        if isinstance(child, torch.nn.Embedding):
            symbols = symbols or child.num_embeddings
        for label in ("input_size", "in_features", "num_features", "in_channels"):
            size = getattr(child, label, None)
            if isinstance(size, int):
                features += [size]
        if isinstance(child, torch.nn.RNNCellBase):
            states.append((child.hidden_size, 2 if isinstance(child, torch.nn.LSTMCell) else 1))
        if isinstance(child, torch.nn.RNNBase):
            c = child.hidden_size if child.mode == "LSTM" else 0
            stacks.append((child.proj_size or child.hidden_size, c, child.num_layers * (1 + child.bidirectional)))
        used |= {size for size in vars(child).values() if isinstance(size, int)}
    free = [prime for prime in _PRIMES if prime not in used]
    return _Sizes(tuple(dict.fromkeys(features)), symbols, tuple(states), tuple(stacks), free[0], free[1])


def _floats(like: torch.nn.Module, *shape: int, seed: int = 0) -> torch.Tensor:
    import torch

    kinds = [parameter.dtype for parameter in like.parameters() if parameter.is_floating_point()]
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64).to(kinds[0] if kinds else torch.float64)


def _candidates(module: torch.nn.Module, sizes: _Sizes) -> Iterator[tuple[Any, ...]]:
    """Inputs that forward may take, the likeliest first."""
    if sizes.symbols:
        yield from _symbols(sizes, sizes.symbols)
    for states in _states(module, sizes):
        for features in sizes.features:
            yield (_floats(module, sizes.batch, features), *states)
    for features in sizes.features:
        yield (_floats(module, sizes.batch, sizes.steps, features),)
        yield (_floats(module, sizes.batch, features, sizes.steps),)
        yield (_floats(module, sizes.steps, features),)
    yield (_floats(module, sizes.batch, sizes.steps),)
    for features in sizes.features:
        yield from _symbols(sizes, features)  # a forward that makes a one-hot code
    yield from _stateful(module, sizes)


def _stateful(module: torch.nn.Module, sizes: _Sizes) -> Iterator[tuple[Any, ...]]:
    """A sequence and the states of the recurrent modules."""
    if not sizes.stacks:
        return
    sequences = [_floats(module, sizes.batch, sizes.steps, features) for features in sizes.features]
    sequences += [x for (x,) in _symbols(sizes, sizes.symbols)][:1] if sizes.symbols else []
    for x in sequences:
        for batch in (sizes.batch, sizes.steps):
            for states in _stack_states(module, sizes, (batch,)):
                yield (x, *states)
    for features in sizes.features:
        for states in _stack_states(module, sizes, ()):
            yield (_floats(module, sizes.steps, features), *states)


def _stack_states(module: torch.nn.Module, sizes: _Sizes, batch: tuple[int, ...]) -> list[tuple[Any, ...]]:
    """States of all recurrent modules, in the forms in which a forward takes them: flat, as pairs, all in one."""
    made: list[tuple[torch.Tensor, ...]] = []
    for h, c, count in sizes.stacks:
        shapes = [(count, *batch, size) for size in (h, c) if size]
        made.append(tuple(_floats(module, *shape, seed=1 + 2 * len(made) + k) for k, shape in enumerate(shapes)))
    flat = tuple(state for group in made for state in group)
    pairs = tuple(group if len(group) > 1 else group[0] for group in made)
    return [flat, pairs, (flat,), (pairs,)]


def _symbols(sizes: _Sizes, count: int) -> Iterator[tuple[Any, ...]]:
    """Symbols with and without a batch axis."""
    import torch

    whole = torch.arange(sizes.batch * sizes.steps).reshape(sizes.batch, sizes.steps) % count
    yield (whole,)
    yield (whole[0],)


def _states(module: torch.nn.Module, sizes: _Sizes) -> Iterator[tuple[Any, ...]]:
    """States of cells, flat and as pairs, zeros."""
    if not sizes.states:
        return
    made = [tuple(_floats(module, sizes.batch, size) * 0 for _ in range(count)) for size, count in sizes.states]
    flat = tuple(state for group in made for state in group)
    yield flat
    yield tuple(group if len(group) > 1 else group[0] for group in made)
    yield (flat,)


@contextmanager
def _quiet(kind: torch.dtype) -> Iterator[None]:
    """PyTorch without warnings and gradients; ``kind`` where a forward makes tensors without saying a type."""
    import torch

    before, disabled = torch.get_default_dtype(), logging.root.manager.disable
    torch.set_default_dtype(kind)
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.set_default_dtype(before)
        logging.disable(disabled)


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")


def _tuple(example: Any) -> tuple[Any, ...]:
    return tuple(example) if isinstance(example, (tuple, list)) else (example,)


def _cast(example: Any, kind: torch.dtype) -> Any:
    """The example in the type of the copy."""
    import torch

    if isinstance(example, (tuple, list)):
        return type(example)(_cast(entry, kind) for entry in example)
    if isinstance(example, torch.Tensor) and example.is_floating_point():
        return example.detach().cpu().to(kind)
    return example


def _example(module: torch.nn.Module, title: str) -> tuple[Any, ...]:
    """An input that the module's forward takes."""
    needed = [
        parameter.name
        for parameter in inspect.signature(module.forward).parameters.values()
        if parameter.default is parameter.empty and parameter.kind in (0, 1)
    ]
    reason = ""
    for candidate in _candidates(module, _sizes(module)):
        try:
            copy.deepcopy(module)(*candidate)  # a forward may leave something behind in its module
        except Exception as error:  # forward is the user's code and may raise anything
            reason = reason or _first_line(error)
            continue
        return candidate
    reason = reason or "it has no layer that says its input size"
    raise _UnusableError(
        f"{title}: no example input for forward({', '.join(needed)}) was found ({reason}); give one as example=, "
        f"or save the state dict and select the layers in it (--select)."
    )


def _packed(module: torch.nn.Module, example: tuple[Any, ...]) -> str:
    """The recurrent module that runs on packed sequences; empty if none does."""
    import torch

    found: list[str] = []

    def look(path: str) -> Any:
        def hook(_: Any, inputs: tuple[Any, ...]) -> None:
            if inputs and isinstance(inputs[0], torch.nn.utils.rnn.PackedSequence):
                found.append(path)

        return hook

    children = [(path, child) for path, child in module.named_modules() if isinstance(child, torch.nn.RNNBase)]
    hooks = [child.register_forward_pre_hook(look(path)) for path, child in children]
    try:
        module(*example)
    except Exception:  # forward is the user's code and may raise anything
        return ""
    finally:
        for handle in hooks:
            handle.remove()
    return found[0] if found else ""


def _export(module: torch.nn.Module, example: tuple[Any, ...], title: str) -> torch.export.ExportedProgram:
    import torch

    def auto(value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return type(value)(auto(entry) for entry in value)
        if not isinstance(value, torch.Tensor):
            return None
        axes = range(min(value.dim() - 1, 2) or value.dim())
        return {axis: torch.export.Dim.AUTO for axis in axes if value.shape[axis] > 1}

    reason = ""
    for shapes in (tuple(auto(value) for value in example), None):
        try:
            return torch.export.export(module, example, dynamic_shapes=shapes)
        except Exception as error:  # export raises what forward raises, and much of its own
            reason = _first_line(error)
    if packed := _packed(module, example):
        raise ModelError(f"{title}: '{packed}' {PACKED}")
    raise _UnusableError(
        f"{title}: torch.export cannot follow its forward ({reason}); give another example input as example=, "
        f"or save the state dict and select the layers in it (--select)."
    )


def _copy(module: torch.nn.Module, title: str, kind: torch.dtype) -> torch.nn.Module:
    """The module on the CPU in eval mode, with parameters of another type."""
    if any(tensor.is_meta for tensor in (*module.parameters(), *module.buffers())):
        raise ModelError(
            f"{title} has parameters without values (meta device); load the parameters before importing it."
        )
    try:
        twin = copy.deepcopy(module)
    except Exception as error:
        raise ModelError(
            f"{title} cannot be copied ({_first_line(error)}); give a module that copy.deepcopy copies."
        ) from error
    return twin.cpu().to(kind).eval()


def read_live(module: torch.nn.Module, example: Any = None) -> Chain:
    """The chain that a live module's forward computes.

    A cell (nn.LSTMCell, ...) whose state is an input and an output of forward gives a network in which each call
    is one step.  The result is compared with the module on random input, where all of it is the accelerator's.

    Args:
        module: Any module; it is copied, and neither changed nor put into another mode.
        example: The input of forward, or a tuple of its inputs; found from the module's layers if None.

    Raises:
        ModelError: if no example fits, torch.export cannot follow forward, or forward holds something that is not
            supported.
        ToolError: if PyTorch has no torch.export.
    """
    return follow_live(module, example).chain


@dataclass(frozen=True, eq=False)
class Live:
    """A live module and what was followed of it.

    Attributes:
        chain: What ``read_live`` gives.
        followed: How the axes of its input and output were understood.
        module: A copy of it, float64 wherever that runs.
        inputs: An input of forward.
    """

    chain: Chain
    followed: Followed
    module: torch.nn.Module
    inputs: tuple[Any, ...]


def follow_live(module: torch.nn.Module, example: Any = None) -> Live:
    """The chain of a live module with what it takes to run both; arguments and errors as ``read_live``."""
    import torch

    try:
        return _read(module, example, torch.float64)
    except _UnusableError:
        if any(tensor.dtype == torch.float64 for tensor in (*module.parameters(), *module.buffers())):
            raise
        first = sys.exc_info()[1]
    try:
        return _read(module, example, torch.float32)  # a forward that says float32 itself; parameters stay exact
    except _UnusableError:
        raise ModelError(str(first)) from first


def _read(module: torch.nn.Module, example: Any, kind: torch.dtype) -> Live:
    """The chain and all that goes with it, of a copy with parameters of one type."""
    label = type(module).__name__
    title = f"Module {label}"
    twin = _copy(module, title, kind)
    with _quiet(kind):
        inputs: Sequence[Any] = _example(twin, title) if example is None else _cast(_tuple(example), kind)
        original = copy.deepcopy(twin)
        own = replace_own(twin)
        program = to_program(_export(twin, tuple(inputs), title), title)
        tracer = Tracer(title, label.lower(), f"torch.nn.Module {label}", "module")
        chain, follower = follow(program, tracer, own)
        confirm(chain, follower, original, tuple(inputs), 1e-9 if kind.itemsize == 8 else 1e-4)
    return Live(chain, follower, original, tuple(inputs))
