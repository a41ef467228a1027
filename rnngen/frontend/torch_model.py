"""Reading PyTorch state dicts and live modules; the only importer of PyTorch here, and only when asked to."""

from __future__ import annotations

import pickle
import re
import struct
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnngen.errors import ModelError, ToolError
from rnngen.frontend.own_modules import KINDS
from rnngen.frontend.tensors import Checkpoint, Declared, Tensor
from rnngen.ir.network import FloatArray

if TYPE_CHECKING:
    import torch

# What torch.load(weights_only=True) was seen to raise on damaged files (tests/frontend/test_torch_files.py).
_DAMAGE = (
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    AssertionError,
    ArithmeticError,
    MemoryError,
    struct.error,
    pickle.UnpicklingError,
)

_CLASSES = {
    "LSTM": "lstm",
    "LSTMCell": "lstm",
    "GRU": "gru",
    "GRUCell": "gru",
    "RNN": "rnn",
    "RNNCell": "rnn",
    "Linear": "linear",
    "Embedding": "embedding",
    "BatchNorm1d": "batchnorm",
}
"""Kind of each class of torch.nn whose meaning the parameter shapes alone do not prove."""


def is_module(model: object) -> bool:
    """Whether the model is a torch.nn.Module; false without importing PyTorch if nobody has."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def is_recurrent(module: torch.nn.Module) -> bool:
    """Whether the module itself is a recurrent layer or cell of torch.nn or rnngen.nn, and computes nothing else."""
    declared = _declare(module)
    return declared.kind in ("lstm", "gru", "rnn", *KINDS) and not declared.odd


def _dtype(tensor: torch.Tensor) -> str:
    name = str(tensor.dtype).removeprefix("torch.")
    layout = str(tensor.layout).removeprefix("torch.")
    if tensor.is_meta:
        return f"{name} without values (meta device)"
    return name if layout == "strided" else f"{name} in the layout {layout}"


def _tensor(name: str, tensor: torch.Tensor) -> Tensor:
    def convert() -> FloatArray:
        return np.array(tensor.detach().cpu().double().numpy(), dtype=np.float64)  # a copy: training may go on

    return Tensor(name, tuple(tensor.shape), _dtype(tensor), convert)


def _odd(module: torch.nn.Module, base: type) -> str:
    """How a module computes otherwise than its base class; empty if it does not."""
    if type(module).forward is not getattr(base, "forward", None):
        return f"is a subclass ({type(module).__name__}) with a forward of its own"
    if module._forward_hooks or module._forward_pre_hooks:
        return "has a forward hook"
    if getattr(module, "max_norm", None) is not None:
        return f"has max_norm={module.max_norm}"
    return ""


def _declare(module: torch.nn.Module) -> Declared:
    """What a module tells; a subclass is of its base's kind."""
    import torch

    from rnngen import nn

    if type(module).__module__.startswith("torch.ao.nn.quantized."):
        return Declared("quantised")
    known: dict[type, str] = {getattr(torch.nn, name): kind for name, kind in _CLASSES.items()}
    known |= {nn.FactorisedLSTM: "factorised", nn.GroupedLSTM: "grouped"}
    base = next((base for base in type(module).__mro__ if base in known), None)
    if base is None:
        return Declared("other")
    kind = known[base]
    return Declared(
        kind,
        nonlinearity=str(getattr(module, "nonlinearity", "")) if kind == "rnn" else "",
        eps=float(getattr(module, "eps", 0.0)) if kind == "batchnorm" else None,
        dropout=float(getattr(module, "dropout", 0.0)),
        odd=_odd(module, base),
    )


def read_module(module: torch.nn.Module) -> Checkpoint:
    """All tensors of a live module, and what each of its submodules tells."""
    declared = {prefix: _declare(submodule) for prefix, submodule in module.named_modules()}
    label = type(module).__name__
    state = {name: _tensor(name, value) for name, value in module.state_dict().items() if hasattr(value, "dtype")}
    return Checkpoint(f"Module {label}", label.lower(), f"torch.nn.Module {label}", "module", state, declared)


def _refused(title: str, error: Exception) -> ModelError:
    """The sentence for a file that ``torch.load(weights_only=True)`` refuses."""
    text = str(error)
    pickled = re.search(r"Unsupported (?:global: GLOBAL|class) (\S+)", text)
    if pickled and pickled[1] == "torch.ScriptObject":
        return ModelError(
            f"{title} holds packed parameters of a quantised model; rnngen quantises the network itself, "
            f"so save the state dict of the model before quantisation."
        )
    if pickled:
        return ModelError(
            f"{title} holds pickled Python objects ({pickled[1]}), which are never loaded because they can run "
            f"code; save the parameters instead: torch.save(model.state_dict(), path)."
        )
    if "TorchScript" in text:
        return ModelError(
            f"{title} is a TorchScript archive, not a state dict; save the parameters instead: "
            f"torch.save(torch.jit.load(path).state_dict(), new_path)."
        )
    reason = re.search(r"PytorchStreamReader failed [^.]*|Unsupported operand \d+", text)
    return ModelError(
        f"{title} is not a valid PyTorch file ({reason[0] if reason else type(error).__name__}); "
        f"copy it again or save it again with torch.save(model.state_dict(), path)."
    )


def _check_state_dict(title: str, state: object) -> Mapping[str, torch.Tensor]:
    import torch

    if not isinstance(state, Mapping):
        raise ModelError(
            f"{title} holds a {type(state).__name__}, not a dict of tensors; "
            f"save the parameters instead: torch.save(model.state_dict(), path)."
        )
    for key, value in state.items():
        if isinstance(key, str) and key.rpartition(".")[2] == "_extra_state":
            continue
        if not isinstance(key, str) or not isinstance(value, torch.Tensor):
            raise ModelError(
                f"{title} must be a dict of tensors by name, but its entry {key!r} is a {type(value).__name__}; "
                f"save the state dict alone: torch.save(model.state_dict(), path)."
            )
    return {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}


def read_state_dict(path: Path) -> Checkpoint:
    """All tensors of a file written by ``torch.save(model.state_dict(), path)``.

    Raises:
        ModelError: if the file cannot be read, is corrupt, or holds anything but a dict of tensors.
        ToolError: if PyTorch is not installed.
    """
    try:
        import torch
    except ImportError as error:
        raise ToolError(
            f"Reading '{path.name}' needs PyTorch, which is not installed; "
            f"run 'python -m pip install torch', or save the model as .safetensors."
        ) from error
    title = f"Model '{path.name}'"
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            state = torch.load(stream, map_location="cpu", weights_only=True)
    except OSError as error:
        raise ModelError(
            f"{title} cannot be read ({error.strerror or error}); check the file and its permissions."
        ) from error
    except _DAMAGE as error:
        raise _refused(title, error) from error
    tensors = {name: _tensor(name, value) for name, value in _check_state_dict(title, state).items()}
    return Checkpoint(title, path.stem, path.name, "torch", tensors)
