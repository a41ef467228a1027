"""From MODEL, as a user gives it, to its tensors or to its chain."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from rnngen.errors import ModelError
from rnngen.frontend.chain import Chain
from rnngen.frontend.options import ImportOptions
from rnngen.frontend.safetensors_file import read_safetensors
from rnngen.frontend.tensors import Checkpoint
from rnngen.frontend.torch_model import is_module, is_recurrent, read_module, read_state_dict

if TYPE_CHECKING:
    import torch

Model: TypeAlias = "str | os.PathLike[str] | torch.nn.Module"
"""What can be imported: a file, or a live module."""

TENSORS: dict[str, Callable[[Path], Checkpoint]] = {
    ".safetensors": read_safetensors,
    ".pt": read_state_dict,
    ".pth": read_state_dict,
}
"""Reader of each extension that means parameters without a forward."""


@dataclass(frozen=True)
class Graph:
    """A format that says itself what follows what.

    Attributes:
        title: How messages call such a file.
        allowed: The import options that it takes.
        read: Gives the chain of a file.
    """

    title: str
    allowed: tuple[str, ...]
    read: Callable[[Path, ImportOptions], Chain]


def _read_pt2(path: Path, _: ImportOptions) -> Chain:
    from rnngen.frontend.exported import read_pt2

    return read_pt2(path)


def _read_onnx(path: Path, options: ImportOptions) -> Chain:
    from rnngen.frontend.onnx_model import read_onnx

    return read_onnx(path, select=options.select)


def _read_keras(path: Path, _: ImportOptions) -> Chain:
    from rnngen.frontend.keras_model import read_keras

    return read_keras(path)


def _read_npz(path: Path, options: ImportOptions) -> Chain:
    from rnngen.frontend.npz_model import read_npz

    return read_npz(path, mapping=options.mapping)


GRAPHS: dict[str, Graph] = {
    ".pt2": Graph("an exported program (.pt2)", (), _read_pt2),
    ".onnx": Graph("an ONNX file", ("select",), _read_onnx),
    ".keras": Graph("a Keras file", (), _read_keras),
    ".npz": Graph("an .npz file with its mapping", ("mapping",), _read_npz),
}
"""Each extension that means a whole model."""

_PARAMETER_OPTIONS = ("select", "embedding", "head", "output", "nonlinearity")


def _check_file(path: Path) -> str:
    """The extension of a model file that is there and of a known kind."""
    if not os.path.exists(path):  # false also for names the system refuses
        raise ModelError(f"Model file '{path}' does not exist; check the path.")
    if not os.path.isfile(path):
        raise ModelError(f"Model '{path}' must be a file, not a folder or device; give the file inside it.")
    suffix = path.suffix.lower()
    if suffix not in TENSORS and suffix not in GRAPHS:
        raise ModelError(
            f"Model file '{path.name}' must end in one of {', '.join((*TENSORS, *GRAPHS))}, not '{path.suffix}'; "
            f"save the parameters with safetensors or with torch.save(model.state_dict(), path)."
        )
    return suffix


@dataclass(frozen=True)
class Source:
    """A model that can be read.

    Attributes:
        stem: What the name of the network is made from.
        name: File name or class, for the report.
        kind: As ``Chain.kind`` and ``Checkpoint.kind``.
        checkpoint: Its parameters by name; None for a file that says itself what follows what.
        chain: Reads what it says itself; None where the user's choices decide.
    """

    stem: str
    name: str
    kind: str
    checkpoint: Checkpoint | None
    chain: Callable[[], Chain] | None


def _file_source(path: Path, options: ImportOptions) -> Source:
    suffix = _check_file(path)
    if suffix in TENSORS:
        options.allow_only(_PARAMETER_OPTIONS, "a state dict")
        checkpoint = TENSORS[suffix](path)
        return Source(checkpoint.stem, checkpoint.source, checkpoint.kind, checkpoint, None)
    graph = GRAPHS[suffix]
    options.allow_only(graph.allowed, graph.title)
    return Source(path.stem, path.name, suffix[1:], None, lambda: graph.read(path, options))


def _quantised_source(module: torch.nn.Module, options: ImportOptions, example: Any) -> Source | None:
    """A QuantLSTM or QuantRNN of brevitas, the module itself or the selected part of it; None if it is none."""
    from rnngen.frontend import brevitas_model

    name, chosen = options.select or "", module
    inside = brevitas_model.brevitas_parts(module)
    if name in inside:
        chosen = module.get_submodule(name)
    elif not brevitas_model.is_brevitas(module):
        if inside and options.select is None:
            raise ModelError(
                f"Module {type(module).__name__} holds {', '.join(inside)} of brevitas, whose forward is not followed "
                f"inside another one; choose one by its name (--select)."
            )
        return None
    options.allow_only(("select",) if chosen is not module else (), "a module of brevitas")
    if example is not None:
        raise ModelError("An example input is not for a module of brevitas, whose layers say all; leave it out.")
    label = type(chosen).__name__
    stem = name.rpartition(".")[2] or label.lower()

    def read() -> Chain:
        return brevitas_model.read_brevitas(chosen, name).chain

    return Source(stem, f"brevitas.nn.{label}", "module", None, read)


def _module_source(module: torch.nn.Module, options: ImportOptions, example: Any) -> Source:
    quantised = _quantised_source(module, options, example)
    if quantised is not None:
        return quantised
    checkpoint = read_module(module)
    source = Source(checkpoint.stem, checkpoint.source, checkpoint.kind, checkpoint, None)
    if options.select is not None or is_recurrent(module):
        options.allow_only(_PARAMETER_OPTIONS, "a live module")
        if example is not None:
            raise ModelError(
                "An example input is for a live module whose forward is followed, not for a selected layer of it; "
                "leave it out."
            )
        return source
    options.allow_only((), "the forward of a live module")

    def read() -> Chain:
        from rnngen.frontend.exported import read_live

        return read_live(module, example)

    return Source(source.stem, source.name, source.kind, checkpoint, read)


def _released(module: torch.nn.Module) -> torch.nn.Module:
    """The module itself, or where masks are held (``rnngen.nn``) a copy with plain weights."""
    from rnngen import nn

    return nn.released_copy(module) if nn.masks_of(module) else module


def open_model(model: Model, options: ImportOptions, example: Any = None) -> Source:
    """A model file or a live module, made ready to read.

    Raises:
        ModelError: if the file is missing, not a file, of another extension or not readable, if the model is of
            another type, or if an option or the example is given that is not for such a model.
        ToolError: if reading it needs a package that is not installed.
    """
    if isinstance(model, (str, os.PathLike)):
        if example is not None:
            raise ModelError("An example input is for live modules; a file needs none, so leave it out.")
        return _file_source(Path(model), options)
    if is_module(model):
        return _module_source(_released(model), options, example)
    raise ModelError(f"Model must be a file path or a torch.nn.Module, not a {type(model).__name__}.")
