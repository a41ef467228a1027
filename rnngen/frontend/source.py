"""From MODEL, as a user gives it, to its tensors."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from rnngen.errors import ModelError
from rnngen.frontend.safetensors_file import read_safetensors
from rnngen.frontend.tensors import Checkpoint
from rnngen.frontend.torch_model import is_module, read_module, read_state_dict

if TYPE_CHECKING:
    import torch

READERS: dict[str, Callable[[Path], Checkpoint]] = {
    ".safetensors": read_safetensors,
    ".pt": read_state_dict,
    ".pth": read_state_dict,
}
"""Reader of each file extension."""


def read_file(path: Path) -> Checkpoint:
    """The tensors of a model file; the extension decides how it is read.

    Raises:
        ModelError: if the file is missing, not a file, of another extension, or not readable.
        ToolError: if reading it needs PyTorch and that is not installed.
    """
    if not os.path.exists(path):  # false also for names the system refuses
        raise ModelError(f"Model file '{path}' does not exist; check the path.")
    if not os.path.isfile(path):
        raise ModelError(f"Model '{path}' must be a file, not a folder or device; give the file inside it.")
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise ModelError(
            f"Model file '{path.name}' must end in one of {', '.join(READERS)}, not '{path.suffix}'; "
            f"save the parameters with safetensors or with torch.save(model.state_dict(), path)."
        )
    return reader(path)


def read_model(model: str | os.PathLike[str] | torch.nn.Module) -> Checkpoint:
    """The tensors of a model file or of a live module.

    Raises:
        ModelError, ToolError: as ``read_file``; ModelError also if the model is of another type.
    """
    if isinstance(model, (str, os.PathLike)):
        return read_file(Path(model))
    if is_module(model):
        return read_module(model)
    raise ModelError(f"Model must be a file path or a torch.nn.Module, not a {type(model).__name__}.")
